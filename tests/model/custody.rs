//! Custodians and keys: a custodian that claims twice, one that writes on beside its claim, and an identity whose old key
//! was stolen.

use crate::explore::{Explored, Move, Scenario, fold};
use crate::world::{View, World, Write};
use record::body::Body;
use record::body::claim::{Claim, accept};
use record::body::genesis::Purpose;
use record::body::grant::Grants;
use record::body::handover::Handover;
use record::header::{Authority, GrantId, Kind};
use record::state::State;
use record::{Entropy, OpId};

/// The custodian, the patient, whom the custodian would rather have, and a hospital.
const CUSTODIAN: usize = 0;
const PATIENT: usize = 1;
const PUPPET: usize = 2;
const HOSPITAL: usize = 3;

fn claim(world: &World, view: &View, patient: usize) -> Write {
    let (transcript, grants) = ([patient as u8; 32], vec![world.grant(CUSTODIAN, "patient/*.cruds")]);
    let acceptance = accept(&world.who[patient], &world.record, &transcript, &grants);
    let (card, retains) = (world.who[patient].card().clone(), world.heads(view, CUSTODIAN));
    let body = Claim { patient: card, transcript, acceptance, grants, retains };
    Write::control(CUSTODIAN, Kind::Claim, Body::Claim(body))
}

fn custodian_writes(_: &World, _: &View, _: &[u16]) -> Option<Write> {
    Some(Write::change(CUSTODIAN, Authority::Genesis, 1))
}

/// The custodian passes over all that it wrote after the genesis, and claims for somebody else; or lets somebody in.
fn forked(world: &World, view: &View, write: impl Fn(&View) -> Write) -> Option<Write> {
    let claimed = view.iter().find(|at| world.op(**at).header.kind == Kind::Claim)?;
    let past = view.iter().copied().filter(|at| !world.past(*at).contains(claimed)).collect();
    Some(write(&past).forgetting(world.id(*claimed)))
}

#[test]
fn a_custodian_that_claims_twice_takes_nothing_from_whom_it_handed_over_to() {
    let (world, known) = World::open(World::people(4), Purpose::Custodial);
    let mut scenario = Scenario { world, known, actors: 3, moves: Vec::new(), messages: Vec::new(), named: Vec::new() };
    scenario.moves = vec![
        Move { from: 0, make: custodian_writes },
        Move { from: 0, make: |world, view, _| Some(claim(world, view, PATIENT)) },
        // It goes on without its claim: a claim for a puppet, a grant to it, and writes below no line.
        Move { from: 0, make: |world, view, _| forked(world, view, |past| claim(world, past, PUPPET)) },
        Move {
            from: 0,
            make: |world, view, _| {
                let grants = vec![world.grant(PUPPET, "patient/*.cruds")];
                let write = Write::control(CUSTODIAN, Kind::Grant, Body::Grant(Grants { grants }));
                forked(world, view, |_| write.clone())
            },
        },
        Move {
            from: 0,
            make: |world, view, _| forked(world, view, |_| Write::change(CUSTODIAN, Authority::Genesis, 7)),
        },
        Move {
            from: 1,
            make: |world, view, _| {
                let mine = State::fold_for(&world.controls(view), &world.who[PATIENT].id());
                let named = mine.authority().is_some_and(|card| card.id() == world.who[PATIENT].id());
                let grants = vec![world.grant(HOSPITAL, "patient/*.cruds")];
                named.then(|| Write::control(PATIENT, Kind::Grant, Body::Grant(Grants { grants })))
            },
        },
        Move {
            from: 2,
            make: |world, view, _| {
                let hospital = world.who[HOSPITAL].id();
                let controls = world.controls(view);
                let state = State::fold_for(&controls, &hospital);
                let given = state.grants().find(|given| given.holder == hospital)?.id;
                Some(Write::change(HOSPITAL, Authority::Grant(given), 2))
            },
        },
    ];
    scenario.messages = vec![(0, 1), (1, 2), (0, 2)];
    let explored = scenario.explore(|seen| {
        let [written, claimed, twice, puppet, beyond, given, hospital] = seen.made[..] else { return };
        let Some(claimed) = claimed else { return };
        let controls = seen.world.controls(seen.view);
        for who in [PATIENT, HOSPITAL] {
            // The hospital knows whose side it is on once the patient let it in.
            if who == HOSPITAL && given.is_none() {
                continue;
            }
            let state = State::fold_for(&controls, &seen.world.who[who].id());
            let ledger = seen.world.ledger(&state, seen.view);
            let counts = |at: u16| seen.world.counts(&state, &ledger, at);
            assert_eq!(state.claim(), Some(seen.world.id(claimed)));
            assert_eq!(state.authority().map(|card| card.id()), Some(seen.world.who[PATIENT].id()));
            if let Some(written) = written {
                let kept = seen.knew(claimed, written) || retained(seen.world, claimed, written);
                assert_eq!(counts(written), kept, "the first claim's line is not moved");
            }
            for at in [twice, puppet, beyond].into_iter().flatten() {
                assert!(!counts(at), "nothing beside the claim counts: {:?}", seen.world.op(at).header.kind);
            }
            for at in [given, hospital].into_iter().flatten() {
                assert!(counts(at), "what the patient let in is not lost");
            }
        }
        let state = seen.world.state(seen.view);
        assert_eq!(state.rival_claims().is_empty(), twice.is_none(), "and everyone is told");
        let twins = [twice, puppet].iter().any(Option::is_some);
        assert_eq!(!state.forks().is_empty(), twins, "with the proof");
    });
    assert_eq!(explored, Explored { states: 11657, views: 844 });
}

