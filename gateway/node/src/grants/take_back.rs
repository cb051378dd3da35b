//! Access that ends: taken back, narrowed, or over by the clock. Each is a revoke that keeps what was received by then, and
//! an epoch that its holder gets no key of. Called by `patient`; what is over is closed by a task of `node`.

use super::{Approval, NOT_YOURS, checked_end, classes, narrowed};
use crate::author::current_key;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::{Inner, Node, Role};
use record::body::BODY_BYTES_MAX;
use record::body::Body;
use record::body::grant::Grant;
use record::body::revoke::{RETAINS_MAX, Revoke, TARGETS_MAX};
use record::draft::DraftFrame;
use record::keys::Level;
use record::{GrantId, Head, IdentityId, Kind, LaneKind, RecordId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::db::Reader;
use store::ops::LaneHead;

/// How often is looked for grants whose time is over. Until one is closed it opens nothing all the same: who serves goes by
/// the clock. Closing it draws the line and changes the keys.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Most lanes a line names, of those that the format allows: each takes 88 bytes at most, and with what the revoke takes back
/// its body stays below `BODY_BYTES_MAX`. A larger one opens nowhere and would take nothing back.
const LANES_MAX: usize = 11_000;
const _: () = assert!(LANES_MAX <= RETAINS_MAX && LANES_MAX * 88 + TARGETS_MAX * 40 < BODY_BYTES_MAX);

impl Node {
    /// Takes a grant back and opens an epoch its holder has no key of. What the holder wrote before stays.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or [`NodeError::Unprocessable`] if it was taken back already.
    pub async fn revoke(&self, grant: &str) -> Result<(), NodeError> {
        let id = parse(grant)?;
        self.commit(move |batch| {
            Box::pin(async move {
                let (context, _) = batch.open_grant(&id).await?;
                batch.take_back(&context, vec![id]).await
            })
        })
        .await
    }

    /// Puts a narrower grant in the place of one: fewer of its scopes or sensitive classes, an earlier end, without the
    /// word *shared*.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or [`NodeError::Unprocessable`] if it says more than the grant does, the same, or nothing.
    pub async fn narrow(&self, grant: &str, approval: Approval) -> Result<(), NodeError> {
        let id = parse(grant)?;
        self.commit(move |batch| {
            let approval = approval.clone();
            Box::pin(async move {
                let (context, before) = batch.open_grant(&id).await?;
                let scope = narrowed(&approval.scopes, &before.scope)?;
                let end_ms = checked_end(approval.end_ms, before.end_ms)?;
                let open = before.classes.iter().map(|class| class.name());
                let open = open.filter(|name| approval.sensitive.iter().any(|kept| kept == name)).map(str::to_owned);
                // What a custodian was left by a claim may have fewer classes than those open to everybody let in.
                let mut classes = classes(&open.collect::<Vec<_>>())?;
                classes.retain(|class| before.classes.contains(class));
                let shared = before.shared && approval.shared;
                let same = classes == before.classes && shared == before.shared;
                if scope == before.scopes().to_string() && end_ms == before.end_ms && same {
                    return Err(NodeError::Unprocessable("nothing was changed".to_owned()));
                }
                let grant = Grant { scope, end_ms, classes, shared, replaces: vec![id], ..before };
                // A replacement draws no line (rule 6.10): the revoke of what it replaces does, and what follows from both
                // follows once.
                let given = batch.sign_grants(&context, vec![grant]).await?;
                batch.take_back(&given, vec![id]).await
            })
        })
        .await
    }

    /// Closes what is over by the clock in this patient's records, holder by holder; returns how many grants were.
    ///
    /// What fails is logged, and stops nothing else: the next round tries again.
    ///
    /// # Errors
    /// [`NodeError::Store`] where the records cannot be listed.
    pub async fn close_expired(&self) -> Result<usize, NodeError> {
        let mut closed = 0;
        for record in self.own_records().await? {
            let holders = match self.whose_time_is_over(&record).await {
                Ok(holders) => holders,
                Err(error) => {
                    tracing::warn!(%record, %error, "a record could not be looked through for grants whose time is over");
                    continue;
                }
            };
            for holder in holders {
                let done = self
                    .commit(move |batch| Box::pin(async move { batch.close_expired(&record, &holder).await }))
                    .await;
                match done {
                    Ok(count) => closed += count,
                    Err(error) => {
                        tracing::warn!(%record, %holder, %error, "grants whose time is over could not be closed");
                    }
                }
            }
        }
        Ok(closed)
    }

    async fn whose_time_is_over(&self, record: &RecordId) -> Result<BTreeSet<IdentityId>, NodeError> {
        let context = self.context(&mut Reader::from(&self.store), record).await?;
        // A device that was stopped closes nothing any more.
        let context = context.filter(|context| context.speaks(&self.identity().id()));
        let now = crate::clock::now_ms();
        let holders = |context: Arc<Context>| context.state.expired(now).map(|given| given.holder).collect();
        Ok(context.map(holders).unwrap_or_default())
    }
}

fn parse(grant: &str) -> Result<GrantId, NodeError> {
    GrantId::parse(grant).ok_or_else(|| NodeError::NotFound("the grant".to_owned()))
}

impl Batch {
    /// A grant that nobody took back, with the record it stands in.
    async fn open_grant(&mut self, id: &GrantId) -> Result<(Arc<Context>, Grant), NodeError> {
        let missing = || NodeError::NotFound("the grant".to_owned());
        let stored = self.reader().await?.op(&id.op).await?.ok_or_else(missing)?;
        let context = self.known(&stored.op.record()).await?;
        let given = context.state.grant(id).ok_or_else(missing)?;
        if given.revoked_by.is_some() || given.replaced_by.is_some() {
            return Err(NodeError::Unprocessable("this was taken back already".to_owned()));
        }
        let grant = given.grant.clone();
        Ok((context, grant))
    }

    /// Signs the revoke of grants, keeping what was received of their holders, and changes the keys.
    async fn take_back(&mut self, context: &Arc<Context>, grants: Vec<GrantId>) -> Result<(), NodeError> {
        let retains = self.received(context, &grants).await?;
        let body = Body::Revoke(Revoke { grants, identities: Vec::new(), retains });
        let (key_name, key) = current_key(context, &Level::Control).ok_or(NOT_YOURS)?;
        let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }];
        let (_, revoked) = self.author_control(context, Kind::Revoke, frames).await?;
        let opened = self.open_epoch(&revoked).await?;
        self.after_control(Some(context), &opened).await
    }

    /// The heads of what the holders of `grants` wrote, and those they passed them on to: what is here is kept, as far as
    /// a line can name it. What it cannot is held back, and the patient may take it in.
    async fn received(&mut self, context: &Context, grants: &[GrantId]) -> Result<Vec<Head>, NodeError> {
        let holders = holders_under(context, grants);
        self.heads_of(&context.record, |author| holders.contains(author)).await
    }

    /// The heads of what some authors wrote, as far as it is here and a line can name it.
    pub(crate) async fn heads_of(
        &mut self,
        record: &RecordId,
        wrote: impl Fn(&IdentityId) -> bool,
    ) -> Result<Vec<Head>, NodeError> {
        let mut lanes = self.lanes(record).await?;
        lanes.retain(|lane| wrote(&lane.head.lane.author));
        // Nobody becomes irrevocable by writing in ever new lanes.
        if let Some(left @ 1..) = lanes.len().checked_sub(LANES_MAX) {
            tracing::warn!(%record, left, "who loses access wrote in too many lanes: the oldest {left} are held back");
        }
        Ok(newest(lanes))
    }

    async fn close_expired(&mut self, record: &RecordId, holder: &IdentityId) -> Result<usize, NodeError> {
        let context = self.known(record).await?;
        let over = context.state.expired(crate::clock::now_ms()).filter(|given| given.holder == *holder);
        let over = over.map(|given| given.id).take(TARGETS_MAX).collect::<Vec<_>>();
        let count = over.len();
        if count > 0 {
            self.take_back(&context, over).await?;
            tracing::info!(%record, count, "closed grants whose time is over");
        }
        Ok(count)
    }
}

