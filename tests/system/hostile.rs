//! What a hospital cannot choose: a disk that is full, a peer whose ops do not verify. The process stays up, says so, and
//! has nothing half-written; when the cause is gone it goes on.

use anyhow::{Context, ensure};
use serde_json::json;
use store::Store;
use tempfile::TempDir;
use tests::database::Database;
use tests::house::{self, House, SYNTHEA, observation};
use tests::http::Fhir;
use tests::page::Page;
use tests::wait::until;

/// No file of the process may grow beyond this: little more than an empty database has.
const FILE_KIB_MAX: u64 = 1536;
/// Writes that are tried before the disk must have been full.
const WRITES_MAX: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_loses_none() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let token = process.token().await?;
    process.stop().await?;
    process.limit_files(Some(FILE_KIB_MAX));
    process.restart().await?;
    let fhir = Fhir::new(&process.text("fhir"), &token);
    let patient = house::create(&fhir, json!({ "resourceType": "Patient" })).await?;

    let (mut told, mut refused) = (Vec::new(), None);
    for number in 0..WRITES_MAX {
        let words = format!("{number} {}", "x".repeat(8000));
        let (status, answer) = fhir.post("Observation", observation(&patient, &words)).await?;
        match status {
            201 => told.push(answer["id"].as_str().context("an id")?.to_owned()),
            _ => {
                refused = Some((status, answer));
                break;
            }
        }
    }
    let (status, answer) = refused.context("the disk was never full")?;
    ensure!((500..=599).contains(&status), "a full disk is the server's fault: {status}");
    ensure!(answer["resourceType"] == "OperationOutcome", "it says what happened: {answer}");
    // It still reads, and still refuses.
    for id in &told {
        let (status, _) = fhir.get(&format!("Observation/{id}")).await?;
        ensure!(status == 200, "what was acknowledged is read: {status}");
    }
    let (status, _) = fhir.post("Observation", observation(&patient, &"y".repeat(100_000))).await?;
    ensure!(status >= 500, "there is still no room: {status}");

    // Room again.
    process.kill().await?;
    process.limit_files(None);
    process.restart().await?;
    let fhir = Fhir::new(&process.text("fhir"), &token);
    ensure!(fhir.total(&format!("Observation?patient={patient}")).await? == told.len() as u64, "all that was told");
    house::create(&fhir, observation(&patient, "after it")).await?;
    house::verify_and_reindex(&mut process).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_op_that_was_tampered_with_is_refused_and_the_rest_goes_on() -> anyhow::Result<()> {
    let mut house = House::start(Database::Sqlite).await?;
    let patient = house::load(&house.at_a, SYNTHEA[0]).await?;
    let mut page = Page::plain()?;
    page.open(&house.patient.text("login")).await?;
    house::hand_over(&house.at_a, &mut page, &patient).await?;
    house::create(&house.at_a, observation(&patient, "Before")).await?;
    shows(&mut page, "Before").await;

    // While the patient's node is away, A writes, and somebody at A changes the op in the database.
    let (at_a, at_patient) = (house.a.ready.clone(), house.patient.ready.clone());
    house.patient.stop().await?;
    house::create(&house.at_a, observation(&patient, "Tampered with")).await?;
    house.a.stop().await?;
    let url = format!("sqlite://{}", house.a.data.join("chartwell.db").display());
    let last = "(SELECT MAX(position) FROM log_ops WHERE kind = 1)";
    change(
        &url,
        &[
            &format!("CREATE TABLE kept AS SELECT id, signature FROM log_ops WHERE position = {last}"),
            &format!("UPDATE log_ops SET signature = zeroblob(64) WHERE position = {last}"),
        ],
    )
    .await?;
    house.a.again_on(&at_a).await?;
    house.patient.again_on(&at_patient).await?;
    let log = house.patient.data.join("log.txt");
    until("the patient's node says that an op does not verify", || async {
        std::fs::read_to_string(&log).ok()?.contains("does not verify").then_some(())
    })
    .await;
    house.patient.verify().await?;
    page.open(&house.patient.text("login")).await?;
    ensure!(!page.words("/timeline").await?.contains("Tampered with"), "nothing of it is shown");

    // A puts the op back as it was signed.
    house.a.stop().await?;
    let back = "UPDATE log_ops SET signature = (SELECT signature FROM kept) WHERE id = (SELECT id FROM kept)";
    change(&url, &[back, "DROP TABLE kept"]).await?;
    house.a.again_on(&at_a).await?;
    shows(&mut page, "Tampered with").await;
    for process in [&mut house.a, &mut house.patient] {
        house::verify_and_reindex(process).await?;
    }
    Ok(())
}

async fn change(url: &str, statements: &[&str]) -> anyhow::Result<()> {
    let store = Store::open(url).await?;
    for sql in statements {
        store.run(sql).await?;
    }
    store.close().await;
    Ok(())
}

/// Waits until the patient's timeline shows `words`.
async fn shows(page: &mut Page, words: &str) {
    let page = tokio::sync::Mutex::new(page);
    until(&format!("the timeline shows {words}"), || async {
        let found = page.lock().await.words("/timeline").await.ok()?;
        found.contains(words).then_some(())
    })
    .await;
}
