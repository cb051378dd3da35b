//! Grants, revokes and accepts beside each other: two devices decide, hospitals write.

use crate::explore::{Explored, Move, Scenario, Seen};
use crate::world::{View, World, Write, put};
use record::body::Body;
use record::body::accept::Accept;
use record::body::device::Device;
use record::body::genesis::Purpose;
use record::body::grant::{Grant, Grants};
use record::body::revoke::Revoke;
use record::header::{Authority, GrantId, Kind};
use record::{Class, Lane, LaneKind};

/// The patient's devices 0 and 1, hospitals 2 and 3.
const FIRST: usize = 0;
const SECOND: usize = 1;
const HOSPITAL: usize = 2;
const OTHER: usize = 3;

/// Named: the admission of the second device, the grant to the hospital.
const ADMISSION: usize = 0;
const GRANT: usize = 1;

fn scenario(narrow: impl Fn(&mut Grant)) -> Scenario {
    let (mut world, mut known) = World::open(World::people(4), Purpose::Patient);
    let card = world.who[SECOND].card().clone();
    let body = Body::Device(Device::Admit { card, name: String::new() });
    let admission = world.write(&known, Write::control(FIRST, Kind::Device, body));
    known.insert(admission);
    let mut grant = world.grant(HOSPITAL, "patient/*.cruds");
    narrow(&mut grant);
    let grant = world.give(&mut known, FIRST, grant);
    let named = vec![admission, world.find(&grant.op)];
    Scenario { world, known, actors: 3, moves: Vec::new(), messages: Vec::new(), named }
}

fn given(world: &World, named: &[u16]) -> GrantId {
    GrantId { op: world.id(named[GRANT]), index: 0 }
}

fn second(world: &World, named: &[u16]) -> Authority {
    Authority::Device(world.id(named[ADMISSION]))
}

fn hospital_writes(world: &World, _: &View, named: &[u16]) -> Option<Write> {
    Some(Write::change(HOSPITAL, Authority::Grant(given(world, named)), 1))
}

fn first_revokes(world: &World, view: &View, named: &[u16]) -> Option<Write> {
    Some(world.revoke(view, FIRST, given(world, named), HOSPITAL))
}

fn second_revokes(world: &World, view: &View, named: &[u16]) -> Option<Write> {
    Some(world.revoke(view, SECOND, given(world, named), HOSPITAL).under(second(world, named)))
}

fn second_accepts(world: &World, view: &View, named: &[u16]) -> Option<Write> {
    let heads = world.heads(view, HOSPITAL);
    if heads.is_empty() {
        return None;
    }
    let body = Body::Accept(Accept { ops: Vec::new(), heads });
    Some(Write::control(SECOND, Kind::Accept, body).under(second(world, named)))
}

/// What the rules say of a change of the hospital, told from the bodies alone and without the code that is tested.
fn kept(seen: &Seen, at: u16) -> bool {
    let said = seen.world.op(at);
    let lane = said.header.lane;
    let within = |heads: &[record::Head]| {
        let head = heads.iter().find(|head| head.lane == lane);
        head.is_some_and(|head| seen.world.past(seen.world.find(&head.id)).contains(&at))
    };
    let bodies = || seen.view.iter().filter_map(|at| Some((*at, seen.world.op(*at).body.as_ref()?)));
    bodies().all(|(line, body)| match body {
        Body::Revoke(body) => {
            within(&body.retains)
                || bodies().any(|(accept, body)| {
                    matches!(body, Body::Accept(body) if within(&body.heads)) && seen.knew(accept, line)
                })
        }
        _ => true,
    })
}

#[test]
fn two_revokes_with_different_lines_keep_what_both_keep_and_an_accept_lifts_what_it_knew() {
    let mut scenario = scenario(|_| {});
    scenario.moves = vec![
        Move { from: 2, make: hospital_writes },
        Move { from: 2, make: hospital_writes },
        Move { from: 0, make: first_revokes },
        Move { from: 1, make: second_revokes },
        Move { from: 1, make: second_accepts },
    ];
    scenario.messages = vec![(2, 0), (2, 1), (0, 1), (0, 2)];
    let explored = scenario.explore(|seen| {
        for at in seen.changes() {
            assert_eq!(seen.counts(at), kept(seen, at));
        }
    });
    assert_eq!(explored, Explored { states: 2912, views: 437 });
}

/// The hospital writes at a place of its lane where it wrote before.
fn hospital_forks(world: &World, view: &View, named: &[u16]) -> Option<Write> {
    let lane = Lane { author: world.who[HOSPITAL].id(), kind: LaneKind::Change, instance: 0 };
    let first = *world.lane(view, &lane).first()?;
    Some(Write::change(HOSPITAL, Authority::Grant(given(world, named)), 9).forgetting(world.id(first)))
}

