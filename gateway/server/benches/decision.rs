//! What it costs to know who calls and what the token may do, with a thousand clients registered: of a token that was seen a
//! moment ago, by one client and by a thousand in turn. `cargo bench -p server --bench decision`.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use criterion::{Criterion, criterion_group, criterion_main};
use node::{Config, Node, Role};
use server::bench::Decision;
use server::{Settings, token};
use std::time::Duration;

const CLIENTS: usize = 1_000;

async fn tokens(node: &Node) -> Vec<HeaderMap> {
    let mut all = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let scope = "system/Patient.rs system/Observation.rs system/Condition.cruds";
        let client = node.add_client(&format!("client-{number}"), scope, None).await.expect("a client is added");
        let token = token::issue(node, &client, Duration::from_secs(3600)).await.expect("a token is issued");
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token makes a header");
        all.push(HeaderMap::from_iter([(AUTHORIZATION, value)]));
    }
    all
}

fn decision(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config {
        data: folder.path().to_owned(),
        database_url: format!("sqlite://{}/node.db", folder.path().display()),
        identity: folder.path().join("identity").into(),
        passphrase: None,
        name: "Bench".to_owned(),
        role: Role::Gateway,
        validation: fhir::validate::Mode::default(),
    };
    let (gateway, headers) = runtime.block_on(async {
        let node = Node::open(config).await.expect("a node opens");
        let headers = tokens(&node).await;
        (Decision::new(Settings::new("http://hospital.test"), node), headers)
    });
    let kind = fhir::ResourceType::parse("Observation").expect("a type of R4");
    criterion.bench_function("token and decision, one client", |bencher| {
        bencher.iter(|| assert!(runtime.block_on(gateway.may_read(&headers[0], kind))));
    });
    let mut turn = 0;
    criterion.bench_function("token and decision, a thousand clients in turn", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % CLIENTS;
            assert!(runtime.block_on(gateway.may_read(&headers[turn], kind)));
        });
    });
}

criterion_group!(benches, decision);
criterion_main!(benches);
