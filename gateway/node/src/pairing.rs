//! Pairing: how a patient takes over the record a hospital keeps, on the patient's side; and the messages of both.
//! Called by `patient`; the hospital's side is `invite`.

mod messages;

use crate::batch::Batch;
use crate::error::NodeError;
use crate::grants::scope_lines;
use crate::invite::new_task;
use crate::meeting::{
    Ask, Reveal, RevealAnswer, SILENCE_MS_MAX, Sealed, StateAnswer, commit_of, digits, opened, read_code, seal, task_id,
};
use crate::node::Node;
pub(crate) use messages::{Confirm, Hello, HelloAnswer, transcript};
use record::RecordId;
use record::body::claim::{accept, decode_grants, encode_grants};
use record::body::grant::Grant;
use record::id::{base32, unbase32};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::db::Reader;
use store::tasks::StoredTask;

/// How long one question to the hospital may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How often the hospital is asked whether it has confirmed.
const POLL: Duration = Duration::from_secs(2);

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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct PairingBody {
    secret: String,
    addresses: Vec<String>,
    task: String,
    nonce: String,
    made_ms: u64,
    expires_ms: u64,
    hospital: String,
    patient_name: String,
    record: String,
    grants: String,
    transcript: String,
    digits: String,
    message: String,
    /// That the patient said here that the digits are the same, and nobody took it back.
    #[serde(default)]
    confirmed: bool,
}

