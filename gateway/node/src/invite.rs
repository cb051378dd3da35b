//! Invites: how a hospital hands a record to its patient, on the hospital's side. A one-time code, six digits that both
//! sides compare, the patient's signed acceptance, and the claim. Called by `server`, and by `sync` for the patient's
//! questions.

use crate::author::current_key;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::pairing::{
    Ask, Confirm, Hello, HelloAnswer, Reveal, RevealAnswer, StateAnswer, digits, open, seal, transcript,
};
use crate::read::Served;
use fhir::ResourceType;
use record::body::Body;
use record::body::claim::{Claim, decode_grants, encode_grants};
use record::body::grant::Grant;
use record::draft::DraftFrame;
use record::id::{base32, unbase32};
use record::identity::Card;
use record::keys::Level;
use record::scope::Interactions;
use record::{Class, Kind, LaneKind, RecordId};
use serde::{Deserialize, Serialize};
use store::tasks::StoredTask;

/// How long an invite, and each step after it, waits before it ends.
pub const SILENCE_MS_MAX: u64 = 10 * 60 * 1000;

/// What a patient is given.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The text of the code and of the QR.
    pub code: String,
    /// The id of the Task that tells how it goes.
    pub task: String,
}

/// An invite as kept until its claim exists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InviteBody {
    pub(crate) patient: String,
    pub(crate) record: String,
    pub(crate) made_ms: u64,
    pub(crate) expires_ms: u64,
    pub(crate) secret: String,
    pub(crate) digits: String,
    pub(crate) message: String,
    #[serde(default)]
    card: String,
    #[serde(default)]
    commit: String,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    their_nonce: String,
    #[serde(default)]
    acceptance: String,
    #[serde(default)]
    grants: String,
    #[serde(default)]
    confirmed: bool,
}

impl Node {
    /// Makes an invite for a local Patient whose record this hospital keeps.
    ///
    /// # Errors
    /// [`NodeError::NotFound`] without such a Patient; [`NodeError::Unprocessable`] if the record is the patient's already.
    pub async fn invite(&self, caller: &Caller, patient: &str) -> Result<Invite, NodeError> {
        let kind = ResourceType::parse("Patient").ok_or(NodeError::Internal("no Patient type"))?;
        caller.permit(kind, Interactions::UPDATE)?;
        self.read(caller, kind, patient).await?;
        let secret = crate::clock::random::<32>();
        let (id, patient) = (task_id(&secret), patient.to_owned());
        let task = id.clone();
        self.commit(move |batch| {
            let (patient, id) = (patient.clone(), id.clone());
            Box::pin(async move {
                let record = batch.custodial_of(&patient).await?;
                let now = crate::clock::now_ms();
                let body = InviteBody {
                    patient,
                    record: record.to_string(),
                    made_ms: now,
                    expires_ms: now + SILENCE_MS_MAX,
                    secret: base32(&secret),
                    digits: String::new(),
                    message: String::new(),
                    card: String::new(),
                    commit: String::new(),
                    nonce: String::new(),
                    their_nonce: String::new(),
                    acceptance: String::new(),
                    grants: String::new(),
                    confirmed: false,
                };
                batch.put_task(new_task(id, "invite", "requested", &body)?).await
            })
        })
        .await?;
        let at = self.net.get().map(net::Handle::listening).unwrap_or_default();
        let at = at.into_iter().take(record::address::MULTIADDRS_MAX).collect::<Vec<_>>().join(",");
        Ok(Invite { code: format!("chartwell-invite:{}?at={at}", base32(&secret)), task })
    }

    /// The hospital's side says that the patient sees the same digits.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for wrong digits (the invite ends) or an invite that is not that far.
    pub async fn confirm(&self, caller: &Caller, task: &str, digits: &str) -> Result<Served, NodeError> {
        let kind = ResourceType::parse("Patient").ok_or(NodeError::Internal("no Patient type"))?;
        caller.permit(kind, Interactions::UPDATE)?;
        let (task, digits) = (task.to_owned(), digits.trim().to_owned());
        let id = task.clone();
        let refusal = self
            .commit(move |batch| {
                let (task, digits) = (task.clone(), digits.clone());
                Box::pin(async move { batch.confirm_invite(&task, &digits).await })
            })
            .await?;
        if let Some(text) = refusal {
            return Err(NodeError::Unprocessable(text));
        }
        self.task_resource(&id).await
    }

