//! What a revoked hospital, a stolen phone or a stranger may send: refused, held or quarantined by rule, never a crash, and
//! memory bounded.

use crate::world::{CUSTODIAN, PATIENT, World};
use record::body::Body;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::Grants;
use record::body::revoke::Revoke;
use record::draft::{Draft, DraftFrame};
use record::entry::KeyName;
use record::fork::Proof;
use record::header::{CONTROL_HEADS_MAX, GrantId};
use record::state::{Added, Control, HELD_MAX, Judgement, Quarantine};
use record::{
    Authority, Change, Entropy, Head, Header, Identity, Kind, Lane, LaneKind, Ledger, OpId, Parcel, RecordId, State,
};

/// A patient's record with nothing but its genesis, and whoever writes in it.
struct Record {
    state: State,
    genesis: Control,
    patient: Identity,
}

impl Record {
    fn open() -> Self {
        let patient = Identity::generate(&mut Entropy::new([1; 32]));
        let author = patient.card().clone();
        let body = Genesis {
            random: [0; 32],
            format_version: 1,
            purpose: Purpose::Patient,
            author,
            successor: None,
            commitment: [0; 32],
        };
        let mut header = header(RecordId([0; 32]), &patient, Kind::Genesis);
        header.lamport = 1;
        let genesis = Control { id: id(&header), header, body: Some(Body::Genesis(body)) };
        Self { state: State::fold(std::slice::from_ref(&genesis)), genesis, patient }
    }

    fn id(&self) -> RecordId {
        RecordId(self.genesis.id.0)
    }

    /// The patient's next op: an empty grant.
    fn grant(&self) -> Control {
        let mut header = header(self.id(), &self.patient, Kind::Grant);
        (header.seq, header.previous, header.lamport) = (1, Some(self.genesis.id), 2);
        Control { id: id(&header), header, body: Some(Body::Grant(Grants { grants: Vec::new() })) }
    }
}

fn id(header: &Header) -> OpId {
    Header::id_of(&header.encode())
}

fn header(record: RecordId, author: &Identity, kind: Kind) -> Header {
    Header {
        record,
        lane: Lane { author: author.id(), kind: kind.lane(), instance: 0 },
        key_number: 0,
        seq: 0,
        previous: None,
        control_heads: Vec::new(),
        data_heads: Vec::new(),
        lamport: 2,
        wall_ms: 0,
        kind,
        authority: Authority::Genesis,
        entries_root: [0; 32],
    }
}

