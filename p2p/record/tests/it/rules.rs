//! Rules that no other test carries: each by what anybody can compute for itself, and by what comes of it.

use crate::world::{CUSTODIAN, PATIENT, World};
use ed25519_dalek::{Signature, VerifyingKey};
use record::body::Body;
use record::body::device::Device;
use record::body::grant::Grants;
use record::body::lifecycle::{Checkpoint, Erase, Link, Moved};
use record::draft::{Draft, DraftFrame, WRAP_INFO};
use record::entry::{handle, wrap_handle};
use record::identity::Statement;
use record::keys::{KeyItem, Keyring, Level, Secret, class_secret, commitment, control_key, decode_items, type_key};
use record::state::{Judgement, Standing};
use record::{
    Authority, Card, Change, Class, Entropy, GrantId, Identity, IdentityId, Kind, Ledger, OpId, Phrase, RecordId,
};

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}

/// Rule 1.4. Signatures that the plain equation takes and `verify_strict` does not: R of small order (the first of "Taming
/// the many EdDSAs", table 6c, cases 0 to 2), where two verifiers may differ and so would two nodes.
#[test]
fn a_signature_that_verifiers_differ_on_is_none() {
    let small_r = (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
         8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    );
    let (message, key, signature) = (bytes::<32>(small_r.0), bytes::<32>(small_r.1), bytes::<64>(small_r.2));
    let verifying = VerifyingKey::from_bytes(&key).unwrap();
    let read = Signature::from_bytes(&signature);
    assert!(ed25519_dalek::Verifier::verify(&verifying, &message, &read).is_ok(), "the plain equation holds");
    assert!(verifying.verify_strict(&message, &read).is_err());
    let statement = Statement { key, next: [0; 32] };
    let card = Card { statement, sealing: [0; 32], signature: [0; 64], handed: Vec::new() };
    assert_eq!(card.verify(&message, &signature).map_err(|error| error.rule), Err("1.3"));
    // No second way to decide a signature hides in the sources.
    for (name, text) in sources() {
        for plain in [".verify_batch(", "Verifier", "verify_prehashed"] {
            assert!(!text.contains(plain), "{name} has {plain}");
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap())),
            }
        }
    }
    found
}

/// Rule 1.7.
#[test]
fn whoever_has_the_phrase_knows_where_holders_are_met() {
    let phrase = Phrase::generate(&mut Entropy::new([1; 32]));
    let typed = phrase.words().collect::<Vec<_>>().join(" ");
    let root = phrase.root().id();
    let met = record::phrase::rendezvous(&Phrase::parse(&typed).unwrap().root().id());
    assert_eq!(met, blake3::derive_key("chartwell 1 rendezvous", root.bytes()));
    let other = Phrase::generate(&mut Entropy::new([2; 32])).root().id();
    assert_ne!(met, record::phrase::rendezvous(&other));
}

/// Rule 3.5, computed as another implementation would.
#[test]
fn a_handle_is_a_hash_that_only_the_record_can_key() {
    let (origin, record) = (IdentityId([3; 32]), RecordId([4; 32]));
    let key = blake3::derive_key("chartwell 1 handle key", &[5; 32]);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(&[3; 32]).update(&[11]).update(b"Observation").update(b"o1");
    assert_eq!(handle(&key, &origin, "Observation", "o1"), hasher.finalize().as_bytes()[..16]);
    // The length of the type keeps one resource from having another's handle.
    assert_ne!(handle(&key, &origin, "List", "ener1"), handle(&key, &origin, "Listener", "1"));
    assert_ne!(handle(&key, &origin, "List", "1"), handle(&[6; 32], &origin, "List", "1"), "another record's key");
    let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 wrap handle");
    hasher.update(record.bytes()).update(origin.bytes());
    assert_eq!(wrap_handle(&record, &origin), hasher.finalize().as_bytes()[..16]);
    let world = World::new([1; 32], 2);
    let genesis = world.state(CUSTODIAN).genesis().unwrap().clone();
    assert_eq!(genesis.handle_key(), blake3::derive_key("chartwell 1 handle key", &genesis.random));
}

