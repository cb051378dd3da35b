//! A further device, on its own side: a code is pasted, six digits are compared, and the records come by sync. The side that is
//! in is `offer`. Called by `patient`.

use super::SCHEME;
use super::messages::{Acceptance, Done, Hello, HelloAnswer, transcript};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::invite::new_task;
use crate::meeting::{
    Ask, Reveal, RevealAnswer, SILENCE_MS_MAX, Sealed, StateAnswer, commit_of, digits, opened, read_code, seal, task_id,
};
use crate::node::Node;
use record::address::Address;
use record::id::{base32, unbase32};
use record::{Card, RecordId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Duration;
use store::db::Reader;
use store::tasks::StoredTask;

/// Most places a new device is told to stay connected to; a patient's record has a dozen members.
pub(super) const PLACES_MAX: usize = 64;
/// Most records a new device is told of at once.
const RECORDS_MAX: usize = 256;
/// How long one question to the other device may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How often the other device is asked whether it has confirmed.
const POLL: Duration = Duration::from_secs(2);
const DAMAGED: NodeError = NodeError::Internal("the joining of a device that does not read back");

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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct JoinBody {
    secret: String,
    addresses: Vec<String>,
    offer: String,
    nonce: String,
    made_ms: u64,
    expires_ms: u64,
    other: String,
    transcript: String,
    digits: String,
    message: String,
    records: Vec<String>,
    /// Those of `records` whose devices are this patient's; an address without digits names none.
    #[serde(default)]
    ours: Vec<String>,
    /// That the patient said here that the digits are the same.
    #[serde(default)]
    confirmed: bool,
}

impl Node {
    /// Takes another device's code and begins to join; or the address of a record that the patient's words let this device
    /// into. Returns the joining's name at once.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a text that is neither.
    pub async fn join_device(&self, code: &str) -> Result<String, NodeError> {
        let now = crate::clock::now_ms();
        let id = crate::clock::fresh_id();
        if let Ok(address) = Address::parse(code) {
            return self.join_record(id, address).await;
        }
        let (secret, addresses) = read_code(code, SCHEME)?;
        let body = JoinBody {
            secret: base32(&secret),
            addresses,
            offer: task_id(&secret),
            nonce: base32(&crate::clock::random::<32>()),
            made_ms: now,
            expires_ms: now + SILENCE_MS_MAX,
            message: "connecting to the other device".to_owned(),
            ..JoinBody::default()
        };
        self.put_join(&id, "connecting", &body).await?;
        let (node, joining) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if let Err(error) = node.meet(&joining, body.clone()).await {
                let body = JoinBody { message: error.to_string(), secret: String::new(), ..body };
                drop(node.put_join(&joining, "ended", &body).await);
            }
        });
        Ok(id)
    }

    /// A record whose root has let this device in: it is taken when it comes from those who hold it.
    async fn join_record(&self, id: String, address: Address) -> Result<String, NodeError> {
        if address.at.is_empty() {
            let text = "the address does not say where a holder of the record is reached (?at=)";
            return Err(NodeError::Unprocessable(text.to_owned()));
        }
        let now = crate::clock::now_ms();
        let body = JoinBody {
            made_ms: now,
            expires_ms: now,
            message: "your words let this device in; the record comes from those who hold it".to_owned(),
            records: vec![address.record.to_string()],
            addresses: address.at.clone(),
            ..JoinBody::default()
        };
        self.put_join(&id, "done", &body).await?;
        if let Some(net) = self.net.get() {
            net.keep(address.at);
        }
        Ok(id)
    }

    async fn put_join(&self, id: &str, status: &str, body: &JoinBody) -> Result<(), NodeError> {
        let task = new_task(id.to_owned(), "join", status, body)?;
        self.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_join(task).await })
        })
        .await
    }

    async fn ask_other(&self, body: &JoinBody, topic: &str, sealed: Sealed) -> Result<(Card, Vec<u8>), NodeError> {
        let net = self.net.get().ok_or(NodeError::Unreachable("this node is not connected".to_owned()))?;
        let ask = serde_json::to_vec(&Ask { task: body.offer.clone(), sealed: sealed.sealed }).or(Err(DAMAGED))?;
        match net.ask(body.addresses.clone(), topic, ask, ANSWER_MAX).await {
            Ok((who, answer)) => {
                let known = Reader::from(&self.store).identity(&who).await?;
                let card = known.and_then(|known| Card::decode(&known.card).ok()).ok_or(DAMAGED)?;
                Ok((card, answer))
            }
            Err(net::AskError::Refused(why)) => Err(NodeError::Unprocessable(why)),
            Err(_) => Err(NodeError::Unreachable("the other device cannot be reached now".to_owned())),
        }
    }

    async fn meet(&self, id: &str, mut body: JoinBody) -> Result<(), NodeError> {
        let secret = secret_of(&body)?;
        let mine = self.identity().card().encode();
        let hello = Hello { card: base32(&mine), name: self.name().to_owned(), commit: commit_of(&body.nonce) };
        let (card, reply) = self.ask_other(&body, "device/hello", seal(&secret, "device hello", &hello)).await?;
        let hello: HelloAnswer = opened(&secret, "device hello answer", &reply)?;
        if hello.card != base32(&card.encode()) {
            return Err(NodeError::Unprocessable(
                "somebody else answers for the other device; make a new code".to_owned(),
            ));
        }
        body.other = hello.name.chars().filter(|c| !c.is_control()).take(super::NAME_BYTES_MAX).collect();
        let reveal = Reveal { nonce: body.nonce.clone() };
        let (_, reply) = self.ask_other(&body, "device/reveal", seal(&secret, "device reveal", &reveal)).await?;
        let revealed: RevealAnswer = opened(&secret, "device reveal answer", &reply)?;
        if commit_of(&revealed.nonce) != hello.commit {
            return Err(NodeError::Unprocessable("the other side changed its number; make a new code".to_owned()));
        }
        let transcript = transcript(&card.encode(), &mine, &revealed.nonce, &body.nonce);
        (body.digits, body.transcript) = (digits(&transcript), base32(&transcript));
        body.message = "compare the six digits with those the other device shows".to_owned();
        self.put_join(id, "digits", &body).await?;
        self.follow_join(id.to_owned());
        Ok(())
    }

    /// Asks the other device now and then how it stands, until it is over.
    fn follow_join(&self, id: String) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL).await;
                let Some(node) = weak.upgrade().map(Node) else { return };
                match node.check_join(&id).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::debug!(%error, "the other device could not be asked about joining"),
                }
            }
        });
    }

    /// Goes on with joinings after a start, and stays connected to where records come from.
    pub(crate) async fn resume_joins(&self) -> Result<(), NodeError> {
        for task in Reader::from(&self.store).tasks("join").await? {
            let body: JoinBody = serde_json::from_str(&task.body).or(Err(DAMAGED))?;
            match task.status.as_str() {
                "digits" | "waiting" => self.follow_join(task.id),
                "done" => drop(self.net.get().map(|net| net.keep(body.addresses))),
                "connecting" => {
                    let message = "it was interrupted; paste the code again".to_owned();
                    let body = JoinBody { message, secret: String::new(), ..body };
                    self.put_join(&task.id, "ended", &body).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks whether it is over.
    async fn check_join(&self, id: &str) -> Result<bool, NodeError> {
        let Some((stored, mut body)) = self.load_join(id).await? else { return Ok(true) };
        if !matches!(stored.status.as_str(), "digits" | "waiting") {
            return Ok(true);
        }
        if crate::clock::now_ms() > body.expires_ms {
            body.message = "nothing happened for ten minutes; make a new code".to_owned();
            body.secret.clear();
            self.put_join(id, "ended", &body).await?;
            return Ok(true);
        }
        let secret = secret_of(&body)?;
        let state = seal(&secret, "device state", &Acceptance::default());
        let (_, reply) = self.ask_other(&body, "device/state", state).await?;
        self.take_answer(id, body, &reply).await
    }

    /// Takes what the other device says; `true` where it is over.
    async fn take_answer(&self, id: &str, mut body: JoinBody, reply: &[u8]) -> Result<bool, NodeError> {
        if let Ok(done) = serde_json::from_slice::<Done>(reply) {
            // Whoever made the code may say that all is done before anybody has compared digits here.
            if !body.confirmed {
                return Ok(false);
            }
            let records = done.records.into_iter().filter(|record| record.parse::<RecordId>().is_ok());
            body.records = records.take(RECORDS_MAX).collect();
            body.ours =
                done.ours.into_iter().filter(|record| body.records.contains(record)).take(RECORDS_MAX).collect();
            body.message = "this device is in".to_owned();
            body.secret.clear();
            let places = done.places.into_iter().filter(|place| place.len() <= 256).take(PLACES_MAX);
            body.addresses.extend(places);
            self.put_join(id, "done", &body).await?;
            if let Some(net) = self.net.get() {
                net.keep(body.addresses);
            }
            return Ok(true);
        }
        let answer: StateAnswer = serde_json::from_slice(reply).or(Err(DAMAGED))?;
        if answer.state == "ended" {
            (body.message, body.secret) = (answer.message, String::new());
            self.put_join(id, "ended", &body).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn load_join(&self, id: &str) -> Result<Option<(StoredTask, JoinBody)>, NodeError> {
        let stored = Reader::from(&self.store).task(id).await?.filter(|stored| stored.kind == "join");
        let Some(stored) = stored else { return Ok(None) };
        let body = serde_json::from_str(&stored.body).or(Err(DAMAGED))?;
        Ok(Some((stored, body)))
    }

    /// Every joining of this device, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn joins(&self) -> Result<Vec<JoinView>, NodeError> {
        Ok(Reader::from(&self.store).tasks("join").await?.iter().filter_map(view).collect())
    }

    /// One joining.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn join(&self, id: &str) -> Result<Option<JoinView>, NodeError> {
        Ok(self.load_join(id).await?.and_then(|(stored, _)| view(&stored)))
    }

    /// The patient says on the new device that the other one shows the same digits.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] where it is not that far or has ended, [`NodeError::Unreachable`].
    pub async fn confirm_join(&self, id: &str) -> Result<(), NodeError> {
        let (stored, mut body) = self.load_join(id).await?.ok_or_else(|| NodeError::NotFound("the code".to_owned()))?;
        if stored.status != "digits" || crate::clock::now_ms() > body.expires_ms {
            return Err(NodeError::Unprocessable(format!("this cannot be confirmed now: {}", body.message)));
        }
        let secret = secret_of(&body)?;
        let transcript = unbase32(&body.transcript).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let acceptance = Acceptance::by(self.identity(), &transcript);
        let sealed = seal(&secret, "device confirm", &acceptance);
        // Before the answer, which may be lost on the way: the next look asks again.
        body.confirmed = true;
        self.put_join(id, "digits", &body).await?;
        let (_, reply) = self.ask_other(&body, "device/confirm", sealed).await?;
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        body.message = "waiting for the other device".to_owned();
        if !self.take_answer(id, body.clone(), &reply).await? {
            return self.put_join(id, "waiting", &body).await;
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
        let (stored, mut body) = self.load_join(id).await?.ok_or_else(|| NodeError::NotFound("the code".to_owned()))?;
        if matches!(stored.status.as_str(), "done" | "ended") {
            return Err(NodeError::Unprocessable("this is over already".to_owned()));
        }
        if let Ok(secret) = secret_of(&body) {
            let stop = seal(&secret, "device stop", &Acceptance::default());
            drop(self.ask_other(&body, "device/stop", stop).await);
        }
        (body.message, body.secret) = ("you stopped it".to_owned(), String::new());
        self.put_join(id, "ended", &body).await
    }
}

impl Batch {
    async fn put_join(&mut self, task: StoredTask) -> Result<(), NodeError> {
        let before = self.reader().await?.task(&task.id).await?;
        // What is over stays over, whichever of two steps is written last.
        if before.as_ref().is_some_and(|before| matches!(before.status.as_str(), "done" | "ended")) {
            return Ok(());
        }
        self.put_task(StoredTask { version: before.map_or(0, |before| before.version), ..task }).await
    }
}

/// The records that joins by code named, once the digits were compared, as ones whose devices are this patient's.
pub(super) async fn joined(reader: &mut Reader<'_>) -> Result<HashSet<RecordId>, NodeError> {
    let bodies = done(reader).await?.into_iter().filter(|body| body.confirmed);
    Ok(bodies.flat_map(|body| body.ours).filter_map(|record| record.parse().ok()).collect())
}

/// Whether this device has joined for a record, by a code or by its address.
pub(crate) async fn join_names(reader: &mut Reader<'_>, record: &str) -> Result<bool, NodeError> {
    Ok(done(reader).await?.iter().any(|body| body.records.iter().any(|named| named == record)))
}

async fn done(reader: &mut Reader<'_>) -> Result<Vec<JoinBody>, NodeError> {
    let tasks = reader.tasks("join").await?.into_iter().filter(|task| task.status == "done");
    Ok(tasks.filter_map(|task| serde_json::from_str(&task.body).ok()).collect())
}

fn secret_of(body: &JoinBody) -> Result<[u8; 32], NodeError> {
    unbase32(&body.secret).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)
}

fn view(stored: &StoredTask) -> Option<JoinView> {
    let body: JoinBody = serde_json::from_str(&stored.body).ok()?;
    let state = match stored.status.as_str() {
        "connecting" => JoinState::Connecting,
        "digits" => JoinState::Digits,
        "waiting" => JoinState::WaitingForOther,
        "done" => JoinState::Done,
        _ => JoinState::Ended,
    };
    Some(JoinView {
        id: stored.id.clone(),
        state,
        other: body.other,
        digits: body.digits,
        message: body.message,
        started_ms: body.made_ms,
    })
}
