//! What a gateway with a thousand clients and ten thousand grants is slower than one with a single client, route by route; and
//! which share of a read is its audit. Both kinds of gateway hold the same resources and are asked in turn, so that the ratio says
//! something on a machine that does other things too. `cargo bench -p server --bench crowd`.

#![expect(clippy::print_stdout, reason = "its figures are what it is run for")]

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use node::access::Event;
use node::clients::Client;
use node::{Caller, Config, Node, Role};
use record::{Class, RecordId};
use serde_json::{Value, json};
use server::{Settings, token};
use std::time::{Duration, Instant};
use store::reach::Reach;
use tempfile::TempDir;
use tower::ServiceExt;

const CLIENTS: usize = 1_000;
const GRANTS: usize = 10_000;
const PATIENTS: usize = 50;
/// Observations of each patient.
const OBSERVATIONS: usize = 20;
/// How often each route is asked of each gateway.
const ROUNDS: usize = 400;
/// Events of the audit's share.
const EVENTS: usize = 10_000;

struct Gateway {
    router: Router,
    node: Node,
    tokens: Vec<String>,
    patient: String,
    observation: String,
    turn: usize,
    _folder: TempDir,
}

impl Gateway {
    async fn open(clients: usize, grants: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/node.db", folder.path().display());
        let config = Config {
            data: folder.path().to_owned(),
            database_url: url.clone(),
            identity: node::IdentitySource::File(folder.path().join("identity")),
            passphrase: None,
            name: "Bench".to_owned(),
            role: Role::Gateway,
            validation: fhir::validate::Mode::default(),
        };
        let node = Node::open(config).await.expect("a node opens");
        let mut settings = Settings::new("http://hospital.test");
        settings.limits.client_rate.per_second = 0;
        let router = server::app(settings, node.clone());
        let mut tokens = Vec::with_capacity(clients);
        for number in 0..clients {
            let client = node.add_client(&format!("client-{number}"), "system/*.cruds", None).await.expect("a client");
            tokens.push(issued(&node, &client).await);
        }
        give(&url, &node, grants).await;
        let (patient, observation) = (String::new(), String::new());
        let mut gateway = Self { router, node, tokens, patient, observation, turn: 0, _folder: folder };
        for number in 0..PATIENTS {
            gateway.fill(number).await;
        }
        gateway
    }

    async fn fill(&mut self, number: usize) {
        let patient = json!({"resourceType":"Patient","name":[{"family":format!("Family{number}")}],
            "identifier":[{"system":"urn:mrn","value":number.to_string()}]});
        self.patient = self.ask("POST", "/fhir/Patient", &patient).await["id"].as_str().unwrap_or_default().to_owned();
        for value in 0..OBSERVATIONS {
            let observation = observation(&self.patient, value);
            let made = self.ask("POST", "/fhir/Observation", &observation).await;
            self.observation = made["id"].as_str().unwrap_or_default().to_owned();
        }
    }

    /// Asks with the next client's token.
    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.turn = (self.turn + 1) % self.tokens.len();
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.tokens[self.turn]));
        let request = request.header("content-type", "application/fhir+json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.router.clone().oneshot(request.body(Body::from(body)).expect("a request")).await;
        let response = response.expect("an answer");
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    async fn timed(&mut self, route: &Route, round: usize) -> Duration {
        let (method, path, body) = (route.make)(&self.patient, &self.observation, round);
        let begun = Instant::now();
        self.ask(method, &path, &body).await;
        begun.elapsed()
    }
}

async fn issued(node: &Node, client: &Client) -> String {
    token::issue(node, client, Duration::from_secs(3600)).await.expect("a token is issued")
}

/// What grants of so many other records let this gateway see, and as many that people gave apps.
async fn give(url: &str, node: &Node, grants: usize) {
    let store = store::Store::open(url).await.expect("the database opens");
    let kind = fhir::ResourceType::parse("Observation").map(fhir::ResourceType::number);
    for number in 0..grants {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let line = Reach {
            record: RecordId(bytes),
            kind,
            class: Class::NORMAL,
            start_ms: 0,
            end_ms: None,
            grant: format!("grant-{number}"),
            purposes: u8::MAX,
            narrowed: false,
        };
        let mut tx = store.begin().await.expect("a transaction");
        tx.set_reach(&line.record.clone(), vec![line]).await.expect("a line of reach");
        tx.commit().await.expect("it is committed");
        let app = node::apps::Grant {
            client: "app".to_owned(),
            person: format!("person-{number}"),
            scope: "patient/*.rs".to_owned(),
            ..node::apps::Grant::default()
        };
        node.allow(app, ("https://app.example/cb", "challenge"), None, None).await.expect("a grant");
    }
}

fn observation(patient: &str, value: usize) -> Value {
    json!({"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},
        "valueQuantity":{"value":value,"unit":"cm"},"subject":{"reference":format!("Patient/{patient}")}})
}

