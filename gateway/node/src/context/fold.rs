//! A record's state folded from its control ops as far as keys open them, with epochs that were opened beside each other. Called
//! by `context`.

use super::open_body;
use crate::node::Node;
use record::keys::tag;
use record::state::Control;
use record::{Keyring, Op, OpId, State};

/// Most sets of epochs beside each other whose tags are known in a record; a patient's few devices make a handful.
const SETS_MAX: usize = 4096;

/// Folds control ops as far as keys open them. Epochs that were opened beside each other are known from the state alone, and
/// what is said under both opens only then: so again, until nothing more opens.
pub(super) fn fold(node: &Node, ops: Vec<(Op, Option<Vec<u8>>)>, keys: &mut Keyring) -> State {
    let open = |op: &Op, frame: Option<&[u8]>, keys: &Keyring| Control {
        id: op.id(),
        body: open_body(op, frame, keys),
        header: op.header().clone(),
    };
    loop {
        let controls = ops.iter().map(|(op, frame)| open(op, frame.as_deref(), keys)).collect::<Vec<_>>();
        let state = State::fold_for(&controls, &node.identity.id());
        let sets = sets_of(&state);
        let fresh = sets.iter().filter(|set| keys.epochs(&tag(set)).is_none()).cloned().collect::<Vec<_>>();
        fresh.iter().for_each(|set| keys.add_set(set));
        let closed = controls.iter().any(|control| control.body.is_none());
        // Each round makes a set known that was not: there are no more rounds than sets.
        if fresh.is_empty() || !closed {
            return state;
        }
    }
}

/// Sets of epochs that somebody may have found in force together: none of them knew another.
fn sets_of(state: &State) -> Vec<Vec<OpId>> {
    if !state.branches() {
        return Vec::new();
    }
    let epochs = state.all_epochs();
    let beside = |a: &OpId, b: &OpId| !state.reaches(a, b) && !state.reaches(b, a);
    let mut sets = epochs.iter().map(|epoch| vec![*epoch]).collect::<Vec<_>>();
    let (mut from, mut found) = (0, Vec::new());
    while from < sets.len() && found.len() < SETS_MAX {
        let set = sets[from].clone();
        let last = set.last().copied();
        let more = epochs.iter().filter(|epoch| Some(**epoch) > last && set.iter().all(|one| beside(one, epoch)));
        for epoch in more {
            let wider = set.iter().chain([epoch]).copied().collect::<Vec<_>>();
            found.push(wider.clone());
            sets.push(wider);
        }
        from += 1;
    }
    found.truncate(SETS_MAX);
    found
}
