//! `$reindex`: takes definitions up and goes through what is there, step by step, each in a transaction of its own that
//! keeps how far it is. A process that dies leaves it to its next start, or to another one of the same database. Called by
//! `server`; worked on in the background of every process.
//! Spec: <https://hl7.org/fhir/R4/async.html>.

use super::{DEFINITION, Known, Note};
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::{Inner, Node};
use fhir::ResourceType;
use record::scope::Interactions;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use store::db::Reader;
use store::parameters::{Parameter, State};
use store::reindexes::{Job as Stored, JobState};
use store::versions::Walk;
use tokio::sync::Notify;

/// Jobs whose outcome can be asked for.
pub const JOBS_KEPT: i64 = 16;
/// How often it is looked for a job that nobody works on.
const EVERY: Duration = Duration::from_secs(2);
/// A job that no process has worked on for so long is taken over. Two that work on one do no harm.
const SILENCE_MS_MAX: i64 = 5_000;

/// How long a job leaves the rows that it is to remove: by then no process searches by them any more.
const ROWS_KEPT: Duration = Duration::from_secs(1);

/// What this process works on.
#[derive(Default)]
pub(crate) struct Worker {
    woken: Arc<Notify>,
    mine: Mutex<Option<String>>,
}

/// A job as its status tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// It was called off; `notes` tells what was refused when it began.
    pub is_cancelled: bool,
    /// It goes on.
    pub is_running: bool,
    /// Resources gone through.
    pub done: i64,
    /// Resources to go through.
    pub total: i64,
    /// What can be searched by once it is done, and what was refused.
    pub notes: Vec<Note>,
}

fn told(stored: Stored) -> Job {
    Job {
        is_cancelled: stored.state == JobState::Cancelled,
        is_running: stored.state == JobState::Running,
        done: stored.done,
        total: stored.total.max(stored.done),
        notes: serde_json::from_str(&stored.notes).unwrap_or_default(),
        id: stored.id,
    }
}

impl Node {
    /// Begins a job, or names the one that runs.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] for a token that may not read and update SearchParameters.
    pub async fn begin_reindex(&self, caller: &Caller) -> Result<Job, NodeError> {
        permit(caller, Interactions::UPDATE)?;
        // Counted outside: it takes as long as there are versions, and the log's clock stays locked within.
        let all = Walk { own_of: None, after: 0, last: i64::MAX };
        let total = Reader::from(&self.store).walk_length(all).await?;
        let job = self.commit(move |batch| Box::pin(batch.begin_reindex(total))).await?;
        self.parameters.worker.take(&job.id);
        Ok(told(job))
    }

    /// A job that runs, or one of the last that did.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] for a token that may not read SearchParameters; [`NodeError::NotFound`].
    pub async fn reindex_job(&self, caller: &Caller, id: &str) -> Result<Job, NodeError> {
        permit(caller, Interactions::READ)?;
        let job = Reader::from(&self.store).reindex(id).await?;
        job.map(told).ok_or_else(|| unknown(id))
    }

    /// Calls a job off. What it has not finished is not searched, and removed by the next one.
    ///
    /// # Errors
    /// As [`Node::begin_reindex`]; [`NodeError::NotFound`].
    pub async fn cancel_reindex(&self, caller: &Caller, id: &str) -> Result<(), NodeError> {
        permit(caller, Interactions::UPDATE)?;
        let id = id.to_owned();
        self.commit(move |batch| {
            let id = id.clone();
            Box::pin(async move { batch.cancel_reindex(&id).await })
        })
        .await
    }
}

/// Whoever decides what is indexed may read and change the definitions: they are told what those say.
fn permit(caller: &Caller, interaction: Interactions) -> Result<(), NodeError> {
    let kind = ResourceType::parse(DEFINITION).ok_or(NodeError::Internal("no type is named SearchParameter"))?;
    caller.permit(kind, Interactions::READ)?;
    caller.permit(kind, interaction)
}

fn unknown(id: &str) -> NodeError {
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    NodeError::NotFound(format!("the job {id} of $reindex"))
}

impl Worker {
    fn take(&self, id: &str) {
        *self.mine.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
        self.woken.notify_one();
    }

    /// Whether nobody else works on it.
    fn works_on(&self, job: &Stored) -> bool {
        let mut mine = self.mine.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = crate::clock::now_ms() as i64 - job.touched > SILENCE_MS_MAX;
        if silent {
            *mine = Some(job.id.clone());
        }
        mine.as_ref() == Some(&job.id)
    }
}

/// Works on what there is to do until the node is gone.
pub(crate) async fn run(node: Weak<Inner>) {
    loop {
        let Some(woken) = node.upgrade().map(|node| node.parameters.worker.woken.clone()) else { return };
        tokio::time::timeout(EVERY, woken.notified()).await.ok();
        drop(woken);
        let Some(node) = node.upgrade().map(Node) else { return };
        if let Err(error) = node.work_on_reindex().await {
            tracing::warn!(%error, "a job of $reindex stopped; the next round goes on with it");
        }
    }
}

impl Node {
    async fn work_on_reindex(&self) -> Result<(), NodeError> {
        loop {
            let job = Reader::from(&self.store).running_reindex().await?;
            let Some(job) = job.filter(|job| self.parameters.worker.works_on(job)) else { return Ok(()) };
            tokio::time::sleep(self.rows_kept(&job).await?).await;
            let begun = Instant::now();
            self.commit(|batch| Box::pin(batch.step_of_reindex())).await?;
            // As long as it took: half of the time is others'.
            tokio::time::sleep(begun.elapsed()).await;
            tracing::debug!(job = job.id, done = job.done, total = job.total, "indexing stored search parameters");
        }
    }
}

