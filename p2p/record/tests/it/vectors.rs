//! Golden vectors: bytes that outlive us. A second implementation must read each as we do. They are written by
//! `cargo run -p record --example vectors`, by hand, and never by a test.

use data_encoding::HEXLOWER;
use record::body::Body;
use record::frame::{Content, Place, unpack};
use record::identity::Statement;
use record::keys::{Secret, class_secret, control_key, type_key};
use record::{Card, Class, Kind, Parcel};
use std::collections::HashMap;
use std::path::Path;

fn vector(name: &str) -> HashMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(name, hex)| (name.to_owned(), HEXLOWER.decode(hex.as_bytes()).unwrap())).collect()
}

fn read(name: &str, kind: Kind) -> Body {
    let vector = vector(name);
    let parcel = Parcel::decode(&vector["parcel"]).unwrap();
    assert_eq!(Parcel::encode(&parcel.op, &parcel.frames), vector["parcel"], "{name}");
    assert_eq!(parcel.op.id().bytes().to_vec(), vector["id"], "{name}");
    assert_eq!(parcel.op.record().bytes().to_vec(), vector["record"], "{name}");
    assert_eq!(parcel.op.header().kind, kind, "{name}");
    // The statement is [1, key, hash of next]: its bytes stand behind three bytes and one.
    let statement = &vector["statement"];
    let (key, next) = (statement[4..36].try_into().unwrap(), statement[38..70].try_into().unwrap());
    let statement_read = Statement { key, next };
    assert_eq!(&statement_read.encode(), statement);
    // These were written before cards could grow: only the statement matters to a first key.
    let card = Card { statement: statement_read, sealing: [0; 32], signature: [0; 64], handed: Vec::new() };
    let op = record::verify(parcel.op, &card).unwrap();
    let place = |frame| Place { record: op.header().record, lane: op.header().lane, seq: op.header().seq, frame };
    let secret = Secret::new([1; 32]);
    let frame = |at: usize| parcel.frames[at].clone().unwrap();
    let content = match kind {
        Kind::Genesis => unpack(&frame(0)).unwrap(),
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
    Body::decode(kind, &content).unwrap()
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
