//! Witnesses: whom a patient chose to open the record for others in an emergency (DESIGN 2.8). A witness holds a grant for
//! emergencies that may be passed on. Who has no key asks it, with a reason; it writes the grant it passes on into the record, with
//! the keys, and nothing leaves it before that is durable: so no glass is broken unseen. Called by `sync` for what is asked of a
//! gateway; the asker's side is `requests`.

use crate::access::Event;
use crate::author::current_key;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use fhir::ResourceType;
use record::body::Body;
use record::body::grant::{Grant, Grants};
use record::body::request::Asked;
use record::draft::DraftFrame;
use record::keys::Level;
use record::scope::Scopes;
use record::state::Given;
use record::{Authority, Class, IdentityId, Kind, RecordId, State};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::db::Reader;

/// How long what a witness passes on opens the record: an emergency and the day after it, then the patient can be asked.
const OPEN_MS_MAX: u64 = 24 * 3600 * 1000;
/// Times a witness opens records for one asker within an hour: an emergency department on its worst day.
const OPENED_MAX: u32 = 32;
/// Times one record is opened within an hour, for whomever: identities are free, records are not.
const OPENED_OF_RECORD_MAX: u32 = 8;
/// Times a witness opens records in all within an hour: what a region's emergencies come to, and no harvest.
const OPENED_IN_ALL_MAX: u32 = 256;
const HOUR_MS: u64 = 3600 * 1000;

/// How often records were opened within this hour. At most as many of each are remembered as are opened in all.
#[derive(Default)]
pub(crate) struct Opened(Mutex<Hour>);

#[derive(Default)]
struct Hour {
    hour: u64,
    in_all: u32,
    askers: HashMap<IdentityId, u32>,
    records: HashMap<RecordId, u32>,
}

impl Opened {
    /// Counts one; `false` where it is one too many.
    fn count(&self, who: IdentityId, record: RecordId, now_ms: u64) -> bool {
        let hour = now_ms / HOUR_MS;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.hour != hour {
            *known = Hour { hour, ..Hour::default() };
        }
        let of = known.askers.get(&who).copied().unwrap_or_default();
        let of_record = known.records.get(&record).copied().unwrap_or_default();
        if known.in_all >= OPENED_IN_ALL_MAX || of >= OPENED_MAX || of_record >= OPENED_OF_RECORD_MAX {
            return false;
        }
        known.in_all += 1;
        known.askers.insert(who, of + 1);
        known.records.insert(record, of_record + 1);
        true
    }
}

impl Node {
    /// Opens a record for an asker, as its witness.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`], in words for the asker.
    pub(crate) async fn witness(&self, from: IdentityId, record: RecordId, asked: Asked) -> Result<(), NodeError> {
        let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
        if !crate::purpose::is_emergency(&asked.purpose) {
            return refuse("a hospital answers here; it opens a record for others in an emergency alone");
        }
        if asked.reason.trim().is_empty() {
            return refuse("an emergency needs its reason: the patient is told it");
        }
        // Who asks for nothing that could be opened is counted nowhere and waits for no transaction.
        if !self.could_witness(&record).await? {
            return refuse(NO_WITNESS);
        }
        if !self.opened.count(from, record, crate::clock::now_ms()) {
            return refuse("too many records were opened within the hour, for this asker, of this record or in all");
        }
        let event = asked.clone();
        let patient = self
            .commit(move |batch| {
                let asked = asked.clone();
                Box::pin(async move { batch.witness(&record, asked).await })
            })
            .await?;
        tracing::warn!(%record, asker = %from, "a record was opened for an emergency, as its witness");
        let caller = Caller {
            who: event.name,
            client: "witness".to_owned(),
            purpose: event.purpose,
            reason: event.reason.chars().take(200).collect(),
            ..Caller::nobody()
        };
        self.audit(Event {
            caller: Some(&caller),
            interaction: "operation",
            kind: ResourceType::parse("Patient"),
            id: &patient,
            query: "",
            status: 200,
            request: &event.request,
            patient: &patient,
            read: &[],
        })
        .await;
        Ok(())
    }
}

impl Node {
    /// Whether there is anything of a record to be passed on.
    async fn could_witness(&self, record: &RecordId) -> Result<bool, NodeError> {
        let context = self.context(&mut Reader::from(&self.store), record).await?;
        let (me, now) = (self.identity().id(), crate::clock::now_ms());
        Ok(context.is_some_and(|context| context.state.live_grants(&me, now).any(passes_on)))
    }
}

