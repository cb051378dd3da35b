//! Merge under every order: edits beside each other, a delete against an update, a change of class, and who may change what
//! is not its own.

use crate::explore::{Explored, Move, Scenario, Seen};
use crate::world::{World, Write, put};
use record::body::genesis::Purpose;
use record::entry::FrameKind;
use record::header::{Authority, GrantId};
use record::{Class, Entry};

/// The patient and two hospitals that share a plan; a third that may not.
const ONE: usize = 1;
const TWO: usize = 2;
const ALONE: usize = 3;

fn scenario() -> Scenario {
    let (mut world, mut known) = World::open(World::people(4), Purpose::Patient);
    let mut named = Vec::new();
    for hospital in [ONE, TWO, ALONE] {
        let mut grant = world.grant(hospital, "patient/*.cruds");
        grant.shared = hospital != ALONE;
        let grant = world.give(&mut known, 0, grant);
        named.push(world.find(&grant.op));
    }
    let authority = under(&world, &named, ONE);
    let first = world.write(&known, Write::change(ONE, authority, 1));
    known.insert(first);
    named.push(first);
    Scenario { world, known, actors: 4, moves: Vec::new(), messages: Vec::new(), named }
}

fn under(world: &World, named: &[u16], hospital: usize) -> Authority {
    Authority::Grant(GrantId { op: world.id(named[hospital - 1]), index: 0 })
}

fn edit(world: &World, named: &[u16], hospital: usize, entries: Vec<Entry>) -> Option<Write> {
    Some(Write::change(hospital, under(world, named, hospital), 1).writing(entries))
}

fn normal() -> Entry {
    put(1, "CarePlan", Class::NORMAL)
}

/// What is open by the rules, told by looking at every pair: a version is closed by one that has it in its past and either
/// resolves, or found it the last of those open then.
fn check(seen: &Seen, writes: &[Option<u16>], first: u16) {
    let here = writes.iter().flatten().copied().chain([first]).filter(|at| seen.view.contains(at));
    let here = here.filter(|at| seen.counts(*at)).collect::<Vec<_>>();
    let one = seen.world.who[ONE].id();
    let resource = seen.ledger.resource(&[1; 16], &one);
    assert_eq!(resource.versions.len(), here.len(), "nothing is dropped");
    let order = |at: &u16| (seen.world.op(*at).header.lamport, seen.world.id(*at));
    let last = here.iter().max_by_key(|at| order(at)).map(|at| seen.world.id(*at));
    assert_eq!(resource.current().map(|version| version.op), last, "the later is current");
    // Whatever nobody stands on is open.
    for at in here.iter().filter(|at| !here.iter().any(|later| seen.knew(*later, **at))) {
        assert!(resource.open.contains(&seen.world.id(*at)));
    }
    let beside = |a: &u16, b: &u16| a != b && !seen.knew(*a, *b) && !seen.knew(*b, *a);
    let pairs = here.iter().flat_map(|a| here.iter().map(move |b| (*a, *b))).filter(|(a, b)| beside(a, b));
    let resolved = |(a, b): &(u16, u16)| {
        here.iter().any(|at| {
            seen.knew(*at, *a) && seen.knew(*at, *b) && seen.world.op(*at).entries.iter().any(|entry| entry.resolves)
        })
    };
    let unresolved = pairs.filter(|pair| !resolved(pair)).count();
    assert_eq!(resource.is_conflict(), unresolved > 0, "tagged until a write that has both in its past names it");
}

#[test]
fn edits_beside_each_other_stay_and_are_tagged_until_one_names_the_conflict() {
    let mut scenario = scenario();
    let first = scenario.named[3];
    scenario.moves = vec![
        Move { from: 1, make: |world, _, named| edit(world, named, ONE, vec![normal()]) },
        Move {
            from: 2,
            make: |world, _, named| edit(world, named, TWO, vec![Entry { kind: FrameKind::Delete, ..normal() }]),
        },
        Move { from: 1, make: |world, _, named| edit(world, named, ONE, vec![Entry { resolves: true, ..normal() }]) },
    ];
    scenario.messages = vec![(1, 2), (2, 1), (2, 0), (1, 0)];
    let explored = scenario.explore(|seen| check(seen, &seen.made, first));
    assert_eq!(explored, Explored { states: 285, views: 24 });
}

#[test]
fn who_may_not_change_what_is_not_its_own_changes_nothing_however_early_it_says_it_did() {
    let mut scenario = scenario();
    let first = scenario.named[3];
    scenario.moves = vec![
        Move { from: 1, make: |world, _, named| edit(world, named, ONE, vec![normal()]) },
        // It forgets all it knows, so that its Lamport number is the least there is.
        Move {
            from: 3,
            make: |world, _, named| {
                let write = edit(world, named, ALONE, vec![normal()])?;
                Some(write.forgetting(world.id(named[3])))
            },
        },
        Move { from: 3, make: |world, _, named| edit(world, named, ALONE, vec![normal()]) },
    ];
    scenario.messages = vec![(1, 3), (3, 1), (3, 0), (1, 0)];
    let explored = scenario.explore(|seen| {
        check(seen, &seen.made[..1], first);
        let liar = seen.world.who[ALONE].id();
        let lied = seen.made[1..].iter().any(Option::is_some);
        assert_eq!(seen.ledger.claimants(&[1; 16]).contains(&liar), lied, "and is told apart");
    });
    assert_eq!(explored, Explored { states: 244, views: 20 });
}

/// A resource becomes restricted while another hospital still edits it as it was.
#[test]
fn a_reader_without_the_new_key_sees_a_restricted_resource_gone_and_never_as_it_was() {
    let mut scenario = scenario();
    let first = scenario.named[3];
    scenario.moves = vec![
        Move {
            from: 1,
            make: |world, _, named| {
                let removal = Entry { kind: FrameKind::Delete, ..normal() };
                edit(world, named, ONE, vec![removal, put(1, "CarePlan", Class(1))])
            },
        },
        Move { from: 2, make: |world, _, named| edit(world, named, TWO, vec![normal()]) },
        Move { from: 1, make: |world, _, named| edit(world, named, ONE, vec![put(1, "CarePlan", Class(1))]) },
    ];
    scenario.messages = vec![(1, 2), (2, 1), (1, 0), (2, 0)];
    let explored = scenario.explore(|seen| {
        check(seen, &seen.made, first);
        let one = seen.world.who[ONE].id();
        let resource = seen.ledger.resource(&[1; 16], &one);
        let Some(current) = resource.current() else { return };
        // The class of what is current decides who sees it; whoever lacks the class is never shown an older version.
        let op = seen.world.op(seen.world.find(&current.op));
        assert_eq!(current.class, op.entries.last().unwrap().class);
        let known = |at: Option<u16>| at.is_some_and(|at| seen.counts(at));
        if known(seen.made[0]) && !known(seen.made[1]) {
            assert_eq!(current.class, Class(1));
        }
    });
    assert_eq!(explored, Explored { states: 285, views: 24 });
}
