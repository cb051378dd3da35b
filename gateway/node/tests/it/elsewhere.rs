//! Whoever decides about one record says nothing of what stands in another: a stranger founds a record, lets a hospital in, and writes
//! there what he calls another hospital's, by names that he knows.

use crate::common::{Place, asking, caller, count, create, databases, is_clean, kind, let_in, pair, until};
use crate::meet::meet;
use net::Log;
use node::{Node, Role};
use record::address::Address;
use record::body::Body;
use record::body::access::Agent;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName, handle};
use record::frame::{Content, Method, Packer};
use record::header::FORMAT_VERSION;
use record::keys::{KeyItem, Keyring, Level, Secret, commitment, control_key, tag};
use record::{Authority, Class, Identity, IdentityId, Kind, Lane, LaneKind, OpId, Parcel, RecordId, Verified};
use serde_json::{Value, json};

/// A record that the stranger founded, and what he has signed in it.
struct Forged {
    founder: Identity,
    genesis: Genesis,
    secret: Secret,
    control: Vec<Verified>,
    parcels: Vec<Vec<u8>>,
    changes: u64,
}

impl Forged {
    fn new() -> Self {
        let (founder, secret) = (Identity::generate(&mut node::clock::entropy()), Secret::new(node::clock::random()));
        let genesis = Genesis {
            random: node::clock::random(),
            format_version: FORMAT_VERSION,
            purpose: Purpose::Patient,
            author: founder.card().clone(),
            successor: None,
            commitment: commitment(&secret),
        };
        let mut forged =
            Self { founder, genesis: genesis.clone(), secret, control: Vec::new(), parcels: Vec::new(), changes: 0 };
        let body = Body::Genesis(genesis);
        forged.sign(Kind::Genesis, vec![DraftFrame::Body { body, key_name: KeyName::Plain, key: None }]);
        forged
    }

    fn epoch(&self) -> OpId {
        self.control[0].id()
    }

    fn record(&self) -> RecordId {
        RecordId(self.epoch().0)
    }

    fn sign(&mut self, kind: Kind, frames: Vec<DraftFrame>) {
        let last = self.control.last();
        let of_control = kind != Kind::Change;
        let before = last.map_or(0, |last| last.header().lamport);
        let draft = Draft {
            record: last.map_or(RecordId([0; 32]), |last| last.record()),
            lane: Lane {
                author: self.founder.id(),
                kind: if of_control { LaneKind::Control } else { LaneKind::Change },
                instance: if of_control { 0 } else { self.changes + 1 },
            },
            seq: if of_control { self.control.len() as u64 } else { 0 },
            previous: last.filter(|_| of_control).map(|last| last.id()),
            control_heads: last.map(|last| last.id()).into_iter().collect(),
            data_heads: Vec::new(),
            lamport: before + 1,
            wall_ms: 1,
            kind,
            authority: Authority::Genesis,
            frames,
        };
        let (op, frames) = draft.sign(&self.founder, &mut node::clock::entropy()).unwrap();
        self.parcels.push(Parcel::encode(&op, &frames.into_iter().map(Some).collect::<Vec<_>>()));
        match of_control {
            true => self.control.push(op),
            false => self.changes += 1,
        }
    }

    fn body(&self, body: Body) -> DraftFrame {
        let key_name = KeyName::Epochs(tag(&[self.epoch()]));
        DraftFrame::Body { body, key_name, key: Some(control_key(&self.secret)) }
    }

    /// Lets a hospital read everything.
    fn let_in(&mut self, to: &Node, patient: &str) {
        let grant = Grant {
            to: to.identity().card().clone(),
            name: "C".into(),
            scope: "patient/*.rs".into(),
            classes: vec![Class::NORMAL, Class::DIRECTORY],
            purpose: "TREAT".into(),
            start_ms: 0,
            end_ms: 0,
            delegate: false,
            shared: false,
            replaces: Vec::new(),
            bound: Some((to.identity().id(), patient.to_owned())),
            request: String::new(),
        };
        let item = KeyItem { epoch: self.epoch(), level: Level::Epoch, secret: self.secret.clone() };
        let wrap = DraftFrame::Wrap { to: to.identity().card().clone(), items: vec![item] };
        self.sign(Kind::Grant, vec![self.body(Body::Grant(Grants { grants: vec![grant] })), wrap]);
    }

