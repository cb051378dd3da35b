//! What the record costs beside its bare primitives: verification beside `verify_strict`, sealing beside the AEAD, and the
//! fold of 100,000 ops. Sizes are asserted, times are ratios within one run.
//!
//!     cargo bench -p record

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::Signature;
use record::body::Body;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName};
use record::frame::{Packer, Place};
use record::keys::Secret;
use record::state::Control;
use record::{
    Author, Authority, Change, Class, Entropy, Entry, GrantId, Header, Identity, Kind, Lane, LaneKind, Ledger, Op,
    OpId, RecordId, State, Verified, verify,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Changes of the record that is folded.
const OPS: u64 = 100_000;
/// Changes added to a record one by one: few enough that a small record does not grow by them.
const FURTHER: u64 = 200;
/// How often they are added, each time to the record as it was.
const ROUNDS: u32 = 20;
/// Versions of each resource. The same in a small record and a large one: a resource with more versions costs more to read,
/// wherever it lies.
const VERSIONS: u64 = 5;
/// Bytes of the frames that are sealed.
const FRAME_BYTES: usize = 4096;

/// Tells how fast `ours` is beside `bare`: both by turns, the best time of each, so that what else the machine does hits
/// both alike.
fn beside(what: &str, mut bare: impl FnMut(), mut ours: impl FnMut()) {
    const TURNS: usize = 2000;
    const TIMES: u32 = 20;
    let mut best = [Duration::MAX; 2];
    for _ in 0..TURNS {
        for (best, run) in best.iter_mut().zip([&mut bare as &mut dyn FnMut(), &mut ours]) {
            let begun = Instant::now();
            (0..TIMES).for_each(|_| run());
            *best = (*best).min(begun.elapsed() / TIMES);
        }
    }
    let ratio = best[0].as_secs_f64() / best[1].as_secs_f64();
    eprintln!("{what}: {ratio:.2} of bare ({:?} beside {:?})", best[1], best[0]);
}

fn draft(author: &Identity, record: RecordId, kind: Kind, previous: Option<OpId>, frames: Vec<DraftFrame>) -> Draft {
    Draft {
        record,
        lane: Lane { author: author.id(), kind: kind.lane(), instance: u64::MAX / 2 },
        seq: 100_000,
        previous,
        control_heads: vec![OpId([7; 32])],
        data_heads: Vec::new(),
        lamport: 1_000_000,
        wall_ms: 1_800_000_000_000,
        kind,
        authority: Authority::Grant(GrantId { op: OpId([8; 32]), index: 0 }),
        frames,
    }
}

fn resource(packed: Vec<u8>) -> DraftFrame {
    DraftFrame::Resource {
        kind: FrameKind::Put,
        resolves: false,
        resource_type: "Observation".into(),
        class: Class::NORMAL,
        handle: [1; 16],
        key_name: KeyName::Epochs([2; 8]),
        key: Secret::new([3; 32]),
        packed,
    }
}

/// A change with one resource, as a busy hospital writes it; its sizes are what the format promises.
fn change(author: &Identity, entropy: &mut Entropy) -> Verified {
    let mut of = |count: usize| {
        let frames = (0..count).map(|_| resource(vec![0; FRAME_BYTES])).collect();
        let draft = draft(author, RecordId([9; 32]), Kind::Change, Some(OpId([6; 32])), frames);
        draft.sign(author, entropy).expect("nobody receives")
    };
    let ((op, frames), (two, _)) = (of(1), of(2));
    let header = op.header_bytes().len() + op.signature().len();
    let entry = two.entries_bytes().len() - op.entries_bytes().len();
    let overhead = entry + frames[0].len() - FRAME_BYTES;
    let head = op.entries_bytes().len() - entry;
    eprintln!("header and signature of a single-parent op: {header} bytes (at most 320)");
    eprintln!("overhead of a frame: {overhead} bytes (at most 80), its entry {entry}, the rest its seal");
    eprintln!("head of a frame list with one type and one set of epochs: {head} bytes");
    assert!(header <= 320 && overhead <= 80, "a header or an entry has grown");
    op
}

fn signatures(c: &mut Criterion) {
    let mut entropy = Entropy::new([1; 32]);
    let author = Identity::generate(&mut entropy);
    let op = change(&author, &mut entropy);
    // The op's own key, message and signature: how long one takes to verify depends on all three.
    let verifying = author.card().key(0).ok().flatten().expect("a key that was just made may sign");
    let message = [&b"chartwell 1 op"[..], op.header_bytes()].concat();
    let signature = Signature::from_bytes(op.signature());
    let mut group = c.benchmark_group("verify");
    group.bench_function("verify_strict alone", |b| {
        b.iter(|| verifying.verify_strict(black_box(&message), black_box(&signature)));
    });
    // As a node verifies what a peer sends: the author's keys are read once, and the same message is signed.
    let known = Author::new(author.card().clone());
    let bare = || drop(black_box(verifying.verify_strict(black_box(&message), &signature)));
    // `verify` takes the op: the copy that it is given is in its time.
    beside("an op of an author that is known, with a copy of the op", bare, || {
        drop(black_box(known.verify(black_box(Op::clone(&op)))));
    });
    beside("an op against its author's card, with a copy of the op", bare, || {
        drop(black_box(verify(black_box(Op::clone(&op)), author.card())));
    });
    group.bench_function("an op of an author that is known", |b| {
        b.iter_batched(|| Op::clone(&op), |op| known.verify(op), BatchSize::SmallInput);
    });
    group.bench_function("an op against its author's card, read each time", |b| {
        b.iter_batched(|| Op::clone(&op), |op| verify(op, author.card()), BatchSize::SmallInput);
    });
    group.finish();
}

fn seals(c: &mut Criterion) {
    let plain = vec![7_u8; FRAME_BYTES];
    let lane = Lane { author: record::IdentityId([1; 32]), kind: LaneKind::Change, instance: 1 };
    let place = Place { record: RecordId([2; 32]), lane, seq: 3, frame: 4 };
    let key = [9; 32];
    // As `Packer` leaves what does not shrink: one algorithm byte in front.
    let mut noise = vec![0; FRAME_BYTES];
    rand_core::TryRng::try_fill_bytes(&mut Entropy::new([4; 32]), &mut noise).expect("it cannot fail");
    let packed = Packer::default().pack(&noise);
    let sealed = place.seal(&key, &packed);
    let (cipher, nonce) = (Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key)), Nonce::from([0; 12]));
    let bare = cipher.encrypt(&nonce, Payload { msg: &plain, aad: b"" }).expect("it seals");
    beside(
        "a frame of 4 KiB sealed at its place",
        || drop(black_box(cipher.encrypt(&nonce, Payload { msg: black_box(&plain), aad: b"" }))),
        || drop(black_box(place.seal(black_box(&key), black_box(&packed)))),
    );
    beside(
        "a frame of 4 KiB opened at its place",
        || drop(black_box(cipher.decrypt(&nonce, Payload { msg: black_box(&bare), aad: b"" }))),
        || drop(black_box(place.open(black_box(&key), black_box(&sealed)))),
    );
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Bytes(FRAME_BYTES as u64));
    group.bench_function("the bare AEAD seals 4 KiB", |b| {
        b.iter(|| cipher.encrypt(&nonce, Payload { msg: black_box(&plain), aad: b"" }));
    });
    group.bench_function("a frame of 4 KiB is sealed at its place", |b| {
        b.iter(|| place.seal(black_box(&key), black_box(&packed)));
    });
    group.bench_function("the bare AEAD opens 4 KiB", |b| {
        b.iter(|| cipher.decrypt(&nonce, Payload { msg: black_box(&bare), aad: b"" }));
    });
    group.bench_function("a frame of 4 KiB is opened at its place", |b| {
        b.iter(|| place.open(black_box(&key), black_box(&sealed)));
    });
    group.finish();
}

