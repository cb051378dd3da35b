//! Whoever founds a record may name anybody a device of it: a stranger who does so is no device of the patient's anywhere else,
//! whatever code or address of his was pasted.

use crate::common::{Database, Place, caller, count, create, databases, is_clean, pair, until};
use crate::world::{clara_at, observation};
use net::Log;
use node::Role;
use node::devices::JoinState;
use node::pairing::PairingState;
use record::address::Address;
use record::body::Body;
use record::body::device::Device;
use record::body::genesis::{Genesis, Purpose};
use record::draft::{Draft, DraftFrame};
use record::entry::KeyName;
use record::header::FORMAT_VERSION;
use record::keys::{KeyItem, Level, Secret, commitment, control_key, tag};
use record::{Authority, Card, Identity, Kind, Lane, LaneKind, Parcel, RecordId, Verified};
use serde_json::json;
use store::db::Reader;
use store::tasks::StoredTask;

/// A record that a stranger founded, and in which a victim is a device.
struct Trap {
    record: RecordId,
    parcels: Vec<Vec<u8>>,
}

fn sign(founder: &Identity, kind: Kind, before: Option<&Verified>, frames: Vec<DraftFrame>) -> (Verified, Vec<u8>) {
    let draft = Draft {
        record: before.map_or(RecordId([0; 32]), |before| before.record()),
        lane: Lane { author: founder.id(), kind: LaneKind::Control, instance: 0 },
        seq: before.map_or(0, |before| before.header().seq + 1),
        previous: before.map(|before| before.id()),
        control_heads: before.map(|before| before.id()).into_iter().collect(),
        data_heads: Vec::new(),
        lamport: before.map_or(1, |before| before.header().lamport + 1),
        wall_ms: 1,
        kind,
        authority: Authority::Genesis,
        frames,
    };
    let (op, frames) = draft.sign(founder, &mut node::clock::entropy()).unwrap();
    let parcel = Parcel::encode(&op, &frames.into_iter().map(Some).collect::<Vec<_>>());
    (op, parcel)
}

fn trap(founder: &Identity, victim: &Card, purpose: Purpose) -> Trap {
    let secret = Secret::new(node::clock::random());
    let genesis = Body::Genesis(Genesis {
        random: node::clock::random(),
        format_version: FORMAT_VERSION,
        purpose,
        author: founder.card().clone(),
        successor: None,
        commitment: commitment(&secret),
    });
    let plain = DraftFrame::Body { body: genesis, key_name: KeyName::Plain, key: None };
    let (first, opens) = sign(founder, Kind::Genesis, None, vec![plain]);
    let said = Body::Device(Device::Admit { card: victim.clone(), name: "yours".into() });
    let (_, admits) = sign(
        founder,
        Kind::Device,
        Some(&first),
        vec![
            DraftFrame::Body {
                body: said,
                key_name: KeyName::Epochs(tag(&[first.id()])),
                key: Some(control_key(&secret)),
            },
            DraftFrame::Wrap {
                to: victim.clone(),
                items: vec![KeyItem { epoch: first.id(), level: Level::Epoch, secret: secret.clone() }],
            },
        ],
    );
    Trap { record: RecordId(first.id().0), parcels: vec![opens, admits] }
}

/// The stranger's node, whose database he writes as he likes; his identity; the victim; a hospital.
struct House {
    m: Place,
    founder: Identity,
    p: Place,
    a: Place,
}

async fn house(database: Database) -> House {
    let m = Place::connected(Role::Gateway, "Hospital M", database).await;
    let p = Place::connected(Role::Patient, "Clara", database).await;
    let a = Place::connected(Role::Gateway, "Hospital A", database).await;
    let founder = node::identity_file::load(&m.dir.path().join("identity.json"), None).unwrap();
    House { m, founder, p, a }
}

impl House {
    /// The stranger's code names a record of his own; the victim pastes it.
    async fn paste_code_for(&self, record: RecordId) -> String {
        let id = clara_at(&self.m).await;
        let invite = self.m.node.invite(&caller(), &id).await.unwrap();
        let store = self.m.store().await;
        let task = Reader::from(&store).task(&invite.task).await.unwrap().unwrap();
        let mut body: serde_json::Value = serde_json::from_str(&task.body).unwrap();
        body["record"] = json!(record.to_string());
        let mut tx = store.begin().await.unwrap();
        tx.put_task(&StoredTask { body: body.to_string(), version: task.version + 1, ..task }).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        let pairing = self.p.node.accept_invite(&invite.code).await.unwrap();
        until("the victim sees digits", || async { self.state(&pairing).await == PairingState::Digits }).await;
        pairing
    }

    async fn state(&self, pairing: &str) -> PairingState {
        self.p.node.pairing(pairing).await.unwrap().unwrap().state
    }

    async fn takes(&self, trap: &Trap) -> bool {
        let applied = self.p.node.port().apply(self.founder.id(), trap.record, trap.parcels.clone()).await;
        applied.is_ok()
    }