    /// A Task of this node's own, without asking a token.
    pub(crate) async fn task_resource(&self, id: &str) -> Result<Served, NodeError> {
        let kind = ResourceType::parse("Task").ok_or(NodeError::Internal("no Task type"))?;
        let current = store::db::Reader::from(&self.store).current(kind.number(), id).await?;
        let current = current.ok_or_else(|| NodeError::NotFound(format!("Task/{id}")))?;
        self.serve(current).await?.ok_or(NodeError::Internal("a Task that does not open"))
    }

    /// Answers a patient's node that pairs. What it may learn is sealed under the invite's secret.
    pub(crate) async fn answer_pairing(&self, topic: String, body: Vec<u8>) -> Result<Vec<u8>, NodeError> {
        self.commit(move |batch| {
            let (topic, body) = (topic.clone(), body.clone());
            Box::pin(async move { batch.answer_pairing(&topic, &body).await })
        })
        .await
    }
}

/// A task that is not stored yet.
pub(crate) fn new_task(id: String, kind: &str, status: &str, body: &impl Serialize) -> Result<StoredTask, NodeError> {
    let body = serde_json::to_string(body).or(Err(NodeError::Internal("a task that is no JSON")))?;
    Ok(StoredTask {
        id,
        kind: kind.to_owned(),
        status: status.to_owned(),
        body,
        version: 0,
        position: 0,
        last_updated: 0,
    })
}

/// The id of an invite's Task: a hash of its secret, so that whoever has the code can name it and nobody can guess it.
pub(crate) fn task_id(secret: &[u8; 32]) -> String {
    base32(&record::seal::mac(secret, b"task"))[..20].to_owned()
}

impl Batch {
    async fn custodial_of(&mut self, patient: &str) -> Result<RecordId, NodeError> {
        let me = self.node.identity.id();
        for home in self.homes(patient).await? {
            let context = self.known(&home.record).await?;
            if context.state.authority().is_some_and(|card| card.id() == me) {
                return Ok(home.record);
            }
        }
        Err(NodeError::Unprocessable("this patient has taken over the record already".to_owned()))
    }

    async fn load_invite(&mut self, task: &str) -> Result<(StoredTask, InviteBody), NodeError> {
        let stored = self.reader().await?.task(task).await?.filter(|stored| stored.kind == "invite");
        let stored = stored.ok_or_else(|| NodeError::NotFound("the invite".to_owned()))?;
        let body =
            serde_json::from_str(&stored.body).or(Err(NodeError::Internal("an invite that does not read back")))?;
        Ok((stored, body))
    }

    async fn put_invite(&mut self, stored: StoredTask, body: &InviteBody, status: &str) -> Result<(), NodeError> {
        let body = serde_json::to_string(body).or(Err(NodeError::Internal("an invite that is no JSON")))?;
        self.put_task(StoredTask { body, status: status.to_owned(), ..stored }).await
    }

    async fn end_invite(&mut self, stored: StoredTask, mut body: InviteBody, why: &str) -> Result<String, NodeError> {
        body.message = why.to_owned();
        body.secret.clear();
        self.put_invite(stored, &body, "failed").await?;
        Ok(why.to_owned())
    }

    /// Says why an invite goes no further, and writes that down.
    async fn stale(&mut self, stored: &StoredTask, body: &InviteBody) -> Result<Option<String>, NodeError> {
        match stored.status.as_str() {
            "failed" => Ok(Some(body.message.clone())),
            "completed" => Ok(Some("this invite was used already".to_owned())),
            _ if crate::clock::now_ms() > body.expires_ms => {
                let why = "nothing happened for ten minutes; make a new invite";
                Ok(Some(self.end_invite(stored.clone(), body.clone(), why).await?))
            }
            _ => Ok(None),
        }
    }

    /// Returns the words of a refusal, which must be stored and told both.
    async fn confirm_invite(&mut self, task: &str, digits: &str) -> Result<Option<String>, NodeError> {
        let (stored, mut body) = self.load_invite(task).await?;
        if let Some(why) = self.stale(&stored, &body).await? {
            return Ok(Some(why));
        }
        if body.digits.is_empty() {
            return Ok(Some("the patient has not connected yet; there are no digits to compare".to_owned()));
        }
        if body.digits != digits {
            let why = "the digits were not the same on both sides; make a new invite";
            return Ok(Some(self.end_invite(stored, body, why).await?));
        }
        (body.confirmed, body.expires_ms) = (true, crate::clock::now_ms() + SILENCE_MS_MAX);
        self.conclude(stored, body).await?;
        Ok(None)
    }

