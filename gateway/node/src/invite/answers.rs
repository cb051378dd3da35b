//! The hospital's answers to a patient who takes an invite: hello, the nonce, the signed acceptance. Called by `invite`.

use super::{DAMAGED, InviteBody, default_grants};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::meeting::host::{Held, said, sealed};
use crate::meeting::{Ask, Reveal, answer, open};
use crate::pairing::{Confirm, Hello, HelloAnswer};
use fhir::ResourceType;
use record::body::claim::encode_grants;
use record::id::base32;

impl Batch {
    pub(super) async fn answer_pairing(&mut self, topic: &str, bytes: &[u8]) -> Result<Vec<u8>, NodeError> {
        let unreadable = || NodeError::Unprocessable("the question is not understood".to_owned());
        let ask: Ask = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        let mut held = self.load_held::<InviteBody>(&ask.task).await?;
        if let Some(why) = self.stale(&mut held).await? {
            // A second use is told, not silently refused.
            return said(if held.status() == "completed" { "done" } else { "ended" }, &why);
        }
        let secret = held.host.secret().ok_or(DAMAGED)?;
        let other_code = || NodeError::Forbidden("the code is not the one".to_owned());
        match topic {
            "pair/hello" => {
                let hello: Hello = open(&secret, "hello", &ask.sealed).ok_or_else(other_code)?;
                self.pair_hello(held, &secret, hello).await
            }
            "pair/reveal" => {
                let reveal: Reveal = open(&secret, "reveal", &ask.sealed).ok_or_else(other_code)?;
                self.revealed(&mut held, &secret, reveal).await
            }
            "pair/confirm" => {
                let confirm: Confirm = open(&secret, "confirm", &ask.sealed).ok_or_else(unreadable)?;
                (held.own.acceptance, held.own.grants) = (confirm.acceptance, confirm.grants);
                held.host.wait();
                self.conclude(&mut held).await?;
                said("waiting", "waiting for the hospital to confirm")
            }
            "pair/stop" => {
                open::<Confirm>(&secret, "stop", &ask.sealed).ok_or_else(unreadable)?;
                said("ended", &self.end_held(&mut held, "the patient stopped it").await?)
            }
            "pair/state" => said("waiting", &held.host.message),
            _ => Err(unreadable()),
        }
    }

    async fn pair_hello(
        &mut self,
        mut held: Held<InviteBody>,
        secret: &[u8; 32],
        hello: Hello,
    ) -> Result<Vec<u8>, NodeError> {
        if let Some(why) = self.used_by_two(&mut held, &hello.card, &hello.commit).await? {
            return said("ended", &why);
        }
        let record = held.own.record()?;
        let commit = held.host.take(hello.card, hello.commit);
        held.own.grants = base32(&encode_grants(&default_grants(&self.node, &held.own.patient)));
        let kind = ResourceType::parse("Patient").ok_or(DAMAGED)?;
        let mut name = String::new();
        if let Some(patient) = self.current(kind.number(), &held.own.patient).await? {
            name = crate::grants::person_name(&self.stored_json(&patient).await?).unwrap_or_default();
        }
        let reply = HelloAnswer {
            card: base32(&self.node.identity.card().encode()),
            name: self.node.name.clone(),
            record: record.to_string(),
            patient_name: name,
            grants: held.own.grants.clone(),
            commit,
        };
        self.put_held(&held, "received").await?;
        answer(&sealed::<InviteBody>(secret, "hello answer", &reply))
    }
}