/// One answer for a record that is not here and for one of which nothing may be passed on.
const NO_WITNESS: &str = "this hospital is no witness of the record";

/// What a witness may pass on: open now, for emergencies, with leave to pass it on.
fn passes_on(given: &Given) -> bool {
    given.grant.delegate && crate::purpose::is_emergency(&given.grant.purpose)
}

impl Batch {
    /// Passes on as much of one's own grant as was asked for; returns the local Patient, empty for none.
    async fn witness(&mut self, record: &RecordId, asked: Asked) -> Result<String, NodeError> {
        let refuse = |text: &str| NodeError::Unprocessable(text.to_owned());
        let (me, now) = (self.node.identity.id(), crate::clock::now_ms());
        let nothing = || refuse(NO_WITNESS);
        let context = self.context(record).await?.ok_or_else(nothing)?;
        let local = context.local.clone().unwrap_or_default();
        let (asker, request) = (asked.from.id(), asked.request.clone());
        let answered = |given: &Given| given.holder == asker && given.grant.request == request;
        if context.state.grants().any(answered) {
            return Ok(local);
        }
        let own = context.state.live_grants(&me, now).filter(|given| passes_on(given)).cloned().collect::<Vec<_>>();
        let wanted = Scopes::parse(&asked.scope);
        // Those that took its place beside each other permit what all of them do (rule 6.11).
        let within = |given: &&Given| {
            let one = |given: &Given| passes_on(given) && wanted.within(&given.scopes);
            wanted.other.is_empty() && !wanted.known.is_empty() && one(given) && context.state.beside(given).all(one)
        };
        let Some(own) = own.iter().find(within).or(own.first()) else { return Err(nothing()) };
        if !within(&own) {
            let text = format!("the witness may open no more than {}", own.grant.scope);
            return Err(NodeError::Unprocessable(text));
        }
        let (_, own_end) = context.state.period(own);
        let ends = [own_end, asked.end_ms, now + OPEN_MS_MAX].into_iter().filter(|end| *end != 0);
        let grant = Grant {
            to: asked.from.clone(),
            name: asked.name,
            scope: wanted.to_string(),
            classes: classes(&context.state, own),
            purpose: own.grant.purpose.clone(),
            start_ms: own.grant.start_ms,
            end_ms: ends.min().unwrap_or_default(),
            delegate: false,
            shared: false,
            replaces: Vec::new(),
            bound: Some((asked.from.id(), asked.patient)),
            request: asked.request,
        };
        let (key_name, key) =
            current_key(&context, &Level::Control).ok_or(NodeError::Internal("a member without the control key"))?;
        let items = context.keys.items_for(&grant.reads());
        let to = grant.to.clone();
        let body = Body::Grant(Grants { grants: vec![grant] });
        let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }, DraftFrame::Wrap { to, items }];
        let authored = self.author(&context, Kind::Grant, Authority::Grant(own.id), frames).await?;
        let given = self.reload(record, authored.position).await?;
        if !given.state.grants().any(answered) {
            return Err(NodeError::Internal("what a witness passed on does not count"));
        }
        self.after_control(Some(&context), &given).await?;
        Ok(local)
    }
}

/// The classes that a grant and all beside it open.
fn classes(state: &State, given: &Given) -> Vec<Class> {
    let beside = state.beside(given).collect::<Vec<_>>();
    let all = |class: &Class| beside.iter().all(|other| other.grant.classes.contains(class));
    given.grant.classes.iter().copied().filter(all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_opened_so_often_an_hour() {
        let asker = |number: u32| IdentityId([number as u8; 32]);
        let record = |number: u32| RecordId([number as u8; 32]);
        let opened = Opened::default();
        assert!((0..OPENED_MAX).all(|number| opened.count(asker(1), record(number), 0)));
        assert!(!opened.count(asker(1), record(99), HOUR_MS - 1), "an asker has its share");
        assert!(opened.count(asker(2), record(99), 0) && opened.count(asker(1), record(99), HOUR_MS));
        let opened = Opened::default();
        assert!((0..OPENED_OF_RECORD_MAX).all(|number| opened.count(asker(number), record(1), 0)));
        assert!(!opened.count(asker(99), record(1), 0), "and a record, whoever asks");
        let opened = Opened::default();
        assert!((0..OPENED_IN_ALL_MAX).all(|number| opened.count(asker(number / 2), record(number / 4), 0)));
        assert!(!opened.count(asker(250), record(250), 0), "and all together");
    }
}
