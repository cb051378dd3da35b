//! Histories: whoever has the same ops has the same state, in whatever order they came, and a line that was drawn holds.

use crate::world::{CUSTODIAN, PATIENT, World};
use proptest::prelude::*;
use record::state::{Judgement, Quarantine};
use record::{Authority, GrantId, LaneKind, OpId, State};

fn judged(world: &World, state: &State, id: &OpId) -> Judgement {
    let op = world.find(id);
    state.judge(id, op.header(), op.entries())
}

const BEYOND: Judgement = Judgement::Quarantined(Quarantine::BeyondTheLine);
const NO_AUTHORITY: Judgement = Judgement::Quarantined(Quarantine::NoAuthority);
const NOT_COVERED: Judgement = Judgement::Quarantined(Quarantine::NotCovered);

#[test]
fn a_claim_hands_over_and_keeps_what_was_written_before() {
    let mut world = World::new([1; 32], 3);
    let before = world.change(CUSTODIAN, Authority::Genesis, "Observation", "o1");
    let claim = world.claim();
    let after = world.change(CUSTODIAN, Authority::Genesis, "Observation", "o2");
    let granted = Authority::Grant(GrantId { op: claim, index: 0 });
    let under = world.change(CUSTODIAN, granted, "Observation", "o3");
    world.sync(CUSTODIAN, PATIENT);
    let state = world.state(PATIENT);
    assert_eq!(state.authority().map(|card| card.id()), Some(world.actors[PATIENT].identity.id()));
    assert_eq!(judged(&world, &state, &before), Judgement::Counts);
    assert_eq!(judged(&world, &state, &after), BEYOND);
    assert_eq!(judged(&world, &state, &under), Judgement::Counts);
    // The custodian's own grants end with the claim.
    let grant = world.give(CUSTODIAN, 2, "patient/*.cruds");
    world.sync(CUSTODIAN, PATIENT);
    let state = world.state(PATIENT);
    assert!(state.grant(&grant).is_none() && state.refused().contains(&grant.op));
}

#[test]
fn a_revoke_keeps_what_had_arrived_and_quarantines_the_rest() {
    let mut world = World::new([2; 32], 3);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let grant = world.give(PATIENT, 2, "patient/Observation.cu");
    world.sync(PATIENT, 2);
    let arrived = world.change(2, Authority::Grant(grant), "Observation", "o1");
    let wrong_type = world.change(2, Authority::Grant(grant), "Condition", "c1");
    world.sync(2, PATIENT);
    let offline = world.change(2, Authority::Grant(grant), "Observation", "o2");
    world.revoke(PATIENT, grant, 2);
    world.sync(PATIENT, 2);
    let knowing = world.change(2, Authority::Grant(grant), "Observation", "o3");
    world.sync(2, PATIENT);
    for actor in [PATIENT, 2] {
        let state = world.state(actor);
        assert_eq!(judged(&world, &state, &arrived), Judgement::Counts);
        assert_eq!(judged(&world, &state, &wrong_type), NOT_COVERED);
        assert_eq!(judged(&world, &state, &offline), BEYOND);
        assert_eq!(judged(&world, &state, &knowing), BEYOND);
    }
    // A grant that was not given to its user, or not in its past, is none.
    let stolen = world.change(CUSTODIAN, Authority::Grant(grant), "Observation", "o4");
    world.sync(CUSTODIAN, PATIENT);
    assert_eq!(judged(&world, &world.state(PATIENT), &stolen), NO_AUTHORITY);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Sync(usize, usize),
    Change(usize, usize),
    Claim,
    Give(usize, usize),
    Revoke(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let actor = || 0..4_usize;
    let step = prop_oneof![
        4 => (actor(), actor()).prop_map(|(from, to)| Step::Sync(from, to)),
        4 => (actor(), 0..4_usize).prop_map(|(actor, grant)| Step::Change(actor, grant)),
        1 => Just(Step::Claim),
        2 => (0..2_usize, actor()).prop_map(|(by, to)| Step::Give(by, to)),
        1 => (0..2_usize, 0..4_usize).prop_map(|(by, grant)| Step::Revoke(by, grant)),
    ];
    prop::collection::vec(step, 1..40)
}

fn run(steps: &[Step]) -> World {
    let mut world = World::new([7; 32], 4);
    let mut grants = Vec::<(GrantId, usize)>::new();
    for to in 1..4 {
        world.sync(CUSTODIAN, to);
    }
    for step in steps {
        match *step {
            Step::Sync(from, to) => world.sync(from, to),
            Step::Claim => drop(world.claim()),
            Step::Give(by, to) => grants.push((world.give(by, to, "patient/Observation.cruds"), to)),
            Step::Revoke(by, grant) => {
                if let Some((grant, whose)) = grants.get(grant).copied() {
                    world.revoke(by, grant, whose);
                }
            }
            Step::Change(actor, grant) => {
                let authority = match grants.get(grant) {
                    Some((grant, _)) if grant.index == 0 => Authority::Grant(*grant),
                    _ => Authority::Genesis,
                };
                world.change(actor, authority, "Observation", "o");
            }
        }
    }
    world
}

/// All that a state says, as text.
fn told(world: &World, state: &State) -> String {
    let mut lines = vec![format!("{:?} {:?}", state.authority().map(|card| card.id()), state.epochs())];
    lines.extend(state.grants().map(|given| format!("{:?} {:?}", given.id, given.revoked_by)));
    lines.extend(state.refused().iter().map(|id| format!("refused {id:?}")));
    for said in world.ops.iter().filter(|said| said.op.header().lane.kind == LaneKind::Change) {
        lines.push(format!("{:?}", judged(world, state, &said.op.id())));
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_same_ops_give_the_same_state_in_any_order(steps in steps(), order in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let world = run(&steps);
        let all = (0..world.ops.len()).collect::<Vec<_>>();
        let expected = told(&world, &State::fold(&world.controls(&all)));
        let mut shuffled = all.clone();
        shuffled.rotate_left(order.index(all.len()));
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(told(&world, &State::fold(&world.controls(&shuffled))), expected);
    }

    #[test]
    fn nobody_but_the_authority_gains_anything(steps in steps()) {
        let world = run(&steps);
        let all = (0..world.ops.len()).collect::<Vec<_>>();
        let state = State::fold(&world.controls(&all));
        let strangers = [2, 3].map(|actor| world.actors[actor].identity.id());
        for said in &world.ops {
            let author = said.op.header().lane.author;
            // No control op of a stranger has an effect, whatever it says.
            if strangers.contains(&author) && said.op.header().lane.kind == LaneKind::Control {
                prop_assert!(state.refused().contains(&said.op.id()));
            }
            if said.op.header().lane.kind != LaneKind::Change || judged(&world, &state, &said.op.id()) != Judgement::Counts {
                continue;
            }
            match said.op.header().authority {
                Authority::Genesis | Authority::Device(_) => prop_assert!(!strangers.contains(&author)),
                Authority::Grant(grant) => {
                    let given = state.grant(&grant).expect("what counts stands on a grant that counts");
                    prop_assert_eq!(given.grant.to.id(), author);
                }
            }
        }
    }
}
