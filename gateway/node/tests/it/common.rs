//! Nodes for tests: each with its own folder and database, connected over loopback.

use node::grants::Approval;
use node::pairing::PairingState;
use node::requests::AccessRequest;
use node::{Caller, Config, Node, Role};
use record::scope::Scopes;
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for a state; generous, since machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which database a place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Both databases; Postgres where `tests/run` has started one and says so.
pub fn databases() -> Vec<Database> {
    match std::env::var("CHARTWELL_TEST_POSTGRES_URL") {
        Ok(_) => vec![Database::Sqlite, Database::Postgres],
        Err(_) => vec![Database::Sqlite],
    }
}

pub struct Place {
    pub node: Node,
    pub dir: TempDir,
    role: Role,
    name: String,
    url: String,
}

/// A database of its own for one place.
pub async fn fresh_url(database: Database, dir: &std::path::Path) -> String {
    match database {
        Database::Sqlite => format!("sqlite://{}", dir.join("node.db").display()),
        Database::Postgres => {
            let url = std::env::var("CHARTWELL_TEST_POSTGRES_URL").unwrap();
            let name = format!("node_{}", record::id::base32(&node::clock::random::<10>()));
            store::bench::fresh_database(&url, &name).await.unwrap()
        }
    }
}

impl Place {
    pub async fn new(role: Role, name: &str, database: Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = fresh_url(database, dir.path()).await;
        let node = open(dir.path(), &url, role, name).await;
        Self { node, dir, role, name: name.to_owned(), url }
    }

    /// One that others reach.
    pub async fn connected(role: Role, name: &str, database: Database) -> Self {
        let place = Self::new(role, name, database).await;
        place.connect().await;
        place
    }

    /// Another process of the same hospital, over the same database.
    pub async fn beside(&self) -> Node {
        open(self.dir.path(), &self.url, self.role, &self.name).await
    }

    /// The place's database, past its node.
    pub async fn store(&self) -> store::Store {
        store::Store::open(&self.url).await.unwrap()
    }

    /// Ends the node and opens its folder again.
    pub async fn restart(&mut self, connected: bool) {
        self.node.close().await;
        self.node = open(self.dir.path(), &self.url, self.role, &self.name).await;
        if connected {
            self.connect().await;
        }
    }

    /// What comes of opening the place's folder again.
    pub async fn reopened(&self) -> Result<Node, node::OpenError> {
        Node::open(config(self.dir.path(), &self.url, self.role, &self.name)).await
    }

    pub async fn connect(&self) {
        self.node.start_net(vec!["/ip4/127.0.0.1/tcp/0".into()], Vec::new()).await.unwrap();
    }
}

fn config(dir: &std::path::Path, url: &str, role: Role, name: &str) -> Config {
    Config {
        data: dir.to_owned(),
        database_url: url.to_owned(),
        identity: dir.join("identity.json").into(),
        passphrase: None,
        name: name.to_owned(),
        role,
        validation: fhir::validate::Mode::default(),
    }
}

pub async fn open(dir: &std::path::Path, url: &str, role: Role, name: &str) -> Node {
    Node::open(config(dir, url, role, name)).await.unwrap()
}

pub fn caller() -> Caller {
    Caller {
        who: "Dr. Test".into(),
        client: "ehr".into(),
        scopes: Scopes::parse("system/*.cruds"),
        purpose: "TREAT".into(),
        request: "r-1".into(),
        ..Caller::nobody()
    }
}

pub fn kind(name: &str) -> fhir::ResourceType {
    fhir::ResourceType::parse(name).unwrap()
}

pub fn valid(json: serde_json::Value) -> fhir::Valid {
    fhir::validate::check(fhir::parse::resource(json.to_string().into_bytes()).unwrap()).unwrap()
}

pub async fn create(node: &Node, json: serde_json::Value) -> node::Written {
    let intent = node::write::Intent::Create { resource: valid(json), if_none_exist: None };
    node.write(&caller(), intent).await.unwrap()
}

pub async fn search(node: &Node, name: &str, query: &str) -> node::search::Found {
    let query = node.query(kind(name), &node::search::pairs(query)).await.unwrap();
    node.search(&caller(), query, None).await.unwrap()
}

pub async fn count(node: &Node, name: &str, query: &str) -> usize {
    search(node, name, query).await.matches.len()
}

/// Waits until `state` holds, by asking again; panics with `what` after a long while.
pub async fn until<F, Fut>(what: &str, mut state: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let wait = async {
        while !state().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("this never came true: {what}");
    }
}

pub async fn is_clean(node: &Node) {
    let report = node.verify().await.unwrap();
    assert_eq!(report.faults, Vec::new());
}

/// Gives the record of a hospital's Patient to its patient; returns its address.
pub async fn pair(hospital: &Node, patient: &Node, id: &str) -> String {
    let invite = hospital.invite(&caller(), id).await.unwrap();
    let pairing = patient.accept_invite(&invite.code).await.unwrap();
    let state = async || patient.pairing(&pairing).await.unwrap().unwrap();
    until("both sides have digits", || async { state().await.state == PairingState::Digits }).await;
    let view = state().await;
    patient.confirm_pairing(&pairing, &vec![true; view.grants.len()]).await.unwrap();
    hospital.confirm(&caller(), &invite.task, &view.digits).await.unwrap();
    until("the record is the patient's", || async { state().await.state == PairingState::Done }).await;
    let records = patient.records().await.unwrap();
    records.into_iter().map(|record| record.address).next_back().unwrap()
}

/// A request for access from now on, for as long as a year.
pub fn asking(address: &str, scope: &str, purpose: &str, reason: &str) -> AccessRequest {
    AccessRequest {
        address: address.to_owned(),
        scope: scope.to_owned(),
        purpose: purpose.to_owned(),
        start_ms: None,
        end_ms: None,
        reason: reason.to_owned(),
    }
}

/// Has a hospital ask for access to a record, and the patient approve it as it is.
pub async fn let_in(hospital: &Node, patient: &Node, id: &str, address: &str, scope: &str) {
    let known = patient.requests().await.unwrap().len();
    let ask = asking(address, scope, "TREAT", "care");
    let task = hospital.request_access(&caller(), id, ask).await.unwrap();
    until("the request is on the page", || async { patient.requests().await.unwrap().len() > known }).await;
    let request = patient.requests().await.unwrap().remove(0);
    let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
    patient.approve(&request.id, Approval { scopes, end_ms: request.end_ms, ..Approval::default() }).await.unwrap();
    until("access is given", || async {
        let task = hospital.read(&caller(), kind("Task"), &task.id).await.unwrap();
        String::from_utf8(task.json).unwrap().contains("\"completed\"")
    })
    .await;
}

/// Verifies, rebuilds all caches, and finds the same again.
pub async fn stays_the_same_after_reindex(node: &Node) {
    is_clean(node).await;
    let report = node.verify().await.unwrap();
    node.reindex(std::sync::Arc::new(|_| {})).await.unwrap();
    is_clean(node).await;
    assert_eq!(node.verify().await.unwrap(), report);
}