/// Rule 5.2.
#[test]
fn a_secret_that_an_epoch_did_not_commit_to_is_no_key_of_it() {
    assert_eq!(commitment(&[9; 32]), blake3::derive_key("chartwell 1 epoch commitment", &[9; 32]));
    let world = World::new([2; 32], 2);
    let state = world.state(CUSTODIAN);
    let [epoch] = state.epochs()[..] else { unreachable!("a record begins with one epoch") };
    let item = |epoch, level, secret: [u8; 32]| KeyItem { epoch, level, secret: Secret::new(secret) };
    assert!(state.is_committed(&item(epoch, Level::Epoch, [9; 32])));
    assert!(!state.is_committed(&item(epoch, Level::Epoch, [8; 32])));
    // Of a part of an epoch nobody can tell, and of an epoch that is not here nobody knows.
    assert!(state.is_committed(&item(epoch, Level::Control, [8; 32])));
    assert!(state.is_committed(&item(OpId([1; 32]), Level::Epoch, [8; 32])));
}

/// Rule 7.3: who is told nothing more, and what is the last that it is told.
#[test]
fn a_device_that_was_stopped_is_no_member_and_is_told_of_it() {
    let mut entropy = Entropy::new([7; 32]);
    let root = Phrase::generate(&mut entropy).root();
    let mut world = World::new([6; 32], 4);
    world.actors[PATIENT].identity = Identity::generate_under(root.card(), &mut entropy);
    world.sync(CUSTODIAN, PATIENT);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let card = |world: &World, actor: usize| world.actors[actor].identity.card().clone();
    let (first, second) = (card(&world, PATIENT), card(&world, 2));
    let admit = Body::Device(Device::Admit { card: second.clone(), name: "phone".to_owned() });
    let state = world.state_with(PATIENT, Kind::Device, admit);
    assert_eq!(state.standing_of(&second.id()), Some(Standing::In));
    assert_eq!(state.standing_of(&card(&world, 3).id()), None);
    assert!(
        state.is_member(&second.id()) && state.is_member(&first.id()) && state.last_word_to(&second.id()).is_none()
    );
    let root_said = world.state_with(PATIENT, Kind::Device, Body::Device(Device::Root(root.card().clone())));
    assert!(root_said.is_member(&root.id()) && root_said.announcements().len() == 1);
    // The first device is suspended by the second, whose name the authority keeps all the same.
    world.sync(PATIENT, 2);
    // What the first one signed by then is kept, the second one's admission with it.
    let of_first = world.ops.iter().rev().find(|said| said.op.header().lane.author == first.id()).unwrap();
    let retains = vec![of_first.op.head()];
    let suspend = Body::Device(Device::Suspend { device: first.id(), retains });
    let state = world.state_under(2, Kind::Device, suspend);
    let op = world.ops.last().unwrap().op.id();
    assert_eq!(state.standing_of(&first.id()), Some(Standing::Suspended(op)));
    assert_eq!(state.authority().map(Card::id), Some(first.id()));
    assert!(!state.is_member(&first.id()) && state.is_member(&second.id()));
    assert_eq!(state.last_word_to(&first.id()), Some(op), "it learns of it, and of nothing after");
}

