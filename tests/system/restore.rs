//! A hospital that puts last night's database back takes its own ops back from the patient's node, and goes on without a
//! fork.

use anyhow::ensure;
use std::path::Path;
use tempfile::TempDir;
use tests::database::Database;
use tests::house::{self, House, SYNTHEA, observation};
use tests::http::Fhir;
use tests::page::Page;
use tests::wait::until;

/// The files of a SQLite database, with what it has not yet folded in.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let name = format!("chartwell.db{ending}");
        let (from, to) = (from.join(&name), to.join(&name));
        std::fs::remove_file(&to).ok();
        if from.exists() {
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}

async fn has(fhir: &Fhir, patient: &str, words: &str) -> bool {
    let Ok((200, bundle)) = fhir.get(&format!("Observation?patient={patient}&_count=500")).await else { return false };
    bundle["entry"].as_array().into_iter().flatten().any(|entry| entry["resource"]["code"]["text"] == words)
}

/// How many entries the patient's timeline says were written, once it has at least `wanted`.
async fn written(page: &mut Page, wanted: usize) -> usize {
    let page = tokio::sync::Mutex::new(page);
    until(&format!("the patient has {wanted} entries of A"), || async {
        let mut page = page.lock().await;
        page.go("/timeline").await.ok()?;
        let moments = page.html().await.ok()?.all("[data-kind=written]").len();
        (moments >= wanted).then_some(moments)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_does_not_fork() -> anyhow::Result<()> {
    let mut house = House::start(Database::Sqlite).await?;
    let patient = house::load(&house.at_a, SYNTHEA[0]).await?;
    let mut page = Page::plain()?;
    page.open(&house.patient.text("login")).await?;
    house::hand_over(&house.at_a, &mut page, &patient).await?;
    house::create(&house.at_a, observation(&patient, "Before the night")).await?;
    let changed = house::create(&house.at_a, observation(&patient, "To be changed")).await?;
    let before = written(&mut page, 3).await;

    // Last night.
    let ready = house.a.ready.clone();
    house.a.stop().await?;
    let night = TempDir::new()?;
    copy(&house.a.data, night.path())?;

    // The day: it reaches the patient's node.
    house.a.again_on(&ready).await?;
    for number in 0..5 {
        house::create(&house.at_a, observation(&patient, &format!("By day {number}"))).await?;
    }
    let mut by_day = observation(&patient, "Changed by day");
    by_day["id"] = changed.as_str().into();
    let (status, _) = house.at_a.put(&format!("Observation/{changed}"), by_day).await?;
    ensure!(status == 200, "it is changed: {status}");
    written(&mut page, before + 6).await;

    // The disk fails, and the night comes back.
    house.a.kill().await?;
    copy(night.path(), &house.a.data)?;
    house.a.restart().await?;
    let fhir = &house.at_a;
    until("A has its own day back", || async { has(fhir, &patient, "By day 4").await.then_some(()) }).await;
    for number in 0..5 {
        ensure!(has(fhir, &patient, &format!("By day {number}")).await, "By day {number} came back");
    }
    ensure!(has(fhir, &patient, "Before the night").await, "what the night had is there");
    until("what was changed by day is changed", || async { has(fhir, &patient, "Changed by day").await.then_some(()) })
        .await;
    ensure!(!has(fhir, &patient, "To be changed").await, "the version of the night is not current any more");

    // It goes on where it was: no second op takes a number that the patient's node knows already.
    house::create(fhir, observation(&patient, "After the restore")).await?;
    written(&mut page, before + 7).await;
    for process in [&mut house.a, &mut house.patient] {
        house::verify_and_reindex(process).await?;
    }
    let log = std::fs::read_to_string(house.patient.data.join("log.txt"))?;
    ensure!(!log.to_lowercase().contains("fork"), "the patient's node saw no fork");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_right_after_a_restore_does_not_fork() -> anyhow::Result<()> {
    let mut house = House::start(Database::Sqlite).await?;
    let patient = house::load(&house.at_a, SYNTHEA[0]).await?;
    let mut page = Page::plain()?;
    page.open(&house.patient.text("login")).await?;
    house::hand_over(&house.at_a, &mut page, &patient).await?;
    let before = written(&mut page, 1).await;
    let ready = house.a.ready.clone();
    house.a.stop().await?;
    let night = TempDir::new()?;
    copy(&house.a.data, night.path())?;
    house.a.again_on(&ready).await?;
    house::create(&house.at_a, observation(&patient, "By day")).await?;
    written(&mut page, before + 1).await;
    // The patient's node is away when the old database comes back, and A writes before they meet again.
    let theirs = house.patient.ready.clone();
    house.patient.stop().await?;
    house.a.kill().await?;
    copy(night.path(), &house.a.data)?;
    house.a.restart().await?;
    house::create(&house.at_a, observation(&patient, "Too early")).await?;
    house.patient.again_on(&theirs).await?;
    page.open(&house.patient.text("login")).await?;
    written(&mut page, before + 2).await;
    let fhir = &house.at_a;
    for words in ["By day", "Too early"] {
        until(&format!("A has {words}"), || async { has(fhir, &patient, words).await.then_some(()) }).await;
    }
    for process in [&house.a, &house.patient] {
        process.verify().await?;
    }
    Ok(())
}
