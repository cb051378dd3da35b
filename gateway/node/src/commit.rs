//! Group commit: one task per process writes; requests that wait while one transaction commits share the next. One
//! request's failure never fails its neighbours, and nothing is acknowledged before the database has it on disk.
//! Called by everything here that writes.

use crate::batch::Batch;
use crate::error::NodeError;
use crate::node::{Inner, Node};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{mpsc, oneshot};

/// Most requests that share one commit; more only make the first wait for the last.
const BATCH_JOBS_MAX: usize = 128;
/// Requests that may wait; further ones wait in their own task, so that a burst is slowed and not refused.
const JOBS_WAITING_MAX: usize = 1024;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Work = Arc<dyn for<'a> Fn(&'a mut Batch) -> BoxFuture<'a, Result<(), NodeError>> + Send + Sync>;

/// A request for the next transaction. It may run more than once: again alone, where its batch failed as a whole, and again where a
/// record it writes to waited for others.
pub(crate) struct Job {
    work: Work,
    done: oneshot::Sender<Result<(), NodeError>>,
}

/// Where requests wait.
pub(crate) struct Committer(mpsc::Sender<Job>);

impl Committer {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, jobs) = mpsc::channel(JOBS_WAITING_MAX);
        (Self(sender), jobs)
    }
}

impl Node {
    /// Runs `work` in the next transaction and returns what it made once that is durable.
    ///
    /// `work` reads and checks first and adds to the batch last, so that its failure leaves the batch as it was.
    pub(crate) async fn commit<T, F>(&self, work: F) -> Result<T, NodeError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut Batch) -> BoxFuture<'a, Result<T, NodeError>> + Send + Sync + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let (filled, work) = (slot.clone(), Arc::new(work));
        let work: Work = Arc::new(move |batch| {
            let (slot, work) = (filled.clone(), work.clone());
            Box::pin(async move {
                let made = work(batch).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
                Ok(())
            })
        });
        loop {
            let (done, result) = oneshot::channel();
            let job = Job { work: work.clone(), done };
            self.committer.0.send(job).await.or(Err(NodeError::Stopping))?;
            match result.await.or(Err(NodeError::Stopping))? {
                // Waited for here and not in the transaction, which what is waited for needs as well.
                Err(NodeError::Early(record)) => self.until_heard(&record).await,
                result => break result?,
            }
        }
        let made = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.ok_or(NodeError::Internal("a commit without its result"))
    }
}

/// Serves jobs until the node is gone.
pub(crate) async fn run(node: Weak<Inner>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.recv().await {
        let Some(node) = node.upgrade().map(Node) else { return };
        let mut group = vec![first];
        while group.len() < BATCH_JOBS_MAX
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        serve(&node, group).await;
    }
}

async fn serve(node: &Node, group: Vec<Job>) {
    match together(node, &group).await {
        Ok(results) => {
            for (job, result) in group.into_iter().zip(results) {
                drop(job.done.send(result));
            }
        }
        Err(error) if group.len() == 1 => {
            tracing::error!(error = %detail(&error), "a transaction failed; nothing was changed");
            if let Some(job) = group.into_iter().next() {
                drop(job.done.send(Err(error)));
            }
        }
        Err(NodeError::Unconfirmed(error)) => {
            tracing::error!(%error, "a commit was not confirmed by the database");
            for job in group {
                let lost = store::StoreError::Damaged("confirmation of a commit");
                drop(job.done.send(Err(NodeError::Unconfirmed(lost))));
            }
        }
        // Somebody's statement failed, or the database went away in between: each alone shows whose.
        Err(_) => {
            for job in group {
                let result = match together(node, std::slice::from_ref(&job)).await {
                    Ok(mut results) => results.pop().unwrap_or(Err(NodeError::Internal("a job without a result"))),
                    Err(error) => {
                        tracing::error!(error = %detail(&error), "a transaction failed; nothing was changed");
                        Err(error)
                    }
                };
                drop(job.done.send(result));
            }
        }
    }
}

/// One transaction for all; an error is the transaction's, not a job's.
async fn together(node: &Node, group: &[Job]) -> Result<Vec<Result<(), NodeError>>, NodeError> {
    let mut batch = Batch::open(node).await?;
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        let before = batch.gathered();
        match (job.work)(&mut batch).await {
            Err(NodeError::Store(error)) => return Err(NodeError::Store(error)),
            // Half of a request must not be committed with its neighbours: each runs again alone.
            Err(error) if batch.gathered() != before && group.len() > 1 => return Err(error),
            result => results.push(result),
        }
    }
    if results.iter().all(Result::is_err) {
        return Ok(results);
    }
    let moved = match batch.commit().await {
        Ok(moved) => moved,
        // Whether the database has it is not known: told to everyone, and run again by nobody here.
        Err(NodeError::Store(error)) => {
            // What was signed may have left with another process, and be gone here: its numbers are not taken again.
            node.begin_anew();
            return Err(NodeError::Unconfirmed(error));
        }
        Err(error) => return Err(error),
    };
    node.after_commit(moved);
    Ok(results)
}

fn detail(error: &NodeError) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

impl Node {
    fn after_commit(&self, moved: std::collections::HashSet<record::RecordId>) {
        if let Some(net) = self.net.get() {
            for record in &moved {
                net.moved(*record);
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }
}
