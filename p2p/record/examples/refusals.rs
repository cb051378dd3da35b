//! Writes `vectors/refusals.txt`: bytes that every implementation refuses, each with its reader and the rule. Made from the
//! vectors that are there, by hand and never by a test: `cargo run -p record --example refusals`.

use data_encoding::HEXLOWER;
use record::cbor::Writer;
use record::frame::unpack;
use record::keys::{Secret, control_key};
use record::{Header, Parcel};
use std::collections::HashMap;
use std::path::Path;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn vector(name: &str) -> HashMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("the vector is there");
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, hex)| (name.to_owned(), HEXLOWER.decode(hex.as_bytes()).expect("it is hex"))).collect()
}

fn parcel(name: &str) -> Parcel {
    Parcel::decode(&vector(name)["parcel"]).expect("the vector reads")
}

/// The bytes of a header with `at` replaced.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    [&bytes[..at], new, &bytes[at + new.len()..]].concat()
}

struct Refusals(Vec<String>);

impl Refusals {
    fn add(&mut self, reader: &str, rule: &str, bytes: &[u8]) {
        self.0.push(format!("{reader} {rule} {}", HEXLOWER.encode(bytes)));
    }

    /// What every reader refuses: a byte too many, one too few, and nothing.
    fn around(&mut self, reader: &str, rule: &str, good: &[u8]) {
        self.add(reader, rule, &[good, &[0]].concat());
        self.add(reader, rule, &good[..good.len() - 1]);
        self.add(reader, rule, &[]);
    }
}

fn headers(to: &mut Refusals) {
    let change = parcel("change").op;
    let good = change.header_bytes();
    to.around("header", "2.1", good);
    to.add("header", "2.1", &[&[0x8f, 0x18, 0x01], &good[2..]].concat());
    to.add("header", "2.2", &with(good, 1, &[2]));
    let changed = |change: &dyn Fn(&mut Header)| {
        let mut header = parcel("change").op.header().clone();
        change(&mut header);
        header.encode()
    };
    to.add("header", "2.2", &changed(&|header| header.record.0 = [0; 32]));
    to.add("header", "2.3", &changed(&|header| header.seq = 5));
    to.add("header", "2.3", &changed(&|header| header.lane.kind = record::LaneKind::Audit));
    to.add("header", "2.5", &changed(&|header| header.control_heads.push(record::OpId([0; 32]))));
    to.add("header", "2.5", &changed(&|header| header.control_heads = vec![header.control_heads[0]; 2]));
    to.add("header", "2.1", &changed(&|header| header.data_heads = (0..65).map(|n| record::OpId([n; 32])).collect()));
    // The kind stands behind the wall time, in front of the authority word and the root: 1, 2 and 34 bytes from the end.
    let kind = good.len() - 34 - 2 - 1;
    to.add("header", "2.4", &with(good, kind, &[14]));
    to.add("header", "2.6", &with(good, kind + 2, &[3]));
    to.add("header", "2.3", &with(good, kind, &[8]));
}

fn frames(to: &mut Refusals) {
    let change = parcel("change");
    let good = change.op.entries_bytes();
    to.around("entries", "3.1", good);
    let entry = |heads: (&[&str], &[[u8; 8]]), flags: u64, kind: u64, class: u64, key: u64, size: u64| {
        let mut list = Writer::new();
        list.array(3).array(heads.0.len());
        for name in heads.0 {
            list.text(name);
        }
        list.array(heads.1.len());
        for tag in heads.1 {
            list.bytes(tag);
        }
        list.array(1).array(7).uint(flags).uint(kind).uint(class).bytes(&[1; 16]).uint(key).uint(size).bytes(&[0; 32]);
        list.finish()
    };
    let (one, tag) = (&["Observation"][..], &[[1; 8]][..]);
    for (rule, heads, flags, kind, class, key, size) in [
        // An unknown kind of frame, flag and class.
        ("3.1", (one, &[][..]), 4, 0, 0, 1, 1),
        ("3.1", (one, &[]), 0x20, 0, 0, 1, 1),
        ("3.1", (one, &[]), 0, 0, 10, 1, 1),
        // A type that is not at the head, has no name, stands with a wrap, twice, or for nothing.
        ("3.1", (&[], &[]), 0, 0, 0, 1, 1),
        ("3.1", (one, &[]), 0, 1, 0, 1, 1),
        ("3.1", (&[""], &[]), 0, 0, 0, 1, 1),
        ("3.1", (one, &[]), 3, 0, 0, 2, 1),
        ("3.1", (one, &[]), 3, 1, 0, 2, 1),
        ("3.1", (&["Observation", "Observation"], &[]), 0, 0, 0, 1, 1),
        ("3.1", (&["Condition", "Observation"], &[]), 0, 1, 0, 1, 1),
        // A set of epochs that is not at the head, or for nothing.
        ("3.2", (one, &[]), 0, 0, 0, 3, 1),
        ("3.2", (one, tag), 0, 0, 0, 5, 1),
        ("3.1", (one, tag), 0, 0, 0, 1, 1),
        ("3.3", (one, tag), 0, 0, 0, 3, 16 * 1024 * 1024 + 1),
    ] {
        to.add("entries", rule, &entry(heads, flags, kind, class, key, size));
    }
    to.add("packed", "3.3", &[2, 1]);
    to.add("packed", "3.3", &[1, 0xff]);
    let bytes = vector("change")["parcel"].clone();
    to.around("parcel", "7.1", &bytes);
    let mut broken = bytes.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    to.add("parcel", "3.6", &broken);
    // The frame list is another's.
    let (header, signature) = (change.op.header_bytes(), change.op.signature());
    let mut other = Writer::new();
    other.array(4).bytes(header).bytes(signature).bytes(parcel("grant").op.entries_bytes()).array(0);
    to.add("parcel", "2.8", &other.finish());
}