/// Method, path and body of a request about a patient and an observation.
type Asked = (&'static str, String, Value);

struct Route {
    name: &'static str,
    make: fn(&str, &str, usize) -> Asked,
}

const ROUTES: [Route; 11] = [
    Route { name: "read", make: |patient, _, _| ("GET", format!("/fhir/Patient/{patient}"), Value::Null) },
    Route { name: "history", make: |_, id, _| ("GET", format!("/fhir/Observation/{id}/_history"), Value::Null) },
    Route {
        name: "history of a type",
        make: |_, _, _| ("GET", "/fhir/Patient/_history?_count=10".into(), Value::Null),
    },
    Route {
        name: "search of a patient's",
        make: |patient, _, _| ("GET", format!("/fhir/Observation?patient={patient}&_count=10"), Value::Null),
    },
    Route {
        name: "search by identifier",
        make: |_, _, round| ("GET", format!("/fhir/Patient?identifier=urn:mrn|{}", round % PATIENTS), Value::Null),
    },
    Route {
        name: "search with a chain and an include",
        make: |_, _, round| {
            let name = round % PATIENTS;
            let query = format!("subject:Patient.identifier=urn:mrn|{name}&_include=Observation:subject&_count=10");
            ("GET", format!("/fhir/Observation?{query}"), Value::Null)
        },
    },
    Route {
        name: "$everything",
        make: |patient, _, _| ("GET", format!("/fhir/Patient/{patient}/$everything"), Value::Null),
    },
    Route {
        name: "create",
        make: |patient, _, round| ("POST", "/fhir/Observation".into(), observation(patient, round)),
    },
    Route {
        name: "update",
        make: |patient, id, round| {
            let mut json = observation(patient, round);
            json["id"] = id.into();
            ("PUT", format!("/fhir/Observation/{id}"), json)
        },
    },
    Route { name: "capabilities", make: |_, _, _| ("GET", "/fhir/metadata".into(), Value::Null) },
    Route {
        name: "batch of two reads",
        make: |patient, id, _| {
            let entry = |url: String| json!({"request":{"method":"GET","url":url}});
            let entries = [entry(format!("Patient/{patient}")), entry(format!("Observation/{id}"))];
            ("POST", "/fhir".into(), json!({"resourceType":"Bundle","type":"batch","entry":entries}))
        },
    },
];

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn routes(lone: &mut Gateway, crowd: &mut Gateway) {
    println!("| route | one client, p50 ms | {CLIENTS} clients, {GRANTS} grants, p50 ms | ratio |\n|---|---|---|---|");
    for route in &ROUTES {
        let (mut one, mut many) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
        for round in 0..ROUNDS {
            one.push(lone.timed(route, round).await);
            many.push(crowd.timed(route, round).await);
        }
        let [one, many] = [one, many].map(|times| median(times).as_secs_f64() * 1000.0);
        println!("| {} | {one:.3} | {many:.3} | {:.2} |", route.name, many / one);
    }
}

/// How long the processors worked for this process so far, its threads together: other than time it does not grow with what else
/// the machine does. Linux alone says so.
fn worked() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let told = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    Duration::from_nanos(told.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
}

/// What the audit takes of a read: of its time, and of all the work, rows and signatures written.
async fn audit(mut gateway: Gateway) {
    gateway.node.audit_written().await;
    let (mut reads, before) = (Vec::with_capacity(EVENTS), worked());
    for round in 0..EVENTS {
        reads.push(gateway.timed(&ROUTES[0], round).await);
    }
    gateway.node.audit_written().await;
    let (read, work_of_read) = (median(reads), (worked() - before) / EVENTS as u32);
    let caller = Caller {
        who: "ehr".to_owned(),
        client: "ehr".to_owned(),
        scopes: record::scope::Scopes::parse("system/*.rs"),
        purpose: "TREAT".to_owned(),
        ..Caller::nobody()
    };
    let kind = fhir::ResourceType::parse("Patient").expect("a type");
    let served = gateway.node.read(&caller, kind, &gateway.patient).await.expect("the Patient");
    let (mut calls, begun) = (Vec::with_capacity(EVENTS), worked());
    for _ in 0..EVENTS {
        let shown = [&served];
        let event = Event {
            caller: Some(&caller),
            interaction: "read",
            kind: Some(kind),
            id: &gateway.patient,
            query: "",
            status: 200,
            request: "r",
            patient: "",
            read: &shown,
        };
        let one = Instant::now();
        gateway.node.audit(event).await;
        calls.push(one.elapsed());
    }
    gateway.node.audit_written().await;
    let work = (worked() - begun) / EVENTS as u32;
    gateway.node.close().await;
    let share = |part: Duration, whole: Duration| part.as_secs_f64() / whole.as_secs_f64();
    let call = median(calls);
    println!("\na read takes {read:?}, its audit {call:?} of that ({:.3})", share(call, read));
    println!("a read is {work_of_read:?} of work, its audit {work:?} of that ({:.3})", share(work, work_of_read));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut lone = Gateway::open(1, 0).await;
    let mut crowd = Gateway::open(CLIENTS, GRANTS).await;
    routes(&mut lone, &mut crowd).await;
    audit(lone).await;
}
