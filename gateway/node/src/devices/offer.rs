//! A further device, on the side of one that is in: a one-time code, six digits that both show, and the ops that let the new
//! one in (rule 7.7). The new one's side is `join`. Called by `patient`, and by `sync` for the new device's questions.

mod answers;

use super::messages::{Done, transcript};
use super::{NAME_BYTES_MAX, SCHEME, STOPPED};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::meeting::host::{self, Held, Host, Hosted, Words, silent};
use crate::meeting::{task_id, write_code};
use crate::node::Node;
use record::id::unbase32;
use record::{Card, IdentityId, RecordId};
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

/// What an offer keeps besides what every code does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Offer {
    name: String,
    /// The new device signed that it sees the digits.
    accepted: bool,
    /// It was said here that it does; what the patient calls it.
    confirmed: Option<String>,
    /// The records it was let into.
    records: Vec<String>,
}

impl Hosted for Offer {
    const WORDS: Words = Words {
        kind: "offer",
        code: "code",
        them: "the new device",
        compared: "shows",
        purpose: "device ",
        damaged: "an offer to a device that does not read back",
    };

    fn transcript(&self, host: &Host, me: &Card) -> Result<[u8; 32], NodeError> {
        let theirs = unbase32(&host.card).ok_or(DAMAGED)?;
        Ok(transcript(&me.encode(), &theirs, &host.nonce, &host.their_nonce))
    }
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
        let secret = crate::clock::random::<32>();
        let host = Host { message: "waiting for the new device".to_owned(), ..Host::new(&secret) };
        let (id, task) = (task_id(&secret), host::task(task_id(&secret), &host, &Offer::default())?);
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
        let (host, own) = host::read::<Offer>(stored)?;
        let over = crate::clock::now_ms() > host.expires_ms;
        let state = match stored.status.as_str() {
            "completed" => OfferState::Done,
            "failed" => OfferState::Ended,
            _ if over => OfferState::Ended,
            "in-progress" if own.confirmed.is_some() => OfferState::WaitingForDevice,
            "in-progress" => OfferState::Digits,
            _ => OfferState::Waiting,
        };
        let listening = self.net.get().map(net::Handle::listening).unwrap_or_default();
        let code = host.secret().filter(|_| state == OfferState::Waiting && host.card.is_empty());
        Some(OfferView {
            id: stored.id.clone(),
            state,
            code: code.map(|secret| write_code(SCHEME, &secret, listening)).unwrap_or_default(),
            device: own.name,
            digits: host.digits,
            message: if over && state == OfferState::Ended && stored.status != "failed" {
                silent::<Offer>()
            } else {
                host.message
            },
            started_ms: host.made_ms,
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
                    let mut held = batch.load_held::<Offer>(&id).await?;
                    match batch.stale(&mut held).await? {
                        Some(why) => Ok(Some(why)),
                        None => batch.end_held(&mut held, "you stopped it").await.map(|_| None),
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

impl Batch {
    /// Returns the new device, or the words of a refusal, which must be stored and told both.
    async fn confirm_offer(
        &mut self,
        id: &str,
        digits: &str,
        name: String,
    ) -> Result<Result<IdentityId, String>, NodeError> {
        let mut held = self.load_held::<Offer>(id).await?;
        if let Some(why) = self.compare(&mut held, digits).await? {
            return Ok(Err(why));
        }
        held.own.confirmed = Some(if name.is_empty() { held.own.name.clone() } else { name });
        let card = held.host.card().ok_or(DAMAGED)?;
        self.conclude_offer(&mut held).await?;
        Ok(Ok(card.id()))
    }

    /// Lets the device in once both sides have confirmed: into every record this device speaks for.
    async fn conclude_offer(&mut self, held: &mut Held<Offer>) -> Result<(), NodeError> {
        let (Some(name), true) = (held.own.confirmed.clone(), held.own.accepted) else {
            held.host.message = match held.own.accepted {
                true => "the new device has confirmed; compare the digits and confirm here too".to_owned(),
                false => "confirmed here; confirm on the new device too".to_owned(),
            };
            return self.put_held(held, "in-progress").await;
        };
        let (card, me) = (held.host.card().ok_or(DAMAGED)?, self.node.identity.id());
        for known in self.reader().await?.records().await? {
            let context = self.known(&known.record).await?;
            if !context.speaks(&me) {
                continue;
            }
            let admitted = match self.admit(&context, card.clone(), name.clone()).await {
                Ok(admitted) => admitted,
                Err(NodeError::Unprocessable(why)) => return self.end_held(held, &why).await.map(drop),
                Err(error) => return Err(error),
            };
            if admitted.control != context.control {
                self.after_control(Some(&context), &admitted).await?;
            }
            held.own.records.push(known.record.to_string());
        }
        if held.own.records.is_empty() {
            return self.end_held(held, STOPPED).await.map(drop);
        }
        held.host.message = "the device is in".to_owned();
        held.host.secret.clear();
        self.put_held(held, "completed").await
    }
}
