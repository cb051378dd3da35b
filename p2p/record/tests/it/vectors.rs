//! Golden vectors: bytes that outlive us. A second implementation must read each as we do. They are written by
//! `cargo run -p record --example vectors`, by hand, and never by a test.

use data_encoding::HEXLOWER;
use record::body::Body;
use record::body::device::Device;
use record::frame::Content;
use record::frame::{Place, unpack};
use record::identity::Statement;
use record::keys::{KeyItem, Level, Secret, class_secret, control_key, type_key};
use record::op::card_within;
use record::{Authority, Card, Class, Header, Keyring, Kind, Parcel};
use std::collections::HashMap;
use std::path::Path;

fn vector(name: &str) -> HashMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(name, hex)| (name.to_owned(), HEXLOWER.decode(hex.as_bytes()).unwrap())).collect()
}

/// The first vectors were written before cards could grow: only the statement matters to a first key. It is [1, key, hash of
/// next]: its bytes stand behind three bytes and one.
fn card_of_statement(bytes: &[u8]) -> Card {
    let statement = Statement { key: bytes[4..36].try_into().unwrap(), next: bytes[38..70].try_into().unwrap() };
    assert_eq!(statement.encode(), bytes);
    Card { statement, sealing: [0; 32], signature: [0; 64], handed: Vec::new() }
}

fn read(name: &str, kind: Kind) -> Body {
    let vector = vector(name);
    let parcel = Parcel::decode(&vector["parcel"]).unwrap();
    assert_eq!(Parcel::encode(&parcel.op, &parcel.frames), vector["parcel"], "{name}");
    assert_eq!(parcel.op.id().bytes().to_vec(), vector["id"], "{name}");
    assert_eq!(parcel.op.record().bytes().to_vec(), vector["record"], "{name}");
    assert_eq!(parcel.op.header().kind, kind, "{name}");
    let card = match vector.get("card") {
        Some(card) => Card::decode(card).unwrap(),
        None => card_of_statement(&vector["statement"]),
    };
    let op = record::verify(parcel.op, &card).unwrap();
    let place = |frame| Place { record: op.header().record, lane: op.header().lane, seq: op.header().seq, frame };
    let secret = Secret::new([1; 32]);
    let frame = |at: usize| parcel.frames[at].clone().unwrap();
    let content = match kind {
        Kind::Genesis => unpack(&frame(0)).unwrap(),
        _ if name == "handover" => unpack(&frame(0)).unwrap(),
        Kind::Link => {
            let mut ring = Keyring::default();
            let epoch = record::OpId(op.record().0);
            ring.add(KeyItem { epoch, level: Level::Epoch, secret: secret.clone() });
            place(0).open(&ring.owner_key(&[epoch]).unwrap(), &frame(0)).unwrap()
        }
        Kind::Keys => place(0).open(&control_key(&[6; 32]), &frame(0)).unwrap(),
        _ => place(0).open(&control_key(&secret), &frame(0)).unwrap(),
    };
    if kind == Kind::Change {
        let key = type_key(&class_secret(&secret, Class::NORMAL), "Observation");
        let content = Content::decode(&place(1).open(&key, &frame(1)).unwrap()).unwrap();
        let json = r#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.00}}"#;
        assert_eq!(String::from_utf8(content.json).unwrap(), json);
        assert_eq!(content.id, "o1");
    }
    Body::decode_sealed(kind, &op.entries()[0].key, &content).unwrap()
}

#[test]
fn every_kind_reads_as_it_did() {
    assert!(matches!(read("genesis", Kind::Genesis), Body::Genesis(body) if body.random == [2; 32]));
    assert!(matches!(read("change", Kind::Change), Body::Agent(body) if body.who == "Dr. A"));
    assert!(matches!(read("request", Kind::Request), Body::Request(_)));
    assert!(
        matches!(read("grant", Kind::Grant), Body::Grant(body) if body.grants[0].scope == "patient/Observation.rs")
    );
    assert!(matches!(read("revoke", Kind::Revoke), Body::Revoke(body) if body.retains.len() == 1));
    assert!(matches!(read("access", Kind::Access), Body::Access(body) if body.lines[0].count == 3));
    assert!(matches!(read("keys", Kind::Keys), Body::Keys(body) if body.previous.len() == 1));
    let Body::Claim(claim) = read("claim", Kind::Claim) else { unreachable!("a claim reads as a claim") };
    let record = record::RecordId::from_slice(&vector("claim")["record"]).unwrap();
    assert!(claim.is_accepted(&record));
}

