//! A further device, on the side of one that is in: a one-time code, six digits that both show, and the ops that let the new
//! one in (rule 7.7). The new one's side is `join`. Called by `patient`, and by `sync` for the new device's questions.

mod answers;

use super::messages::Done;
use super::{NAME_BYTES_MAX, SCHEME, STOPPED};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::invite::new_task;
use crate::meeting::{SILENCE_MS_MAX, task_id, write_code};
use crate::node::Node;
use record::id::{base32, unbase32};
use record::identity::Card;
use record::{IdentityId, RecordId};
use serde::{Deserialize, Serialize};
use store::db::Reader;
use store::tasks::StoredTask;

/// Offers that may be open at once; a person adds one device at a time.
const OPEN_MAX: usize = 8;
const DAMAGED: NodeError = NodeError::Internal("an offer to a device that does not read back");

/// Where an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferState {
    /// Nobody has taken the code yet.
    Waiting,
    /// Both sides show digits.
    Digits,
    /// Confirmed here.
    WaitingForDevice,
    /// The device is in.
    Done,
    /// It came to nothing.
    Ended,
}

/// An offer as the page shows it.
#[derive(Clone, Debug)]
pub struct OfferView {
    /// Its name.
    pub id: String,
    /// Where it stands.
    pub state: OfferState,
    /// The code; empty once it was taken.
    pub code: String,
    /// What the new device calls itself.
    pub device: String,
    /// Six digits, once there are.
    pub digits: String,
    /// In words.
    pub message: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OfferBody {
    secret: String,
    made_ms: u64,
    expires_ms: u64,
    card: String,
    name: String,
    commit: String,
    nonce: String,
    their_nonce: String,
    digits: String,
    message: String,
    /// The new device signed that it sees the digits.
    accepted: bool,
    /// It was said here that it does; what the patient calls it.
    confirmed: Option<String>,
    /// The records it was let into.
    records: Vec<String>,
}

impl Node {
    /// Makes a code for a further device; returns the offer's name.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] without a record, [`NodeError::Forbidden`] where this device was stopped.
    pub async fn offer_device(&self) -> Result<String, NodeError> {
        let (me, mut speaks) = (self.identity().id(), false);
        let own = self.own_records().await?;
        for record in &own {
            let context = self.context(&mut Reader::from(&self.store), record).await?;
            speaks |= context.is_some_and(|context| context.speaks(&me));
        }
        match (own.is_empty(), speaks) {
            (true, _) => {
                let text = "there is no record here yet that another device could have: take one over first";
                return Err(NodeError::Unprocessable(text.to_owned()));
            }
            (false, false) => return Err(NodeError::Forbidden(STOPPED.to_owned())),
            (false, true) => {}
        }
        let open = self.offers().await?;
        let open = open.iter().filter(|offer| !matches!(offer.state, OfferState::Done | OfferState::Ended));
        if open.count() >= OPEN_MAX {
            return Err(NodeError::Unprocessable("too many codes are open: stop one, or wait ten minutes".to_owned()));
        }
        let (secret, now) = (crate::clock::random::<32>(), crate::clock::now_ms());
        let body = OfferBody {
            secret: base32(&secret),
            made_ms: now,
            expires_ms: now + SILENCE_MS_MAX,
            message: "waiting for the new device".to_owned(),
            ..OfferBody::default()
        };
        let (task, id) = (new_task(task_id(&secret), "offer", "requested", &body)?, task_id(&secret));
        self.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_task(task).await })
        })
        .await?;
        Ok(id)
    }

    /// Every offer, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn offers(&self) -> Result<Vec<OfferView>, NodeError> {
        let tasks = Reader::from(&self.store).tasks("offer").await?;
        Ok(tasks.iter().filter_map(|task| self.offer_view(task)).collect())
    }

    /// One offer.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn offer(&self, id: &str) -> Result<Option<OfferView>, NodeError> {
        let stored = Reader::from(&self.store).task(id).await?.filter(|stored| stored.kind == "offer");
        Ok(stored.and_then(|stored| self.offer_view(&stored)))
    }

    fn offer_view(&self, stored: &StoredTask) -> Option<OfferView> {
        let body: OfferBody = serde_json::from_str(&stored.body).ok()?;
        let over = crate::clock::now_ms() > body.expires_ms;
        let state = match stored.status.as_str() {
            "completed" => OfferState::Done,
            "failed" => OfferState::Ended,
            _ if over => OfferState::Ended,
            "in-progress" if body.confirmed.is_some() => OfferState::WaitingForDevice,
            "in-progress" => OfferState::Digits,
            _ => OfferState::Waiting,
        };
        let listening = self.net.get().map(net::Handle::listening).unwrap_or_default();
        let secret = unbase32(&body.secret).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let code = secret.filter(|_| state == OfferState::Waiting && body.card.is_empty());
        Some(OfferView {
            id: stored.id.clone(),
            state,
            code: code.map(|secret| write_code(SCHEME, &secret, listening)).unwrap_or_default(),
            device: body.name,
            digits: body.digits,
            message: if over && state == OfferState::Ended && stored.status != "failed" {
                SILENT.to_owned()
            } else {
                body.message
            },
            started_ms: body.made_ms,
        })
    }

    /// The patient says here that the new device shows the same digits, and what it is called.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for an offer that is not that far, or other digits (it ends then).
    pub async fn confirm_offer(&self, id: &str, digits: &str, name: &str) -> Result<(), NodeError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(NodeError::Unprocessable(format!("a device's name has at most {NAME_BYTES_MAX} bytes")));
        }
        let (id, digits, name) = (id.to_owned(), digits.trim().to_owned(), name.trim().to_owned());
        let outcome = self
            .commit(move |batch| {
                let (id, digits, name) = (id.clone(), digits.clone(), name.clone());
                Box::pin(async move { batch.confirm_offer(&id, &digits, name).await })
            })
            .await?;
        match outcome {
            Ok(device) => self.keep_in_touch(&device).await,
            Err(why) => Err(NodeError::Unprocessable(why)),
        }
    }

    /// The patient stops an offer.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], [`NodeError::Unprocessable`] if it is over.
    pub async fn stop_offer(&self, id: &str) -> Result<(), NodeError> {
        let id = id.to_owned();
        let over = self
            .commit(move |batch| {
                let id = id.clone();
                Box::pin(async move {
                    let (stored, body) = batch.load_offer(&id).await?;
                    match batch.stale_offer(&stored, &body).await? {
                        Some(why) => Ok(Some(why)),
                        None => batch.end_offer(stored, body, "you stopped it").await.map(|_| None),
                    }
                })
            })
            .await?;
        over.map_or(Ok(()), |why| Err(NodeError::Unprocessable(why)))
    }

    /// Answers a new device. `from` is the identity whose node asks.
    pub(crate) async fn answer_device(
        &self,
        from: IdentityId,
        topic: String,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, NodeError> {
        let asked = topic.clone();
        let (answer, done) = self
            .commit(move |batch| {
                let (topic, body) = (topic.clone(), body.clone());
                Box::pin(async move { batch.answer_device(from, &topic, &body).await })
            })
            .await?;
        let Some(records) = done else { return Ok(answer) };
        let ids = records.iter().filter_map(|record| record.parse::<RecordId>().ok()).collect::<Vec<_>>();
        if asked == "device/confirm" {
            self.keep_in_touch(&from).await?;
        }
        let done = Done { done: true, records, ours: self.ours(&ids).await?, places: self.places(&ids).await? };
        serde_json::to_vec(&done).or(Err(DAMAGED))
    }
}

