//! Epochs: fresh keys after whoever had the old ones lost access, sealed to those who stay (rule 5.6). Called by
//! `grants` and by `apply` when a record has just become this patient's.

use super::NOT_YOURS;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use record::body::Body;
use record::body::keys::Keys;
use record::draft::DraftFrame;
use record::entry::KeyName;
use record::identity::Card;
use record::keys::{KeyItem, Level, Secret, commitment, control_key, tag};
use record::state::Standing;
use record::{Kind, OpId};
use std::sync::Arc;

impl Batch {
    /// Opens an epoch: a fresh secret for the authority, and for each member the keys its open grants cover. Where somebody
    /// who is in lacks an epoch that was opened beside what let it in, everyone gets the keys of all epochs with it.
    pub(crate) async fn open_epoch(&mut self, context: &Arc<Context>) -> Result<Arc<Context>, NodeError> {
        let now = crate::clock::now_ms();
        let before = match lacks(context, now) {
            true => context.keys.clone(),
            false => record::Keyring::default(),
        };
        self.open_epoch_with(context, before).await
    }

    /// Opens an epoch, and hands the keys of all that were before on with it: to whoever was let back in.
    pub(crate) async fn open_epoch_for_all(&mut self, context: &Arc<Context>) -> Result<Arc<Context>, NodeError> {
        self.open_epoch_with(context, context.keys.clone()).await
    }

    /// Opens an epoch where somebody who is in lacks keys of the epochs in force; returns whether it did.
    pub(crate) async fn mend_keys(&mut self, context: &Arc<Context>) -> Result<bool, NodeError> {
        let me = self.node.identity.id();
        if !context.state.branches() || !context.speaks(&me) || !lacks(context, crate::clock::now_ms()) {
            return Ok(false);
        }
        // Whose own keys are not whole cannot hand them on: another device does.
        let whole = |epoch: &OpId| context.keys.key(&[*epoch], &Level::Epoch).is_some();
        if !context.state.epochs().iter().all(whole) {
            return Ok(false);
        }
        self.open_epoch(context).await?;
        Ok(true)
    }

    async fn open_epoch_with(
        &mut self,
        context: &Arc<Context>,
        before: record::Keyring,
    ) -> Result<Arc<Context>, NodeError> {
        let node = self.node.clone();
        let secret = Secret::new(crate::clock::random());
        let control = control_key(&secret);
        let own = OpId([0; 32]);
        let mut ring = before;
        ring.add(KeyItem { epoch: own, level: Level::Epoch, secret: secret.clone() });
        let mut frames = whole(context, node.identity.card())
            .into_iter()
            .map(|to| DraftFrame::Wrap { to, items: ring.items().collect() })
            .collect::<Vec<_>>();
        let now = crate::clock::now_ms();
        for member in context.state.members() {
            let reads = context.state.grants().filter(|given| {
                given.holder == member.id() && given.revoked_by.is_none() && given.replaced_by.is_none()
            });
            let ends = |given| context.state.period(given).1;
            let reads = reads.filter(|given| ends(given) == 0 || ends(given) > now).collect::<Vec<_>>();
            let writes = super::keys::writes(reads.iter().map(|given| &given.grant));
            let mut reads = reads.into_iter().flat_map(|given| context.state.reads(given)).collect::<Vec<_>>();
            if reads.is_empty() || member.id() == node.identity.id() {
                continue;
            }
            reads.sort();
            reads.dedup();
            frames.push(DraftFrame::Wrap { to: member, items: super::keys::items(&ring, &[own], &reads, &writes) });
        }
        let mut previous = Vec::new();
        for epoch in context.state.epochs() {
            let key = context.keys.key(&[epoch], &Level::Control).ok_or(NOT_YOURS)?;
            previous.push((epoch, key));
        }
        let body = Body::Keys(Keys::new(commitment(&secret), &control, &previous));
        frames.insert(0, DraftFrame::Body { body, key_name: KeyName::Own, key: Some(control) });
        let word = self.word(context)?;
        let authored = self.author(context, Kind::Keys, word, frames).await?;
        let item = KeyItem { epoch: authored.op.id(), level: Level::Epoch, secret };
        self.add_keys(vec![node.seal_key(&context.record, &item)]);
        let context = self.reload(&context.record, authored.position).await?;
        self.set_known(&context);
        debug_assert_eq!(tag(&context.state.epochs()), tag(&[authored.op.id()]));
        Ok(context)
    }

    /// A record that has just become this patient's gets an epoch of the patient's own: from here on the hospital has
    /// the keys of what it was granted, and no others.
    pub(crate) async fn take_over(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        let me = self.node.identity.id();
        // The device that the claim names, and no other: it alone was handed the keys.
        let mine = context.state.claim().is_some() && context.state.authority().is_some_and(|card| card.id() == me);
        if mine && context.speaks(&me) && context.state.all_epochs() == [OpId(context.record.0)] {
            let announced = self.announce_root(context).await?;
            let admitted = self.admit_fellows(&announced).await?;
            self.open_epoch(&admitted).await?;
        }
        Ok(())
    }
}

/// Whether somebody who is in was let in beside an epoch that is in force: whoever opened it did not know of that, and
/// whoever let it in had no key of the epoch.
fn lacks(context: &Context, now_ms: u64) -> bool {
    let state = &context.state;
    let devices = state.devices().into_iter().filter(|device| device.standing == Standing::In).collect::<Vec<_>>();
    let grants = state.grants().filter(|given| {
        let end_ms = state.period(given).1;
        given.revoked_by.is_none() && given.replaced_by.is_none() && (end_ms == 0 || end_ms > now_ms)
    });
    let grants = grants.filter(|given| !state.reads(given).is_empty()).map(|given| given.id.op).collect::<Vec<_>>();
    let root = state.announcements();
    state.epochs().iter().any(|epoch| {
        let knows = |op: &OpId| state.reaches(epoch, op) || state.reaches(op, epoch);
        let admitted = |card: &Card| {
            let mut of_it = devices.iter().filter(|device| device.card.id() == card.id());
            of_it.any(|device| device.admitted_by.is_none_or(|op| knows(&op)))
        };
        devices.iter().any(|device| !admitted(device.card))
            || (!root.is_empty() && !root.iter().any(&knows))
            || grants.iter().any(|op| !knows(op))
    })
}

/// Who gets the whole secret: the author, the patient's devices that are in, and the root.
fn whole(context: &Context, author: &Card) -> Vec<Card> {
    let devices = context.state.devices().into_iter().filter(|device| device.standing == Standing::In);
    let mut cards = vec![author.clone()];
    for card in devices.map(|device| device.card).chain(context.state.root()) {
        if cards.iter().all(|other| other.id() != card.id()) {
            cards.push(context.state.card(&card.id()).unwrap_or(card).clone());
        }
    }
    cards
}