    /// Writes what is called another's.
    fn writes(&mut self, origin: IdentityId, json: &Value, method: Method, class: Class) {
        let (kind, id) = (json["resourceType"].as_str().unwrap(), json["id"].as_str().unwrap());
        let mut keys = Keyring::default();
        keys.add(KeyItem { epoch: self.epoch(), level: Level::Epoch, secret: self.secret.clone() });
        let content = Content {
            resource_type: kind.to_owned(),
            origin,
            id: id.to_owned(),
            method,
            house_seq: u64::from(method == Method::Copy) * u64::MAX / 2,
            json: json.to_string().into_bytes(),
        };
        let agent = Agent { who: String::new(), client: String::new(), purpose: "TREAT".into() };
        let frame = DraftFrame::Resource {
            kind: FrameKind::Put,
            resolves: false,
            resource_type: kind.to_owned(),
            class,
            handle: handle(&self.genesis.handle_key(), &origin, kind, id),
            key_name: KeyName::Epochs(tag(&[self.epoch()])),
            key: keys.key(&[self.epoch()], &Level::Type(class, kind.to_owned())).unwrap(),
            packed: Packer::default().pack(&content.encode()),
        };
        let body = self.body(Body::Agent(agent));
        self.sign(Kind::Change, vec![body, frame]);
    }

    async fn brought_to(&self, node: &Node) {
        node.port().apply(self.founder.id(), self.record(), self.parcels.clone()).await.unwrap();
    }
}

async fn title(node: &Node, of: &str, id: &str) -> String {
    let served = node.read(&caller(), kind(of), id).await.unwrap();
    let json: Value = serde_json::from_slice(&served.json).unwrap();
    json["title"].as_str().or(json["name"].as_str()).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_another_record_is_not_said_anew_in_this_one() {
    for database in databases() {
        let a = Place::connected(Role::Gateway, "Hospital A", database).await;
        let c = Place::connected(Role::Gateway, "Hospital C", database).await;
        let p = Place::connected(Role::Patient, "Clara", database).await;
        let patient = json!({"resourceType":"Patient"});
        let (at_a, at_c) = (create(&a.node, patient.clone()).await.id, create(&c.node, patient.clone()).await.id);
        let ward = create(&a.node, json!({"resourceType":"Organization","name":"Ward"})).await.id;
        let plan = json!({"resourceType":"CarePlan","status":"active","intent":"plan","title":"real",
            "subject":{"reference":format!("Patient/{at_a}")},"author":{"reference":format!("Organization/{ward}")}});
        let id = create(&a.node, plan).await.id;
        let address = pair(&a.node, &p.node, &at_a).await;
        let_in(&c.node, &p.node, &at_c, &address, "patient/*.rs").await;
        let origin = a.node.identity().id();
        let (named, ward_named) = (format!("{}.{id}", origin.origin()), format!("{}.{ward}", origin.origin()));
        until("C sees the plan", || async { count(&c.node, "CarePlan", "").await == 1 }).await;

        let other = create(&c.node, patient).await.id;
        let mut forged = Forged::new();
        let address =
            Address { record: forged.record(), patient: forged.founder.id(), at: vec!["/ip4/127.0.0.1/tcp/9".into()] };
        c.node
            .request_access(&caller(), &other, asking(&address.to_string(), "patient/*.rs", "TREAT", "x"))
            .await
            .unwrap();
        forged.let_in(&c.node, &other);
        let fake = |kind: &str, id: &str| match kind {
            "CarePlan" => json!({"resourceType":kind,"id":id,"status":"active","intent":"plan","title":"forged",
                "subject":{"reference":"Patient/x"}}),
            _ => json!({"resourceType":kind,"id":id,"name":"forged"}),
        };
        forged.writes(origin, &fake("CarePlan", &id), Method::Update, Class::NORMAL);
        forged.writes(origin, &fake("CarePlan", "invented"), Method::Update, Class::NORMAL);
        forged.writes(origin, &fake("Organization", &ward), Method::Copy, Class::DIRECTORY);
        forged.writes(origin, &fake("Organization", &ward), Method::Update, Class::DIRECTORY);
        // His own is his own.
        let own = forged.founder.id();
        forged.writes(own, &fake("CarePlan", "his"), Method::Create, Class::NORMAL);
        forged.brought_to(&c.node).await;
        assert_eq!(count(&c.node, "CarePlan", "").await, 2);
        let his = format!("{}.his", own.origin());
        assert_eq!(title(&c.node, "CarePlan", &his).await, "forged");
        assert_eq!(title(&c.node, "CarePlan", &named).await, "real");
        assert_eq!(title(&c.node, "Organization", &ward_named).await, "Ward");
        let invented = format!("{}.invented", origin.origin());
        assert!(c.node.read(&caller(), kind("CarePlan"), &invented).await.is_err(), "nobody is made an author");
        let history = c.node.history(&caller(), kind("CarePlan"), &named, None, 10).await.unwrap();
        assert_eq!(history.versions.len(), 1);
        crate::common::stays_the_same_after_reindex(&c.node).await;
        assert_eq!(title(&c.node, "CarePlan", &named).await, "real");
        // The record that it stands in goes on.
        let record = p.node.records().await.unwrap()[0].record;
        meet(&a.node, &p.node, record).await;
        is_clean(&c.node).await;
    }
}