const SILENT: &str = "nothing happened for ten minutes; make a new code";

impl Batch {
    async fn load_offer(&mut self, id: &str) -> Result<(StoredTask, OfferBody), NodeError> {
        let stored = self.reader().await?.task(id).await?.filter(|stored| stored.kind == "offer");
        let stored = stored.ok_or_else(|| NodeError::NotFound("the code".to_owned()))?;
        let body = serde_json::from_str(&stored.body).or(Err(DAMAGED))?;
        Ok((stored, body))
    }

    async fn put_offer(&mut self, stored: StoredTask, body: &OfferBody, status: &str) -> Result<(), NodeError> {
        let body = serde_json::to_string(body).or(Err(DAMAGED))?;
        self.put_task(StoredTask { body, status: status.to_owned(), ..stored }).await
    }

    async fn end_offer(&mut self, stored: StoredTask, mut body: OfferBody, why: &str) -> Result<String, NodeError> {
        body.message = why.to_owned();
        body.secret.clear();
        self.put_offer(stored, &body, "failed").await?;
        Ok(why.to_owned())
    }

    /// Says why an offer goes no further, and writes that down.
    async fn stale_offer(&mut self, stored: &StoredTask, body: &OfferBody) -> Result<Option<String>, NodeError> {
        match stored.status.as_str() {
            "failed" => Ok(Some(body.message.clone())),
            "completed" => Ok(Some("this code was used already".to_owned())),
            _ if crate::clock::now_ms() > body.expires_ms => {
                Ok(Some(self.end_offer(stored.clone(), body.clone(), SILENT).await?))
            }
            _ => Ok(None),
        }
    }

