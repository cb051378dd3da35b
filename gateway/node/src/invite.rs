//! Invites: how a hospital hands a record to its patient, on the hospital's side. A one-time code, six digits that both
//! sides compare, the patient's signed acceptance, and the claim. Called by `server`, and by `sync` for the patient's
//! questions.

mod answers;

use crate::author::current_key;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::meeting::host::{self, Held, Host, Hosted, Words};
use crate::meeting::{task_id, write_code};
use crate::node::Node;
use crate::pairing::transcript;
use crate::read::Served;
use fhir::ResourceType;
use record::body::Body;
use record::body::claim::{Claim, decode_grants};
use record::body::grant::Grant;
use record::draft::DraftFrame;
use record::id::unbase32;
use record::identity::Card;
use record::keys::Level;
use record::scope::Interactions;
use record::{Class, Kind, LaneKind, RecordId};
use serde::{Deserialize, Serialize};
use store::tasks::StoredTask;

/// What a patient is given.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The text of the code and of the QR.
    pub code: String,
    /// The id of the Task that tells how it goes.
    pub task: String,
}

/// What an invite keeps besides what every code does, until its claim exists.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InviteBody {
    pub(crate) patient: String,
    record: String,
    #[serde(default)]
    acceptance: String,
    #[serde(default)]
    grants: String,
    #[serde(default)]
    confirmed: bool,
}

impl InviteBody {
    fn record(&self) -> Result<RecordId, NodeError> {
        self.record.parse().or(Err(DAMAGED))
    }
}

impl Hosted for InviteBody {
    const WORDS: Words = Words {
        kind: "invite",
        code: "invite",
        them: "the patient",
        compared: "sees",
        purpose: "",
        damaged: "an invite that does not read back",
    };

    fn transcript(&self, host: &Host, me: &Card) -> Result<[u8; 32], NodeError> {
        let theirs = unbase32(&host.card).ok_or(DAMAGED)?;
        Ok(transcript(&me.encode(), &theirs, &host.nonce, &host.their_nonce, &self.record()?))
    }
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
                let record = batch.custodial_of(&patient).await?.to_string();
                let own = InviteBody { patient, record, ..InviteBody::default() };
                batch.put_task(host::task(id, &Host::new(&secret), &own)?).await
            })
        })
        .await?;
        let at = self.net.get().map(net::Handle::listening).unwrap_or_default();
        Ok(Invite { code: write_code("chartwell-invite", &secret, at), task })
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

impl Batch {
    async fn custodial_of(&mut self, patient: &str) -> Result<RecordId, NodeError> {
        let me = self.node.identity.id();
        for home in self.homes(patient).await? {
            let context = self.known(&home.record).await?;
            if context.speaks(&me) {
                return Ok(home.record);
            }
        }
        Err(NodeError::Unprocessable("this patient has taken over the record already".to_owned()))
    }

    /// Returns the words of a refusal, which must be stored and told both.
    async fn confirm_invite(&mut self, task: &str, digits: &str) -> Result<Option<String>, NodeError> {
        let mut held = self.load_held::<InviteBody>(task).await?;
        if let Some(why) = self.compare(&mut held, digits).await? {
            return Ok(Some(why));
        }
        held.own.confirmed = true;
        self.conclude(&mut held).await?;
        Ok(None)
    }

    /// Writes the claim once both sides have confirmed.
    async fn conclude(&mut self, held: &mut Held<InviteBody>) -> Result<(), NodeError> {
        if !held.own.confirmed || held.own.acceptance.is_empty() {
            held.host.message = match held.own.confirmed {
                true => "confirmed here; waiting for the patient".to_owned(),
                false => "the patient has confirmed; compare the digits and confirm".to_owned(),
            };
            return self.put_held(held, "in-progress").await;
        }
        let record = held.own.record()?;
        let context = self.known(&record).await?;
        let patient = held.host.card().ok_or(DAMAGED)?;
        let grants = unbase32(&held.own.grants).and_then(|bytes| decode_grants(&bytes).ok()).ok_or(DAMAGED)?;
        let acceptance = unbase32(&held.own.acceptance).and_then(|bytes| bytes.try_into().ok()).ok_or(DAMAGED)?;
        let me = self.node.identity.id();
        let lanes = self.lanes(&record).await?;
        let kept = lanes.iter().filter(|lane| lane.head.lane.author == me && lane.head.lane.kind != LaneKind::Control);
        let claim = Claim {
            patient: patient.clone(),
            transcript: held.own.transcript(&held.host, self.node.identity.card())?,
            acceptance,
            grants,
            retains: kept.map(|lane| lane.head).collect(),
        };
        let offered = default_grants(&self.node, &held.own.patient);
        if !claim.grants.iter().all(|grant| offered.contains(grant)) {
            let why = "the patient accepted other grants than were offered; make a new invite";
            return self.end_held(held, why).await.map(drop);
        }
        if !claim.is_accepted(&record) {
            let why = "the patient's acceptance does not verify; make a new invite";
            return self.end_held(held, why).await.map(drop);
        }
        let (key_name, key) = current_key(&context, &Level::Control).ok_or(DAMAGED)?;
        let frames = vec![
            DraftFrame::Body { body: Body::Claim(claim), key_name, key: Some(key) },
            DraftFrame::Wrap { to: patient, items: context.keys.items().collect() },
        ];
        let (_, now) = self.author_control(&context, Kind::Claim, frames).await?;
        self.after_control(Some(&context), &now).await?;
        held.host.message = "the record is the patient's".to_owned();
        held.host.secret.clear();
        self.put_held(held, "completed").await
    }
}

const DAMAGED: NodeError = NodeError::Internal("an invite that does not read back");

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