    /// Writes the claim once both sides have confirmed.
    async fn conclude(&mut self, stored: StoredTask, mut body: InviteBody) -> Result<(), NodeError> {
        if !body.confirmed || body.acceptance.is_empty() {
            body.message = match body.confirmed {
                true => "confirmed here; waiting for the patient".to_owned(),
                false => "the patient has confirmed; compare the digits and confirm".to_owned(),
            };
            return self.put_invite(stored, &body, "in-progress").await;
        }
        let record = body.record.parse::<RecordId>().or(Err(DAMAGED))?;
        let context = self.known(&record).await?;
        let patient = unbase32(&body.card).and_then(|card| Card::decode(&card).ok()).ok_or(DAMAGED)?;
        let grants = unbase32(&body.grants).and_then(|bytes| decode_grants(&bytes).ok()).ok_or(DAMAGED)?;
        let acceptance = unbase32(&body.acceptance).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let me = self.node.identity.id();
        let lanes = self.lanes(&record).await?;
        let kept = lanes.iter().filter(|lane| lane.head.lane.author == me && lane.head.lane.kind != LaneKind::Control);
        let claim = Claim {
            patient: patient.clone(),
            transcript: transcript_of(&body, &self.node.identity.card().clone(), &record)?,
            acceptance,
            grants,
            retains: kept.map(|lane| lane.head).collect(),
        };
        let offered = default_grants(&self.node, &body.patient);
        if !claim.grants.iter().all(|grant| offered.contains(grant)) {
            self.end_invite(stored, body, "the patient accepted other grants than were offered; make a new invite")
                .await?;
            return Ok(());
        }
        if !claim.is_accepted(&record) {
            self.end_invite(stored, body, "the patient's acceptance does not verify; make a new invite").await?;
            return Ok(());
        }
        let (key_name, key) = current_key(&context, &Level::Control).ok_or(DAMAGED)?;
        let frames = vec![
            DraftFrame::Body { body: Body::Claim(claim), key_name, key: Some(key) },
            DraftFrame::Wrap { to: patient, items: context.keys.items().collect() },
        ];
        let (_, now) = self.author_control(&context, Kind::Claim, frames).await?;
        self.after_control(Some(&context), &now).await?;
        body.message = "the record is the patient's".to_owned();
        body.secret.clear();
        self.put_invite(stored, &body, "completed").await
    }

    async fn answer_pairing(&mut self, topic: &str, bytes: &[u8]) -> Result<Vec<u8>, NodeError> {
        let unreadable = || NodeError::Unprocessable("the question is not understood".to_owned());
        let ask: Ask = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        let (stored, body) = self.load_invite(&ask.task).await?;
        if let Some(why) = self.stale(&stored, &body).await? {
            let state = if stored.status == "completed" { "done" } else { "ended" };
            // The words need no seal: they say nothing of anybody. A second use is told, not silently refused.
            return answer(&StateAnswer { state: state.to_owned(), message: why });
        }
        let secret = unbase32(&body.secret).and_then(|secret| secret.try_into().ok()).ok_or(DAMAGED)?;
        match topic {
            "pair/hello" => self.pair_hello(stored, body, &secret, &ask).await,
            "pair/reveal" => self.pair_reveal(stored, body, &secret, &ask).await,
            "pair/confirm" => {
                let confirm: Confirm = open(&secret, "confirm", &ask.sealed).ok_or_else(unreadable)?;
                let mut body = body;
                (body.acceptance, body.grants) = (confirm.acceptance, confirm.grants);
                body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
                let message = "waiting for the hospital to confirm".to_owned();
                self.conclude(stored, body).await?;
                answer(&StateAnswer { state: "waiting".to_owned(), message })
            }
            "pair/stop" => {
                open::<Confirm>(&secret, "stop", &ask.sealed).ok_or_else(unreadable)?;
                let message = self.end_invite(stored, body, "the patient stopped it").await?;
                answer(&StateAnswer { state: "ended".to_owned(), message })
            }
            "pair/state" => answer(&StateAnswer { state: "waiting".to_owned(), message: body.message }),
            _ => Err(unreadable()),
        }
    }

