//! Archives: a record written into one file, and taken out of one. Here is what both sides share; `record::archive` knows the
//! format. Called by `cli`.

mod export;
mod import;

pub use export::Exported;
pub use import::{Imported, Opened, Outcome};

use crate::error::NodeError;
use crate::node::Node;
use record::identity::Card;
use record::{IdentityId, RecordId, State};
use std::collections::{BTreeMap, BTreeSet};
use store::db::Reader;

/// The fact by which a record is kept that this identity is no member of: its archive was imported here.
fn mark(record: &RecordId) -> String {
    format!("archive:{record}")
}

impl Node {
    /// Whether a record is here because its archive was imported, and not because somebody let this identity in.
    pub(crate) async fn is_kept(&self, record: &RecordId, state: &State) -> Result<bool, NodeError> {
        // Whoever was let in once and let out again keeps nothing by an archive.
        let former = state.last_word_to(&self.identity().id()).is_some();
        Ok(!former && self.store.meta(&mark(record)).await?.is_some())
    }

    /// Which record is meant by its name, or by the beginning of it.
    ///
    /// # Errors
    /// [`NodeError::NotFound`] for none, [`NodeError::Unprocessable`] for several.
    pub async fn find_record(&self, name: &str) -> Result<RecordId, NodeError> {
        let known = Reader::from(&self.store).records().await?.into_iter().map(|known| known.record);
        let name = name.to_ascii_lowercase();
        let found = known.filter(|record| !name.is_empty() && record.to_string().starts_with(&name));
        match found.collect::<Vec<_>>()[..] {
            [record] => Ok(record),
            [] => Err(NodeError::NotFound(format!("record {name}"))),
            ref several => {
                Err(NodeError::Unprocessable(format!("{} records begin with {name}: write more of it", several.len())))
            }
        }
    }

    /// The newest card known here of each of `authors`.
    async fn cards_of(&self, state: &State, authors: &BTreeSet<IdentityId>) -> Result<Vec<Card>, NodeError> {
        let mut cards = BTreeMap::<IdentityId, Card>::new();
        let met = Reader::from(&self.store).identities().await?;
        let met = met.into_iter().filter_map(|known| Card::decode(&known.card).ok());
        let told = authors.iter().filter_map(|who| state.card(who).cloned());
        for card in [self.identity().card().clone()].into_iter().chain(told).chain(met) {
            match cards.get(&card.id()) {
                Some(known) if !card.continues(known) => {}
                _ => drop(cards.insert(card.id(), card)),
            }
        }
        cards.retain(|who, _| authors.contains(who));
        Ok(cards.into_values().collect())
    }
}
