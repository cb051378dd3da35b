//! Pairing: how a patient takes over the record a hospital keeps, on the patient's side; and the messages of both.
//! Called by `patient`; the hospital's side is `invite`.

mod messages;

use crate::error::NodeError;
use crate::grants::scope_lines;
use crate::meeting::guest::visits;
use crate::meeting::visit::{Visit, Visitor, Words};
use crate::meeting::{StateAnswer, commit_of};
use crate::node::Node;
pub(crate) use messages::{Confirm, Hello, HelloAnswer, transcript};
use record::RecordId;
use record::body::claim::{accept, decode_grants, encode_grants};
use record::body::grant::Grant;
use record::id::{base32, unbase32};
use serde::{Deserialize, Serialize};
use store::db::Reader;
use store::tasks::StoredTask;

/// One grant that continues, in words.
#[derive(Clone, Debug)]
pub struct GrantLine {
    /// Its holder.
    pub name: String,
    /// SMART scopes.
    pub scope: String,
    /// Names of the classes it reaches.
    pub classes: Vec<String>,
    /// Purpose of use.
    pub purpose: String,
    /// What may be done, in words.
    pub words: String,
}

/// Where a pairing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingState {
    /// The hospital is being reached.
    Connecting,
    /// Both sides show digits.
    Digits,
    /// Confirmed here.
    WaitingForHospital,
    /// The record is the patient's.
    Done,
    /// It ended; the message says why.
    Ended,
}

/// A pairing as a patient sees it.
#[derive(Clone, Debug)]
pub struct PairingView {
    /// Its name.
    pub id: String,
    /// Where it stands.
    pub state: PairingState,
    /// What the hospital calls itself.
    pub hospital: String,
    /// The patient's name as the hospital has it.
    pub patient_name: String,
    /// Six digits, once there are.
    pub digits: String,
    /// What continues; each can be unticked.
    pub grants: Vec<GrantLine>,
    /// In words.
    pub message: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
}

/// What a pairing keeps besides what every code that was taken does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Pairing {
    hospital: String,
    patient_name: String,
    record: String,
    grants: String,
}

const DAMAGED: NodeError = Visit::<Pairing>::DAMAGED;

impl Visitor for Pairing {
    const WORDS: Words = Words {
        kind: "pairing",
        scheme: "chartwell-invite",
        it: "the pairing",
        this: "this pairing",
        them: "the hospital",
        compared: "sees",
        again: "ask for a new invite",
        topic: "pair",
        purpose: "",
        damaged: "a pairing that does not read back",
    };

    type Nothing = Confirm;

    async fn meet(node: Node, mut visit: Visit<Self>) -> Result<(), NodeError> {
        let mine = node.identity().card().encode();
        let hello = Hello { card: base32(&mine), commit: commit_of(&visit.guest.nonce) };
        let (_, reply) = node.ask_host(&visit, "hello", &hello).await?;
        let hello: HelloAnswer = visit.opened("hello answer", &reply)?;
        let record = hello.record.parse::<RecordId>().or(Err(DAMAGED))?;
        let HelloAnswer { name: hospital, patient_name, grants, .. } = hello;
        visit.own = Self { hospital, patient_name, record: hello.record, grants };
        let nonce = node.reveal_to(&visit, &hello.commit).await?;
        let theirs = unbase32(&hello.card).ok_or(DAMAGED)?;
        let transcript = transcript(&theirs, &mine, &nonce, &visit.guest.nonce, &record);
        node.show_digits(&mut visit, &transcript).await?;
        if let Some(net) = node.net.get() {
            net.keep(visit.guest.addresses);
        }
        Ok(())
    }

    async fn check(node: Node, mut visit: Visit<Self>) -> Result<bool, NodeError> {
        if node.is_mine(&visit.own.record).await? {
            node.finish_visit(&mut visit, "the record is yours").await?;
            return Ok(true);
        }
        if node.is_silent(&mut visit).await? {
            return Ok(true);
        }
        let (_, reply) = node.ask_host(&visit, "state", &Confirm::default()).await?;
        node.has_ended(&mut visit, &reply).await
    }
}

impl Node {
    /// Takes an invite's code and begins to pair; returns the pairing's name at once.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a text that is no invite.
    pub async fn accept_invite(&self, code: &str) -> Result<String, NodeError> {
        self.take_code::<Pairing>(code).await
    }

    /// Goes on with pairings after a start.
    pub(crate) async fn resume_pairings(&self) -> Result<(), NodeError> {
        self.resume_visits::<Pairing>().await.map(drop)
    }

    /// Whether the hospital says that it is over; then it is here too, and what was confirmed is taken back.
    async fn has_ended(&self, visit: &mut Visit<Pairing>, reply: &[u8]) -> Result<bool, NodeError> {
        let answer: StateAnswer = serde_json::from_slice(reply).or(Err(DAMAGED))?;
        if answer.state == "ended" {
            visit.guest.confirmed = false;
            self.end_visit(visit, &answer.message).await?;
        }
        Ok(answer.state == "ended")
    }

