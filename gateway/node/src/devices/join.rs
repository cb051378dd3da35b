//! A further device, on its own side: a code is pasted, six digits are compared, and the records come by sync. The side that is
//! in is `offer`. Called by `patient`.

use super::SCHEME;
use super::messages::{Acceptance, Done, Hello, HelloAnswer, transcript};
use crate::error::NodeError;
use crate::meeting::guest::visits;
use crate::meeting::visit::{Guest, Visit, Visitor, Words};
use crate::meeting::{StateAnswer, commit_of};
use crate::node::Node;
use record::address::Address;
use record::id::base32;
use record::{Card, IdentityId, RecordId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use store::db::Reader;

/// Most places a new device is told to stay connected to; a patient's record has a dozen members.
pub(super) const PLACES_MAX: usize = 64;
/// Most records a new device is told of at once.
const RECORDS_MAX: usize = 256;

/// Where the joining of this device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinState {
    /// The other device is being reached.
    Connecting,
    /// Both sides show digits.
    Digits,
    /// Confirmed here.
    WaitingForOther,
    /// This device is in; the records come, or have come.
    Done,
    /// It came to nothing.
    Ended,
}

/// The joining of this device as the page shows it.
#[derive(Clone, Debug)]
pub struct JoinView {
    /// Its name.
    pub id: String,
    /// Where it stands.
    pub state: JoinState,
    /// What the other device calls itself.
    pub other: String,
    /// Six digits, once there are.
    pub digits: String,
    /// In words.
    pub message: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
}

/// What a joining keeps besides what every code that was taken does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Join {
    other: String,
    records: Vec<String>,
    /// Those of `records` whose devices are this patient's; an address without digits names none.
    #[serde(default)]
    ours: Vec<String>,
}

impl Visitor for Join {
    const WORDS: Words = Words {
        kind: "join",
        scheme: SCHEME,
        it: "the code",
        this: "this",
        them: "the other device",
        compared: "shows",
        again: "make a new code",
        topic: "device",
        purpose: "device ",
        damaged: "the joining of a device that does not read back",
    };

    type Nothing = Acceptance;

    async fn meet(node: Node, mut visit: Visit<Self>) -> Result<(), NodeError> {
        let mine = node.identity().card().encode();
        let commit = commit_of(&visit.guest.nonce);
        let hello = Hello { card: base32(&mine), name: node.name().to_owned(), commit };
        let (who, reply) = node.ask_host(&visit, "hello", &hello).await?;
        let (card, hello) = (node.card_of(&who).await?, visit.opened::<HelloAnswer>("hello answer", &reply)?);
        if hello.card != base32(&card.encode()) {
            let text = "somebody else answers for the other device; make a new code";
            return Err(NodeError::Unprocessable(text.to_owned()));
        }
        visit.own.other = hello.name.chars().filter(|c| !c.is_control()).take(super::NAME_BYTES_MAX).collect();
        let nonce = node.reveal_to(&visit, &hello.commit).await?;
        let transcript = transcript(&card.encode(), &mine, &nonce, &visit.guest.nonce);
        node.show_digits(&mut visit, &transcript).await
    }

    async fn check(node: Node, mut visit: Visit<Self>) -> Result<bool, NodeError> {
        if node.is_silent(&mut visit).await? {
            return Ok(true);
        }
        let (_, reply) = node.ask_host(&visit, "state", &Acceptance::default()).await?;
        node.take_answer(&mut visit, &reply).await
    }
}

impl Node {
    /// Takes another device's code and begins to join; or the address of a record that the patient's words let this device
    /// into. Returns the joining's name at once.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a text that is neither.
    pub async fn join_device(&self, code: &str) -> Result<String, NodeError> {
        match Address::parse(code) {
            Ok(address) => self.join_record(address).await,
            Err(_) => self.take_code::<Join>(code).await,
        }
    }

    /// A record whose root has let this device in: it is taken when it comes from those who hold it.
    async fn join_record(&self, address: Address) -> Result<String, NodeError> {
        if address.at.is_empty() {
            let text = "the address does not say where a holder of the record is reached (?at=)";
            return Err(NodeError::Unprocessable(text.to_owned()));
        }
        let words = "your words let this device in; the record comes from those who hold it";
        let guest = Guest::without_code(address.at.clone(), words);
        let visit = Visit::new(guest, Join { records: vec![address.record.to_string()], ..Join::default() });
        self.put_visit(&visit, "done").await?;
        if let Some(net) = self.net.get() {
            net.keep(address.at);
        }
        Ok(visit.id)
    }

    async fn card_of(&self, who: &IdentityId) -> Result<Card, NodeError> {
        let known = Reader::from(&self.store).identity(who).await?;
        known.and_then(|known| Card::decode(&known.card).ok()).ok_or(Visit::<Join>::DAMAGED)
    }

    /// Goes on with joinings after a start, and stays connected to where records come from.
    pub(crate) async fn resume_joins(&self) -> Result<(), NodeError> {
        for visit in self.resume_visits::<Join>().await? {
            if let Some(net) = self.net.get() {
                net.keep(visit.guest.addresses);
            }
        }
        Ok(())
    }

