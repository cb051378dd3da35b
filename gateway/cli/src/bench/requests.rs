//! What clients ask of a gateway: loads, reads, a token search, creates. Called by `bench`.

use super::place::Place;
use super::{Figure, rate, timed};
use anyhow::Context;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// Clients that read and write at once where nothing else is said.
const CLIENTS: usize = 8;

/// Runs `work` for every number below `count`, `clients` at once.
async fn spread<F, Fut>(clients: usize, count: usize, work: F) -> anyhow::Result<()>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let next = AtomicUsize::new(0);
    let one = || async {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return anyhow::Ok(());
            }
            work(at).await?;
        }
    };
    let all = (0..clients).map(|_| Box::pin(one())).collect::<Vec<_>>();
    join(all).await
}

/// Runs futures side by side on this task; the first error ends them.
async fn join(futures: Vec<std::pin::Pin<Box<impl Future<Output = anyhow::Result<()>>>>>) -> anyhow::Result<()> {
    let mut running = futures;
    std::future::poll_fn(move |context| {
        let mut failed = None;
        running.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(Ok(())) => false,
            std::task::Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => std::task::Poll::Ready(Err(error)),
            None if running.is_empty() => std::task::Poll::Ready(Ok(())),
            None => std::task::Poll::Pending,
        }
    })
    .await
}

/// Loads every bundle once.
pub(super) async fn load(place: &Place, bundles: &[(String, usize)], clients: usize) -> anyhow::Result<Duration> {
    let work = |at: usize| async move {
        let answer = place.post("", bundles[at].0.clone()).await?;
        answer.bytes().await?;
        Ok(())
    };
    let ((), took) = timed(spread(clients, bundles.len(), work)).await?;
    Ok(took)
}

/// Reads by id, beside a bare handler that selects the same frames by primary key.
pub(super) async fn reads(place: &Place, count: usize) -> anyhow::Result<Vec<Figure>> {
    let store = place.store().await?;
    let positions = Arc::new(store.positions(count as i64).await?);
    let first: Value = place
        .http
        .get(format!("{}/Observation?_count=1000", place.base))
        .bearer_auth(&place.token)
        .send()
        .await?
        .json()
        .await?;
    let ids = first["entry"].as_array().context("there are no Observations")?;
    let ids = ids.iter().filter_map(|entry| entry["resource"]["id"].as_str()).map(str::to_owned).collect::<Vec<_>>();
    let find: server::bench::Find = {
        let store = store.clone();
        Arc::new(move |position| {
            let store = store.clone();
            Box::pin(async move { store.bare_read(position).await.ok() })
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bare = format!("http://{}", listener.local_addr()?);
    tokio::spawn(server::serve(
        listener,
        server::Transport::default(),
        server::bench::bare(find),
        std::future::pending(),
    ));
    let ids = &ids;
    let ours = |at: usize| async move { place.get(&format!("/Observation/{}", ids[at % ids.len()])).await.map(drop) };
    let (positions, bare) = (&positions, &bare);
    let theirs = |at: usize| async move {
        let answer = place.http.get(format!("{bare}/{}", positions[at % positions.len()])).send().await?;
        answer.bytes().await?;
        anyhow::Ok(())
    };
    // One round of each first, so that both run on warm caches.
    spread(CLIENTS, count / 5, ours).await?;
    spread(CLIENTS, count / 5, theirs).await?;
    let ((), our_time) = timed(spread(CLIENTS, count, ours)).await?;
    let ((), their_time) = timed(spread(CLIENTS, count, theirs)).await?;
    Ok(vec![Figure {
        what: format!("GET by id, {CLIENTS} clients, with token and audit"),
        ours: rate(count, our_time),
        unit: "reads/s",
        limit: Some(("bare handler, same frames by primary key", rate(count, their_time))),
    }])
}

/// A search by a token.
pub(super) async fn search(place: &Place, count: usize) -> anyhow::Result<Figure> {
    let work = |_| async move { place.get("/Observation?code=http://loinc.org%7C8302-2&_count=10").await.map(drop) };
    let count = count / 5;
    let ((), took) = timed(spread(CLIENTS, count, work)).await?;
    Ok(Figure {
        what: format!("token search, 10 of its matches, with total, {CLIENTS} clients"),
        ours: rate(count, took),
        unit: "searches/s",
        limit: None,
    })
}

/// Single creates, alone and side by side.
pub(super) async fn creates(place: &Place, count: usize) -> anyhow::Result<Vec<Figure>> {
    let found: Value = place
        .http
        .get(format!("{}/Patient?_count=50", place.base))
        .bearer_auth(&place.token)
        .send()
        .await?
        .json()
        .await?;
    let patients = found["entry"].as_array().context("there are no Patients")?;
    let patients = patients.iter().filter_map(|entry| entry["resource"]["id"].as_str()).collect::<Vec<_>>();
    let patients = &patients;
    let mut figures = Vec::new();
    for clients in [1, 16, 64] {
        let count = if clients == 1 { count / 10 } else { count };
        let work = |at: usize| async move {
            let body = json!({
                "resourceType": "Observation",
                "status": "final",
                "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7", "display": "Body Weight" }] },
                "subject": { "reference": format!("Patient/{}", patients[at % patients.len()]) },
                "effectiveDateTime": "2026-01-02T03:04:05Z",
                "valueQuantity": { "value": 70.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" },
            });
            place.post("/Observation", body.to_string()).await?.bytes().await?;
            anyhow::Ok(())
        };
        let ((), took) = timed(spread(clients, count, work)).await?;
        figures.push(Figure {
            what: format!("create, {clients} client{}", if clients == 1 { "" } else { "s" }),
            ours: rate(count, took),
            unit: "creates/s",
            limit: None,
        });
    }
    Ok(figures)
}

/// Four clients that all write the same directory resources, each transaction with an Observation that names them.
pub(super) async fn same_directory(place: &Place, rounds: usize) -> anyhow::Result<Figure> {
    let work = |at: usize| async move {
        let directory = (0..10).map(|number| {
            json!({
                "resource": { "resourceType": "Practitioner", "id": format!("d{number}"), "name": [{ "family": format!("Name {at}") }] },
                "request": { "method": "PUT", "url": format!("Practitioner/d{number}") },
            })
        });
        let body = json!({ "resourceType": "Bundle", "type": "transaction", "entry": directory.collect::<Vec<_>>() });
        place.post("", body.to_string()).await?.bytes().await?;
        anyhow::Ok(())
    };
    let ((), took) = timed(spread(4, rounds, work)).await?;
    Ok(Figure {
        what: "4 clients updating the same 10 directory resources by transaction".into(),
        ours: rate(rounds * 10, took),
        unit: "resources/s",
        limit: None,
    })
}
