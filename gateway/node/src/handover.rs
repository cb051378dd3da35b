//! Keys that take over: after `identity_file::hand_over` each record this identity is in is told of it by a `keys` op that draws a line
//! under the old key, before anything else is signed there. Where nobody else is, that is when a node opens; where others are, once
//! one of them has said what it knows, since a restored database may lack what this identity told before (decision 0041).
//! Called by `author`, by `sync` with what members tell, and when a node opens.
//!
//! Source: `docs/PROTOCOL.md` rules 1.5 and 4.12.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::{Inner, Node};
use record::body::Body;
use record::body::handover::Handover;
use record::draft::DraftFrame;
use record::entry::KeyName;
use record::{Authority, Head, Kind, LaneKind, RecordId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use store::db::Reader;

/// Records that one transaction tells.
const AT_ONCE: usize = 100;
/// The fact under which is kept up to which key every record was told.
const TOLD: &str = "handed-over";
/// How long a member's heads are waited for once the network began: several dials, and what came since a backup, but no longer than
/// an EHR waits for its answer. After that a record is told with what is here.
const HEADS_WAIT: Duration = Duration::from_secs(20);
/// How often is looked whether something waits no more.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// In which records a member has told its heads since this process began, and all it named of the control lanes is here. Kept of
/// records that are not told of this identity's key yet.
#[derive(Default)]
pub(crate) struct Heard(Mutex<(HashSet<RecordId>, Option<Instant>)>);

impl Heard {
    /// Begins to wait: the network starts, or the database fell behind.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (HashSet::new(), Some(Instant::now()));
    }

    fn add(&self, record: RecordId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.insert(record);
    }

    /// Whether somebody told of a record, or has been waited for long enough.
    fn is_ready(&self, record: &RecordId) -> bool {
        self.is_over() || self.0.lock().unwrap_or_else(PoisonError::into_inner).0.contains(record)
    }

    fn is_over(&self) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.1.is_none_or(|begun| begun.elapsed() >= HEADS_WAIT)
    }
}

impl Batch {
    /// Tells a record of this identity's key, if it has not heard of it; the record as it is then.
    pub(crate) async fn tell_of_key(&mut self, context: &Context) -> Result<Option<Arc<Context>>, NodeError> {
        self.node.check_key(context)?;
        let node = self.node.clone();
        let me = node.identity.card();
        let number = me.key_number();
        if number == 0 || context.state.is_told_of_key(&me.id(), number) {
            return Ok(None);
        }
        let Some(authority) = self.any_word(context) else { return Ok(None) };
        if self.node.waits_for_heads(context) {
            return Err(NodeError::Early(context.record));
        }
        let lanes = self.lanes(&context.record).await?;
        let own = lanes.iter().map(|lane| lane.head).filter(|head| head.lane.author == me.id());
        let retains = own.filter(|head| head.lane.kind != LaneKind::Control).collect();
        let body = Body::Handover(Handover { card: me.clone(), retains });
        let frames = vec![DraftFrame::Body { body, key_name: KeyName::Plain, key: None }];
        let told = self.author_plainly(context, Kind::Keys, authority, frames, &[]).await?;
        let context = self.reload(&context.record, told.position).await?;
        self.set_known(&context);
        Ok(Some(context))
    }

    /// What this identity acts under in a record: as its authority, or under the latest grant.
    fn any_word(&self, context: &Context) -> Option<Authority> {
        let me = self.node.identity.id();
        context.state.word_of(&me).or_else(|| {
            let given = context.state.grants().filter(|given| given.holder == me && given.revoked_by.is_none());
            given.max_by_key(|given| given.given_ms).map(|given| Authority::Grant(given.id))
        })
    }
}

impl Node {
    /// Refuses to sign with a key that a record knows to be handed over from: this process still has the file from before.
    pub(crate) fn check_key(&self, context: &Context) -> Result<(), NodeError> {
        let me = self.identity.card();
        match context.state.is_key_superseded(&me.id(), me.key_number()) {
            true => Err(NodeError::HandedOver),
            false => Ok(()),
        }
    }

    /// Whether a control op of this identity's may have to wait for what others know of the record: one of them is to tell its heads
    /// first. Without a network nobody can.
    fn waits_for_heads(&self, context: &Context) -> bool {
        self.net.get().is_some() && self.is_with_others(context) && !self.heard.is_ready(&context.record)
    }

    fn is_with_others(&self, context: &Context) -> bool {
        let me = self.identity.id();
        let others = context.state.members().into_iter().map(|card| card.id()).filter(|who| *who != me);
        others.into_iter().any(|who| context.state.is_member(&who))
    }