/// A record of 100,000 changes by two hospitals that read each other, over 20,000 resources.
struct Record {
    controls: Vec<Control>,
    changes: Vec<Change>,
}

fn header(record: RecordId, author: &Identity, kind: Kind, authority: Authority) -> Header {
    Header {
        record,
        lane: Lane { author: author.id(), kind: kind.lane(), instance: 0 },
        key_number: 0,
        seq: 0,
        previous: None,
        control_heads: Vec::new(),
        data_heads: Vec::new(),
        lamport: 1,
        wall_ms: 0,
        kind,
        authority,
        entries_root: [0; 32],
    }
}

impl Record {
    fn of(count: u64, resources: u64) -> Self {
        let mut entropy = Entropy::new([2; 32]);
        let patient = Identity::generate(&mut entropy);
        let hospitals = [Identity::generate(&mut entropy), Identity::generate(&mut entropy)];
        let author = patient.card().clone();
        let genesis = Genesis {
            random: [0; 32],
            format_version: 1,
            purpose: Purpose::Patient,
            author,
            successor: None,
            commitment: [0; 32],
        };
        let first = header(RecordId([0; 32]), &patient, Kind::Genesis, Authority::Genesis);
        let genesis_id = Header::id_of(&first.encode());
        let record = RecordId(genesis_id.0);
        let grants = hospitals.iter().map(|to| Grant {
            to: to.card().clone(),
            name: String::new(),
            scope: "patient/Observation.cruds patient/Condition.cruds patient/CarePlan.cruds".into(),
            classes: vec![Class::NORMAL],
            purpose: "TREAT".into(),
            start_ms: 0,
            end_ms: 0,
            delegate: false,
            shared: true,
            replaces: Vec::new(),
            bound: None,
            request: String::new(),
        });
        let body = Body::Grant(Grants { grants: grants.collect() });
        let mut second = header(record, &patient, Kind::Grant, Authority::Genesis);
        (second.seq, second.previous, second.lamport) = (1, Some(genesis_id), 2);
        second.control_heads = vec![genesis_id];
        let grant = Header::id_of(&second.encode());
        let controls = vec![
            Control { id: genesis_id, header: first, body: Some(Body::Genesis(genesis)) },
            Control { id: grant, header: second, body: Some(body) },
        ];
        let mut changes = Vec::<Change>::new();
        let mut heads = [None::<(OpId, u64, u64)>; 2];
        for n in 0..count {
            // Each writes a while, and then has seen what the other wrote.
            let who = (n / 16 % 2) as usize;
            let authority = Authority::Grant(GrantId { op: grant, index: who as u32 });
            let mut one = header(record, &hospitals[who], Kind::Change, authority);
            one.control_heads = vec![grant];
            let other = heads[1 - who].filter(|_| n % 16 == 0);
            one.data_heads = other.iter().map(|(id, ..)| *id).collect();
            (one.previous, one.seq) = heads[who].map_or((None, 0), |(id, seq, _)| (Some(id), seq + 1));
            let before = heads[who].iter().chain(&other).map(|(.., lamport)| *lamport).max().unwrap_or(2);
            one.lamport = before.max(2) + 1;
            let mut handle = [0; 16];
            handle[..8].copy_from_slice(&(n * 7 % resources).to_le_bytes());
            let entry = Entry {
                kind: FrameKind::Put,
                resolves: false,
                resource_type: "Observation".into(),
                class: Class::NORMAL,
                handle,
                key: KeyName::Epochs([0; 8]),
                size: 900,
                hash: [0; 32],
            };
            let id = Header::id_of(&one.encode());
            heads[who] = Some((id, one.seq, one.lamport));
            changes.push(Change { id, header: one, entries: vec![entry] });
        }
        Self { controls, changes }
    }

