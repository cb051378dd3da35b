//! What the record costs beside its bare primitives: verification beside `verify_strict`, sealing beside the AEAD, and the
//! fold of 100,000 ops. Sizes are asserted, times are ratios within one run.
//!
//!     cargo bench -p record

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signature, Signer, SigningKey};
use record::body::Body;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName};
use record::frame::{Packer, Place};
use record::keys::Secret;
use record::state::Control;
use record::{
    Authority, Change, Class, Entropy, Entry, GrantId, Header, Identity, Kind, Lane, LaneKind, Ledger, Op, OpId,
    RecordId, State, Verified, verify,
};
use std::hint::black_box;
use std::time::Instant;

/// Changes of the record that is folded.
const OPS: u64 = 100_000;
/// Changes added to a record one by one.
const FURTHER: u64 = 2_000;
/// Bytes of the frames that are sealed.
const FRAME_BYTES: usize = 4096;

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
    let frames = vec![resource(vec![0; FRAME_BYTES])];
    let draft = draft(author, RecordId([9; 32]), Kind::Change, Some(OpId([6; 32])), frames);
    let (op, frames) = draft.sign(author, entropy).expect("nobody receives");
    let header = op.header_bytes().len() + op.signature().len();
    let overhead = op.entries_bytes().len() - 1 + frames[0].len() - FRAME_BYTES;
    eprintln!("header and signature of a single-parent op: {header} bytes (at most 320)");
    eprintln!("overhead of one more frame: {overhead} bytes, its entry and its seal");
    assert!(header <= 320, "a header has grown");
    op
}

fn signatures(c: &mut Criterion) {
    let mut entropy = Entropy::new([1; 32]);
    let author = Identity::generate(&mut entropy);
    let op = change(&author, &mut entropy);
    let key = SigningKey::from_bytes(&[5; 32]);
    let message = [&b"chartwell 1 op"[..], op.header_bytes()].concat();
    let signature = key.sign(&message);
    let mut group = c.benchmark_group("verify");
    group.bench_function("verify_strict alone", |b| {
        let verifying = key.verifying_key();
        b.iter(|| verifying.verify_strict(black_box(&message), &Signature::from_bytes(&signature.to_bytes())));
    });
    group.bench_function("an op against its author's card", |b| {
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
    fn of(count: u64) -> Self {
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
            handle[..8].copy_from_slice(&(n * 7 % 20_000).to_le_bytes());
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
    let record = Record::of(OPS);
    let mut group = c.benchmark_group("fold");
    group.sample_size(10);
    group.bench_function("100,000 ops from scratch", |b| b.iter(|| record.fold()));
    group.finish();
    for count in [1_000, OPS] {
        let mut record = Record::of(count + FURTHER);
        let further = record.changes.split_off(count as usize);
        let (state, mut ledger) = record.fold();
        let begun = Instant::now();
        for op in further {
            let handle = op.entries[0].handle;
            black_box((ledger.add(&state, op), ledger.resource(&handle, &record::IdentityId([0; 32]))));
        }
        let each = begun.elapsed() / FURTHER as u32;
        eprintln!("one op more, judged, merged and its resource read, in a record of {count}: {each:?}");
    }
}

criterion_group!(benches, signatures, seals, folds);
criterion_main!(benches);