    /// Waits until a record's control ops need not wait; that is at most until [`HEADS_WAIT`] is over.
    pub(crate) async fn until_heard(&self, record: &RecordId) {
        while self.net.get().is_some() && !self.heard.is_ready(record) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Notes what a member told of a record: it knows what this identity said there, and all that it named is here. One that does
    /// not know this identity's lane, where there is one, has nothing to tell of it.
    pub(crate) async fn hear(&self, context: &Context, heads: &[Head]) {
        let me = self.identity.card();
        let (id, number) = (me.id(), me.key_number());
        if number == 0 || context.state.is_told_of_key(&id, number) {
            return;
        }
        let control = heads.iter().filter(|head| head.lane.kind == LaneKind::Control).collect::<Vec<_>>();
        if control.is_empty() || !control.iter().all(|head| context.state.lamport_of(&head.id).is_some()) {
            return;
        }
        let lanes = Reader::from(&self.store).lanes(&context.record).await.unwrap_or_default();
        let own = |head: &Head| head.lane.kind == LaneKind::Control && head.lane.author == id;
        if control.iter().any(|head| own(head)) || !lanes.iter().any(|lane| own(&lane.head)) {
            self.heard.add(context.record);
        }
    }

    /// Tells every record of this identity's key: those nobody else is in at once, others as somebody is heard from. What was told
    /// stays told: stopped on the way, the next start goes on. A record that cannot be told keeps no other from it, and is told
    /// before anything is signed there.
    pub(crate) async fn announce_key(&self) -> Result<(), NodeError> {
        if let Some(house) = self.house.get()
            && let Some(house) = self.context(&mut Reader::from(&self.store), house).await?
            && let Err(error) = self.check_key(&house)
        {
            tracing::error!("{error}");
            return Ok(());
        }
        let number = self.identity.card().key_number();
        if number == 0 || self.store.meta(TOLD).await?.as_deref() == Some(&number.to_le_bytes()[..]) {
            return Ok(());
        }
        let records = Reader::from(&self.store).records().await?;
        let records = records.into_iter().map(|known| known.record).collect::<Vec<_>>();
        tracing::warn!(records = records.len(), number, "this identity handed its keys over: every record is told");
        let told = self.tell(&records, false).await?;
        if told.waiting.is_empty() {
            return self.note_told(told.failed).await;
        }
        tracing::info!(
            waiting = told.waiting.len(),
            "records that others are in are told once one of them has said what it knows"
        );
        tokio::spawn(go_on(Arc::downgrade(&self.0), told));
        Ok(())
    }

    /// Tells records; those that others are in only where they are `heard` from.
    async fn tell(&self, records: &[RecordId], heard: bool) -> Result<Telling, NodeError> {
        let mut all = Telling::default();
        for some in records.chunks(AT_ONCE) {
            match self.tell_at_once(some.into(), heard).await {
                Ok(waiting) => all.waiting.extend(waiting),
                // One of them: each alone shows which.
                Err(_) => {
                    for record in some {
                        match self.tell_at_once([*record].into(), heard).await {
                            Ok(waiting) => all.waiting.extend(waiting),
                            Err(error) => {
                                self.store.ping().await?;
                                tracing::error!(%record, %error, "a record could not be told of the identity's new key");
                                all.failed += 1;
                            }
                        }
                    }
                }
            }
        }
        Ok(all)
    }

    /// Tells records in one transaction; returns those that wait.
    async fn tell_at_once(&self, records: Arc<[RecordId]>, heard: bool) -> Result<Vec<RecordId>, NodeError> {
        self.commit(move |batch| {
            let records = records.clone();
            Box::pin(async move {
                let mut waiting = Vec::new();
                for record in records.iter() {
                    let context = batch.known(record).await?;
                    match heard || !batch.node.is_with_others(&context) {
                        true => drop(batch.tell_of_key(&context).await?),
                        false => waiting.push(*record),
                    }
                }
                Ok(waiting)
            })
        })
        .await
    }

    /// Notes that every record was told, if none failed.
    async fn note_told(&self, failed: usize) -> Result<(), NodeError> {
        if failed > 0 {
            tracing::error!(failed, "{failed} records were not told of the identity's key: the next start tries again");
            return Ok(());
        }
        let number = self.identity.card().key_number();
        self.commit(move |batch| {
            Box::pin(async move { Ok(batch.tx().await?.put_meta(TOLD, &number.to_le_bytes()).await?) })
        })
        .await
    }
}

/// Records that are still to be told, and how many could not be.
#[derive(Default)]
struct Telling {
    waiting: Vec<RecordId>,
    failed: usize,
}

/// Tells records as others are heard from, until all were told or the node is gone.
async fn go_on(node: Weak<Inner>, mut telling: Telling) {
    while !telling.waiting.is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(node) = node.upgrade().map(Node) else { return };
        if node.net.get().is_none() {
            continue;
        }
        let over = node.heard.is_over();
        let (ready, waiting) = telling.waiting.into_iter().partition::<Vec<_>, _>(|one| node.heard.is_ready(one));
        telling.waiting = waiting;
        if over {
            tracing::warn!(
                records = ready.len(),
                "nobody told what it knows of these records: they are told of the key now"
            );
        }
        match node.tell(&ready, true).await {
            Ok(told) => telling.failed += told.failed,
            Err(error) => return tracing::error!(%error, "records could not be told of the identity's new key"),
        }
        if telling.waiting.is_empty()
            && let Err(error) = node.note_told(telling.failed).await
        {
            tracing::error!(%error, "it could not be noted that every record was told of the identity's new key");
        }
    }
}
