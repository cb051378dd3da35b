//! Explores a scenario: every order of its moves and of the messages between its actors. Every view that can come to be is
//! folded from scratch and op by op in other orders, which must agree, and is given to the scenario's own check.

use crate::world::{View, World, Write};
use record::state::Added;
use record::{LaneKind, Ledger, State};
use std::collections::{BTreeSet, HashSet};

/// One move: made at most once, from what its actor then knows; `None` while it cannot be made.
pub type Make = fn(&World, &View, &[u16]) -> Option<Write>;

pub struct Move {
    /// Whose knowledge it is made from.
    pub from: usize,
    pub make: Make,
}

pub struct Scenario {
    pub world: World,
    /// What everyone knows at first.
    pub known: View,
    /// How many hold a view of their own.
    pub actors: usize,
    pub moves: Vec<Move>,
    /// Which pairs exchange all they know, one way.
    pub messages: Vec<(usize, usize)>,
    /// Ops of before the start that moves and checks speak of.
    pub named: Vec<u16>,
}

/// A view as folded.
pub struct Seen<'w> {
    pub world: &'w World,
    pub view: &'w View,
    pub state: State,
    pub ledger: Ledger,
    /// By move, the op it made in this view's world, if it is in the view.
    pub made: Vec<Option<u16>>,
}

impl Seen<'_> {
    pub fn counts(&self, at: u16) -> bool {
        self.world.counts(&self.state, &self.ledger, at)
    }

    /// The changes in the view.
    pub fn changes(&self) -> Vec<u16> {
        let change = |at: &u16| self.world.op(*at).header.lane.kind == LaneKind::Change;
        self.view.iter().copied().filter(change).collect()
    }

    /// Whether `earlier` is in the past of `later`.
    pub fn knew(&self, later: u16, earlier: u16) -> bool {
        later != earlier && self.world.past(later).contains(&earlier)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    views: Vec<View>,
    made: Vec<Option<u16>>,
}

/// What was explored.
#[derive(Debug, PartialEq, Eq)]
pub struct Explored {
    pub states: usize,
    pub views: usize,
}

impl Scenario {
    /// Explores everything, and checks every view.
    pub fn explore(mut self, check: impl Fn(&Seen)) -> Explored {
        let start = Place { views: vec![self.known.clone(); self.actors], made: vec![None; self.moves.len()] };
        let (mut seen, mut next) = (HashSet::from([start.clone()]), vec![start]);
        let mut views = HashSet::<(View, Vec<Option<u16>>)>::new();
        while let Some(place) = next.pop() {
            let union = place.views.iter().flatten().copied().collect::<View>();
            for view in place.views.iter().chain([&union]) {
                let made = place.made.iter().map(|made| made.filter(|at| view.contains(at))).collect::<Vec<_>>();
                if views.insert((view.clone(), made.clone())) {
                    self.look(view, made, &check);
                }
            }
            for step in self.steps(&place) {
                if seen.insert(step.clone()) {
                    next.push(step);
                }
            }
        }
        Explored { states: seen.len(), views: views.len() }
    }

    fn steps(&mut self, place: &Place) -> Vec<Place> {
        let mut steps = Vec::new();
        for at in 0..self.moves.len() {
            if place.made[at].is_some() {
                continue;
            }
            let from = self.moves[at].from;
            if let Some(write) = (self.moves[at].make)(&self.world, &place.views[from], &self.named) {
                let op = self.world.write(&place.views[from], write);
                let mut step = place.clone();
                step.views[from].insert(op);
                step.made[at] = Some(op);
                steps.push(step);
            }
        }
        for (from, to) in &self.messages {
            let mut step = place.clone();
            let news = place.views[*from].clone();
            step.views[*to].extend(news);
            steps.push(step);
        }
        steps
    }

    fn look(&self, view: &View, made: Vec<Option<u16>>, check: &impl Fn(&Seen)) {
        let (state, ledger) = fold(&self.world, view);
        let seen = Seen { world: &self.world, view, state, ledger, made };
        check(&seen);
    }
}

/// Folds a view from scratch, and op by op backwards and from the middle: all three must say the same.
pub fn fold(world: &World, view: &View) -> (State, Ledger) {
    let state = world.state(view);
    let ledger = world.ledger(&state, view);
    let expected = told(world, &state, &ledger, view);
    let controls = world.controls(view);
    let changes = world.changes(view).map(|said| said.change()).collect::<Vec<_>>();
    for turn in 0..2 {
        let mut order = (0..controls.len()).collect::<Vec<_>>();
        let mut data = (0..changes.len()).collect::<Vec<_>>();
        match turn {
            0 => (order.reverse(), data.reverse()),
            _ => (order.rotate_left(controls.len() / 2), data.rotate_left(changes.len() / 2)),
        };
        let (mut other, mut ledger) = (State::default(), Ledger::default());
        // Changes come between control ops, are judged by what is known then, and again at the end. Some come twice.
        let mut waiting = data.into_iter();
        for at in order {
            other.add(controls[at].clone());
            assert_eq!(other.add(controls[at].clone()), Added::Known, "a repeat changes nothing");
            if let Some(at) = waiting.next() {
                ledger.add(&other, changes[at].clone());
            }
        }
        for at in waiting {
            ledger.add(&other, changes[at].clone());
        }
        ledger.rejudge(&other);
        assert_eq!(told(world, &other, &ledger, view), expected, "the same ops are the same state");
    }
    (state, ledger)
}

/// All that a state and a ledger say, as text.
pub fn told(world: &World, state: &State, ledger: &Ledger, view: &View) -> String {
    let mut lines = vec![format!("{:?} {:?}", state.authority().map(|card| card.id()), state.epochs())];
    lines.extend(state.devices().iter().map(|device| format!("{:?} {:?}", device.card.id(), device.standing)));
    lines.extend(
        state
            .grants()
            .map(|given| format!("{:?} {:?} {:?} {:?}", given.id, given.revoked_by, given.replaced_by, given.beside)),
    );
    lines.push(format!("{:?} {:?} {:?}", state.refused(), state.rival_claims(), state.control_heads()));
    for at in view {
        let said = world.op(*at);
        let epochs = state.epochs_at(&said.header.control_heads);
        lines.push(format!("{:?} {} {epochs:?}", said.id, world.counts(state, ledger, *at)));
    }
    let authors = world.who.iter().map(|who| who.id()).collect::<BTreeSet<_>>();
    for handle in ledger.handles() {
        lines.extend(authors.iter().map(|origin| format!("{:?}", ledger.resource(&handle, origin))));
    }
    lines.join("\n")
}