/// Rule 5.5: what a grant wraps, epoch by epoch.
#[test]
fn a_grant_wraps_the_highest_keys_that_its_scopes_cover_whole() {
    let world = World::new([3; 32], 3);
    let mut ring = Keyring::default();
    for epoch in [[1; 32], [2; 32]] {
        ring.add(KeyItem { epoch: OpId(epoch), level: Level::Epoch, secret: Secret::new(epoch) });
    }
    let rows: [(&str, &[Class], &[Level]); 5] = [
        ("patient/Observation.rs", &[Class::NORMAL], &[Level::Type(Class::NORMAL, "Observation".into())]),
        ("patient/*.rs", &[Class::NORMAL, Class(4)], &[Level::Class(Class::NORMAL), Level::Class(Class(4))]),
        (
            "patient/Observation.r patient/Condition.s",
            &[Class(3)],
            &[Level::Type(Class(3), "Condition".into()), Level::Type(Class(3), "Observation".into())],
        ),
        ("patient/Observation.cu", &[Class::NORMAL], &[]),
        ("patient/Wrong[.rs", &[Class::NORMAL], &[]),
    ];
    for (scope, classes, levels) in rows {
        let mut grant = world.grant_to(2, scope);
        grant.classes = classes.to_vec();
        let items = ring.items_for(&grant.reads());
        for epoch in [[1; 32], [2; 32]] {
            let of_epoch = items.iter().filter(|item| item.epoch == OpId(epoch));
            let mut found = of_epoch.map(|item| item.level.clone()).collect::<Vec<_>>();
            let mut wanted = [levels, &[Level::Control, Level::Class(Class::DIRECTORY)]].concat();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{scope} {classes:?}");
        }
        let none = items.iter().all(|item| item.level != Level::Epoch);
        assert!(none, "the whole secret is the authority's alone");
        let secret = |level: &Level, epoch: &[u8; 32]| match level {
            Level::Class(class) => class_secret(epoch, *class),
            Level::Type(class, kind) => type_key(&class_secret(epoch, *class), kind),
            _ => control_key(epoch),
        };
        assert!(items.iter().all(|item| item.secret == secret(&item.level, &item.epoch.0)), "{scope}");
    }
}

/// Rule 5.6, as far as the record knows it: who is left out has no key of the epoch that follows, and whom the state names
/// as let in is who may be handed one.
#[test]
fn after_a_revoke_the_next_epoch_reaches_those_who_are_in_and_no_other() {
    let mut world = World::new([4; 32], 4);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let (out, stays) = (world.give(PATIENT, 2, "patient/*.rs"), world.give(PATIENT, 3, "patient/*.rs"));
    world.revoke(PATIENT, out, 2);
    let state = world.state(PATIENT);
    let id = |actor: usize| world.actors[actor].identity.id();
    assert!(!state.is_member(&id(2)) && state.is_member(&id(3)) && state.is_member(&id(PATIENT)));
    assert_eq!(state.live_grants(&id(2), 1).count(), 0);
    assert_eq!(state.live_grants(&id(3), 1).map(|given| given.id).collect::<Vec<_>>(), [stays]);
    // The keys op as a device makes it: a wrap for each who is in.
    let (secret, mut entropy) = (Secret::new([7; 32]), Entropy::new([8; 32]));
    let mut ring = Keyring::default();
    ring.add(KeyItem { epoch: OpId([0; 32]), level: Level::Epoch, secret });
    let members = state.members().into_iter().filter(|card| state.is_member(&card.id()));
    let wraps = members.map(|to| DraftFrame::Wrap { to, items: ring.items_for(&[(Class::NORMAL, None)]) });
    let draft = Draft {
        record: world.record,
        lane: record::Lane { author: id(PATIENT), kind: record::LaneKind::Control, instance: 0 },
        seq: 9,
        previous: Some(OpId([1; 32])),
        control_heads: state.control_heads(),
        data_heads: Vec::new(),
        lamport: 99,
        wall_ms: 0,
        kind: Kind::Keys,
        authority: Authority::Genesis,
        frames: wraps.collect(),
    };
    let (op, frames) = draft.sign(&world.actors[PATIENT].identity, &mut entropy).unwrap();
    let opens = |actor: usize| {
        let identity = &world.actors[actor].identity;
        let mine = wrap_handle(&world.record, &identity.id());
        let named = op.entries().iter().any(|entry| entry.handle == mine);
        let opened = frames.iter().filter_map(|frame| identity.open(WRAP_INFO, frame));
        let items = opened.filter_map(|plain| decode_items(&plain, op.id()).ok()).flatten().collect::<Vec<_>>();
        assert!(items.iter().all(|item| item.epoch == op.id()), "zero is the op itself");
        (named, !items.is_empty())
    };
    assert_eq!([CUSTODIAN, PATIENT, 3].map(opens), [(true, true); 3]);
    assert_eq!(opens(2), (false, false));
}