#[test]
fn a_fork_below_a_line_is_not_kept_by_it_and_a_fork_alone_unapplies_nothing() {
    let mut scenario = scenario(|_| {});
    scenario.moves = vec![
        Move { from: 2, make: hospital_writes },
        Move { from: 2, make: hospital_writes },
        Move { from: 2, make: hospital_forks },
        Move { from: 0, make: first_revokes },
    ];
    scenario.messages = vec![(2, 0), (0, 1), (2, 1)];
    let explored = scenario.explore(|seen| {
        for at in seen.changes() {
            assert_eq!(seen.counts(at), kept(seen, at));
        }
        let changes = seen.changes();
        let places = changes.iter().map(|at| seen.world.op(*at).header.seq).collect::<std::collections::BTreeSet<_>>();
        let fork = places.len() < changes.len();
        assert_eq!(!seen.ledger.forks().is_empty(), fork, "a fork is proven as soon as both branches are here");
    });
    assert_eq!(explored, Explored { states: 499, views: 38 });
}

#[test]
fn a_revoke_of_an_identity_ends_grants_given_beside_it() {
    let mut scenario = scenario(|_| {});
    scenario.moves = vec![
        Move {
            from: 1,
            make: |world, _, named| {
                let grants = vec![world.grant(HOSPITAL, "patient/Observation.cu")];
                let write = Write::control(SECOND, Kind::Grant, Body::Grant(Grants { grants }));
                Some(write.under(second(world, named)))
            },
        },
        Move {
            from: 0,
            make: |world, view, _| {
                let identities = vec![world.who[HOSPITAL].id()];
                let body = Revoke { grants: Vec::new(), identities, retains: world.heads(view, HOSPITAL) };
                Some(Write::control(FIRST, Kind::Revoke, Body::Revoke(body)))
            },
        },
        Move {
            from: 2,
            make: |world, view, _| {
                let hospital = world.who[HOSPITAL].id();
                let state = world.state(view);
                let given = state.grants().filter(|given| given.holder == hospital && given.revoked_by.is_none());
                let newest = given.max_by_key(|given| world.find(&given.id.op))?;
                Some(Write::change(HOSPITAL, Authority::Grant(newest.id), 1))
            },
        },
    ];
    scenario.messages = vec![(0, 1), (1, 0), (1, 2), (0, 2), (2, 0)];
    let explored = scenario.explore(|seen| {
        let [given, revoke, _] = seen.made[..] else { return };
        let (Some(given), Some(revoke)) = (given, revoke) else { return };
        let id = GrantId { op: seen.world.id(given), index: 0 };
        let given_back = seen.state.grant(&id).is_some_and(|given| given.revoked_by.is_some());
        // Only who knew of the revoke can have meant to let the hospital in again.
        assert_eq!(given_back, !seen.knew(given, revoke));
        for at in seen.changes() {
            let again = seen.world.op(at).header.authority == Authority::Grant(id) && !given_back;
            assert_eq!(seen.counts(at), again || kept(seen, at));
        }
    });
    assert_eq!(explored, Explored { states: 217, views: 21 });
}

fn narrowed(world: &World, named: &[u16], scope: &str) -> Grant {
    let grant = world.grant(HOSPITAL, scope);
    Grant { replaces: vec![given(world, named)], ..grant }
}

#[test]
fn two_that_narrow_the_same_grant_beside_each_other_permit_what_both_permit() {
    let mut scenario = scenario(|_| {});
    scenario.moves = vec![
        Move {
            from: 0,
            make: |world, _, named| {
                let grants = vec![narrowed(world, named, "patient/Observation.cu patient/Condition.cu")];
                Some(Write::control(FIRST, Kind::Grant, Body::Grant(Grants { grants })))
            },
        },
        Move {
            from: 1,
            make: |world, _, named| {
                let grants = vec![narrowed(world, named, "patient/Observation.cu patient/Procedure.cu")];
                let write = Write::control(SECOND, Kind::Grant, Body::Grant(Grants { grants }));
                Some(write.under(second(world, named)))
            },
        },
        Move { from: 2, make: |world, view, _| under_newest(world, view, "Condition") },
        Move { from: 2, make: |world, view, _| under_newest(world, view, "Observation") },
    ];
    scenario.messages = vec![(0, 1), (1, 0), (0, 2), (1, 2)];
    let explored = scenario.explore(|seen| {
        let [first, second, condition, observation] = seen.made[..] else { return };
        let beside = |one: Option<u16>, other: Option<u16>| match (one, other) {
            (Some(one), Some(other)) => !seen.knew(one, other) && !seen.knew(other, one),
            _ => false,
        };
        if let Some(at) = condition {
            let under = |grant: Option<u16>| {
                grant.is_some_and(|grant| {
                    seen.world.op(at).header.authority
                        == Authority::Grant(GrantId { op: seen.world.id(grant), index: 0 })
                })
            };
            let narrowed_away = under(second) || (under(first) && beside(first, second));
            assert_eq!(seen.counts(at), !narrowed_away, "only what both permit");
        }
        assert!(observation.is_none_or(|at| seen.counts(at)), "what both permit is permitted");
    });
    assert_eq!(explored, Explored { states: 425, views: 92 });
}