/// The heads of the lanes that a line names where there may be too many: control lanes first, then by turns the newest of
/// each author, so that who writes in very many crowds out nobody else.
fn newest(mut lanes: Vec<LaneHead>) -> Vec<Head> {
    lanes.sort_by_key(|lane| Reverse(lane.position));
    let mut turns = BTreeMap::<(IdentityId, bool), usize>::new();
    let mut ranked = Vec::with_capacity(lanes.len());
    for head in lanes.into_iter().map(|lane| lane.head) {
        let control = head.lane.kind == LaneKind::Control;
        let turn = turns.entry((head.lane.author, control)).or_default();
        *turn += 1;
        ranked.push(((!control, *turn), head));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, head)| head).take(LANES_MAX).collect()
}

/// The holders of grants, and of what was passed on from them, however often.
fn holders_under(context: &Context, grants: &[GrantId]) -> BTreeSet<IdentityId> {
    let mut under = grants.iter().copied().collect::<BTreeSet<_>>();
    loop {
        let before = under.len();
        let passed = context.state.grants().filter(|given| given.parent.is_some_and(|parent| under.contains(&parent)));
        under.extend(passed.map(|given| given.id).collect::<Vec<_>>());
        if under.len() == before {
            break;
        }
    }
    under.iter().filter_map(|id| context.state.grant(id)).map(|given| given.holder).collect()
}

/// Closes what is over, as long as the patient's node is there.
pub(crate) async fn run(node: Weak<Inner>) {
    loop {
        let Some(inner) = node.upgrade() else { return };
        // The root does what it was called for, and nothing by itself.
        if inner.role != Role::Patient || inner.identity_file.is_none() {
            return;
        }
        if let Err(error) = Node(inner).close_expired().await {
            tracing::warn!(%error, "grants whose time is over could not be closed; the next round tries again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