impl Node {
    /// Takes an invite's code and begins to pair; returns the pairing's name at once.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a text that is no invite.
    pub async fn accept_invite(&self, code: &str) -> Result<String, NodeError> {
        let (secret, addresses) = read_code(code, "chartwell-invite")?;
        let (id, now) = (crate::clock::fresh_id(), crate::clock::now_ms());
        let body = PairingBody {
            secret: base32(&secret),
            addresses,
            task: task_id(&secret),
            nonce: base32(&crate::clock::random::<32>()),
            made_ms: now,
            expires_ms: now + SILENCE_MS_MAX,
            message: "connecting to the hospital".to_owned(),
            ..PairingBody::default()
        };
        self.put_pairing(&id, "connecting", &body).await?;
        let (node, pairing) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if let Err(error) = node.pair(&pairing, body.clone()).await {
                let body = PairingBody { message: error.to_string(), secret: String::new(), ..body };
                drop(node.put_pairing(&pairing, "ended", &body).await);
            }
        });
        Ok(id)
    }

    async fn put_pairing(&self, id: &str, status: &str, body: &PairingBody) -> Result<(), NodeError> {
        let task = new_task(id.to_owned(), "pairing", status, body)?;
        self.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_pairing(task).await })
        })
        .await
    }

    async fn ask_hospital(&self, body: &PairingBody, topic: &str, sealed: Sealed) -> Result<Vec<u8>, NodeError> {
        let net = self.net.get().ok_or(NodeError::Unreachable("this node is not connected".to_owned()))?;
        let ask = Ask { task: body.task.clone(), sealed: sealed.sealed };
        let ask = serde_json::to_vec(&ask).or(Err(NodeError::Internal("a question that is no JSON")))?;
        match net.ask(body.addresses.clone(), topic, ask, ANSWER_MAX).await {
            Ok((_, answer)) => Ok(answer),
            Err(net::AskError::Refused(why)) => Err(NodeError::Unprocessable(why)),
            Err(_) => Err(NodeError::Unreachable("the hospital cannot be reached now".to_owned())),
        }
    }

    async fn pair(&self, id: &str, mut body: PairingBody) -> Result<(), NodeError> {
        let secret: [u8; 32] = unbase32(&body.secret).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let mine = self.identity().card().encode();
        let hello = Hello { card: base32(&mine), commit: commit_of(&body.nonce) };
        let reply = self.ask_hospital(&body, "pair/hello", seal(&secret, "hello", &hello)).await?;
        let hello: HelloAnswer = opened(&secret, "hello answer", &reply)?;
        let record = hello.record.parse::<RecordId>().or(Err(DAMAGED))?;
        (body.hospital, body.patient_name) = (hello.name, hello.patient_name);
        (body.record, body.grants) = (hello.record, hello.grants);
        let reveal = Reveal { nonce: body.nonce.clone() };
        let reply = self.ask_hospital(&body, "pair/reveal", seal(&secret, "reveal", &reveal)).await?;
        let revealed: RevealAnswer = opened(&secret, "reveal answer", &reply)?;
        if commit_of(&revealed.nonce) != hello.commit {
            return Err(NodeError::Unprocessable("the other side changed its number; ask for a new invite".to_owned()));
        }
        let theirs = unbase32(&hello.card).ok_or(DAMAGED)?;
        let transcript = transcript(&theirs, &mine, &revealed.nonce, &body.nonce, &record);
        (body.digits, body.transcript) = (digits(&transcript), base32(&transcript));
        body.message = "compare the six digits with those the hospital sees".to_owned();
        self.put_pairing(id, "digits", &body).await?;
        if let Some(net) = self.net.get() {
            net.keep(body.addresses.clone());
        }
        self.follow_pairing(id.to_owned());
        Ok(())
    }

    /// Asks the hospital now and then how a pairing stands, until it is over.
    pub(crate) fn follow_pairing(&self, id: String) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL).await;
                let Some(node) = weak.upgrade().map(Node) else { return };
                match node.check_pairing(&id).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::debug!(%error, "the hospital could not be asked about a pairing"),
                }
            }
        });
    }

    /// Goes on with pairings after a start: those that were still connecting have ended with the process.
    pub(crate) async fn resume_pairings(&self) -> Result<(), NodeError> {
        for task in Reader::from(&self.store).tasks("pairing").await? {
            match task.status.as_str() {
                "digits" | "waiting" => self.follow_pairing(task.id),
                "connecting" => {
                    let Some((_, mut body)) = self.load_pairing(&task.id).await? else { continue };
                    body.message = "it was interrupted; paste the code again".to_owned();
                    body.secret.clear();
                    self.put_pairing(&task.id, "ended", &body).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks whether a pairing is over.
    async fn check_pairing(&self, id: &str) -> Result<bool, NodeError> {
        let Some((stored, mut body)) = self.load_pairing(id).await? else { return Ok(true) };
        if !matches!(stored.status.as_str(), "digits" | "waiting") {
            return Ok(true);
        }
        if self.is_mine(&body.record).await? {
            (body.message, body.secret) = ("the record is yours".to_owned(), String::new());
            self.put_pairing(id, "done", &body).await?;
            return Ok(true);
        }
        if crate::clock::now_ms() > body.expires_ms {
            body.message = "nothing happened for ten minutes; ask for a new invite".to_owned();
            self.put_pairing(id, "ended", &body).await?;
            return Ok(true);
        }
        let secret: [u8; 32] = unbase32(&body.secret).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let reply = self.ask_hospital(&body, "pair/state", seal(&secret, "state", &Confirm::default())).await?;
        let answer: StateAnswer = serde_json::from_slice(&reply).or(Err(DAMAGED))?;
        if answer.state == "ended" {
            (body.message, body.secret, body.confirmed) = (answer.message, String::new(), false);
            self.put_pairing(id, "ended", &body).await?;
            return Ok(true);
        }
        Ok(false)
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

    async fn load_pairing(&self, id: &str) -> Result<Option<(StoredTask, PairingBody)>, NodeError> {
        let stored = Reader::from(&self.store).task(id).await?.filter(|stored| stored.kind == "pairing");
        let Some(stored) = stored else { return Ok(None) };
        let body = serde_json::from_str(&stored.body).or(Err(DAMAGED))?;
        Ok(Some((stored, body)))
    }

    /// Every pairing, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn pairings(&self) -> Result<Vec<PairingView>, NodeError> {
        let tasks = Reader::from(&self.store).tasks("pairing").await?;
        Ok(tasks.iter().filter_map(view).collect())
    }

    /// One pairing.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn pairing(&self, id: &str) -> Result<Option<PairingView>, NodeError> {
        Ok(self.load_pairing(id).await?.and_then(|(stored, _)| view(&stored)))
    }

    /// The patient says that the hospital shows the same digits, and which grants continue.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a pairing that is not that far, [`NodeError::Unreachable`].
    pub async fn confirm_pairing(&self, id: &str, keep: &[bool]) -> Result<(), NodeError> {
        let (_, mut body) = self.open_pairing(id, "digits").await?;
        let secret: [u8; 32] = unbase32(&body.secret).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let transcript = unbase32(&body.transcript).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let record = body.record.parse::<RecordId>().or(Err(DAMAGED))?;
        let grants = grants_of(&body).into_iter().zip(keep.iter().chain(std::iter::repeat(&false)));
        let grants = grants.filter(|(_, keep)| **keep).map(|(grant, _)| grant).collect::<Vec<_>>();
        let acceptance = accept(self.identity(), &record, &transcript, &grants);
        let confirm = Confirm { acceptance: base32(&acceptance), grants: base32(&encode_grants(&grants)) };
        // Before the answer, which may be lost on the way.
        body.confirmed = true;
        self.put_pairing(id, "digits", &body).await?;
        let reply = self.ask_hospital(&body, "pair/confirm", seal(&secret, "confirm", &confirm)).await?;
        let answer: StateAnswer = serde_json::from_slice(&reply).or(Err(DAMAGED))?;
        if answer.state == "ended" {
            (body.message, body.secret, body.confirmed) = (answer.message.clone(), String::new(), false);
            self.put_pairing(id, "ended", &body).await?;
            return Err(NodeError::Unprocessable(answer.message));
        }
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        body.message = "waiting for the hospital to confirm".to_owned();
        self.put_pairing(id, "waiting", &body).await
    }

    /// The patient stops a pairing; the hospital is told if it can be reached.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn abort_pairing(&self, id: &str) -> Result<(), NodeError> {
        let Some((stored, mut body)) = self.load_pairing(id).await? else {
            return Err(NodeError::NotFound("the pairing".to_owned()));
        };
        if matches!(stored.status.as_str(), "done" | "ended") {
            return Err(NodeError::Unprocessable("this pairing is over already".to_owned()));
        }
        if let Some(secret) = unbase32(&body.secret).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            drop(self.ask_hospital(&body, "pair/stop", seal(&secret, "stop", &Confirm::default())).await);
        }
        (body.message, body.secret, body.confirmed) = ("you stopped it".to_owned(), String::new(), false);
        self.put_pairing(id, "ended", &body).await
    }

    async fn open_pairing(&self, id: &str, status: &str) -> Result<(StoredTask, PairingBody), NodeError> {
        match self.load_pairing(id).await? {
            Some((stored, body)) if stored.status == status && crate::clock::now_ms() <= body.expires_ms => {
                Ok((stored, body))
            }
            Some((_, body)) => Err(NodeError::Unprocessable(format!("this cannot be confirmed now: {}", body.message))),
            None => Err(NodeError::NotFound("the pairing".to_owned())),
        }
    }
}