    /// The patient takes a real record over: the stranger is no device there, and what he brings is not taken.
    async fn the_stranger_gets_nothing(&self) {
        let id = clara_at(&self.a).await;
        create(&self.a.node, observation(&id, "height")).await;
        pair(&self.a.node, &self.p.node, &id).await;
        until("the patient has it", || async { count(&self.p.node, "Observation", "").await == 1 }).await;
        let store = self.p.store().await;
        let mut checked = 0;
        for known in Reader::from(&store).records().await.unwrap() {
            if known.authority == self.p.node.identity().id() {
                checked += 1;
                let opens = crate::devices::sealed_to(&self.p, known.record, &self.founder).await;
                assert_eq!(opens, [], "no key is sealed to the stranger");
                let log = self.p.node.record_log(known.record, 100).await.unwrap();
                let admits = log.lines.iter().filter(|line| line.kind == "device").count();
                assert_eq!(admits, 1, "the root was announced, and nobody let in");
            }
        }
        store.close().await;
        assert!(checked > 0);
        let other = trap(&self.founder, self.p.node.identity().card(), Purpose::Patient);
        assert!(!self.takes(&other).await, "what a stranger brings is not taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_s_record_that_was_never_a_hospital_s_is_not_taken() {
    for database in databases() {
        let house = house(database).await;
        let trap = trap(&house.founder, house.p.node.identity().card(), Purpose::Patient);
        let pairing = house.paste_code_for(trap.record).await;
        assert!(!house.takes(&trap).await, "while the digits are shown");
        house.p.node.abort_pairing(&pairing).await.unwrap();
        assert!(!house.takes(&trap).await, "after it ended");
        assert!(house.p.node.records().await.unwrap().is_empty());
        house.the_stranger_gets_nothing().await;
        is_clean(&house.p.node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_that_was_stopped_takes_nothing() {
    for database in databases() {
        let house = house(database).await;
        let trap = trap(&house.founder, house.p.node.identity().card(), Purpose::Custodial);
        let pairing = house.paste_code_for(trap.record).await;
        house.p.node.abort_pairing(&pairing).await.unwrap();
        assert!(!house.takes(&trap).await);
        assert!(house.p.node.records().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_address_makes_nobody_a_device_elsewhere() {
    for database in databases() {
        let house = house(database).await;
        let trap = trap(&house.founder, house.p.node.identity().card(), Purpose::Patient);
        let at = vec!["/ip4/127.0.0.1/tcp/9".to_owned()];
        let address = Address { record: trap.record, patient: house.founder.id(), at }.to_string();
        let joining = house.p.node.join_device(&address).await.unwrap();
        assert_eq!(house.p.node.join(&joining).await.unwrap().unwrap().state, JoinState::Done);
        assert!(house.takes(&trap).await, "whoever pastes an address takes its record");
        assert_eq!(house.p.node.records().await.unwrap().len(), 1);
        house.the_stranger_gets_nothing().await;
        // Nor does a new device believe him that this one lets in, though it has his record too.
        let phone = Place::connected(Role::Patient, "Clara's phone", database).await;
        crate::devices::join(&house.p.node, &phone.node, "Phone").await;
        until("the phone has it all", || async { phone.node.records().await.unwrap().len() == 2 }).await;
        let other = self::trap(&house.founder, phone.node.identity().card(), Purpose::Patient);
        let applied = phone.node.port().apply(house.founder.id(), other.record, other.parcels).await;
        assert!(applied.is_err(), "what a stranger brings is not taken by the phone");
        is_clean(&house.p.node).await;
    }
}

/// What the other side calls itself is kept in the pairing: a record's name in it is no record that was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_reads_like_a_record_brings_none() {
    let house = house(Database::Sqlite).await;
    let trap = trap(&house.founder, house.p.node.identity().card(), Purpose::Custodial);
    let name = trap.record.to_string();
    let id = create(&house.m.node, json!({"resourceType":"Patient","name":[{"family": name}]})).await.id;
    let invite = house.m.node.invite(&caller(), &id).await.unwrap();
    let pairing = house.p.node.accept_invite(&invite.code).await.unwrap();
    until("the victim sees digits", || async { house.state(&pairing).await == PairingState::Digits }).await;
    assert!(house.p.node.pairing(&pairing).await.unwrap().unwrap().patient_name.contains(&name));
    assert!(!house.takes(&trap).await);
}

/// A device that says that all is done before the digits were compared: nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_before_the_digits_are_compared() {
    let stranger = Place::connected(Role::Patient, "Stranger", Database::Sqlite).await;
    let p = Place::connected(Role::Patient, "Clara", Database::Sqlite).await;
    let a = Place::connected(Role::Gateway, "Hospital A", Database::Sqlite).await;
    let id = clara_at(&a).await;
    pair(&a.node, &stranger.node, &id).await;
    let offer = stranger.node.offer_device().await.unwrap();
    let code = stranger.node.offer(&offer).await.unwrap().unwrap().code;
    let joining = p.node.join_device(&code).await.unwrap();
    let state = async || p.node.join(&joining).await.unwrap().unwrap().state;
    until("digits", || async { state().await == JoinState::Digits }).await;
    let record = stranger.node.records().await.unwrap()[0].record;
    let store = stranger.store().await;
    let task = Reader::from(&store).task(&offer).await.unwrap().unwrap();
    let mut body: serde_json::Value = serde_json::from_str(&task.body).unwrap();
    body["records"] = json!([record.to_string()]);
    let mut tx = store.begin().await.unwrap();
    let done = StoredTask { body: body.to_string(), status: "completed".into(), version: task.version + 1, ..task };
    tx.put_task(&done).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    // Longer than it takes to ask twice.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(state().await, JoinState::Digits);
    assert!(p.node.records().await.unwrap().is_empty());
}