#[test]
fn kinds_that_came_later_read_as_they_did() {
    assert!(matches!(read("accept", Kind::Accept), Body::Accept(body) if body.ops.len() == 1 && body.heads.len() == 1));
    let device = |name| match read(name, Kind::Device) {
        Body::Device(body) => body,
        _ => unreachable!("a device op reads as one"),
    };
    assert!(matches!(device("device-admit"), Device::Admit { name, .. } if name == "the tablet"));
    assert!(matches!(device("device-suspend"), Device::Suspend { retains, .. } if retains.len() == 1));
    assert!(matches!(device("device-root"), Device::Root(_)));
    assert!(matches!(device("device-remain"), Device::Remain { devices, .. } if devices.len() == 1));
    assert!(matches!(read("moved", Kind::Moved), Body::Moved(body) if body.into.0 == [11; 32]));
    assert!(matches!(read("link", Kind::Link), Body::Link(body) if body.name == "the other one"));
    assert!(matches!(read("checkpoint", Kind::Checkpoint), Body::Checkpoint(body) if body.root == [13; 32]));
    assert!(matches!(read("erase", Kind::Erase), Body::Erase(body) if body.frames[0].1 == 1));
    assert!(matches!(read("handover", Kind::Keys), Body::Handover(body) if body.card.key_number() == 1));
    let word = |name: &str| Parcel::decode(&vector(name)["parcel"]).unwrap().op.header().authority;
    assert!(matches!(word("device-suspend"), Authority::Device(_)));
    assert!(matches!(word("erase"), Authority::Grant(_)));
    let handover = Parcel::decode(&vector("handover")["parcel"]).unwrap();
    assert_eq!(handover.op.header().key_number, 1);
    // A handover brings along the key that it is verified by.
    let card = card_within(&handover.op, handover.frames[0].as_ref().unwrap());
    assert!(record::verify(handover.op, &card.unwrap()).is_ok());
}

/// Each line: what reads it, the rule that refuses it, the bytes.
#[test]
fn what_was_refused_is_refused_by_the_same_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/refusals.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut rules = std::collections::BTreeSet::new();
    for line in text.lines() {
        let [reader, rule, hex] = line.split(' ').collect::<Vec<_>>()[..] else { unreachable!("three words a line") };
        let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
        let kind = reader.strip_prefix("body/").map(|number| Kind::ALL[number.parse::<usize>().unwrap()]);
        let refused = match (reader, kind) {
            (_, Some(kind)) => Body::decode(kind, &bytes).map(drop),
            ("header", _) => Header::decode(&bytes).map(drop),
            ("entries", _) => record::entry::decode(&bytes).map(drop),
            ("card", _) => Card::decode(&bytes).map(drop),
            ("content", _) => Content::decode(&bytes).map(drop),
            ("packed", _) => unpack(&bytes).map(drop),
            ("wrap", _) => record::keys::decode_items(&bytes, record::OpId([1; 32])).map(drop),
            ("proof", _) => record::fork::Proof::decode(&bytes).map(drop),
            ("archive", _) => {
                let refused = crate::archive::read(&bytes).map(drop).map_err(|error| error.rule());
                assert_eq!(refused, Err(rule), "{line:.60}");
                rules.insert(rule.to_owned());
                continue;
            }
            _ => Parcel::decode(&bytes).map(drop),
        };
        assert_eq!(refused.map_err(|error| error.rule), Err(rule), "{line}");
        rules.insert(rule.to_owned());
    }
    assert!(rules.len() >= 25, "every rule that refuses bytes has one: {rules:?}");
}
