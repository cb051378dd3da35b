//! What follows from a control op: keys that were wrapped to this identity, what grants let one see, what a revoke takes
//! away. Called by `apply`, by whoever signs a control op, and by `reindex`.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Role;
use fhir::ResourceType;
use record::entry::{FrameKind, wrap_handle};
use record::keys::decode_items;
use record::{Card, IdentityId, Kind, Verified};
use std::sync::Arc;
use store::homes::Home;
use store::identities::Known;
use store::reach::Reach;

impl Batch {
    /// Takes the keys of a control op that are meant for this identity, folds the record anew, and does what follows.
    pub(crate) async fn apply_control(
        &mut self,
        op: &Verified,
        frames: &[(u32, Vec<u8>)],
        position: i64,
    ) -> Result<(), NodeError> {
        let record = op.record();
        let before = match op.header().kind {
            Kind::Genesis => None,
            _ => self.context(&record).await?,
        };
        let keys = self.unwrap_keys(op, frames);
        self.add_keys(keys);
        let context = self.reload(&record, position).await?;
        self.after_control(before.as_deref(), &context).await
    }

    fn unwrap_keys(&self, op: &Verified, frames: &[(u32, Vec<u8>)]) -> Vec<store::keys::SealedKey> {
        let identity = &self.node.identity;
        let mine = wrap_handle(&op.header().record, &identity.id());
        let mut keys = Vec::new();
        for (at, frame) in frames {
            let Some(entry) = op.entries().get(*at as usize) else { continue };
            if entry.kind != FrameKind::Wrap || entry.handle != mine {
                continue;
            }
            let items =
                identity.open(record::draft::WRAP_INFO, frame).and_then(|plain| decode_items(&plain, op.id()).ok());
            match items {
                Some(items) => keys.extend(items.iter().map(|item| self.node.seal_key(&op.record(), item))),
                None => tracing::warn!(op = %op.id(), "a wrap for this identity does not open"),
            }
        }
        keys
    }

    /// What follows when a record's control state has moved.
    pub(crate) async fn after_control(
        &mut self,
        before: Option<&Context>,
        now: &Arc<Context>,
    ) -> Result<(), NodeError> {
        self.set_known(now);
        for card in now.state.members() {
            self.remember(card, String::new()).await?;
        }
        for given in now.state.grants() {
            self.remember(given.grant.to.clone(), given.grant.name.clone()).await?;
        }
        self.replay_reach(now).await?;
        let moved = before.is_none_or(|before| {
            before.keys.items().count() != now.keys.items().count()
                || before.state.grants().count() != now.state.grants().count()
                || before.state.lines_drawn() != now.state.lines_drawn()
                || before.state.claim() != now.state.claim()
                || before.state.grants().zip(now.state.grants()).any(|(a, b)| a.revoked_by != b.revoked_by)
        });
        if moved {
            self.rebuild_foreign(now).await?;
        }
        self.derive(now).await?;
        if self.node.role == Role::Patient && !self.from_archive {
            self.take_over(now).await?;
            // The root signs nothing before it has seen everything (`recover`).
            if self.node.identity_file.is_some() {
                self.mend_keys(now).await?;
            }
        }
        Ok(())
    }

    /// Remembers who somebody is. A record may know an older card than another one does: it never takes the place of a newer
    /// (rule 1.5). What others call it is taken only where nothing else is known: it may say for itself who it is.
    pub(crate) async fn remember(&mut self, card: Card, name: String) -> Result<(), NodeError> {
        let known = self.reader().await?.identity(&card.id()).await?;
        let named = known.as_ref().is_some_and(|known| !known.name.is_empty());
        let name = if named { String::new() } else { name };
        let known = known.and_then(|known| Card::decode(&known.card).ok());
        let newest = known.filter(|known| !card.continues(known)).unwrap_or(card);
        let known = Known { id: newest.id(), card: newest.encode(), name, addresses: String::new() };
        Ok(self.tx().await?.remember(&known).await?)
    }

    /// Writes down whose Patient a record is about, and what its grants let one see.
    pub(crate) async fn replay_reach(&mut self, now: &Context) -> Result<(), NodeError> {
        let me = self.node.identity.id();
        if let Some(patient) = now.local.clone() {
            let bound = now.state.custodian().is_none_or(|card| card.id() != me);
            self.set_home(Home { patient, record: now.record, bound });
        }
        let mut reach = reach_of(now, &me);
        // On a patient's own machine, what was imported is read as far as its keys open it. A hospital sees of a record what
        // its grants reach, whatever was imported there.
        if reach.is_empty() && self.node.role == Role::Patient && self.node.is_kept(&now.record, &now.state).await? {
            reach = all_classes(now.record);
        }
        Ok(self.tx().await?.set_reach(&now.record, reach).await?)
    }
}

fn all_classes(record: record::RecordId) -> Vec<Reach> {
    let whole = |class| Reach {
        record,
        kind: None,
        class,
        start_ms: 0,
        end_ms: None,
        grant: String::new(),
        purposes: u8::MAX,
        narrowed: false,
    };
    record::Class::all().map(whole).collect()
}

/// What the grants of a record let `me` see.
fn reach_of(context: &Context, me: &IdentityId) -> Vec<Reach> {
    let record = context.record;
    if context.is_own(me) {
        return all_classes(record);
    }
    let mut reach = Vec::new();
    let open = context
        .state
        .grants()
        .filter(|given| given.grant.to.id() == *me && given.revoked_by.is_none() && given.replaced_by.is_none());
    for given in open {
        let (start_ms, end_ms) = context.state.period(given);
        let open = context.state.open_reads(given);
        for (class, kind) in context.state.reads(given) {
            let narrowed =
                kind.as_deref().is_some_and(|kind| crate::narrowed::is_narrowed(&context.state, given, class, kind));
            if !narrowed && !open.contains(&(class, kind.clone())) {
                continue;
            }
            let kind = match kind {
                None => None,
                Some(name) => match ResourceType::parse(&name) {
                    Some(kind) => Some(kind.number()),
                    None => continue,
                },
            };
            reach.push(Reach {
                record,
                kind,
                class,
                start_ms,
                end_ms: (end_ms != 0).then_some(end_ms),
                grant: given.id.text(),
                purposes: crate::purpose::served_by(&context.state, given),
                narrowed,
            });
        }
    }
    reach
}
