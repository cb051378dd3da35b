//! Writes the golden vector of archives, `p2p/record/vectors/archive.txt`, anew. Run by hand when a version of the format is
//! made, never by a test: `cargo run -p record --example archive`.

use record::archive::{Writer, encode_keys};
use record::body::Body;
use record::body::access::Agent;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName, handle};
use record::frame::{Content, Method, Packer};
use record::keys::{KeyItem, Level, Secret, class_secret, commitment, control_key, tag, type_key};
use record::{Authority, Class, Entropy, Identity, Kind, Lane, OpId, RecordId, Verified};
use std::path::Path;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The ops of a small record: opened, somebody let in, a resource written, and written again.
struct Small {
    custodian: Identity,
    entropy: Entropy,
    secret: Secret,
    record: RecordId,
    genesis: Genesis,
    ops: Vec<(Verified, Vec<Vec<u8>>)>,
}

impl Small {
    fn write(&mut self, kind: Kind, seq: u64, frames: Vec<DraftFrame>) -> Result<(), Box<dyn std::error::Error>> {
        let cited = match kind {
            Kind::Change => self.ops[1].0.id(),
            _ => self.ops.last().map_or(OpId([0; 32]), |(op, _)| op.id()),
        };
        let draft = Draft {
            record: self.record,
            lane: Lane { author: self.custodian.id(), kind: kind.lane(), instance: 0 },
            seq,
            previous: self.ops.last().filter(|_| seq > 0).map(|(op, _)| op.id()),
            control_heads: if kind == Kind::Genesis { vec![] } else { vec![cited] },
            data_heads: vec![],
            lamport: self.ops.len() as u64 + 1,
            wall_ms: 1_700_000_000_000,
            kind,
            authority: Authority::Genesis,
            frames,
        };
        let op = draft.sign(&self.custodian, &mut self.entropy)?;
        self.record = op.0.record();
        self.ops.push(op);
        Ok(())
    }

    fn resource(&self, method: Method) -> DraftFrame {
        let epochs = [OpId(self.record.0)];
        let content = Content {
            resource_type: "Observation".into(),
            origin: self.custodian.id(),
            id: "o1".into(),
            method,
            house_seq: 0,
            json: br#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.00}}"#.to_vec(),
        };
        DraftFrame::Resource {
            kind: FrameKind::Put,
            resolves: false,
            resource_type: "Observation".into(),
            class: Class::NORMAL,
            handle: handle(&self.genesis.handle_key(), &self.custodian.id(), "Observation", "o1"),
            key_name: KeyName::Epochs(tag(&epochs)),
            key: type_key(&class_secret(&self.secret, Class::NORMAL), "Observation"),
            packed: Packer::default().pack(&content.encode()),
        }
    }

    fn body(&self, body: Body) -> DraftFrame {
        let key_name = KeyName::Epochs(tag(&[OpId(self.record.0)]));
        DraftFrame::Body { body, key_name, key: Some(control_key(&self.secret)) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut entropy = Entropy::new([44; 32]);
    let (custodian, patient) = (Identity::generate(&mut entropy), Identity::generate(&mut entropy));
    let secret = Secret::new([1; 32]);
    let author = custodian.card().clone();
    let genesis = Genesis {
        random: [2; 32],
        format_version: 1,
        purpose: Purpose::Custodial,
        author: author.clone(),
        successor: None,
        commitment: commitment(&secret),
    };
    let record = RecordId([0; 32]);
    let mut small = Small { custodian, entropy, secret: secret.clone(), record, genesis, ops: Vec::new() };
    let item = KeyItem { epoch: OpId([0; 32]), level: Level::Epoch, secret: secret.clone() };
    let body = Body::Genesis(small.genesis.clone());
    let body = DraftFrame::Body { body, key_name: KeyName::Plain, key: None };
    small.write(Kind::Genesis, 0, vec![body, DraftFrame::Wrap { to: author.clone(), items: vec![item] }])?;
    let grant = Grant {
        to: patient.card().clone(),
        name: "Hospital B".into(),
        scope: "patient/Observation.rs".into(),
        classes: vec![Class::NORMAL],
        purpose: "TREAT".into(),
        start_ms: 1_700_000_000_000,
        end_ms: 1_800_000_000_000,
        delegate: false,
        shared: false,
        replaces: Vec::new(),
        bound: None,
        request: String::new(),
    };
    let body = small.body(Body::Grant(Grants { grants: vec![grant] }));
    small.write(Kind::Grant, 1, vec![body])?;
    for (seq, method) in [(0, Method::Create), (1, Method::Update)] {
        let agent = Agent { who: "Dr. A".into(), client: "ehr".into(), purpose: "TREAT".into() };
        let frames = vec![small.body(Body::Agent(agent)), small.resource(method)];
        small.write(Kind::Change, seq, frames)?;
    }
    let record = small.record;
    let items = [KeyItem { epoch: OpId(record.0), level: Level::Epoch, secret }];
    let keys = encode_keys(&record, &items, "correct horse", &mut Entropy::new([45; 32]));
    let (mut writer, mut bytes) = Writer::new(record, vec![author], Some(&keys))?;
    for (op, frames) in &small.ops {
        let mut frames = frames.iter().cloned().map(Some).collect::<Vec<_>>();
        // The resource of the last op was withheld.
        if op.id() == small.ops[3].0.id() {
            frames[1] = None;
        }
        bytes.extend(writer.op(op, &frames)?);
    }
    bytes.extend(writer.finish());
    let mut text =
        format!("record {}\npassphrase {}\nsecret {}\n", hex(record.bytes()), hex(b"correct horse"), hex(&[1; 32]));
    for (op, _) in &small.ops {
        text.push_str(&format!("op {}\n", hex(op.id().bytes())));
    }
    text.push_str(&format!("archive {}\n", hex(&bytes)));
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/archive.txt"), text)?;
    Ok(())
}
