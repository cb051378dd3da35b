//! SIGKILL at any moment of a load loses no write that was acknowledged and leaves none half-written; on both databases.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tests::database::Database;
use tests::house::{self, observation};
use tests::http::Fhir;

/// How often the gateway is killed.
const ROUNDS: u64 = 4;
/// Clients that write at the same time.
const CLIENTS: usize = 4;
/// Observations of one transaction: all of them are there, or none.
const TOGETHER: usize = 7;

/// What a client was told is written.
#[derive(Default)]
struct Told {
    /// Ids of single creates, with the words they hold.
    singles: Vec<(String, String)>,
    /// The words that all entries of one transaction share.
    groups: Vec<String>,
    /// Words of transactions that were sent; they are whole or not there.
    sent: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_has_every_acknowledged_write() -> anyhow::Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
    println!("seed {seed}");
    for database in Database::all() {
        rounds(database, u64::from(seed)).await.with_context(|| format!("{database:?}, seed {seed}"))?;
    }
    Ok(())
}

async fn rounds(database: Database, mut seed: u64) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", database).await?;
    let first = Fhir::of(&process).await?;
    let patient = house::create(&first, json!({ "resourceType": "Patient" })).await?;
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let fhir = Arc::new(Fhir::new(&process.text("fhir"), &first.token));
        let (over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = (0..CLIENTS).map(|client| {
            let name = format!("r{round}c{client}");
            tokio::spawn(write(fhir.clone(), patient.clone(), name, over.clone(), acknowledged.clone()))
        });
        let clients = clients.collect::<Vec<_>>();
        // The moment: after so many writes, then somewhere inside the next.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (after, spins) = ((seed >> 33) % 40 + 1, (seed >> 40) % 2000);
        tests::wait::until("some writes are acknowledged", || async {
            (acknowledged.load(Ordering::SeqCst) as u64 >= after).then_some(())
        })
        .await;
        for _ in 0..spins {
            tokio::task::yield_now().await;
        }
        process.kill().await?;
        over.store(true, Ordering::SeqCst);
        for client in clients {
            let one = client.await??;
            told.singles.extend(one.singles);
            told.groups.extend(one.groups);
            told.sent.extend(one.sent);
        }
        process.restart().await?;
        check(&Fhir::new(&process.text("fhir"), &first.token), &patient, &told).await?;
        process.verify().await?;
    }
    house::verify_and_reindex(&mut process).await
}

/// Writes until the gateway is gone: a single Observation, then a transaction, and so on.
async fn write(
    fhir: Arc<Fhir>,
    patient: String,
    name: String,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> anyhow::Result<Told> {
    let mut told = Told::default();
    for number in 0.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let words = format!("{name}n{number}");
        if number % 2 == 0 {
            let Ok((status, answer)) = fhir.post("Observation", coded(&patient, &words)).await else { break };
            if status == 201 {
                let id = answer["id"].as_str().map(str::to_owned);
                // A body cut off after its head was sent says nothing about the id; the search below would.
                told.singles.extend(id.map(|id| (id, words)));
            } else {
                ensure!(answer.is_null() || status >= 500, "{status} {answer}");
            }
        } else {
            told.sent.push(words.clone());
            let entry =
                json!({ "request": { "method": "POST", "url": "Observation" }, "resource": coded(&patient, &words) });
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": vec![entry; TOGETHER] });
            let Ok((status, answer)) = fhir.post("", bundle).await else { break };
            if status == 200 {
                told.groups.push(words);
            } else {
                ensure!(answer.is_null() || status >= 500, "{status} {answer}");
            }
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    Ok(told)
}

fn coded(patient: &str, words: &str) -> Value {
    let mut observation = observation(patient, words);
    observation["code"]["coding"] = json!([{ "system": "urn:test", "code": words }]);
    observation
}

/// Everything acknowledged is there, and nothing is there in part.
async fn check(fhir: &Fhir, patient: &str, told: &Told) -> anyhow::Result<()> {
    for (id, words) in &told.singles {
        let (status, found) = fhir.get(&format!("Observation/{id}")).await?;
        ensure!(status == 200 && found["code"]["text"] == **words, "{words} is lost: {status} {found}");
        ensure!(found["subject"]["reference"] == format!("Patient/{patient}"), "{found}");
        ensure!(fhir.total(&format!("Observation?code=urn:test%7C{words}")).await? == 1, "{words} is not found once");
    }
    for words in &told.groups {
        let total = fhir.total(&format!("Observation?code=urn:test%7C{words}")).await?;
        ensure!(total == TOGETHER as u64, "{words} was acknowledged and is there {total} times");
    }
    for words in &told.sent {
        let total = fhir.total(&format!("Observation?code=urn:test%7C{words}")).await?;
        ensure!(total == 0 || total == TOGETHER as u64, "{words} is half-written: {total}");
    }
    Ok(())
}