#[test]
fn what_everyone_refuses_has_no_place() {
    let record = Record::open();
    type Row = (&'static str, fn(&mut Header));
    let rows: [Row; 5] = [
        ("a Lamport number too high", |header| header.lamport = u64::MAX),
        ("one too low", |header| header.lamport = 1),
        ("another record", |header| header.record = RecordId([9; 32])),
        ("a number left out", |header| header.seq = 2),
        ("another's op before it", |header| header.lane.author = record::IdentityId([9; 32])),
    ];
    for (what, change) in rows {
        let mut bad = record.grant();
        change(&mut bad.header);
        bad.id = id(&bad.header);
        let mut state = record.state.clone();
        assert_eq!(state.add(bad.clone()), Added::Refused, "{what}");
        assert_eq!(state.control_heads(), record.state.control_heads(), "{what}");
        // What stands on it waits for ever, and is never asked for as if it were not here.
        assert!(state.refused().contains(&bad.id), "{what}");
    }
    let mut state = record.state.clone();
    assert_eq!(state.add(record.grant()), Added::Taken);
    assert_eq!(state.add(record.grant()), Added::Known);
}

#[test]
fn a_clock_decides_nothing() {
    let record = Record::open();
    for wall_ms in [0, u64::MAX] {
        let mut op = record.grant();
        op.header.wall_ms = wall_ms;
        op.id = id(&op.header);
        let mut state = record.state.clone();
        assert_eq!(state.add(op), Added::Taken);
        assert!(state.refused().is_empty());
    }
}

#[test]
fn ops_without_their_parents_wait_bounded_and_the_parents_are_asked_for() {
    let record = Record::open();
    let mut state = record.state.clone();
    let orphan = |n: usize| {
        let mut op = record.grant();
        let mut unknown = [0; 32];
        unknown[..8].copy_from_slice(&n.to_le_bytes());
        op.header.control_heads = vec![OpId(unknown)];
        op.id = id(&op.header);
        op
    };
    for n in 1..=HELD_MAX {
        assert_eq!(state.add(orphan(n)), Added::Held);
    }
    assert_eq!(state.add(orphan(HELD_MAX + 1)), Added::Refused);
    assert_eq!(state.missing().len(), HELD_MAX);
    assert_eq!(state.control_heads(), record.state.control_heads());
    // In the ledger alike.
    let (mut ledger, writer) = (Ledger::default(), Identity::generate(&mut Entropy::new([2; 32])));
    for n in 0..HELD_MAX as u64 + 1 {
        let mut header = header(record.id(), &writer, Kind::Change);
        (header.seq, header.previous, header.lamport) = (n + 1, Some(OpId([7; 32])), n + 2);
        let change = Change { id: id(&header), header, entries: Vec::new() };
        let expected = if n < HELD_MAX as u64 { Added::Held } else { Added::Refused };
        assert_eq!(ledger.add(&record.state, change), expected);
    }
    assert_eq!(ledger.missing().into_iter().collect::<Vec<_>>(), [OpId([7; 32])]);
    assert!(ledger.is_empty());
}

#[test]
fn ten_thousand_heads_are_cited_by_nobody_and_cost_what_they_are() {
    let record = Record::open();
    let strangers = |n: u64| {
        let mut header = header(record.id(), &record.patient, Kind::Grant);
        header.lane.author.0[..8].copy_from_slice(&n.to_le_bytes());
        header.control_heads = vec![record.genesis.id];
        Control { id: id(&header), header, body: Some(Body::Grant(Grants { grants: Vec::new() })) }
    };
    let mut ops = vec![record.genesis.clone()];
    ops.extend((0..10_000).map(strangers));
    let state = State::fold(&ops);
    assert_eq!(state.control_heads().len(), 10_000);
    assert_eq!(state.refused().len(), 10_000, "none of them may say anything");
    let mut header = record.grant().header;
    header.control_heads = state.control_heads();
    let refused = Header::decode(&header.encode()).map_err(|error| error.rule);
    assert_eq!(refused, Err("2.1"), "a header that cites them is over its limit");
    header.control_heads.truncate(CONTROL_HEADS_MAX);
    header.lamport = 3;
    let op = Control { id: id(&header), header, body: None };
    assert_eq!(state.clone().add(op), Added::Taken);
}

#[test]
fn a_revoke_that_retains_what_never_was_keeps_what_it_says_and_no_more() {
    let mut world = World::new([3; 32], 3);
    world.claim();
    world.sync(CUSTODIAN, PATIENT);
    let grant = world.give(PATIENT, 2, "patient/Observation.cu");
    world.sync(PATIENT, 2);
    let written = (0..3).map(|_| world.change(2, Authority::Grant(grant), "Observation", "o")).collect::<Vec<_>>();
    let lane = world.find(&written[0]).header().lane;
    let revoke = Revoke {
        grants: vec![grant, GrantId { op: OpId([9; 32]), index: 7 }],
        identities: Vec::new(),
        retains: vec![Head { lane, seq: 1, id: OpId([8; 32]) }],
    };
    let state = world.state_with(PATIENT, Kind::Revoke, Body::Revoke(revoke));
    world.sync(2, PATIENT);
    let judged = |at: usize| {
        let op = world.find(&written[at]);
        state.judge(&op.id(), op.header(), op.entries())
    };
    // Up to the number it names, but for the op at that place: it keeps another, which never was.
    assert_eq!(judged(0), Judgement::Counts);
    assert_eq!(judged(1), Judgement::Quarantined(Quarantine::BeyondTheLine));
    assert_eq!(judged(2), Judgement::Quarantined(Quarantine::BeyondTheLine));
}

#[test]
fn a_body_under_another_key_says_nothing() {
    let body = Body::Grant(Grants { grants: Vec::new() });
    let read = |kind, key, body: &Body| Body::decode_sealed(kind, &key, &body.encode()).map(drop).map_err(|e| e.rule);
    assert_eq!(read(Kind::Grant, KeyName::Epochs([0; 8]), &body), Ok(()));
    for key in [KeyName::Plain, KeyName::Own, KeyName::Owner([0; 8]), KeyName::Sealed] {
        assert_eq!(read(Kind::Grant, key, &body), Err("4.0"), "{key:?}");
    }
}

/// Two ops at one place of one lane, by one author.
fn twins(author: &Identity) -> Vec<record::Verified> {
    let draft = |wall_ms| Draft {
        record: RecordId([1; 32]),
        lane: Lane { author: author.id(), kind: LaneKind::Change, instance: 5 },
        seq: 0,
        previous: None,
        control_heads: Vec::new(),
        data_heads: Vec::new(),
        lamport: 1,
        wall_ms,
        kind: Kind::Change,
        authority: Authority::Genesis,
        frames: Vec::<DraftFrame>::new(),
    };
    [1, 2].map(|wall_ms| draft(wall_ms).sign(author, &mut Entropy::new([1; 32])).unwrap().0).into()
}

#[test]
fn a_fork_is_proven_to_anyone() {
    let mut entropy = Entropy::new([6; 32]);
    let (author, other) = (Identity::generate(&mut entropy), Identity::generate(&mut entropy));
    let twins = twins(&author);
    let proof = Proof::of(&twins[0], &twins[1]).unwrap();
    assert_eq!(Proof::of(&twins[1], &twins[0]).as_ref(), Some(&proof), "in either order");
    assert_eq!(Proof::of(&twins[0], &twins[0]), None, "one op is no fork");
    let read = Proof::decode(&proof.encode()).unwrap();
    assert!(read.verify(author.card()));
    assert!(!read.verify(other.card()));
    assert!(read.ops().contains(&twins[0].id()) && read.ops().contains(&twins[1].id()));
    let mut forged = proof.encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(!Proof::decode(&forged).unwrap().verify(author.card()), "nobody is accused of what it did not sign");
}

#[test]
fn an_op_signed_by_another_or_by_a_key_not_handed_over_is_not_believed() {
    let mut entropy = Entropy::new([7; 32]);
    let author = Identity::generate(&mut entropy);
    let next = author.hand_over(&mut entropy).unwrap();
    let op = &twins(&author)[0];
    let again = |signature: [u8; 64]| {
        let parts = (op.header_bytes().to_vec(), op.entries_bytes().to_vec());
        record::Op::decode(parts.0, signature, parts.1).unwrap()
    };
    let message = [b"chartwell 1 op", op.header_bytes()].concat();
    // Key number 0 stands in the header: the next key's signature is none of that key's.
    assert!(record::verify(again(next.sign(&message)), next.card()).is_err());
    assert!(record::verify(again(author.sign(&message)), next.card()).is_ok());
    // An op of key number 1 needs the card that has it.
    let later = twins(&next).remove(0);
    let later = Parcel::decode(&Parcel::encode(&later, &[])).unwrap().op;
    assert!(record::verify(later.clone(), author.card()).is_err());
    assert!(record::verify(later, next.card()).is_ok());
}

#[test]
fn a_signer_elsewhere_signs_the_same_op() {
    let author = Identity::generate(&mut Entropy::new([8; 32]));
    let here = &twins(&author)[0];
    let draft = Draft {
        record: RecordId([1; 32]),
        lane: here.header().lane,
        seq: 0,
        previous: None,
        control_heads: Vec::new(),
        data_heads: Vec::new(),
        lamport: 1,
        wall_ms: 1,
        kind: Kind::Change,
        authority: Authority::Genesis,
        frames: Vec::new(),
    };
    let prepare = |draft: Draft| draft.prepare(0, &mut Entropy::new([1; 32])).unwrap();
    let unsigned = prepare(draft);
    // What an HSM is given, and what it gives back.
    let signature = author.sign(unsigned.message());
    assert_eq!(unsigned.signed(signature, author.card()).unwrap().0, *here);
}