fn bodies(to: &mut Refusals) {
    let secret = Secret::new([1; 32]);
    for (name, number, rule) in [
        ("genesis", 0, "4.2"),
        ("change", 1, "4.8"),
        ("request", 2, "4.7"),
        ("grant", 3, "4.3"),
        ("revoke", 4, "4.4"),
        ("accept", 5, "4.10"),
        ("claim", 6, "4.5"),
        ("device-admit", 7, "4.11"),
        ("device-suspend", 7, "4.11"),
        ("device-root", 7, "4.11"),
        ("device-remain", 7, "4.11"),
        ("access", 8, "4.9"),
        ("keys", 9, "4.6"),
        ("handover", 9, "4.12"),
        ("moved", 10, "4.13"),
        ("link", 11, "4.14"),
        ("checkpoint", 12, "4.15"),
        ("erase", 13, "4.16"),
    ] {
        let parcel = parcel(name);
        let frame = parcel.frames[0].clone().expect("the body is there");
        let header = parcel.op.header();
        let place = record::frame::Place { record: header.record, lane: header.lane, seq: header.seq, frame: 0 };
        let mut ring = record::Keyring::default();
        let epoch = record::OpId(parcel.op.record().0);
        ring.add(record::keys::KeyItem { epoch, level: record::keys::Level::Epoch, secret: secret.clone() });
        let body = match name {
            "genesis" | "handover" => unpack(&frame),
            "keys" => place.open(&control_key(&[6; 32]), &frame),
            "link" => place.open(&ring.owner_key(&[epoch]).expect("it is held"), &frame),
            _ => place.open(&control_key(&secret), &frame),
        };
        let body = body.expect("the body opens");
        let reader = format!("body/{number}");
        to.add(&reader, rule, &[&body[..], &[0]].concat());
        to.add(&reader, rule, &body[..body.len() - 1]);
    }
    for (number, rule, bytes) in [
        (4, "4.4", &[0x83, 0x80, 0x80, 0x81, 0x85][..]),
        (5, "4.10", &[0x82, 0x80, 0x80][..]),
        (7, "4.11", &[0x82, 0x04, 0x40][..]),
        (13, "4.16", &[0x82, 0x80, 0x60][..]),
        (9, "4.12", &[0x83, 0x02, 0x40, 0x80][..]),
    ] {
        to.add(&format!("body/{number}"), rule, bytes);
    }
}

fn cards(to: &mut Refusals) {
    let good = vector("handover")["card"].clone();
    to.around("card", "1.3", &good);
    let mut signature = good.clone();
    let last = signature.len() - 1;
    signature[last] ^= 1;
    to.add("card", "1.5", &signature);
    // The first key is a point of small order.
    to.add("card", "1.2", &with(&vector("accept")["card"], 3, &[0; 32]));
    to.around("content", "4.1", &{
        let mut content = Writer::new();
        content.array(6).text("Observation").bytes(&[1; 32]).text("o1").uint(0).uint(0).bytes(b"{}");
        content.finish()
    });
    let mut method = Writer::new();
    method.array(6).text("Observation").bytes(&[1; 32]).text("o1").uint(5).uint(0).bytes(b"{}");
    to.add("content", "4.1", &method.finish());
    for (level, class) in [(5, 0), (1, 10)] {
        let mut wrap = Writer::new();
        wrap.array(1).array(5).bytes(&[0; 32]).uint(level).uint(class).text("").bytes(&[0; 32]);
        to.add("wrap", "5.4", &wrap.finish());
    }
    let change = parcel("change").op;
    let mut proof = Writer::new();
    let (header, signature) = (change.header_bytes(), change.signature());
    proof.array(4).bytes(header).bytes(signature).bytes(header).bytes(signature);
    to.add("proof", "6.17", &proof.finish());
}

/// Archives: cut off, with a byte too many, of another version, with a byte changed.
fn archives(to: &mut Refusals) {
    let good = vector("archive")["archive"].clone();
    to.add("archive", "10.6", &[&good[..], &[0]].concat());
    to.add("archive", "10.6", &good[..good.len() - 1]);
    to.add("archive", "10.6", &[]);
    to.add("archive", "10.1", &with(&good, 18, b"2"));
    let last = good.len() - 1;
    to.add("archive", "10.6", &with(&good, last, &[good[last] ^ 1]));
    // Behind the magic, the record's name and the head of the first part stand the cards.
    to.add("archive", "10.3", &with(&good, 20 + 32 + 5, &[0xa1]));
    to.add("archive", "10.2", &with(&good, 20 + 32, &[5]));
    to.add("archive", "2.2", &with(&good, 20, &[0; 32]));
}

fn main() -> std::io::Result<()> {
    let mut refusals = Refusals(Vec::new());
    headers(&mut refusals);
    frames(&mut refusals);
    bodies(&mut refusals);
    cards(&mut refusals);
    archives(&mut refusals);
    std::fs::write(folder().join("refusals.txt"), refusals.0.join("\n") + "\n")
}
