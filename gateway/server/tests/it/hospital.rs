//! A hospital for a test: a node in a folder of its own behind the router, one client with every scope, and requests
//! in one line. Called by every test here.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use fhir::validate::Mode;
use node::{Config, Node, Role};
use serde_json::Value;
use server::{Limits, Settings, token};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

/// What the router calls itself.
pub const BASE: &str = "http://hospital.test";

/// Which database a hospital has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Where `tests/run` says its database server is.
const POSTGRES: &str = "CHARTWELL_TEST_POSTGRES_URL";

/// Both databases; Postgres where there is one.
pub fn databases() -> Vec<Database> {
    match std::env::var(POSTGRES) {
        Ok(_) => vec![Database::Sqlite, Database::Postgres],
        Err(_) => vec![Database::Sqlite],
    }
}

pub struct Hospital {
    pub router: Router,
    pub node: Node,
    pub token: String,
    pub database_url: String,
    pub _folder: Arc<TempDir>,
}

impl Hospital {
    pub async fn open() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        Self::made(limits, Mode::default(), Database::Sqlite).await
    }

    pub async fn on(database: Database) -> Self {
        Self::made(Limits::default(), Mode::default(), database).await
    }

    /// A hospital whose gateway holds resources against the rules as `validation` says.
    pub async fn validating(validation: Mode) -> Self {
        Self::made(Limits::default(), validation, Database::Sqlite).await
    }

    async fn made(limits: Limits, validation: Mode, database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = match database {
            Database::Sqlite => format!("sqlite://{}/node.db", folder.path().display()),
            Database::Postgres => {
                let name = format!("server_{}", uuid::Uuid::new_v4().simple());
                store::bench::fresh_database(&std::env::var(POSTGRES).unwrap(), &name).await.unwrap()
            }
        };
        let node = opened(&folder, &database_url, validation).await;
        let router = server::app(Settings { limits, ..Settings::new(BASE) }, node.clone());
        let mut hospital = Self { router, node, token: String::new(), database_url, _folder: Arc::new(folder) };
        hospital.token = hospital.client("ehr", "system/*.cruds").await;
        hospital
    }

    /// The same hospital through another router, which remembers nothing of this one's: another process for its clients.
    pub fn beside(&self) -> Self {
        let router = server::app(Settings::new(BASE), self.node.clone());
        let (node, token) = (self.node.clone(), self.token.clone());
        Self { router, node, token, database_url: self.database_url.clone(), _folder: self._folder.clone() }
    }

    /// The same hospital as another process serves it: it shares the database and nothing else.
    pub async fn another_process(&self) -> Self {
        let node = opened(&self._folder, &self.database_url, Mode::default()).await;
        let router = server::app(Settings::new(BASE), node.clone());
        let (token, database_url) = (self.token.clone(), self.database_url.clone());
        Self { router, node, token, database_url, _folder: self._folder.clone() }
    }

    /// Registers a client and gives a token of an hour.
    pub async fn client(&self, name: &str, scope: &str) -> String {
        let client = self.node.add_client(name, scope, None).await.unwrap();
        token::issue(&self.node, &client, Duration::from_secs(3600)).await.unwrap()
    }

    /// A request with the token; the body, if any, goes as FHIR JSON.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answered {
        let bearer = format!("Bearer {}", self.token);
        let mut request = Request::builder().method(method).uri(path);
        let named = |name: &str| headers.iter().any(|(other, _)| *other == name);
        if !named("authorization") {
            request = request.header("authorization", bearer);
        }
        let body = body.into();
        if !body.is_empty() && !named("content-type") {
            request = request.header("content-type", "application/fhir+json");
        }
        // A header with no value is left out: that is how a test sends none.
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answered { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answered {
        self.send("POST", path, &[], body).await
    }

    /// Creates a resource and gives its id.
    pub async fn create(&self, body: &str) -> String {
        let json: Value = serde_json::from_str(body).unwrap();
        let kind = json["resourceType"].as_str().unwrap();
        let answered = self.post(&format!("/fhir/{kind}"), body).await;
        assert_eq!(answered.status, 201, "{}", answered.text());
        answered.json()["id"].as_str().unwrap().to_owned()
    }
}

async fn opened(folder: &TempDir, database_url: &str, validation: Mode) -> Node {
    let config = Config {
        data: folder.path().to_owned(),
        database_url: database_url.to_owned(),
        identity: folder.path().join("identity").into(),
        passphrase: None,
        name: "Hospital".to_owned(),
        role: Role::Gateway,
        validation,
    };
    Node::open(config).await.unwrap()
}

pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} is no JSON", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the first issue.
    pub fn code(&self) -> String {
        self.json()["issue"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The path of a link of a Bundle, as a request takes it.
    pub fn link(&self, relation: &str) -> Option<String> {
        let json = self.json();
        let link = json["link"].as_array()?.iter().find(|link| link["relation"] == relation)?;
        Some(link["url"].as_str()?.strip_prefix(BASE)?.to_owned())
    }

    /// The resources of a Bundle of one search mode, by id.
    pub fn found(&self, mode: &str) -> Vec<String> {
        let json = self.json();
        let entries = json["entry"].as_array().cloned().unwrap_or_default();
        let wanted = entries.iter().filter(|entry| entry["search"]["mode"] == mode);
        wanted.map(|entry| entry["resource"]["id"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
