//! Requests for access: asked by a hospital, sealed to the patient, written into the record by the patient's node; in an
//! emergency to a witness (`witness`), where the address leads to one.
//! Called by `server`, and by `sync` for what arrives at the patient's node.

use crate::author::owner_key;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::invite::new_task;
use crate::node::{Node, Role};
use crate::read::Served;
use fhir::ResourceType;
use record::address::Address;
use record::body::Body;
use record::body::request::{Asked, Request};
use record::draft::DraftFrame;
use record::identity::Card;
use record::scope::{Context as ScopeContext, Interactions, Scopes};
use record::{IdentityId, Kind, RecordId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::db::Reader;
use store::tasks::StoredTask;

/// What request messages are sealed for.
const REQUEST_INFO: &[u8] = b"chartwell 1 request";
/// Open requests of one asker in one record; a further one is refused.
const OPEN_PER_ASKER_MAX: usize = 16;
/// Open requests in one record.
const OPEN_MAX: usize = 256;
/// How long one question to the patient's node may take.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// How often open requests are delivered and looked after.
const ROUND: Duration = Duration::from_secs(2);
/// Longest period asked for without an end: a year.
const PERIOD_DEFAULT_MS: u64 = 365 * 24 * 3600 * 1000;

/// What a hospital asks.
#[derive(Clone, Debug)]
pub struct AccessRequest {
    /// `chartwell:...?at=...`.
    pub address: String,
    /// SMART v2 scopes.
    pub scope: String,
    /// Purpose of use.
    pub purpose: String,
    /// From when, milliseconds since 1970; now if not said.
    pub start_ms: Option<u64>,
    /// Until when; a year if not said.
    pub end_ms: Option<u64>,
    /// Why, in words for the patient.
    pub reason: String,
}

/// A request as kept until a grant answers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestBody {
    pub(crate) patient: String,
    pub(crate) record: String,
    pub(crate) address: String,
    pub(crate) scope: String,
    pub(crate) purpose: String,
    pub(crate) reason: String,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) made_ms: u64,
    pub(crate) message: String,
}