    async fn pair_hello(
        &mut self,
        stored: StoredTask,
        mut body: InviteBody,
        secret: &[u8; 32],
        ask: &Ask,
    ) -> Result<Vec<u8>, NodeError> {
        let hello: Hello = open(secret, "hello", &ask.sealed)
            .ok_or_else(|| NodeError::Forbidden("the code is not the one".to_owned()))?;
        // A second commitment would let whoever has the code try numbers until the digits agree.
        if !body.card.is_empty() && (body.card != hello.card || body.commit != hello.commit) {
            let message = self.end_invite(stored, body, "the code was used by two; make a new invite").await?;
            return answer(&StateAnswer { state: "ended".to_owned(), message });
        }
        let record = body.record.parse::<RecordId>().or(Err(DAMAGED))?;
        let me = self.node.identity.card().clone();
        let grants = default_grants(&self.node, &body.patient);
        if body.nonce.is_empty() {
            body.nonce = base32(&crate::clock::random::<32>());
        }
        (body.card, body.commit) = (hello.card, hello.commit);
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        body.grants = base32(&encode_grants(&grants));
        let kind = ResourceType::parse("Patient").ok_or(DAMAGED)?;
        let mut name = String::new();
        if let Some(patient) = self.current(kind.number(), &body.patient).await? {
            name = crate::grants::person_name(&self.stored_json(&patient).await?).unwrap_or_default();
        }
        let reply = HelloAnswer {
            card: base32(&me.encode()),
            name: self.node.name.clone(),
            record: record.to_string(),
            patient_name: name,
            grants: body.grants.clone(),
            commit: commit_of(&body.nonce),
        };
        self.put_invite(stored, &body, "received").await?;
        answer(&seal(secret, "hello answer", &reply))
    }

    async fn pair_reveal(
        &mut self,
        stored: StoredTask,
        mut body: InviteBody,
        secret: &[u8; 32],
        ask: &Ask,
    ) -> Result<Vec<u8>, NodeError> {
        let reveal: Reveal = open(secret, "reveal", &ask.sealed)
            .ok_or_else(|| NodeError::Forbidden("the code is not the one".to_owned()))?;
        if commit_of(&reveal.nonce) != body.commit {
            let message = self.end_invite(stored, body, "the other side changed its number; make a new invite").await?;
            return answer(&StateAnswer { state: "ended".to_owned(), message });
        }
        body.their_nonce = reveal.nonce;
        let record = body.record.parse::<RecordId>().or(Err(DAMAGED))?;
        body.digits = digits(&transcript_of(&body, &self.node.identity.card().clone(), &record)?);
        body.message = "compare the six digits with those the patient sees".to_owned();
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        let reply = RevealAnswer { nonce: body.nonce.clone() };
        self.put_invite(stored, &body, "in-progress").await?;
        answer(&seal(secret, "reveal answer", &reply))
    }
}

const DAMAGED: NodeError = NodeError::Internal("an invite that does not read back");

/// The commitment to a nonce.
pub(crate) fn commit_of(nonce: &str) -> String {
    base32(&record::seal::mac(&[1; 32], nonce.as_bytes()))
}

fn transcript_of(body: &InviteBody, me: &Card, record: &RecordId) -> Result<[u8; 32], NodeError> {
    let theirs = unbase32(&body.card).ok_or(DAMAGED)?;
    Ok(transcript(&me.encode(), &theirs, &body.nonce, &body.their_nonce, record))
}

fn answer(body: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(body).or(Err(NodeError::Internal("an answer that is no JSON")))
}

/// What continues by default: the custodian's own writing, and reading of all classes but the sensitive ones.
fn default_grants(node: &Node, patient: &str) -> Vec<Grant> {
    let grant = |scope: &str| Grant {
        to: node.identity.card().clone(),
        name: node.name.clone(),
        scope: scope.to_owned(),
        classes: vec![Class::NORMAL, Class::DIRECTORY, Class::EMERGENCY],
        purpose: "TREAT".to_owned(),
        start_ms: 0,
        end_ms: 0,
        delegate: false,
        shared: false,
        replaces: Vec::new(),
        bound: Some((node.identity.id(), patient.to_owned())),
        request: String::new(),
    };
    vec![grant("patient/*.cud"), grant("patient/*.rs")]
}