fn under_newest(world: &World, view: &View, resource_type: &str) -> Option<Write> {
    let state = world.state(view);
    let open = state.grants().filter(|given| state.is_live(given, 1)).map(|given| given.id);
    let newest = open.max_by_key(|id| world.find(&id.op))?;
    let entry = put(1, resource_type, Class::NORMAL);
    Some(Write::change(HOSPITAL, Authority::Grant(newest), 1).writing(vec![entry]))
}

#[test]
fn what_is_passed_on_ends_with_what_it_was_passed_on_from() {
    let mut scenario = scenario(|grant| grant.delegate = true);
    scenario.actors = 4;
    scenario.moves = vec![
        Move {
            from: 2,
            make: |world, _, named| {
                let grants = vec![world.grant(OTHER, "patient/Observation.cu")];
                let write = Write::control(HOSPITAL, Kind::Grant, Body::Grant(Grants { grants }));
                Some(write.under(Authority::Grant(given(world, named))))
            },
        },
        Move { from: 3, make: passed_on_writes },
        Move {
            from: 0,
            make: |world, view, named| {
                let mut retains = world.heads(view, HOSPITAL);
                retains.extend(world.heads(view, OTHER));
                let body = Revoke { grants: vec![given(world, named)], identities: Vec::new(), retains };
                Some(Write::control(FIRST, Kind::Revoke, Body::Revoke(body)))
            },
        },
        // The hospital passes on more than it has.
        Move {
            from: 2,
            make: |world, _, named| {
                let grants = vec![Grant { classes: vec![Class(4)], ..world.grant(OTHER, "patient/*.cruds") }];
                let write = Write::control(HOSPITAL, Kind::Grant, Body::Grant(Grants { grants }));
                Some(write.under(Authority::Grant(given(world, named))))
            },
        },
    ];
    scenario.messages = vec![(2, 3), (3, 0), (2, 0), (0, 2)];
    let explored = scenario.explore(|seen| {
        let [passed, written, revoke, wider] = seen.made[..] else { return };
        assert!(wider.is_none_or(|at| !seen.counts(at)), "a scope never grows by being passed on");
        if let Some(passed) = passed {
            let unknown = revoke.is_some_and(|revoke| !seen.knew(revoke, passed));
            let late = revoke.is_some_and(|revoke| seen.knew(passed, revoke));
            assert_eq!(seen.counts(passed), !unknown && !late, "only what the revoke had seen was passed on");
            let id = GrantId { op: seen.world.id(passed), index: 0 };
            let open = seen.state.grant(&id).is_some_and(|given| given.revoked_by.is_none());
            assert_eq!(open, revoke.is_none(), "it ends with what it was passed on from");
        }
        if let (Some(passed), Some(written)) = (passed, written) {
            assert_eq!(seen.counts(written), seen.counts(passed) && kept(seen, written));
        }
    });
    assert_eq!(explored, Explored { states: 582, views: 65 });
}

fn passed_on_writes(world: &World, view: &View, _: &[u16]) -> Option<Write> {
    let other = world.who[OTHER].id();
    let passed = view.iter().find(|at| {
        let body = world.op(**at).body.as_ref();
        matches!(body, Some(Body::Grant(body)) if body.grants[0].to.id() == other && body.grants[0].classes.len() == 2)
    });
    let grant = GrantId { op: world.id(*passed?), index: 0 };
    Some(Write::change(OTHER, Authority::Grant(grant), 2))
}

/// What was passed on from a grant that was narrowed since is not wider than what is left of it.
#[test]
fn what_was_passed_on_from_a_replaced_grant_ends_with_it() {
    let Scenario { mut world, mut known, named, .. } = scenario(|grant| grant.delegate = true);
    let authority = Authority::Grant(given(&world, &named));
    let pass = |world: &World| {
        let grants = vec![world.grant(OTHER, "patient/*.cruds")];
        Write::control(HOSPITAL, Kind::Grant, Body::Grant(Grants { grants })).under(authority)
    };
    let write = pass(&world);
    let passed = world.write(&known, write);
    known.insert(passed);
    let narrowed = narrowed(&world, &named, "patient/Observation.rs");
    world.give(&mut known, FIRST, narrowed);
    let write = pass(&world);
    let late = world.write(&known, write);
    known.insert(late);
    let id = GrantId { op: world.id(passed), index: 0 };
    let after = world.write(&known, Write::change(OTHER, Authority::Grant(id), 2));
    known.insert(after);
    let (state, ledger) = crate::explore::fold(&world, &known);
    assert!(!state.is_live(state.grant(&id).unwrap(), 1));
    assert!(!world.counts(&state, &ledger, after), "nobody who knows of it writes under it");
    assert!(!world.counts(&state, &ledger, late), "nor is it passed on again");
}
