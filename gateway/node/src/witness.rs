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
use record::{Authority, IdentityId, Kind, RecordId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long what a witness passes on opens the record: an emergency and the day after it, then the patient can be asked.
const OPEN_MS_MAX: u64 = 24 * 3600 * 1000;
/// Times a witness opens records for one asker within an hour: an emergency department on its worst day, and no harvest.
const OPENED_MAX: u32 = 32;
/// Askers remembered; beyond it those of past hours are forgotten.
const ASKERS_MAX: usize = 10_000;
const HOUR_MS: u64 = 3600 * 1000;

/// How often records were opened for whom, by hour.
#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<IdentityId, (u64, u32)>>);

impl Opened {
    /// Counts one; `false` where it is one too many.
    fn count(&self, who: IdentityId, now_ms: u64) -> bool {
        let hour = now_ms / HOUR_MS;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ASKERS_MAX {
            all.retain(|_, (of, _)| *of == hour);
        }
        let known = all.entry(who).or_insert((hour, 0));
        if known.0 != hour {
            *known = (hour, 0);
        }
        known.1 += 1;
        known.1 <= OPENED_MAX
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
        if !self.opened.count(from, crate::clock::now_ms()) {
            return refuse("too many records were opened for this asker within the hour");
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

/// What a witness may pass on: open now, for emergencies, with leave to pass it on.
fn passes_on(given: &Given) -> bool {
    given.grant.delegate && crate::purpose::is_emergency(&given.grant.purpose)
}

impl Batch {
    /// Passes on as much of one's own grant as was asked for; returns the local Patient, empty for none.
    async fn witness(&mut self, record: &RecordId, asked: Asked) -> Result<String, NodeError> {
        let refuse = |text: &str| NodeError::Unprocessable(text.to_owned());
        let (me, now) = (self.node.identity.id(), crate::clock::now_ms());
        // One answer for a record that is not here and for one that nothing was left for.
        let nothing = || refuse("this hospital is no witness of the record");
        let context = self.context(record).await?.ok_or_else(nothing)?;
        let local = context.local.clone().unwrap_or_default();
        let (asker, request) = (asked.from.id(), asked.request.clone());
        let answered = |given: &Given| given.holder == asker && given.grant.request == request;
        if context.state.grants().any(answered) {
            return Ok(local);
        }
        let own = context.state.live_grants(&me, now).filter(|given| passes_on(given)).cloned().collect::<Vec<_>>();
        let wanted = Scopes::parse(&asked.scope);
        let within =
            |given: &&Given| wanted.other.is_empty() && !wanted.known.is_empty() && wanted.within(&given.scopes);
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
            classes: own.grant.classes.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_has_so_many_an_hour() {
        let (opened, who) = (Opened::default(), IdentityId([1; 32]));
        assert!((0..OPENED_MAX).all(|_| opened.count(who, 0)));
        assert!(!opened.count(who, HOUR_MS - 1) && opened.count(IdentityId([2; 32]), 0));
        assert!(opened.count(who, HOUR_MS), "the next hour is another");
    }
}
