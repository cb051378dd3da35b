//! Devices beside each other: a stolen phone, two that suspend each other, three in a ring, and the phrase that speaks.

use crate::explore::{Explored, Move, Scenario, Seen};
use crate::world::{View, World, Write};
use record::body::Body;
use record::body::device::Device;
use record::body::genesis::Purpose;
use record::body::grant::Grants;
use record::body::keys::Keys;
use record::header::{Authority, GrantId, Kind};
use record::state::Standing;
use record::{Entropy, Identity, OpId};

/// Three devices, the root, and a stranger.
const ROOT: usize = 3;
const STRANGER: usize = 4;

/// The ring: each suspends the next. Named: the admissions of devices 1 and 2, the root's announcement.
fn scenario() -> Scenario {
    let mut entropy = Entropy::new([9; 32]);
    let root = Identity::generate(&mut entropy);
    let mut who = vec![Identity::generate_under(root.card(), &mut entropy)];
    who.extend((0..2).map(|_| Identity::generate(&mut entropy)));
    who.extend([root, Identity::generate(&mut entropy)]);
    let (mut world, mut known) = World::open(who, Purpose::Patient);
    let mut named = Vec::new();
    for device in [1, 2] {
        let card = world.who[device].card().clone();
        let body = Body::Device(Device::Admit { card, name: String::new() });
        named.push(world.write(&known, Write::control(0, Kind::Device, body)));
        known.extend(&named);
    }
    let body = Body::Device(Device::Root(world.who[ROOT].card().clone()));
    named.push(world.write(&known, Write::control(0, Kind::Device, body)));
    known.extend(&named);
    Scenario { world, known, actors: 4, moves: Vec::new(), messages: Vec::new(), named }
}

fn word(world: &World, named: &[u16], device: usize) -> Authority {
    match device {
        0 => Authority::Genesis,
        device => Authority::Device(world.id(named[device - 1])),
    }
}

fn suspend(world: &World, view: &View, named: &[u16], by: usize, device: usize) -> Option<Write> {
    let retains = world.heads(view, device);
    let body = Body::Device(Device::Suspend { device: world.who[device].id(), retains });
    Some(Write::control(by, Kind::Device, body).under(word(world, named, by)))
}

fn remain(world: &World, view: &View, named: &[u16], stays: usize) -> Option<Write> {
    let gone = (0..3).filter(|device| *device != stays);
    let retains = gone.flat_map(|device| world.heads(view, device)).collect();
    let body = Body::Device(Device::Remain { devices: vec![world.who[stays].id()], retains });
    Some(Write::control(ROOT, Kind::Device, body).under(word(world, named, ROOT)))
}

fn standing(seen: &Seen, device: usize) -> Standing {
    let id = seen.world.who[device].id();
    seen.state.devices().into_iter().find(|view| view.card.id() == id).map_or(Standing::Removed, |view| view.standing)
}

/// Suspensions that were made: the op, by whom, of whom. And what the root said: the op, and who stays.
struct Told<'s> {
    seen: &'s Seen<'s>,
    suspensions: [(Option<u16>, usize, usize); 3],
    word: Option<(u16, usize)>,
}

impl Told<'_> {
    /// Whether an op of `by` stands on a device: none that counts stopped it in the op's own past, nor did the root.
    fn was_device(&self, at: u16, by: usize) -> bool {
        let word = self.word.filter(|(word, _)| self.seen.knew(at, *word));
        word.is_none_or(|(_, stays)| stays == by) && !self.is_stopped(by, |other| self.seen.knew(at, other))
    }

    /// Whether a suspension of `device` stands among what `known` lets through.
    fn is_stopped(&self, device: usize, known: impl Fn(u16) -> bool) -> bool {
        let word = self.word.filter(|(word, stays)| known(*word) && *stays == device);
        self.suspensions.iter().any(|(at, by, whom)| {
            let Some(at) = at.filter(|at| known(*at)) else { return false };
            *whom == device && self.was_device(at, *by) && word.is_none_or(|(word, _)| self.seen.knew(at, word))
        })
    }

    fn is_out(&self, device: usize) -> bool {
        self.is_stopped(device, |_| true) || self.word.is_some_and(|(_, stays)| stays != device)
    }
}