    /// Returns the new device, or the words of a refusal, which must be stored and told both.
    async fn confirm_offer(
        &mut self,
        id: &str,
        digits: &str,
        name: String,
    ) -> Result<Result<IdentityId, String>, NodeError> {
        let (stored, mut body) = self.load_offer(id).await?;
        if let Some(why) = self.stale_offer(&stored, &body).await? {
            return Ok(Err(why));
        }
        if body.digits.is_empty() {
            return Ok(Err("the new device has not connected yet; there are no digits to compare".to_owned()));
        }
        if body.digits != digits {
            let why = "the digits were not the same on both sides; make a new code";
            return Ok(Err(self.end_offer(stored, body, why).await?));
        }
        let name = if name.is_empty() { body.name.clone() } else { name };
        (body.confirmed, body.expires_ms) = (Some(name), crate::clock::now_ms() + SILENCE_MS_MAX);
        let card = card_of(&body)?;
        self.conclude_offer(stored, body).await?;
        Ok(Ok(card.id()))
    }

    /// Lets the device in once both sides have confirmed: into every record this device speaks for.
    async fn conclude_offer(&mut self, stored: StoredTask, mut body: OfferBody) -> Result<OfferBody, NodeError> {
        let (Some(name), true) = (body.confirmed.clone(), body.accepted) else {
            body.message = match body.accepted {
                true => "the new device has confirmed; compare the digits and confirm here too".to_owned(),
                false => "confirmed here; confirm on the new device too".to_owned(),
            };
            self.put_offer(stored, &body, "in-progress").await?;
            return Ok(body);
        };
        let (card, me) = (card_of(&body)?, self.node.identity.id());
        for known in self.reader().await?.records().await? {
            let context = self.known(&known.record).await?;
            if !context.speaks(&me) {
                continue;
            }
            let admitted = match self.admit(&context, card.clone(), name.clone()).await {
                Ok(admitted) => admitted,
                Err(NodeError::Unprocessable(why)) => {
                    self.end_offer(stored, body.clone(), &why).await?;
                    return Ok(body);
                }
                Err(error) => return Err(error),
            };
            if admitted.control != context.control {
                self.after_control(Some(&context), &admitted).await?;
            }
            body.records.push(known.record.to_string());
        }
        if body.records.is_empty() {
            self.end_offer(stored, body.clone(), STOPPED).await?;
            return Ok(body);
        }
        body.message = "the device is in".to_owned();
        body.secret.clear();
        self.put_offer(stored, &body, "completed").await?;
        Ok(body)
    }
}

fn card_of(body: &OfferBody) -> Result<Card, NodeError> {
    unbase32(&body.card).and_then(|card| Card::decode(&card).ok()).ok_or(DAMAGED)
}
