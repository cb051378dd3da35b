//! The hospital's answers to a patient who takes an invite: hello, the nonce, the signed acceptance. Called by `invite`.

use super::{DAMAGED, InviteBody, answer, default_grants, transcript_of};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::meeting::{Ask, Reveal, RevealAnswer, SILENCE_MS_MAX, StateAnswer, commit_of, digits, open, seal};
use crate::pairing::{Confirm, Hello, HelloAnswer};
use fhir::ResourceType;
use record::RecordId;
use record::body::claim::encode_grants;
use record::id::{base32, unbase32};
use store::tasks::StoredTask;

impl Batch {
    pub(super) async fn answer_pairing(&mut self, topic: &str, bytes: &[u8]) -> Result<Vec<u8>, NodeError> {
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
