//! Keys of an op's own: drawn where this node may write a type and not read it, one for each class and type of the op (rule 5.8).
//! Called by `sign`.

use crate::context::Context;
use record::draft::DraftFrame;
use record::entry::KeyName;
use record::identity::Card;
use record::keys::{KeyItem, Keyring, Level, Secret};
use record::opkey::{self, ForReaders};
use record::{Class, OpId};
use std::collections::BTreeMap;

/// The keys that one op has drawn so far.
#[derive(Default)]
pub(super) struct OwnKeys {
    drawn: BTreeMap<Level, KeyItem>,
    for_readers: Vec<ForReaders>,
}

impl OwnKeys {
    /// The op's key for a class and type; `None` if this node may not write it.
    pub(super) fn key(&mut self, context: &Context, class: Class, kind: &str) -> Option<(KeyName, Secret)> {
        let level = Level::Type(class, kind.to_owned());
        if let Some(item) = self.drawn.get(&level) {
            return Some((KeyName::Own, item.secret.clone()));
        }
        let (epochs, mut entropy) = (context.state.epochs(), crate::clock::entropy());
        let (item, for_readers) = opkey::draw(&context.keys, &epochs, &context.record, class, kind, &mut entropy)?;
        let secret = item.secret.clone();
        self.drawn.insert(level, item);
        self.for_readers.push(for_readers);
        Some((KeyName::Own, secret))
    }

    /// The frames that carry them: to those who may read, and to the author.
    pub(super) fn frames(&mut self, author: &Card) -> Vec<DraftFrame> {
        let mut frames =
            std::mem::take(&mut self.for_readers).into_iter().map(DraftFrame::ForReaders).collect::<Vec<_>>();
        if !self.drawn.is_empty() {
            frames.push(DraftFrame::Wrap { to: author.clone(), items: self.drawn.values().cloned().collect() });
        }
        frames
    }

    /// The same, now that the op has its name.
    pub(super) fn of(self, op: OpId) -> Keyring {
        let mut ring = Keyring::default();
        self.drawn.into_values().for_each(|item| ring.add(KeyItem { epoch: op, ..item }));
        ring
    }
}