fn retained(world: &World, claim: u16, at: u16) -> bool {
    let Some(Body::Claim(body)) = &world.op(claim).body else { return false };
    let lane = world.op(at).header.lane;
    let head = body.retains.iter().find(|head| head.lane == lane);
    head.is_some_and(|head| world.past(world.find(&head.id)).contains(&at))
}

/// An identity with two change lanes hands over; whoever stole its first key writes on in each, and in the control lane.
#[test]
fn a_handover_keeps_what_each_lane_had_and_ends_the_old_key() {
    let mut who = World::people(3);
    let next = who[CUSTODIAN].hand_over(&mut Entropy::new([3; 32])).unwrap();
    who.push(next);
    let (mut world, mut known) = World::open(who, Purpose::Custodial);
    for instance in [1, 2] {
        let at = world.write(&known, Write::change(CUSTODIAN, Authority::Genesis, 1).in_lane(instance));
        known.insert(at);
    }
    let named = known.iter().copied().collect();
    let mut scenario = Scenario { world, known, actors: 3, moves: Vec::new(), messages: Vec::new(), named };
    scenario.moves = vec![
        Move {
            from: 0,
            make: |world, view, _| {
                let body = Handover { card: world.who[3].card().clone(), retains: world.heads(view, CUSTODIAN) };
                Some(Write::control(CUSTODIAN, Kind::Keys, Body::Handover(body)).by_key(1))
            },
        },
        Move {
            from: 0,
            make: |world, view, _| {
                let handed = view.iter().any(|at| world.op(*at).header.key_number == 1);
                let write = Write::change(CUSTODIAN, Authority::Genesis, 2).in_lane(3);
                handed.then(|| write.by_key(1))
            },
        },
        // The thief: it knows of no handover, or passes over it.
        Move { from: 1, make: |world, view, _| stolen(world, view, |write| write.in_lane(1)) },
        Move { from: 1, make: |world, view, _| stolen(world, view, |write| write.in_lane(4)) },
        Move {
            from: 1,
            make: |world, view, _| {
                let grants = vec![world.grant(PUPPET, "patient/*.cruds")];
                let write = Write::control(CUSTODIAN, Kind::Grant, Body::Grant(Grants { grants }));
                Some(passing_over(world, view, write))
            },
        },
    ];
    scenario.messages = vec![(0, 1), (1, 0), (0, 2), (1, 2)];
    let explored = scenario.explore(|seen| {
        let [handed, fresh, first, other, grant] = seen.made[..] else { return };
        for at in [first, other].into_iter().flatten() {
            let kept = handed.is_none_or(|handed| kept_by(seen.world, handed, at));
            assert_eq!(seen.counts(at), kept, "what the old key signs does not move the line");
        }
        if let Some(grant) = grant {
            let kept = handed.is_none_or(|handed| seen.knew(handed, grant));
            assert_eq!(seen.counts(grant), kept, "nor in the control lane");
        }
        assert!(fresh.is_none_or(|at| seen.counts(at)), "the new key writes on");
        let old = seen.changes().into_iter().filter(|at| seen.world.op(*at).header.seq == 0);
        let mut old = old.filter(|at| [1, 2].contains(&seen.world.op(*at).header.lane.instance));
        assert!(old.all(|at| seen.counts(at)), "and what was written before stays");
    });
    assert_eq!(explored, Explored { states: 6479, views: 171 });
}

