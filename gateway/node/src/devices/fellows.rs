//! Which identities are this patient's other devices: those that are in where this device took a record over itself, or joined
//! by a code whose digits were compared. Whoever founds a record may name anybody a device of it, so no other record says so.
//! Called by `apply`, `sync`, `offer`, and by `grants::epoch` when a record has just become this patient's.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::{Node, Role};
use record::identity::Card;
use record::state::Standing;
use record::{IdentityId, RecordId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use store::db::Reader;

/// Whether the devices of a record are this patient's wherever it goes; `joined` are those that joins by code named.
fn makes_fellows(context: &Context, me: &IdentityId, joined: &HashSet<RecordId>) -> bool {
    let is_first = context.state.authority().is_some_and(|card| card.id() == *me);
    context.speaks(me) && (is_first || joined.contains(&context.record))
}

impl Node {
    /// Whether `who` is another device of this patient's.
    pub(crate) async fn is_fellow(&self, reader: &mut Reader<'_>, who: &IdentityId) -> Result<bool, NodeError> {
        if self.role != Role::Patient {
            return Ok(false);
        }
        let (me, joined) = (self.identity().id(), super::join::joined(reader).await?);
        for known in reader.records().await? {
            let Some(context) = self.context(reader, &known.record).await? else { continue };
            let is_in = |id: &IdentityId| context.state.standing_of(id) == Some(Standing::In);
            if makes_fellows(&context, &me, &joined) && is_in(&me) && is_in(who) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those of `records` whose devices are this patient's: what a new device is told of whom it may believe.
    pub(super) async fn ours(&self, records: &[RecordId]) -> Result<Vec<String>, NodeError> {
        let mut reader = Reader::from(&self.store);
        let (me, joined, mut ours) = (self.identity().id(), super::join::joined(&mut reader).await?, Vec::new());
        for record in records {
            let context = self.context(&mut reader, record).await?;
            if context.is_some_and(|context| makes_fellows(&context, &me, &joined)) {
                ours.push(record.to_string());
            }
        }
        Ok(ours)
    }
}

impl Batch {
    /// Lets this patient's other devices into a record that has just become the patient's: those that are in elsewhere, and
    /// were stopped nowhere.
    pub(crate) async fn admit_fellows(&mut self, context: &Arc<Context>) -> Result<Arc<Context>, NodeError> {
        let (me, mut fellows) = (self.node.identity.id(), BTreeMap::<IdentityId, (Card, String)>::new());
        let (joined, mut stopped) = (super::join::joined(&mut self.reader().await?).await?, HashSet::new());
        for known in self.reader().await?.records().await? {
            let Some(other) = self.context(&known.record).await?.filter(|other| other.speaks(&me)) else { continue };
            for device in other.state.devices() {
                if device.standing != Standing::In {
                    stopped.insert(device.card.id());
                } else if makes_fellows(&other, &me, &joined) {
                    let found = (device.card.clone(), device.name.to_owned());
                    fellows.entry(device.card.id()).or_insert(found);
                }
            }
        }
        fellows.retain(|id, _| *id != me && !stopped.contains(id));
        let mut now = context.clone();
        for (card, name) in fellows.into_values() {
            let name = if name.is_empty() { self.node.name_of(&card.id()).await? } else { name };
            now = self.admit(&now, card, name).await?;
        }
        Ok(now)
    }
}