impl Node {
    /// Asks the patient at an address for access, for one's own Patient.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] naming the parameter that is wrong; [`NodeError::NotFound`] without the Patient.
    pub async fn request_access(
        &self,
        caller: &Caller,
        patient: &str,
        asked: AccessRequest,
    ) -> Result<Served, NodeError> {
        let kind = ResourceType::parse("Patient").ok_or(NodeError::Internal("no Patient type"))?;
        caller.permit(kind, Interactions::UPDATE)?;
        self.read(caller, kind, patient).await?;
        let refuse = |text: String| Err(NodeError::Unprocessable(text));
        let address = match Address::parse(&asked.address) {
            Ok(address) if !address.at.is_empty() => address,
            Ok(_) => return refuse("address: it does not say where the patient's node is reached (?at=)".to_owned()),
            Err(error) => return refuse(format!("address: {error}")),
        };
        let scopes = Scopes::parse(&asked.scope);
        if scopes.known.is_empty() || !scopes.other.is_empty() {
            return refuse("scope: expected SMART v2 scopes such as patient/Observation.rs".to_owned());
        }
        if let Some(scope) = scopes.known.iter().find(|scope| scope.context != ScopeContext::Patient) {
            return refuse(format!("scope: {scope} does not begin with patient/"));
        }
        let unknown = scopes.known.iter().filter_map(|scope| scope.resource_type.as_deref());
        if let Some(name) = unknown.into_iter().find(|name| ResourceType::parse(name).is_none()) {
            return refuse(format!("scope: {name} is no resource type of R4"));
        }
        if let Some(why) = scopes.known.iter().find_map(crate::narrowed::fault) {
            return refuse(format!("scope: {why}"));
        }
        if !crate::purpose::is_known(&asked.purpose) {
            return refuse("purpose: expected a code of v3-PurposeOfUse such as TREAT".to_owned());
        }
        if asked.reason.len() > 2000 {
            return refuse("reason: at most 2,000 bytes".to_owned());
        }
        let now = crate::clock::now_ms();
        let start_ms = asked.start_ms.unwrap_or(now);
        let end_ms = asked.end_ms.unwrap_or(start_ms + PERIOD_DEFAULT_MS);
        if end_ms <= start_ms || end_ms <= now {
            return refuse("period: it ends before it begins, or in the past".to_owned());
        }
        let id = crate::clock::fresh_id();
        let body = RequestBody {
            patient: patient.to_owned(),
            record: address.record.to_string(),
            address: asked.address.trim().to_owned(),
            scope: scopes.to_string(),
            purpose: asked.purpose,
            reason: asked.reason,
            start_ms,
            end_ms,
            made_ms: now,
            message: "on its way to the patient".to_owned(),
        };
        let task = new_task(id.clone(), "request", "requested", &body)?;
        self.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_task(task).await })
        })
        .await?;
        if let Some(net) = self.net.get() {
            net.keep(address.at);
        }
        self.task_resource(&id).await
    }

    /// Takes back one's own request that is not answered yet.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Unprocessable`] if it was answered.
    pub async fn cancel_request(&self, caller: &Caller, task: &str) -> Result<Served, NodeError> {
        let kind = ResourceType::parse("Patient").ok_or(NodeError::Internal("no Patient type"))?;
        caller.permit(kind, Interactions::UPDATE)?;
        let stored = Reader::from(&self.store).task(task).await?.filter(|task| task.kind == "request");
        let stored = stored.ok_or_else(|| NodeError::NotFound(format!("Task/{task}")))?;
        if !is_open(&stored) {
            return Err(NodeError::Unprocessable("the request is answered already".to_owned()));
        }
        self.end_request(stored, "cancelled", "cancelled by the hospital").await?;
        self.task_resource(task).await
    }

    async fn end_request(&self, stored: StoredTask, status: &str, message: &str) -> Result<(), NodeError> {
        let (status, message) = (status.to_owned(), message.to_owned());
        self.commit(move |batch| {
            let (id, status, message) = (stored.id.clone(), status.clone(), message.clone());
            Box::pin(async move {
                let Some(stored) = batch.reader().await?.task(&id).await?.filter(is_open) else { return Ok(()) };
                let mut body: RequestBody = serde_json::from_str(&stored.body).or(Err(DAMAGED))?;
                if stored.status == status && body.message == message {
                    return Ok(());
                }
                body.message = message;
                let body = serde_json::to_string(&body).or(Err(DAMAGED))?;
                batch.put_task(StoredTask { body, status, ..stored }).await
            })
        })
        .await
    }

    /// Delivers open requests and learns of refusals, until the node is gone.
    pub(crate) fn follow_requests(&self) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ROUND).await;
                let Some(node) = weak.upgrade().map(Node) else { return };
                let Ok(tasks) = Reader::from(&node.store).tasks("request").await else { continue };
                for task in tasks.into_iter().filter(is_open) {
                    if let Err(error) = node.deliver(task).await {
                        tracing::debug!(%error, "a request for access could not be delivered yet");
                    }
                }
            }
        });
    }

    async fn deliver(&self, stored: StoredTask) -> Result<(), NodeError> {
        let body: RequestBody = serde_json::from_str(&stored.body).or(Err(DAMAGED))?;
        let Ok(address) = Address::parse(&body.address) else { return Err(DAMAGED) };
        let Some(net) = self.net.get() else { return Ok(()) };
        let away = |_| NodeError::Unreachable("the patient's node cannot be reached now".to_owned());
        let known = Reader::from(&self.store).identity(&address.patient).await?;
        let mut at = address.at.clone();
        at.extend(known.iter().flat_map(|known| known.addresses.split_whitespace().map(str::to_owned)));
        at.dedup();
        if stored.status == "requested" {
            let (who, card) = net.ask(at.clone(), "card", Vec::new(), ANSWER_MAX).await.map_err(away)?;
            // In an emergency a witness may answer in the patient's place: the address says where one is.
            let emergency = crate::purpose::is_emergency(&body.purpose);
            let card = Card::decode(&card).ok().filter(|card| card.id() == who);
            let card = card.filter(|card| emergency || card.id() == address.patient);
            let Some(card) = card else {
                return self.end_request(stored, "failed", "another identity answers at this address").await;
            };
            let asked = Asked {
                from: self.identity().card().clone(),
                name: self.name().to_owned(),
                request: stored.id.clone(),
                patient: body.patient.clone(),
                scope: body.scope.clone(),
                purpose: body.purpose.clone(),
                reason: body.reason.clone(),
                start_ms: body.start_ms,
                end_ms: body.end_ms,
            };
            let plain = [address.record.bytes().as_slice(), &asked.encode()].concat();
            let sealed = record::seal::seal_to(&card, REQUEST_INFO, &plain, &mut crate::clock::entropy());
            let sealed = sealed.ok_or(NodeError::Internal("a card that cannot receive"))?;
            return match net.ask(at, "request", sealed, ANSWER_MAX).await {
                Ok(_) if card.id() != address.patient => {
                    self.end_request(stored, "received", "whoever answers at the address was asked to open it").await
                }
                Ok(_) => self.end_request(stored, "received", "the patient has been asked").await,
                Err(net::AskError::Refused(why)) => self.end_request(stored, "failed", &why).await,
                Err(error) => Err(away(error)),
            };
        }
        let question = format!("{} {}", address.record, stored.id).into_bytes();
        let (_, answer) = net.ask(at, "request/state", question, ANSWER_MAX).await.map_err(away)?;
        match answer.as_slice() {
            b"refused" => self.end_request(stored, "rejected", "the patient refused").await,
            _ => Ok(()),
        }
    }

    /// Takes a sealed request into the record it is for.
    pub(crate) async fn take_request(&self, from: IdentityId, sealed: &[u8]) -> Result<(), NodeError> {
        let refuse = || NodeError::Unprocessable("the request is not understood here".to_owned());
        let plain = self.identity().open(REQUEST_INFO, sealed).ok_or_else(refuse)?;
        let (record, asked) = plain.split_at_checked(32).ok_or_else(refuse)?;
        let record = RecordId::from_slice(record).ok_or_else(refuse)?;
        let asked = Asked::decode(asked).map_err(|_| refuse())?;
        if asked.from.id() != from {
            return Err(refuse());
        }
        if self.role == Role::Gateway {
            return self.witness(from, record, asked).await;
        }
        self.commit(move |batch| {
            let asked = asked.clone();
            Box::pin(async move { batch.take_request(&record, asked).await })
        })
        .await
    }

    /// How a request stands that `from` made.
    pub(crate) async fn request_state(&self, from: IdentityId, question: &[u8]) -> Result<&'static str, NodeError> {
        let text = std::str::from_utf8(question).unwrap_or_default();
        let unknown = || NodeError::NotFound("the request".to_owned());
        let (record, request) = text.split_once(' ').ok_or_else(unknown)?;
        let record = record.parse::<RecordId>().map_err(|_| unknown())?;
        let mut reader = Reader::from(&self.store);
        let context = self.context(&mut reader, &record).await?.ok_or_else(unknown)?;
        for (id, _, body) in self.request_bodies(&mut reader, &context).await? {
            let Request::Asked(asked) = body else { continue };
            if asked.from.id() == from && asked.request == request {
                return Ok(match self.decision(&mut reader, &context, &id, &asked).await? {
                    Some(crate::grants::RequestState::Refused) => "refused",
                    Some(_) => "approved",
                    None => "open",
                });
            }
        }
        Err(unknown())
    }
}