fn kept_by(world: &World, handed: u16, at: u16) -> bool {
    let Some(Body::Handover(body)) = &world.op(handed).body else { return false };
    let lane = world.op(at).header.lane;
    let head = body.retains.iter().find(|head| head.lane == lane);
    head.is_some_and(|head| world.past(world.find(&head.id)).contains(&at))
}

fn passing_over(world: &World, view: &View, write: Write) -> Write {
    match view.iter().find(|at| world.op(**at).header.key_number == 1) {
        Some(handed) => write.forgetting(world.id(*handed)),
        None => write,
    }
}

fn stolen(world: &World, view: &View, lane: fn(Write) -> Write) -> Option<Write> {
    Some(passing_over(world, view, lane(Write::change(CUSTODIAN, Authority::Genesis, 9))))
}

/// Whoever stole the key that was handed over claims for a puppet, on a fork that knows of no handover.
#[test]
fn a_claim_by_a_stolen_key_hands_nothing_over() {
    let mut who = World::people(3);
    let next = who[CUSTODIAN].hand_over(&mut Entropy::new([3; 32])).unwrap();
    who.push(next);
    let (mut world, known) = World::open(who, Purpose::Custodial);
    let body = Handover { card: world.who[3].card().clone(), retains: Vec::new() };
    let handed = world.write(&known, Write::control(CUSTODIAN, Kind::Keys, Body::Handover(body)).by_key(1));
    let mut view = known.clone();
    for patient in [PUPPET, PATIENT] {
        let stolen = claim(&world, &known, patient);
        view.insert(world.write(&known, stolen));
    }
    let (before, _) = fold(&world, &view);
    assert!(before.claim().is_some() && before.rival_claims().len() == 1, "without the handover they are claims");
    view.insert(handed);
    let (state, _) = fold(&world, &view);
    assert_eq!((state.claim(), state.rival_claims()), (None, &[][..]));
    // The key that took over claims.
    let past = known.iter().copied().chain([handed]).collect();
    let real = claim(&world, &past, PATIENT).by_key(1);
    view.insert(world.write(&past, real));
    let (state, _) = fold(&world, &view);
    assert_eq!(state.authority().map(|card| card.id()), Some(world.who[PATIENT].id()));
    assert!(state.rival_claims().is_empty());
}

/// A claim is the patient's word for one record: the same acceptance elsewhere hands nothing over.
#[test]
fn a_claim_replayed_into_another_record_hands_nothing_over() {
    let (one, known) = World::open(World::people(4), Purpose::Custodial);
    let stolen = claim(&one, &known, PATIENT);
    let mut people = World::people(4);
    people.swap(0, 3);
    let (mut other, mut view) = World::open(people, Purpose::Custodial);
    let at = other.write(&view, stolen);
    view.insert(at);
    let (state, _) = fold(&other, &view);
    assert_eq!(state.claim(), None);
    assert!(state.refused().contains(&other.id(at)));
    assert!(state.grant(&GrantId { op: other.id(at), index: 0 }).is_none());
    let none: Option<&OpId> = state.rival_claims().first();
    assert_eq!(none, None);
}