#[test]
fn three_that_suspend_each_other_are_out_until_the_phrase_speaks() {
    let mut scenario = scenario();
    scenario.moves = vec![
        Move { from: 0, make: |world, view, named| suspend(world, view, named, 0, 1) },
        Move { from: 1, make: |world, view, named| suspend(world, view, named, 1, 2) },
        Move { from: 2, make: |world, view, named| suspend(world, view, named, 2, 0) },
        Move { from: 3, make: |world, view, named| remain(world, view, named, 0) },
    ];
    scenario.messages = vec![(0, 1), (1, 2), (2, 0), (0, 3), (3, 1)];
    let explored = scenario.explore(|seen| {
        let suspensions = [(seen.made[0], 0, 1), (seen.made[1], 1, 2), (seen.made[2], 2, 0)];
        let word = seen.made[3].map(|at| (at, 0));
        for device in 0..3 {
            let told = Told { seen, suspensions, word };
            assert_eq!(standing(seen, device) != Standing::In, told.is_out(device), "device {device}");
        }
        if word.is_some()
            && suspensions.iter().all(|(at, ..)| at.is_none_or(|at| !seen.knew(at, seen.made[3].unwrap())))
        {
            assert_eq!(standing(seen, 0), Standing::In, "whom the phrase names stays, whatever was said without it");
        }
        assert_eq!(seen.state.devices().len(), 3, "nobody came in");
    });
    assert_eq!(explored, Explored { states: 5590, views: 233 });
}

/// The thief has device 1: it admits a phone of its own, lets a stranger in, opens an epoch and suspends the patient.
#[test]
fn a_stolen_phone_stops_the_patient_and_replaces_nobody() {
    let mut scenario = scenario();
    scenario.moves = vec![
        Move {
            from: 1,
            make: |world, _, named| {
                let card = world.who[STRANGER].card().clone();
                let body = Body::Device(Device::Admit { card, name: String::new() });
                Some(Write::control(1, Kind::Device, body).under(word(world, named, 1)))
            },
        },
        Move {
            from: 1,
            make: |world, _, named| {
                let grants = vec![world.grant(STRANGER, "patient/*.cruds")];
                Some(Write::control(1, Kind::Grant, Body::Grant(Grants { grants })).under(word(world, named, 1)))
            },
        },
        Move {
            from: 1,
            make: |world, view, named| {
                let epochs = world.state(view).epochs();
                let previous = epochs.into_iter().map(|epoch| (epoch, vec![0; 48])).collect();
                let body = Body::Keys(Keys { commitment: [7; 32], previous });
                Some(Write::control(1, Kind::Keys, body).under(word(world, named, 1)))
            },
        },
        Move { from: 1, make: |world, view, named| suspend(world, view, named, 1, 0) },
        Move { from: 0, make: |world, view, named| suspend(world, view, named, 0, 1) },
        Move { from: 3, make: |world, view, named| remain(world, view, named, 0) },
    ];
    scenario.messages = vec![(1, 0), (0, 3), (1, 3)];
    scenario.actors = 4;
    let explored = scenario.explore(|seen| {
        let [admits, gives, opens, suspends, suspended, word] = seen.made[..] else { return };
        // Whoever was stopped, and knew it, stops nobody: unless the root had put it back.
        let stopped = suspended.filter(|line| {
            let knew = suspends.is_some_and(|other| seen.knew(*line, other));
            !knew || word.is_some_and(|word| seen.knew(*line, word))
        });
        for at in [admits, gives, opens].into_iter().flatten() {
            // What the thief wrote counts only as far as whoever stopped it, and the root, had seen it.
            let kept = [stopped, word].into_iter().flatten().all(|line| seen.knew(line, at));
            assert_eq!(seen.counts(at), kept, "{:?}", seen.world.op(at).header.kind);
        }
        if let Some(gives) = gives.filter(|at| !seen.counts(*at)) {
            let id = GrantId { op: seen.world.id(gives), index: 0 };
            assert!(seen.state.grant(&id).is_none(), "and lets nobody in");
        }
        if let Some(opens) = opens.filter(|at| !seen.counts(*at)) {
            assert!(!seen.state.epochs().contains(&seen.world.id(opens)), "nor is its key used");
        }
        if word.is_some() {
            assert_eq!(standing(seen, 0), Standing::In, "whom the phrase names acts again");
            assert_ne!(standing(seen, 1), Standing::In);
        } else if suspends.is_some() {
            let known = suspended.is_some_and(|line| seen.knew(suspends.unwrap(), line));
            assert_eq!(standing(seen, 0) != Standing::In, !known);
        }
    });
    assert_eq!(explored, Explored { states: 29863, views: 2381 });
}

