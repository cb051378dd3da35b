//! The side that takes a code: it asks whoever made it, shows digits, and looks now and then how it stands until it is over, as
//! far as that is the same for all codes. What comes of it is its owner's: `pairing` and `devices::join`.

use super::visit::{Guest, Visit, Visitor};
use super::{Ask, Reveal, RevealAnswer, SILENCE_MS_MAX, commit_of, digits, read_code, seal, write_both};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::invite::new_task;
use crate::node::Node;
use record::IdentityId;
use record::id::base32;
use serde::Serialize;
use std::time::Duration;
use store::db::Reader;
use store::tasks::StoredTask;

/// How long one question to the other side may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How often the other side is asked whether it has confirmed.
const POLL: Duration = Duration::from_secs(2);

impl Node {
    /// Takes a code and begins to meet whoever made it; returns its name here at once.
    pub(crate) async fn take_code<T: Visitor>(&self, code: &str) -> Result<String, NodeError> {
        let (secret, addresses) = read_code(code, T::WORDS.scheme)?;
        let guest = Guest::new(&secret, addresses, format!("connecting to {}", T::WORDS.them));
        let mut visit = Visit::new(guest, T::default());
        self.put_visit(&visit, "connecting").await?;
        let (node, id) = (self.clone(), visit.id.clone());
        tokio::spawn(async move {
            if let Err(error) = T::meet(node.clone(), visit.clone()).await {
                drop(node.end_visit(&mut visit, &error.to_string()).await);
            }
        });
        Ok(id)
    }

