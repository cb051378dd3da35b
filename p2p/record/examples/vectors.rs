//! Writes the golden vectors of `p2p/record/vectors` anew. Run by hand when a version of the format is made, never by a
//! test: `cargo run -p record --example vectors`.

use record::body::Body;
use record::body::accept::Accept;
use record::body::access::{Access, Agent, Line};
use record::body::claim::{Claim, accept};
use record::body::device::Device;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::body::handover::Handover;
use record::body::keys::Keys;
use record::body::lifecycle::{Checkpoint, Erase, Link, Moved};
use record::body::request::{Asked, Request};
use record::body::revoke::Revoke;
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName, handle};
use record::frame::{Content, Method, Packer};
use record::keys::{KeyItem, Level, Secret, commitment, control_key, tag};
use record::{Authority, Class, Entropy, GrantId, Head, Identity, Keyring, Kind, Lane, OpId, Parcel, RecordId};
use std::path::Path;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Kinds whose bytes came later, in the order they are written: behind the others, so that those stay as they are.
const LATER: [&str; 10] = [
    "accept",
    "device-admit",
    "device-suspend",
    "device-root",
    "device-remain",
    "moved",
    "link",
    "checkpoint",
    "erase",
    "handover",
];

/// The body of one of [`LATER`].
fn later(name: &str, of: &[&Identity; 3], at: Head) -> (Kind, Body) {
    let [custodian, patient, next] = of;
    let device = match name {
        "accept" => return (Kind::Accept, Body::Accept(Accept { ops: vec![OpId([3; 32])], heads: vec![at] })),
        "moved" => return (Kind::Moved, Body::Moved(Moved { into: RecordId([11; 32]), heads: vec![at] })),
        "link" => return (Kind::Link, Body::Link(Link { record: RecordId([12; 32]), name: "the other one".into() })),
        "checkpoint" => {
            return (Kind::Checkpoint, Body::Checkpoint(Checkpoint { heads: vec![at], root: [13; 32] }));
        }
        "erase" => {
            let (frames, reason) = (vec![(OpId([3; 32]), 1)], "it was not mine".into());
            return (Kind::Erase, Body::Erase(Erase { frames, reason }));
        }
        "handover" => {
            let body = Handover { card: next.card().clone(), retains: vec![at] };
            return (Kind::Keys, Body::Handover(body));
        }
        "device-admit" => Device::Admit { card: patient.card().clone(), name: "the tablet".into() },
        "device-suspend" => Device::Suspend { device: patient.id(), retains: vec![at] },
        "device-root" => Device::Root(patient.card().clone()),
        _ => Device::Remain { devices: vec![custodian.id()], retains: vec![at] },
    };
    (Kind::Device, Body::Device(device))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut entropy = Entropy::new([42; 32]);
    let (custodian, patient) = (Identity::generate(&mut entropy), Identity::generate(&mut entropy));
    let next = custodian.hand_over(&mut Entropy::new([43; 32])).ok_or("the next key is not here")?;
    let secret = Secret::new([1; 32]);
    let genesis = Genesis {
        random: [2; 32],
        format_version: 1,
        purpose: Purpose::Custodial,
        author: custodian.card().clone(),
        successor: None,
        commitment: commitment(&secret),
    };
    let handle_key = genesis.handle_key();
    let grant = Grant {
        to: patient.card().clone(),
        name: "Hospital B".into(),
        scope: "patient/Observation.rs".into(),
        classes: vec![Class::NORMAL, Class::DIRECTORY],
        purpose: "TREAT".into(),
        start_ms: 1_700_000_000_000,
        end_ms: 1_800_000_000_000,
        delegate: false,
        shared: false,
        replaces: Vec::new(),
        bound: Some((custodian.id(), "p1".into())),
        request: "t1".into(),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut record = RecordId([0; 32]);
    let mut heads = Vec::<OpId>::new();
    let lane = |kind: Kind| Lane { author: custodian.id(), kind: kind.lane(), instance: 0 };
    let (mut seq, mut previous) = ([0_u64; 3], [None; 3]);
    for name in ["genesis", "change", "request", "grant", "revoke", "access", "keys", "claim"].into_iter().chain(LATER)
    {
        let epochs = [OpId(record.0)];
        let key_name = KeyName::Epochs(tag(&epochs));
        let control = control_key(&secret);
        let agent = Agent { who: "Dr. A".into(), client: "ehr".into(), purpose: "TREAT".into() };
        let at = Head { lane: lane(Kind::Change), seq: 0, id: OpId([3; 32]) };
        let sealed = |body: Body| DraftFrame::Body { body, key_name, key: Some(control.clone()) };
        let (kind, frames) = match name {
            "genesis" => {
                let item = KeyItem { epoch: OpId([0; 32]), level: Level::Epoch, secret: secret.clone() };
                let body = Body::Genesis(genesis.clone());
                let body = DraftFrame::Body { body, key_name: KeyName::Plain, key: None };
                (Kind::Genesis, vec![body, DraftFrame::Wrap { to: custodian.card().clone(), items: vec![item] }])
            }
            "change" => {
                let content = Content {
                    resource_type: "Observation".into(),
                    origin: custodian.id(),
                    id: "o1".into(),
                    method: Method::Create,
                    house_seq: 0,
                    json: br#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.00}}"#.to_vec(),
                };
                let class = record::keys::class_secret(&secret, Class::NORMAL);
                let resource = DraftFrame::Resource {
                    kind: FrameKind::Put,
                    resolves: false,
                    resource_type: "Observation".into(),
                    class: Class::NORMAL,
                    handle: handle(&handle_key, &custodian.id(), "Observation", "o1"),
                    key_name,
                    key: record::keys::type_key(&class, "Observation"),
                    packed: Packer::default().pack(&content.encode()),
                };
                (Kind::Change, vec![sealed(Body::Agent(agent)), resource])
            }
            "request" => {
                let asked = Asked {
                    from: patient.card().clone(),
                    name: "Hospital B".into(),
                    request: "t1".into(),
                    patient: "p1".into(),
                    scope: "patient/Observation.rs".into(),
                    purpose: "TREAT".into(),
                    reason: "follow-up".into(),
                    start_ms: 1,
                    end_ms: 2,
                };
                (Kind::Request, vec![sealed(Body::Request(Request::Asked(Box::new(asked))))])
            }
            "grant" => (Kind::Grant, vec![sealed(Body::Grant(Grants { grants: vec![grant.clone()] }))]),
            "revoke" => {
                let grants = vec![GrantId { op: OpId([4; 32]), index: 0 }];
                (Kind::Revoke, vec![sealed(Body::Revoke(Revoke { grants, identities: vec![], retains: vec![at] }))])
            }
            "access" => {
                let line = Line { interaction: "search".into(), resource_type: "Observation".into(), count: 3 };
                let access = Access { agent, from_ms: 1, to_ms: 2, lines: vec![line] };
                (Kind::Access, vec![sealed(Body::Access(access))])
            }
            "keys" => {
                let next = control_key(&[6; 32]);
                let keys = Keys::new(commitment(&[6; 32]), &next, &[(epochs[0], control.clone())]);
                (Kind::Keys, vec![DraftFrame::Body { body: Body::Keys(keys), key_name: KeyName::Own, key: Some(next) }])
            }
            "claim" => {
                let grants = vec![grant.clone()];
                let acceptance = accept(&patient, &record, &[5; 32], &grants);
                let claim = Claim {
                    patient: patient.card().clone(),
                    transcript: [5; 32],
                    acceptance,
                    grants,
                    retains: vec![at],
                };
                (Kind::Claim, vec![sealed(Body::Claim(claim))])
            }
            name => {
                let (kind, body) = later(name, &[&custodian, &patient, &next], at);
                let frame = match name {
                    "handover" => DraftFrame::Body { body, key_name: KeyName::Plain, key: None },
                    "link" => {
                        let mut ring = Keyring::default();
                        ring.add(KeyItem { epoch: epochs[0], level: Level::Epoch, secret: secret.clone() });
                        let (key_name, key) = (KeyName::Owner(tag(&epochs)), ring.owner_key(&epochs));
                        DraftFrame::Body { body, key_name, key }
                    }
                    _ => sealed(body),
                };
                (kind, vec![frame])
            }
        };
        let lane = lane(kind);
        let place = lane.kind as usize;
        let draft = Draft {
            record,
            lane,
            seq: seq[place],
            previous: previous[place],
            control_heads: if name == "genesis" { vec![] } else { heads.clone() },
            data_heads: vec![],
            lamport: seq.iter().sum::<u64>() + 1,
            wall_ms: 1_700_000_000_000,
            kind,
            authority: match name {
                "device-suspend" => Authority::Device(heads[0]),
                "erase" => Authority::Grant(GrantId { op: heads[0], index: 1 }),
                _ => Authority::Genesis,
            },
            frames,
        };
        let author = if name == "handover" { &next } else { &custodian };
        let (op, frames) = draft.sign(author, &mut entropy)?;
        if name == "genesis" {
            record = op.record();
        }
        seq[place] += 1;
        previous[place] = Some(op.id());
        if place == 0 {
            heads = vec![op.id()];
        }
        let frames = frames.into_iter().map(Some).collect::<Vec<_>>();
        let text = format!(
            "id {}\nrecord {}\n{}\nparcel {}\n",
            hex(op.id().bytes()),
            hex(op.record().bytes()),
            match LATER.contains(&name) {
                true => format!("card {}", hex(&author.card().encode())),
                false => format!("statement {}", hex(&author.card().statement.encode())),
            },
            hex(&Parcel::encode(&op, &frames)),
        );
        std::fs::write(folder.join(format!("{name}.txt")), text)?;
    }
    Ok(())
}