/// Rule 6.5: in the order of (Lamport number, op id), whenever they came.
#[test]
fn changes_apply_in_one_order_and_the_last_is_current() {
    let mut world = World::new([5; 32], 2);
    let first = world.change(CUSTODIAN, Authority::Genesis, "Observation", "o");
    let second = world.change(CUSTODIAN, Authority::Genesis, "Observation", "o");
    let state = world.state(CUSTODIAN);
    let change = |id: &OpId| {
        let op = world.find(id);
        Change { id: *id, header: op.header().clone(), entries: op.entries().to_vec() }
    };
    // Beside the second, with its very Lamport number, in lanes of other processes.
    let beside = |instance: u64| {
        let mut one = change(&second);
        one.header.lane.instance = instance;
        (one.header.seq, one.header.previous, one.header.data_heads) = (0, None, vec![first]);
        one.id = record::Header::id_of(&one.header.encode());
        one
    };
    let mut all = vec![change(&first), change(&second)];
    all.extend((1..6).map(beside));
    let mut wanted = all.iter().map(|change| (change.header.lamport, change.id)).collect::<Vec<_>>();
    wanted.sort();
    let (handle, origin) = (all[0].entries[0].handle, world.actors[CUSTODIAN].identity.id());
    for turn in 0..all.len() {
        let mut ledger = Ledger::default();
        for change in all.iter().cycle().skip(turn).take(all.len()) {
            ledger.add(&state, change.clone());
        }
        let resource = ledger.resource(&handle, &origin);
        let found = resource.versions.iter().map(|version| version.op).collect::<Vec<_>>();
        assert_eq!(found, wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        assert_eq!(resource.current().map(|version| version.op), wanted.last().map(|(_, id)| *id));
    }
}

/// Rule 6.16: the clock opens and closes what is served and signed, and moves nothing that counts.
#[test]
fn an_end_stops_serving_by_the_clock_and_the_state_waits_for_a_revoke() {
    let mut world = World::new([6; 32], 3);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let mut grant = world.grant_to(2, "patient/Observation.cruds");
    (grant.start_ms, grant.end_ms) = (100, 200);
    let state = world.state_with(PATIENT, Kind::Grant, Body::Grant(Grants { grants: vec![grant] }));
    world.sync(PATIENT, 2);
    let holder = world.actors[2].identity.id();
    for (now, live, expired) in [(0, 0, 0), (99, 0, 0), (100, 1, 0), (199, 1, 0), (200, 0, 1), (u64::MAX, 0, 1)] {
        assert_eq!(state.live_grants(&holder, now).count(), live, "at {now}");
        assert_eq!(state.expired(now).count(), expired, "at {now}");
    }
    // What was written counts at any time, until somebody draws the line.
    let id = state.grants().find(|given| given.holder == holder).unwrap().id;
    let written = world.change(2, Authority::Grant(id), "Observation", "o1");
    let judged = |world: &World| {
        let op = world.find(&written);
        world.state(PATIENT).judge(&written, op.header(), op.entries())
    };
    assert_eq!(judged(&world), Judgement::Counts);
    // A device that comes online after the end closes it, and keeps what it had received by then.
    world.sync(2, PATIENT);
    let late = world.change(2, Authority::Grant(id), "Observation", "o2");
    world.revoke(PATIENT, id, 2);
    assert_eq!(judged(&world), Judgement::Counts);
    let op = world.find(&late);
    assert!(matches!(world.state(PATIENT).judge(&late, op.header(), op.entries()), Judgement::Quarantined(_)));
    assert_eq!(world.state(PATIENT).expired(u64::MAX).count(), 0, "it is closed");
}

/// Rule 6.20.
#[test]
fn a_move_a_link_a_checkpoint_and_an_erase_change_nothing_that_counts() {
    let mut world = World::new([7; 32], 3);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let grant = world.give(PATIENT, 2, "patient/Observation.cruds");
    world.sync(PATIENT, 2);
    let before = world.change(2, Authority::Grant(grant), "Observation", "o1");
    world.sync(2, PATIENT);
    let heads = world.heads_of(2, PATIENT);
    for (kind, body) in [
        (Kind::Moved, Body::Moved(Moved { into: RecordId([9; 32]), heads: heads.clone() })),
        (Kind::Link, Body::Link(Link { record: RecordId([8; 32]), name: "the other".into() })),
        (Kind::Checkpoint, Body::Checkpoint(Checkpoint { heads, root: [1; 32] })),
        (Kind::Erase, Body::Erase(Erase { frames: vec![(before, 0)], reason: String::new() })),
    ] {
        let told = |world: &World| {
            let state = world.state(PATIENT);
            let grants = state.grants().map(|given| (given.id, given.revoked_by)).collect::<Vec<_>>();
            (grants, state.epochs(), state.authority().map(Card::id), state.members().len())
        };
        let known = told(&world);
        world.state_with(PATIENT, kind, body);
        assert_eq!(told(&world), known, "{kind:?}");
        world.sync(PATIENT, 2);
        let after = world.change(2, Authority::Grant(grant), "Observation", "o2");
        for id in [before, after] {
            let op = world.find(&id);
            assert_eq!(world.state(PATIENT).judge(&id, op.header(), op.entries()), Judgement::Counts, "{kind:?}");
        }
    }
    let state = world.state(PATIENT);
    assert!(state.is_erased(&before, 0), "erased: shown as such, in its place");
    assert!(!state.is_erased(&before, 1));
    // By anybody but the authority an erase is without effect.
    let erase = Body::Erase(Erase { frames: vec![(before, 1)], reason: String::new() });
    assert!(!world.state_with(2, Kind::Erase, erase).is_erased(&before, 1));
}

/// Rule 6.11, for time: two devices narrowed one grant beside each other, and neither end or start alone is all that counts.
#[test]
fn grants_beside_each_other_open_while_all_of_them_do() {
    for (one, other, period) in [
        ((0, 200), (0, 0), (0, 200)),
        ((0, 0), (0, 200), (0, 200)),
        ((100, 300), (50, 200), (100, 200)),
        ((0, 100), (150, 300), (150, 100)),
    ] {
        let mut world = World::new([7; 32], 3);
        world.claim();
        world.sync(CUSTODIAN, PATIENT);
        let first = world.give(PATIENT, 2, "patient/*.rs");
        let before = world.actors[PATIENT].seen.clone();
        let mut narrow = |(start_ms, end_ms)| {
            // As another device that has not seen the other narrowing.
            let seen = std::mem::replace(&mut world.actors[PATIENT].seen, before.clone());
            let grant = record::body::grant::Grant {
                replaces: vec![first],
                start_ms,
                end_ms,
                ..world.grant_to(2, "patient/Observation.rs")
            };
            world.state_with(PATIENT, Kind::Grant, Body::Grant(Grants { grants: vec![grant] }));
            let made = *world.actors[PATIENT].seen.last().unwrap();
            world.actors[PATIENT].seen = seen;
            world.actors[PATIENT].seen.push(made);
        };
        narrow(one);
        narrow(other);
        let (state, holder) = (world.state(PATIENT), world.actors[2].identity.id());
        let open = state.grants().filter(|given| given.holder == holder && given.replaced_by.is_none());
        let open = open.collect::<Vec<_>>();
        assert_eq!(open.iter().map(|given| given.beside.len()).collect::<Vec<_>>(), [1, 1]);
        assert!(open.iter().all(|given| state.period(given) == period), "{one:?} beside {other:?}");
        for now in [0, 49, 50, 99, 100, 150, 199, 200, 299, 300] {
            let both = [one, other].iter().all(|(start, end)| *start <= now && (*end == 0 || now < *end));
            assert_eq!(state.live_grants(&holder, now).count(), if both { 2 } else { 0 }, "at {now}");
            let over = period.1 != 0 && period.1 <= now;
            assert_eq!(state.expired(now).count(), if over { 2 } else { 0 }, "over at {now}");
        }
    }
}

/// Rule 6.11 for the word *shared*: one device leaves it out of the grant that another narrows beside it.
#[test]
fn grants_beside_each_other_share_only_where_all_of_them_do() {
    for (one, other, shared) in [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
    {
        let mut world = World::new([8; 32], 3);
        world.claim();
        world.sync(CUSTODIAN, PATIENT);
        let first = world.give(PATIENT, 2, "patient/*.cruds");
        let before = world.actors[PATIENT].seen.clone();
        let mut made = Vec::new();
        for shared in [one, other] {
            // As another device that has not seen the other narrowing.
            world.actors[PATIENT].seen = before.clone();
            let scope = world.grant_to(2, "patient/Observation.cruds");
            let grant = record::body::grant::Grant { replaces: vec![first], shared, ..scope };
            world.state_with(PATIENT, Kind::Grant, Body::Grant(Grants { grants: vec![grant] }));
            made.push(*world.actors[PATIENT].seen.last().unwrap());
        }
        world.actors[PATIENT].seen = [before, made.clone()].concat();
        world.sync(PATIENT, 2);
        let state = world.state(2);
        let granted = made.iter().map(|at| {
            let op = world.controls(&[*at])[0].id;
            let authority = Authority::Grant(GrantId { op, index: 0 });
            let id = world.change(2, authority, "Observation", "1");
            state.is_shared(world.find(&id).header())
        });
        assert_eq!(granted.collect::<Vec<_>>(), [shared; 2], "{one} beside {other}");
    }
}

/// Who forks its control lane into more branches than an op may cite: what counts is cited, each lane once before any a second time,
/// and above all what the next op needs.
#[test]
fn whoever_forks_a_lane_keeps_nobody_from_citing_what_matters() {
    let mut world = World::new([9; 32], 3);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let mut fork = |actor: usize, branches: usize| {
        let before = world.actors[actor].seen.clone();
        let made = (0..branches).map(|n| {
            world.actors[actor].seen = before.clone();
            let grant = record::body::grant::Grant { name: format!("branch {n}"), ..world.grant_to(2, "patient/*.rs") };
            world.state_with(actor, Kind::Grant, Body::Grant(Grants { grants: vec![grant] }));
            *world.actors[actor].seen.last().unwrap()
        });
        let made = made.collect::<Vec<_>>();
        world.actors[actor].seen = [before, made.clone()].concat();
        made
    };
    // What a custodian says after the claim has no effect: it is cited where there is room.
    let (counting, void) = (fork(PATIENT, 66), fork(CUSTODIAN, 5));
    world.sync(CUSTODIAN, PATIENT);
    let state = world.state(PATIENT);
    let ids = |made: &[usize]| made.iter().map(|at| world.ops[*at].op.id()).collect::<Vec<_>>();
    let (counting, void) = (ids(&counting), ids(&void));
    assert!(counting.iter().all(|id| state.counts(id)) && !void.iter().any(|id| state.counts(id)));
    assert_eq!(state.control_heads().len(), 71);
    let chosen = state.some_control_heads(&[], 64);
    assert_eq!(chosen.len(), 64);
    assert!(chosen.iter().all(|id| counting.contains(id)));
    for needed in counting.iter().chain(&void) {
        let chosen = state.some_control_heads(&[*needed, OpId(world.record.0)], 64);
        assert!(chosen.contains(needed) && chosen.len() == 64);
    }
    assert_eq!(state.some_control_heads(&[], 71), state.control_heads());
}