    /// Stores how it stands now; what is over stays over.
    pub(crate) async fn put_visit<T: Visitor>(&self, visit: &Visit<T>, status: &str) -> Result<(), NodeError> {
        let body = write_both(&visit.guest, &visit.own).ok_or(Visit::<T>::DAMAGED)?;
        let task = new_task(visit.id.clone(), T::WORDS.kind, status, &body)?;
        self.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_visit(task).await })
        })
        .await
    }

    /// Ends it with these words.
    pub(crate) async fn end_visit<T: Visitor>(&self, visit: &mut Visit<T>, why: &str) -> Result<(), NodeError> {
        visit.guest.message = why.to_owned();
        visit.guest.secret.clear();
        self.put_visit(visit, "ended").await
    }

    /// What it was for has come.
    pub(crate) async fn finish_visit<T: Visitor>(&self, visit: &mut Visit<T>, words: &str) -> Result<(), NodeError> {
        visit.guest.message = words.to_owned();
        visit.guest.secret.clear();
        self.put_visit(visit, "done").await
    }

    pub(crate) async fn load_visit<T: Visitor>(&self, id: &str) -> Result<Option<Visit<T>>, NodeError> {
        let stored = Reader::from(&self.store).task(id).await?.filter(|stored| stored.kind == T::WORDS.kind);
        let Some(stored) = stored else { return Ok(None) };
        Visit::read(&stored).map(Some).ok_or(Visit::<T>::DAMAGED)
    }

    /// Asks the other side; says who answered, and what.
    pub(crate) async fn ask_host<T: Visitor>(
        &self,
        visit: &Visit<T>,
        step: &str,
        body: &impl Serialize,
    ) -> Result<(IdentityId, Vec<u8>), NodeError> {
        let words = T::WORDS;
        let net = self.net.get().ok_or(NodeError::Unreachable("this node is not connected".to_owned()))?;
        let sealed = seal(&visit.secret()?, &format!("{}{step}", words.purpose), body).sealed;
        let ask = serde_json::to_vec(&Ask { task: visit.guest.task.clone(), sealed }).or(Err(Visit::<T>::DAMAGED))?;
        let topic = format!("{}/{step}", words.topic);
        match net.ask(visit.guest.addresses.clone(), topic, ask, ANSWER_MAX).await {
            Ok(answer) => Ok(answer),
            Err(net::AskError::Refused(why)) => Err(NodeError::Unprocessable(why)),
            Err(_) => Err(NodeError::Unreachable(format!("{} cannot be reached now", words.them))),
        }
    }

    /// Shows our number and takes theirs, which must be the one they committed to.
    pub(crate) async fn reveal_to<T: Visitor>(&self, visit: &Visit<T>, commit: &str) -> Result<String, NodeError> {
        let reveal = Reveal { nonce: visit.guest.nonce.clone() };
        let (_, reply) = self.ask_host(visit, "reveal", &reveal).await?;
        let revealed: RevealAnswer = visit.opened("reveal answer", &reply)?;
        if commit_of(&revealed.nonce) != commit {
            let text = format!("the other side changed its number; {}", T::WORDS.again);
            return Err(NodeError::Unprocessable(text));
        }
        Ok(revealed.nonce)
    }

    /// Shows the digits of what both sides said, and looks from then on how it stands.
    pub(crate) async fn show_digits<T: Visitor>(
        &self,
        visit: &mut Visit<T>,
        transcript: &[u8; 32],
    ) -> Result<(), NodeError> {
        let words = T::WORDS;
        (visit.guest.digits, visit.guest.transcript) = (digits(transcript), base32(transcript));
        visit.guest.message = format!("compare the six digits with those {} {}", words.them, words.compared);
        self.put_visit(visit, "digits").await?;
        self.follow::<T>(visit.id.clone());
        Ok(())
    }

    /// Asks now and then how it stands, until it is over.
    fn follow<T: Visitor>(&self, id: String) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL).await;
                let Some(node) = weak.upgrade().map(Node) else { return };
                let checked = match node.load_visit::<T>(&id).await {
                    Ok(Some(visit)) if matches!(visit.status(), "digits" | "waiting") => T::check(node, visit).await,
                    Ok(_) => return,
                    Err(error) => Err(error),
                };
                match checked {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(%error, "{} could not be asked about {}", T::WORDS.them, T::WORDS.it)
                    }
                }
            }
        });
    }

    /// Ends it where nothing has happened for too long.
    pub(crate) async fn is_silent<T: Visitor>(&self, visit: &mut Visit<T>) -> Result<bool, NodeError> {
        if visit.guest.is_late() {
            self.end_visit(visit, &format!("nothing happened for ten minutes; {}", T::WORDS.again)).await?;
        }
        Ok(visit.guest.is_late())
    }

    /// Goes on after a start; those that were still connecting have ended with the process. Returns those that are done.
    pub(crate) async fn resume_visits<T: Visitor>(&self) -> Result<Vec<Visit<T>>, NodeError> {
        let mut done = Vec::new();
        for task in Reader::from(&self.store).tasks(T::WORDS.kind).await? {
            match task.status.as_str() {
                "digits" | "waiting" => self.follow::<T>(task.id),
                "connecting" => {
                    let mut visit = Visit::<T>::read(&task).ok_or(Visit::<T>::DAMAGED)?;
                    self.end_visit(&mut visit, "it was interrupted; paste the code again").await?;
                }
                "done" => done.push(Visit::read(&task).ok_or(Visit::<T>::DAMAGED)?),
                _ => {}
            }
        }
        Ok(done)
    }

    /// One whose digits can be confirmed now.
    pub(crate) async fn visit_to_confirm<T: Visitor>(&self, id: &str) -> Result<Visit<T>, NodeError> {
        let visit = self.load_visit::<T>(id).await?.ok_or_else(|| NodeError::NotFound(T::WORDS.it.to_owned()))?;
        if visit.status() != "digits" || visit.guest.is_late() {
            let text = format!("this cannot be confirmed now: {}", visit.guest.message);
            return Err(NodeError::Unprocessable(text));
        }
        Ok(visit)
    }

    /// Notes that it was confirmed here, and waits for the other side to do the same.
    pub(crate) async fn wait_for_host<T: Visitor>(&self, visit: &mut Visit<T>, words: &str) -> Result<(), NodeError> {
        visit.guest.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
        visit.guest.message = words.to_owned();
        self.put_visit(visit, "waiting").await
    }

    /// The patient stops it; the other side is told if it can be reached.
    pub(crate) async fn stop_visit<T: Visitor>(&self, id: &str) -> Result<(), NodeError> {
        let visit = self.load_visit::<T>(id).await?;
        let mut visit = visit.ok_or_else(|| NodeError::NotFound(T::WORDS.it.to_owned()))?;
        if matches!(visit.status(), "done" | "ended") {
            return Err(NodeError::Unprocessable(format!("{} is over already", T::WORDS.this)));
        }
        drop(self.ask_host(&visit, "stop", &T::Nothing::default()).await);
        visit.guest.confirmed = false;
        self.end_visit(&mut visit, "you stopped it").await
    }
}

/// Every code of this kind that was taken, newest first; what does not read back is left out.
pub(crate) async fn visits<T: Visitor>(reader: &mut Reader<'_>) -> Result<Vec<Visit<T>>, NodeError> {
    Ok(reader.tasks(T::WORDS.kind).await?.iter().filter_map(Visit::read).collect())
}

impl Batch {
    async fn put_visit(&mut self, task: StoredTask) -> Result<(), NodeError> {
        let before = self.reader().await?.task(&task.id).await?;
        // What is over stays over, whichever of two steps is written last.
        if before.as_ref().is_some_and(|before| matches!(before.status.as_str(), "done" | "ended")) {
            return Ok(());
        }
        self.put_task(StoredTask { version: before.map_or(0, |before| before.version), ..task }).await
    }
}
