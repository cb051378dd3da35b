//! The answers to a device that takes a code: hello, the nonce, its word, and how it stands. Called by `offer`.

use super::{DAMAGED, OfferBody, card_of};
use crate::batch::Batch;
use crate::devices::NAME_BYTES_MAX;
use crate::devices::messages::{Acceptance, Hello, HelloAnswer, transcript};
use crate::error::NodeError;
use crate::meeting::{Ask, Reveal, RevealAnswer, SILENCE_MS_MAX, StateAnswer, commit_of, digits, open, seal};
use record::IdentityId;
use record::id::{base32, unbase32};
use record::identity::Card;
use store::tasks::StoredTask;

/// What is answered, and once the device is in, the records it was let into.
type Answered = (Vec<u8>, Option<Vec<String>>);

fn said(state: &str, message: &str) -> Result<Vec<u8>, NodeError> {
    let answer = StateAnswer { state: state.to_owned(), message: message.to_owned() };
    serde_json::to_vec(&answer).or(Err(DAMAGED))
}

impl Batch {
    pub(super) async fn answer_device(
        &mut self,
        from: IdentityId,
        topic: &str,
        bytes: &[u8],
    ) -> Result<Answered, NodeError> {
        let unreadable = || NodeError::Unprocessable("the question is not understood".to_owned());
        let ask: Ask = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        let (stored, body) = self.load_offer(&ask.task).await?;
        // What is said of records is said to the device that was let in, by the identity its node has proved.
        let is_it = card_of(&body).is_ok_and(|card| card.id() == from);
        if stored.status == "completed" && is_it && matches!(topic, "device/state" | "device/confirm") {
            return Ok((Vec::new(), Some(body.records)));
        }
        if let Some(why) = self.stale_offer(&stored, &body).await? {
            return Ok((said("ended", &why)?, None));
        }
        let secret = unbase32(&body.secret).and_then(|secret| secret.try_into().ok()).ok_or(DAMAGED)?;
        let other_code = || NodeError::Forbidden("the code is not the one".to_owned());
        let answer = match topic {
            "device/hello" => {
                let hello: Hello = open(&secret, "device hello", &ask.sealed).ok_or_else(other_code)?;
                self.device_hello(stored, body, &secret, hello, from).await?
            }
            "device/reveal" if is_it => {
                let reveal: Reveal = open(&secret, "device reveal", &ask.sealed).ok_or_else(other_code)?;
                self.device_reveal(stored, body, &secret, reveal).await?
            }
            "device/confirm" if is_it => {
                let said: Acceptance = open(&secret, "device confirm", &ask.sealed).ok_or_else(other_code)?;
                return self.device_confirm(stored, body, &said).await;
            }
            "device/stop" if is_it => {
                open::<Acceptance>(&secret, "device stop", &ask.sealed).ok_or_else(other_code)?;
                said("ended", &self.end_offer(stored, body, "the new device stopped it").await?)?
            }
            "device/state" => said("waiting", &body.message)?,
            _ => return Err(unreadable()),
        };
        Ok((answer, None))
    }

    async fn device_hello(
        &mut self,
        stored: StoredTask,
        mut body: OfferBody,
        secret: &[u8; 32],
        hello: Hello,
        from: IdentityId,
    ) -> Result<Vec<u8>, NodeError> {
        // A second commitment would let whoever has the code try numbers until the digits agree.
        if !body.card.is_empty() && (body.card != hello.card || body.commit != hello.commit) {
            return said("ended", &self.end_offer(stored, body, "the code was used by two; make a new code").await?);
        }
        let card = unbase32(&hello.card).and_then(|card| Card::decode(&card).ok());
        if card.is_none_or(|card| card.id() != from || from == self.node.identity.id()) {
            return Err(NodeError::Forbidden("the card is not that of the device that asks".to_owned()));
        }
        if body.nonce.is_empty() {
            body.nonce = base32(&crate::clock::random::<32>());
        }
        body.name = hello.name.chars().filter(|c| !c.is_control()).take(NAME_BYTES_MAX / 4).collect();
        (body.card, body.commit) = (hello.card, hello.commit);
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        let reply = HelloAnswer {
            card: base32(&self.node.identity.card().encode()),
            name: self.node.name.clone(),
            commit: commit_of(&body.nonce),
        };
        self.put_offer(stored, &body, "received").await?;
        serde_json::to_vec(&seal(secret, "device hello answer", &reply)).or(Err(DAMAGED))
    }

    async fn device_reveal(
        &mut self,
        stored: StoredTask,
        mut body: OfferBody,
        secret: &[u8; 32],
        reveal: Reveal,
    ) -> Result<Vec<u8>, NodeError> {
        if commit_of(&reveal.nonce) != body.commit {
            let why = "the other side changed its number; make a new code";
            return said("ended", &self.end_offer(stored, body, why).await?);
        }
        body.their_nonce = reveal.nonce;
        body.digits = digits(&self.offer_transcript(&body)?);
        body.message = "compare the six digits with those the new device shows".to_owned();
        body.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        let reply = RevealAnswer { nonce: body.nonce.clone() };
        self.put_offer(stored, &body, "in-progress").await?;
        serde_json::to_vec(&seal(secret, "device reveal answer", &reply)).or(Err(DAMAGED))
    }

    async fn device_confirm(
        &mut self,
        stored: StoredTask,
        mut body: OfferBody,
        acceptance: &Acceptance,
    ) -> Result<Answered, NodeError> {
        if body.digits.is_empty() || !acceptance.is_of(&card_of(&body)?, &self.offer_transcript(&body)?) {
            let why = self.end_offer(stored, body, "the new device's word does not verify; make a new code").await?;
            return Ok((said("ended", &why)?, None));
        }
        (body.accepted, body.expires_ms) = (true, crate::clock::now_ms() + SILENCE_MS_MAX);
        let body = self.conclude_offer(stored, body).await?;
        let records = Some(body.records).filter(|records| !records.is_empty());
        Ok((said("waiting", "confirm on your other device too")?, records))
    }

    fn offer_transcript(&self, body: &OfferBody) -> Result<[u8; 32], NodeError> {
        let theirs = unbase32(&body.card).ok_or(DAMAGED)?;
        Ok(transcript(&self.node.identity.card().encode(), &theirs, &body.nonce, &body.their_nonce))
    }
}