impl Batch {
    async fn put_pairing(&mut self, task: StoredTask) -> Result<(), NodeError> {
        let before = self.reader().await?.task(&task.id).await?;
        // What has ended stays ended, whichever of two steps is written last.
        if before.as_ref().is_some_and(|before| matches!(before.status.as_str(), "done" | "ended")) {
            return Ok(());
        }
        self.put_task(StoredTask { version: before.map_or(0, |before| before.version), ..task }).await
    }
}

const DAMAGED: NodeError = NodeError::Internal("a pairing that does not read back");

/// Whether a pairing is for this record, and goes on or is done. One that the patient confirmed and that ended in silence is
/// too: the hospital may have handed the record over while this node was away.
pub(crate) fn names(task: &StoredTask, record: &str) -> bool {
    let body = serde_json::from_str::<PairingBody>(&task.body);
    body.is_ok_and(|body| body.record == record && (task.status != "ended" || body.confirmed))
}

fn grants_of(body: &PairingBody) -> Vec<Grant> {
    unbase32(&body.grants).and_then(|bytes| decode_grants(&bytes).ok()).unwrap_or_default()
}

fn view(stored: &StoredTask) -> Option<PairingView> {
    let body: PairingBody = serde_json::from_str(&stored.body).ok()?;
    let grants = grants_of(&body).into_iter().map(|grant| GrantLine {
        words: scope_lines(&grant.scope).iter().map(|line| line.words.clone()).collect::<Vec<_>>().join("; "),
        name: grant.name,
        scope: grant.scope,
        classes: grant.classes.iter().map(|class| class.name().to_owned()).collect(),
        purpose: grant.purpose,
    });
    let state = match stored.status.as_str() {
        "connecting" => PairingState::Connecting,
        "digits" => PairingState::Digits,
        "waiting" => PairingState::WaitingForHospital,
        "done" => PairingState::Done,
        _ => PairingState::Ended,
    };
    Some(PairingView {
        id: stored.id.clone(),
        state,
        grants: grants.collect(),
        hospital: body.hospital,
        patient_name: body.patient_name,
        digits: body.digits,
        message: body.message,
        started_ms: body.made_ms,
    })
}