    /// Takes what the other device says; `true` where it is over.
    async fn take_answer(&self, visit: &mut Visit<Join>, reply: &[u8]) -> Result<bool, NodeError> {
        if let Ok(done) = serde_json::from_slice::<Done>(reply) {
            // Whoever made the code may say that all is done before anybody has compared digits here.
            if !visit.guest.confirmed {
                return Ok(false);
            }
            let records = done.records.into_iter().filter(|record| record.parse::<RecordId>().is_ok());
            visit.own.records = records.take(RECORDS_MAX).collect();
            let ours = done.ours.into_iter().filter(|record| visit.own.records.contains(record));
            visit.own.ours = ours.take(RECORDS_MAX).collect();
            let places = done.places.into_iter().filter(|place| place.len() <= 256).take(PLACES_MAX);
            visit.guest.addresses.extend(places);
            self.finish_visit(visit, "this device is in").await?;
            if let Some(net) = self.net.get() {
                net.keep(visit.guest.addresses.clone());
            }
            return Ok(true);
        }
        let answer: StateAnswer = serde_json::from_slice(reply).or(Err(Visit::<Join>::DAMAGED))?;
        if answer.state == "ended" {
            self.end_visit(visit, &answer.message).await?;
        }
        Ok(answer.state == "ended")
    }

    /// Every joining of this device, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn joins(&self) -> Result<Vec<JoinView>, NodeError> {
        Ok(visits(&mut Reader::from(&self.store)).await?.into_iter().map(view).collect())
    }

    /// One joining.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn join(&self, id: &str) -> Result<Option<JoinView>, NodeError> {
        Ok(self.load_visit(id).await?.map(view))
    }

    /// The patient says on the new device that the other one shows the same digits.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] where it is not that far or has ended, [`NodeError::Unreachable`].
    pub async fn confirm_join(&self, id: &str) -> Result<(), NodeError> {
        let mut visit = self.visit_to_confirm::<Join>(id).await?;
        let acceptance = Acceptance::by(self.identity(), &visit.transcript()?);
        // Before the answer, which may be lost on the way: the next look asks again.
        visit.guest.confirmed = true;
        self.put_visit(&visit, "digits").await?;
        let (_, reply) = self.ask_host(&visit, "confirm", &acceptance).await?;
        if !self.take_answer(&mut visit, &reply).await? {
            return self.wait_for_host(&mut visit, "waiting for the other device").await;
        }
        match self.join(id).await?.filter(|view| view.state == JoinState::Ended) {
            Some(ended) => Err(NodeError::Unprocessable(ended.message)),
            None => Ok(()),
        }
    }

    /// The patient stops it on the new device; the other one is told if it can be reached.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], [`NodeError::Unprocessable`] if it is over.
    pub async fn stop_join(&self, id: &str) -> Result<(), NodeError> {
        self.stop_visit::<Join>(id).await
    }
}

/// The records that joins by code named, once the digits were compared, as ones whose devices are this patient's.
pub(super) async fn joined(reader: &mut Reader<'_>) -> Result<HashSet<RecordId>, NodeError> {
    let visits = done(reader).await?.filter(|visit| visit.guest.confirmed);
    Ok(visits.flat_map(|visit| visit.own.ours).filter_map(|record| record.parse().ok()).collect())
}

/// Whether this device has joined for a record, by a code or by its address.
pub(crate) async fn join_names(reader: &mut Reader<'_>, record: &str) -> Result<bool, NodeError> {
    Ok(done(reader).await?.any(|visit| visit.own.records.iter().any(|named| named == record)))
}

async fn done(reader: &mut Reader<'_>) -> Result<impl Iterator<Item = Visit<Join>> + use<>, NodeError> {
    Ok(visits(reader).await?.into_iter().filter(|visit| visit.status() == "done"))
}

fn view(visit: Visit<Join>) -> JoinView {
    let state = match visit.status() {
        "connecting" => JoinState::Connecting,
        "digits" => JoinState::Digits,
        "waiting" => JoinState::WaitingForOther,
        "done" => JoinState::Done,
        _ => JoinState::Ended,
    };
    let (other, guest) = (visit.own.other, visit.guest);
    JoinView { id: visit.id, state, other, digits: guest.digits, message: guest.message, started_ms: guest.made_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds before this one kept the name of the offer under another word; what is done says for ever which records are ours.
    #[test]
    fn a_joining_of_an_earlier_build_reads_back() {
        let text = r#"{"secret":"","addresses":["/a"],"offer":"o","nonce":"n","made_ms":1790000000000,"expires_ms":2,
            "other":"phone","transcript":"t","digits":"042917","message":"this device is in","records":["r"],"ours":["r"],
            "confirmed":true}"#;
        let task = crate::invite::new_task("id".to_owned(), "join", "done", &()).unwrap();
        let visit = Visit::<Join>::read(&store::tasks::StoredTask { body: text.to_owned(), ..task }).unwrap();
        assert!(visit.guest.confirmed && visit.own.ours == ["r"] && visit.guest.addresses == ["/a"]);
        let view = view(visit);
        assert_eq!((view.state, view.started_ms, view.other.as_str()), (JoinState::Done, 1_790_000_000_000, "phone"));
    }
}
