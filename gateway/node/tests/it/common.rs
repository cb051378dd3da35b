//! Nodes for tests: each with its own folder and database, connected over loopback.

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

    /// Ends the node and opens its folder again.
    pub async fn restart(&mut self, connected: bool) {
        self.node.close().await;
        self.node = open(self.dir.path(), &self.url, self.role, &self.name).await;
        if connected {
            self.connect().await;
        }
    }

    pub async fn connect(&self) {
        self.node.start_net(vec!["/ip4/127.0.0.1/tcp/0".into()], Vec::new()).await.unwrap();
    }
}

pub async fn open(dir: &std::path::Path, url: &str, role: Role, name: &str) -> Node {
    let config = Config {
        data: dir.to_owned(),
        database_url: url.to_owned(),
        identity: dir.join("identity.json"),
        name: name.to_owned(),
        role,
    };
    Node::open(config).await.unwrap()
}

pub fn caller() -> Caller {
    Caller {
        who: "Dr. Test".into(),
        client: "ehr".into(),
        scopes: Scopes::parse("system/*.cruds"),
        purpose: "TREAT".into(),
        request: "r-1".into(),
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
    let query = fhir::query::parse(kind(name), &node::search::pairs(query)).unwrap();
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
    assert_eq!(report.faults, Vec::<String>::new());
}