    async fn is_mine(&self, record: &str) -> Result<bool, NodeError> {
        let Ok(record) = record.parse::<RecordId>() else { return Ok(false) };
        let context = self.context(&mut Reader::from(&self.store), &record).await?;
        // Handed to this device: in a record that was handed to another, that one may have let it in.
        let me = self.identity().id();
        Ok(context.is_some_and(|context| {
            let is_first = context.state.authority().is_some_and(|card| card.id() == me);
            context.state.claim().is_some() && is_first && context.speaks(&me)
        }))
    }

    /// Every pairing, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn pairings(&self) -> Result<Vec<PairingView>, NodeError> {
        Ok(visits(&mut Reader::from(&self.store)).await?.into_iter().map(view).collect())
    }

    /// One pairing.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn pairing(&self, id: &str) -> Result<Option<PairingView>, NodeError> {
        Ok(self.load_visit(id).await?.map(view))
    }

    /// The patient says that the hospital shows the same digits, and which grants continue.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a pairing that is not that far, [`NodeError::Unreachable`].
    pub async fn confirm_pairing(&self, id: &str, keep: &[bool]) -> Result<(), NodeError> {
        let mut visit = self.visit_to_confirm::<Pairing>(id).await?;
        let record = visit.own.record.parse::<RecordId>().or(Err(DAMAGED))?;
        let grants = grants_of(&visit.own).into_iter().zip(keep.iter().chain(std::iter::repeat(&false)));
        let grants = grants.filter(|(_, keep)| **keep).map(|(grant, _)| grant).collect::<Vec<_>>();
        let acceptance = accept(self.identity(), &record, &visit.transcript()?, &grants);
        let confirm = Confirm { acceptance: base32(&acceptance), grants: base32(&encode_grants(&grants)) };
        // Before the answer, which may be lost on the way.
        visit.guest.confirmed = true;
        self.put_visit(&visit, "digits").await?;
        let (_, reply) = self.ask_host(&visit, "confirm", &confirm).await?;
        if self.has_ended(&mut visit, &reply).await? {
            return Err(NodeError::Unprocessable(visit.guest.message));
        }
        self.wait_for_host(&mut visit, "waiting for the hospital to confirm").await
    }

    /// The patient stops a pairing; the hospital is told if it can be reached.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn abort_pairing(&self, id: &str) -> Result<(), NodeError> {
        self.stop_visit::<Pairing>(id).await
    }
}

/// Whether a pairing is for this record, and goes on or is done. One that the patient confirmed and that ended in silence is
/// too: the hospital may have handed the record over while this node was away.
pub(crate) fn names(task: &StoredTask, record: &str) -> bool {
    let visit = Visit::<Pairing>::read(task);
    visit.is_some_and(|visit| visit.own.record == record && (visit.status() != "ended" || visit.guest.confirmed))
}

fn grants_of(pairing: &Pairing) -> Vec<Grant> {
    unbase32(&pairing.grants).and_then(|bytes| decode_grants(&bytes).ok()).unwrap_or_default()
}

fn view(visit: Visit<Pairing>) -> PairingView {
    let grants = grants_of(&visit.own).into_iter().map(|grant| GrantLine {
        words: scope_lines(&grant.scope).iter().map(|line| line.words.clone()).collect::<Vec<_>>().join("; "),
        name: grant.name,
        scope: grant.scope,
        classes: grant.classes.iter().map(|class| class.name().to_owned()).collect(),
        purpose: grant.purpose,
    });
    let state = match visit.status() {
        "connecting" => PairingState::Connecting,
        "digits" => PairingState::Digits,
        "waiting" => PairingState::WaitingForHospital,
        "done" => PairingState::Done,
        _ => PairingState::Ended,
    };
    PairingView {
        id: visit.id,
        state,
        grants: grants.collect(),
        hospital: visit.own.hospital,
        patient_name: visit.own.patient_name,
        digits: visit.guest.digits,
        message: visit.guest.message,
        started_ms: visit.guest.made_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pairing_of_an_earlier_build_reads_back() {
        let text = r#"{"secret":"","addresses":["/a"],"task":"t","nonce":"n","made_ms":1790000000000,"expires_ms":2,
            "hospital":"H","patient_name":"P","record":"r","grants":"","transcript":"t","digits":"042917","message":"m"}"#;
        let task = crate::invite::new_task("id".to_owned(), "pairing", "ended", &()).unwrap();
        let task = StoredTask { body: text.to_owned(), ..task };
        let seen = view(Visit::read(&task).unwrap());
        assert_eq!((seen.state, seen.hospital.as_str(), seen.digits.as_str()), (PairingState::Ended, "H", "042917"));
        assert!(!names(&task, "r"), "it ended, and was not confirmed");
        let confirmed = StoredTask { body: text.replace("{", "{\"confirmed\":true,"), ..task };
        assert!(names(&confirmed, "r") && !names(&confirmed, "s"));
    }
}
