//! Names and targets of stored search parameters, each kept once for as long as the process runs, so that a [`super::Param`] is
//! a few words to copy, whether it is official or stored. Called by `index::custom` alone.

use crate::types::ResourceType;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Most different names, and most different lists of targets, that are kept. A registry holds hundreds; what is read again
/// takes no room, so only tens of thousands of changed definitions reach this.
pub const INTERNED_MAX: usize = 20_000;

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static TARGETS: Mutex<BTreeSet<&'static [ResourceType]>> = Mutex::new(BTreeSet::new());

/// The same text for as long as the process runs; none once there are [`INTERNED_MAX`] others.
pub(crate) fn name(text: &str) -> Option<&'static str> {
    let mut known = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(text) {
        return Some(found);
    }
    if known.len() >= INTERNED_MAX {
        return None;
    }
    let kept: &'static str = Box::leak(text.into());
    known.insert(kept);
    Some(kept)
}

/// The same list for as long as the process runs; none once there are [`INTERNED_MAX`] others.
pub(crate) fn targets(list: &[ResourceType]) -> Option<&'static [ResourceType]> {
    let mut known = TARGETS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(list) {
        return Some(found);
    }
    if known.len() >= INTERNED_MAX {
        return None;
    }
    let kept: &'static [ResourceType] = Box::leak(list.into());
    known.insert(kept);
    Some(kept)
}