    fn fold(&self) -> (State, Ledger) {
        let state = State::fold(&self.controls);
        let mut ledger = Ledger::default();
        for change in &self.changes {
            ledger.add(&state, change.clone());
        }
        (state, ledger)
    }
}

fn folds(c: &mut Criterion) {
    let record = Record::of(OPS, OPS / VERSIONS);
    let mut group = c.benchmark_group("fold");
    group.sample_size(10);
    group.bench_function("100,000 ops from scratch", |b| b.iter(|| record.fold()));
    group.finish();
    for count in [1_000, 10_000, OPS] {
        let mut record = Record::of(count + FURTHER, count / VERSIONS);
        let further = record.changes.split_off(count as usize);
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let (state, mut ledger) = record.fold();
            let further = further.clone();
            let begun = Instant::now();
            for op in further {
                let handle = op.entries[0].handle;
                black_box((ledger.add(&state, op), ledger.resource(&handle, &record::IdentityId([0; 32]))));
            }
            times.push(begun.elapsed() / FURTHER as u32);
        }
        times.sort();
        let (best, median) = (times[0], times[times.len() / 2]);
        eprintln!(
            "one op more, judged, merged and its resource read, in a record of {count}: {best:?}, median {median:?}"
        );
    }
}

criterion_group!(benches, signatures, seals, folds);
criterion_main!(benches);
