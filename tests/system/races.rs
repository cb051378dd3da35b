//! Two gateway processes of one hospital over one Postgres, asked for the same by many clients at once: a condition makes
//! exactly one, and no write is lost.

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;
use tests::database::Database;
use tests::house::{self, LISTEN};
use tests::http::Fhir;
use tests::process::Process;

/// How many ask at once.
const AT_ONCE: usize = 200;

/// Processes of one hospital: one on SQLite, two on Postgres.
async fn hospital(folder: &TempDir, database: Database) -> anyhow::Result<Vec<Process>> {
    let first = house::gateway(folder.path(), "Hospital A", database).await?;
    if database == Database::Sqlite {
        return Ok(vec![first]);
    }
    let told = std::fs::read_to_string(first.data.join("node.json"))?;
    let told: Value = serde_json::from_str(&told)?;
    let url = told["database_url"].as_str().context("node.json names its database")?.to_owned();
    let identity = first.data.join("identity.json").display().to_string();
    let more = ["--name", "Hospital A", "--database-url", &url, "--identity", &identity];
    let second = Process::start("gateway", &folder.path().join("second"), &[&LISTEN[..], &more].concat()).await?;
    Ok(vec![first, second])
}

/// Sends the same request many times at once, in turns to each process; what each was answered.
async fn at_once(
    bases: &[String],
    token: &str,
    request: impl Fn(&Client, &str) -> reqwest::RequestBuilder,
) -> anyhow::Result<Vec<(u16, String)>> {
    let client = Client::new();
    let sent = (0..AT_ONCE).map(|at| {
        let request = request(&client, &bases[at % bases.len()]).bearer_auth(token);
        let request = request.header("content-type", "application/fhir+json");
        tokio::spawn(async move {
            let answer = request.send().await?;
            let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
            let id = location.and_then(|location| location.split("Patient/").nth(1)?.split('/').next());
            anyhow::Ok((answer.status().as_u16(), id.unwrap_or_default().to_owned()))
        })
    });
    let mut answers = Vec::new();
    for one in sent.collect::<Vec<_>>() {
        answers.push(one.await??);
    }
    Ok(answers)
}

fn patient(value: &str) -> String {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:x", "value": value }] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_makes_exactly_one_over_every_process() -> anyhow::Result<()> {
    for database in Database::all() {
        let folder = TempDir::new()?;
        let mut processes = hospital(&folder, database).await?;
        let fhir = Arc::new(Fhir::of(&processes[0]).await?);
        let bases = processes.iter().map(|process| process.text("fhir")).collect::<Vec<_>>();

        // https://hl7.org/fhir/R4/http.html#ccreate
        let answers = at_once(&bases, &fhir.token, |client, base| {
            let request = client.request(Method::POST, format!("{base}/Patient"));
            request.header("if-none-exist", "identifier=urn:x|made").body(patient("made"))
        });
        let answers = answers.await?;
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        ensure!(made == 1, "{database:?}: {made} were made: {answers:?}");
        ensure!(answers.iter().all(|(status, _)| matches!(status, 200 | 201)), "{database:?}: {answers:?}");
        let ids = answers.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>();
        ensure!(ids.len() == 1, "{database:?}: everybody is told of the same one: {ids:?}");
        ensure!(fhir.total("Patient?identifier=urn:x%7Cmade").await? == 1, "and there is one");

        // https://hl7.org/fhir/R4/http.html#cond-update
        let answers = at_once(&bases, &fhir.token, |client, base| {
            client.request(Method::PUT, format!("{base}/Patient?identifier=urn:x|put")).body(patient("put"))
        });
        let answers = answers.await?;
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        ensure!(made == 1, "{database:?}: {made} were made: {answers:?}");
        ensure!(answers.iter().all(|(status, _)| matches!(status, 200 | 201)), "{database:?}: {answers:?}");
        let (_, found) = fhir.get("Patient?identifier=urn:x%7Cput").await?;
        ensure!(found["total"] == 1, "{database:?}: {found}");
        let id = found["entry"][0]["resource"]["id"].as_str().context("a Patient has an id")?.to_owned();
        let versions = fhir.total(&format!("Patient/{id}/_history?_count=1")).await?;
        ensure!(versions == AT_ONCE as u64, "{database:?}: {versions} versions of {AT_ONCE} updates");

        for process in &mut processes {
            process.stop().await?;
        }
        processes[0].verify().await?;
    }
    Ok(())
}