impl Node {
    /// How long to wait until what is to be removed may be.
    async fn rows_kept(&self, job: &Stored) -> Result<Duration, NodeError> {
        let age = Duration::from_micros(crate::clock::now_us().saturating_sub(job.started).max(0) as u64);
        let left = ROWS_KEPT.saturating_sub(age);
        if left.is_zero() {
            return Ok(left);
        }
        let parameters = Reader::from(&self.store).parameters().await?;
        let is_waiting = parameters.iter().any(|parameter| parameter.state == State::Removing);
        Ok(if is_waiting { left } else { Duration::ZERO })
    }
}

impl Batch {
    async fn begin_reindex(&mut self, total: i64) -> Result<Stored, NodeError> {
        if let Some(running) = self.reader().await?.running_reindex().await? {
            return Ok(running);
        }
        let notes = self.take_up().await?;
        // What is written from here on has its rows.
        let last = self.positions(1)?;
        let is_indexing = self.registry().known().iter().any(|known| !known.is_searched);
        let job = Stored {
            id: crate::clock::fresh_id(),
            state: JobState::Running,
            started: self.last_updated,
            touched: crate::clock::now_ms() as i64,
            position: 0,
            last,
            done: 0,
            total: if is_indexing { total } else { 0 },
            notes: text_of(&notes)?,
        };
        self.tx().await?.put_reindex(&job).await?;
        self.tx().await?.forget_reindexes(JOBS_KEPT).await?;
        Ok(job)
    }

    /// Removes some rows, or else makes some, or else ends the job.
    async fn step_of_reindex(&mut self) -> Result<(), NodeError> {
        let Some(mut job) = self.reader().await?.running_reindex().await? else { return Ok(()) };
        job.touched = crate::clock::now_ms() as i64;
        let parameters = self.reader().await?.parameters().await?;
        if let Some(gone) = parameters.iter().find(|parameter| parameter.state == State::Removing) {
            self.unfill(gone).await?;
            return Ok(self.tx().await?.put_reindex(&job).await?);
        }
        let is_left = |known: &Known| !known.is_searched;
        if self.registry().known().iter().any(is_left) {
            let walk = Walk { own_of: None, after: job.position, last: job.last };
            let filled = self.fill_some(walk, is_left).await?;
            for parameter in parameters {
                let Some(failed) = filled.failed.get(&parameter.number) else { continue };
                let failed = parameter.failed + failed;
                self.tx().await?.put_parameter(&Parameter { failed, ..parameter }).await?;
            }
            if let Some(position) = filled.position {
                (job.position, job.done) = (position, job.done + filled.versions);
                return Ok(self.tx().await?.put_reindex(&job).await?);
            }
        }
        let refused = serde_json::from_str(&job.notes).unwrap_or_default();
        self.end_reindex(Some(job), refused).await.map(drop)
    }

    /// Everything has its rows now: it can be searched by. What the job tells.
    pub(crate) async fn end_reindex(
        &mut self,
        job: Option<Stored>,
        refused: Vec<Note>,
    ) -> Result<Vec<Note>, NodeError> {
        let parameters = self.reader().await?.parameters().await?;
        let failed = parameters.iter().map(|one| (one.number, one.failed)).collect::<HashMap<_, _>>();
        // What this process cannot read has no rows of its making: it stays what it was, and is not searched by.
        let mine = self.registry().known().iter().map(|known| known.number).collect::<BTreeSet<_>>();
        let left = parameters.into_iter().filter(|parameter| parameter.state == State::Indexing);
        let left = left.filter(|parameter| mine.contains(&parameter.number));
        let left = left.map(|parameter| Parameter { state: State::Searched, ..parameter }).collect::<Vec<_>>();
        for parameter in &left {
            self.tx().await?.put_parameter(parameter).await?;
        }
        if !left.is_empty() {
            self.renew_registry().await?;
        }
        let known = self.registry().known().iter();
        let searched = known.map(|known| Note::searched(known, failed.get(&known.number).copied().unwrap_or_default()));
        let notes = searched.chain(refused).collect::<Vec<_>>();
        if let Some(job) = job {
            let job = Stored { state: JobState::Done, notes: text_of(&notes)?, ..job };
            self.tx().await?.put_reindex(&job).await?;
            tracing::info!(job = job.id, done = job.done, "stored search parameters are indexed");
        }
        Ok(notes)
    }

    async fn cancel_reindex(&mut self, id: &str) -> Result<(), NodeError> {
        let job = self.reader().await?.reindex(id).await?.ok_or_else(|| unknown(id))?;
        if job.state != JobState::Running {
            return Ok(());
        }
        let parameters = self.reader().await?.parameters().await?;
        for parameter in parameters.into_iter().filter(|parameter| parameter.state == State::Indexing) {
            self.tx().await?.put_parameter(&Parameter { state: State::Removing, ..parameter }).await?;
        }
        self.renew_registry().await?;
        Ok(self.tx().await?.put_reindex(&Stored { state: JobState::Cancelled, ..job }).await?)
    }
}

fn text_of(notes: &[Note]) -> Result<String, NodeError> {
    serde_json::to_string(notes).or(Err(NodeError::Internal("notes that are no JSON")))
}