const DAMAGED: NodeError = NodeError::Internal("a request that does not read back");

fn is_open(task: &StoredTask) -> bool {
    matches!(task.status.as_str(), "requested" | "received")
}

impl Batch {
    async fn take_request(&mut self, record: &RecordId, asked: Asked) -> Result<(), NodeError> {
        let elsewhere = || NodeError::Unprocessable("this record is not kept here".to_owned());
        let me = self.node.identity.id();
        let context = self.context(record).await?.ok_or_else(elsewhere)?;
        if !context.speaks(&me) {
            return Err(elsewhere());
        }
        let node = self.node.clone();
        let (mut open, mut of_asker) = (0, 0);
        let bodies = node.request_bodies(&mut self.reader().await?, &context).await?;
        for (id, _, body) in bodies {
            let Request::Asked(known) = body else { continue };
            if known.from.id() == asked.from.id() && known.request == asked.request {
                return Ok(());
            }
            if self.decided(&context, &id, &known).await?.is_none() {
                open += 1;
                of_asker += usize::from(known.from.id() == asked.from.id());
            }
        }
        if open >= OPEN_MAX || of_asker >= OPEN_PER_ASKER_MAX {
            return Err(NodeError::Unprocessable("too many requests are waiting for the patient".to_owned()));
        }
        let (key_name, key) = owner_key(&context).ok_or(DAMAGED)?;
        let body = Body::Request(Request::Asked(Box::new(asked)));
        let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }];
        self.author_control(&context, Kind::Request, frames).await?;
        Ok(())
    }
}
