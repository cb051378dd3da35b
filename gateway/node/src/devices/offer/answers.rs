//! The answers to a device that takes a code: hello, the nonce, its word, and how it stands. Called by `offer`.

use super::{DAMAGED, Offer};
use crate::batch::Batch;
use crate::devices::NAME_BYTES_MAX;
use crate::devices::messages::{Acceptance, Hello, HelloAnswer};
use crate::error::NodeError;
use crate::meeting::host::{Held, Hosted, said, sealed};
use crate::meeting::{Ask, Reveal, answer, open};
use record::id::{base32, unbase32};
use record::{Card, IdentityId};

/// What is answered, and once the device is in, the records it was let into.
type Answered = (Vec<u8>, Option<Vec<String>>);

impl Batch {
    pub(super) async fn answer_device(
        &mut self,
        from: IdentityId,
        topic: &str,
        bytes: &[u8],
    ) -> Result<Answered, NodeError> {
        let unreadable = || NodeError::Unprocessable("the question is not understood".to_owned());
        let ask: Ask = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        let mut held = self.load_held::<Offer>(&ask.task).await?;
        // What is said of records is said to the device that was let in, by the identity its node has proved.
        let is_it = held.host.card().is_some_and(|card| card.id() == from);
        if held.status() == "completed" && is_it && matches!(topic, "device/state" | "device/confirm") {
            return Ok((Vec::new(), Some(held.own.records)));
        }
        if let Some(why) = self.stale(&mut held).await? {
            return Ok((said("ended", &why)?, None));
        }
        let secret = held.host.secret().ok_or(DAMAGED)?;
        let other_code = || NodeError::Forbidden("the code is not the one".to_owned());
        let answer = match topic {
            "device/hello" => {
                let hello: Hello = open(&secret, "device hello", &ask.sealed).ok_or_else(other_code)?;
                self.device_hello(held, &secret, hello, from).await?
            }
            "device/reveal" if is_it => {
                let reveal: Reveal = open(&secret, "device reveal", &ask.sealed).ok_or_else(other_code)?;
                self.revealed(&mut held, &secret, reveal).await?
            }
            "device/confirm" if is_it => {
                let said: Acceptance = open(&secret, "device confirm", &ask.sealed).ok_or_else(other_code)?;
                return self.device_confirm(held, &said).await;
            }
            "device/stop" if is_it => {
                open::<Acceptance>(&secret, "device stop", &ask.sealed).ok_or_else(other_code)?;
                said("ended", &self.end_held(&mut held, "the new device stopped it").await?)?
            }
            "device/state" => said("waiting", &held.host.message)?,
            _ => return Err(unreadable()),
        };
        Ok((answer, None))
    }

    async fn device_hello(
        &mut self,
        mut held: Held<Offer>,
        secret: &[u8; 32],
        hello: Hello,
        from: IdentityId,
    ) -> Result<Vec<u8>, NodeError> {
        if let Some(why) = self.used_by_two(&mut held, &hello.card, &hello.commit).await? {
            return said("ended", &why);
        }
        let card = unbase32(&hello.card).and_then(|card| Card::decode(&card).ok());
        if card.is_none_or(|card| card.id() != from || from == self.node.identity.id()) {
            return Err(NodeError::Forbidden("the card is not that of the device that asks".to_owned()));
        }
        held.own.name = hello.name.chars().filter(|c| !c.is_control()).take(NAME_BYTES_MAX / 4).collect();
        let commit = held.host.take(hello.card, hello.commit);
        let card = base32(&self.node.identity.card().encode());
        let reply = HelloAnswer { card, name: self.node.name.clone(), commit };
        self.put_held(&held, "received").await?;
        answer(&sealed::<Offer>(secret, "hello answer", &reply))
    }

    async fn device_confirm(&mut self, mut held: Held<Offer>, acceptance: &Acceptance) -> Result<Answered, NodeError> {
        let card = held.host.card().ok_or(DAMAGED)?;
        let transcript = held.own.transcript(&held.host, self.node.identity.card())?;
        if held.host.digits.is_empty() || !acceptance.is_of(&card, &transcript) {
            let why = "the new device's word does not verify; make a new code";
            return Ok((said("ended", &self.end_held(&mut held, why).await?)?, None));
        }
        held.own.accepted = true;
        held.host.wait();
        self.conclude_offer(&mut held).await?;
        let records = Some(held.own.records).filter(|records| !records.is_empty());
        Ok((said("waiting", "confirm on your other device too")?, records))
    }
}
