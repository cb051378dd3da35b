//! Keys that take over: after `identity_file::hand_over` each record this identity is in is told of it by a `keys` op that draws a line
//! under the old key, before anything else is signed there. All are told when a node opens; one that is opened later is told first.
//! Called by `author` and when a node opens.
//!
//! Source: `docs/PROTOCOL.md` rules 1.5 and 4.12.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::body::handover::Handover;
use record::draft::DraftFrame;
use record::entry::KeyName;
use record::{Authority, Kind, LaneKind, RecordId};
use std::sync::Arc;
use store::db::Reader;

/// Records that one transaction tells.
const AT_ONCE: usize = 100;
/// The fact under which is kept up to which key every record was told.
const TOLD: &str = "handed-over";

impl Batch {
    /// Tells a record of this identity's key, if it has not heard of it; the record as it is then.
    pub(crate) async fn tell_of_key(&mut self, context: &Context) -> Result<Option<Arc<Context>>, NodeError> {
        let me = self.node.identity.card().clone();
        let number = me.key_number();
        if number == 0 || context.state.is_told_of_key(&me.id(), number) {
            return Ok(None);
        }
        let Some(authority) = self.any_word(context) else { return Ok(None) };
        let lanes = self.lanes(&context.record).await?;
        let own = lanes.iter().map(|lane| lane.head).filter(|head| head.lane.author == me.id());
        let retains = own.filter(|head| head.lane.kind != LaneKind::Control).collect();
        let body = Body::Handover(Handover { card: me, retains });
        let frames = vec![DraftFrame::Body { body, key_name: KeyName::Plain, key: None }];
        let told = self.author_plainly(context, Kind::Keys, authority, frames).await?;
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
    /// Tells every record of this identity's key. What was told stays told: stopped on the way, the next start goes on.
    pub(crate) async fn announce_key(&self) -> Result<(), NodeError> {
        let number = self.identity.card().key_number();
        if number == 0 || self.store.meta(TOLD).await?.as_deref() == Some(&number.to_le_bytes()[..]) {
            return Ok(());
        }
        let records = Reader::from(&self.store).records().await?;
        let records = records.into_iter().map(|known| known.record).collect::<Vec<_>>();
        tracing::warn!(
            records = records.len(),
            number,
            "this identity handed its keys over: every record is told before anything is served"
        );
        let mut done = 0;
        for some in records.chunks(AT_ONCE) {
            let some: Arc<[RecordId]> = some.into();
            done += some.len();
            self.commit(move |batch| {
                let some = some.clone();
                Box::pin(async move {
                    for record in some.iter() {
                        let context = batch.known(record).await?;
                        batch.tell_of_key(&context).await?;
                    }
                    Ok(())
                })
            })
            .await?;
            tracing::info!(done, of = records.len(), "{done} of {} records were told of the key", records.len());
        }
        self.commit(move |batch| {
            Box::pin(async move { Ok(batch.tx().await?.put_meta(TOLD, &number.to_le_bytes()).await?) })
        })
        .await
    }
}