/// A thief may not announce a root of its own, nor speak in its place.
#[test]
fn nobody_but_the_announced_key_is_the_root() {
    let mut scenario = scenario();
    let false_root = Body::Device(Device::Root(scenario.world.who[STRANGER].card().clone()));
    let word = word(&scenario.world, &scenario.named, 1);
    let write = Write::control(1, Kind::Device, false_root).under(word);
    let announced = scenario.world.write(&scenario.known, write);
    scenario.known.insert(announced);
    let devices = vec![scenario.world.who[STRANGER].id()];
    for (author, word) in [(1, word), (STRANGER, Authority::Device(scenario.world.id(announced)))] {
        let body = Body::Device(Device::Remain { devices: devices.clone(), retains: Vec::new() });
        let write = Write::control(author, Kind::Device, body).under(word);
        let at = scenario.world.write(&scenario.known, write);
        scenario.known.insert(at);
    }
    let state = scenario.world.state(&scenario.known);
    let root = scenario.world.who[ROOT].id();
    assert_eq!(state.root().map(|card| card.id()), Some(root));
    assert_eq!(state.refused().len(), 3);
    assert!(state.devices().iter().all(|device| device.standing == Standing::In));
    let none: Option<OpId> = state.last_word_to(&root);
    assert_eq!(none, None);
}

/// Two devices open an epoch beside each other, each without a hospital it shuts out; a third write stands on both.
#[test]
fn epochs_beside_each_other_are_both_in_force_and_everyone_comes_to_the_same_two() {
    fn open(world: &World, view: &View, named: &[u16], by: usize) -> Option<Write> {
        let previous = world.state(view).epochs().into_iter().map(|epoch| (epoch, vec![0; 48])).collect();
        let body = Body::Keys(Keys { commitment: [by as u8; 32], previous });
        Some(Write::control(by, Kind::Keys, body).under(word(world, named, by)))
    }
    let mut scenario = scenario();
    scenario.moves = vec![
        Move { from: 0, make: |world, view, named| open(world, view, named, 0) },
        Move { from: 1, make: |world, view, named| open(world, view, named, 1) },
        Move { from: 2, make: |world, view, named| open(world, view, named, 2) },
        Move { from: 0, make: |_, _, _| Some(Write::change(0, Authority::Genesis, 1)) },
        Move { from: 1, make: |world, _, named| Some(Write::change(1, word(world, named, 1), 2)) },
    ];
    scenario.messages = vec![(0, 1), (1, 0), (0, 2), (1, 2), (2, 0)];
    let explored = scenario.explore(|seen| {
        let epochs = seen.made[..3].iter().flatten().copied().collect::<Vec<_>>();
        // In force is what no other has in its past: each names those it supersedes.
        let expected = |known: &dyn Fn(u16) -> bool| {
            let here = epochs.iter().copied().filter(|at| known(*at)).collect::<Vec<_>>();
            let newest = here.iter().filter(|at| !here.iter().any(|other| seen.knew(*other, **at)));
            let mut newest = newest.map(|at| seen.world.id(*at)).collect::<Vec<_>>();
            newest.sort();
            if newest.is_empty() { vec![OpId(seen.world.record.0)] } else { newest }
        };
        assert_eq!(seen.state.epochs(), expected(&|_| true));
        for at in seen.changes() {
            let found = seen.state.epochs_at(&seen.world.op(at).header.control_heads);
            assert_eq!(found, expected(&|epoch| seen.knew(at, epoch)), "writer and reader come to the same");
        }
    });
    assert_eq!(explored, Explored { states: 25647, views: 971 });
}
