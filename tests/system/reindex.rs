//! SIGKILL in the middle of a job of `$reindex`: the next start goes on with it, and everything is found, what was written
//! meanwhile included; on both databases.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::database::Database;
use tests::house;
use tests::http::Fhir;
use tests::process::run;
use tests::wait::until;

/// Patients at the beginning.
const PATIENTS: usize = 300;
/// How often the gateway is killed while the job runs.
const KILLS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_killed_goes_on_at_the_next_start() -> anyhow::Result<()> {
    for database in Database::all() {
        goes_on(database).await.with_context(|| format!("{database:?}"))?;
    }
    Ok(())
}

async fn goes_on(database: Database) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", database).await?;
    let mut fhir = Fhir::of(&process).await?;
    let entry = |number: usize| json!({ "request": { "method": "PUT", "url": format!("Patient/p{number}") }, "resource": patient(number) });
    let entries = (0..PATIENTS).map(entry).collect::<Vec<_>>();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    let (status, answer) = fhir.post("", bundle).await?;
    ensure!(status == 200, "{status} {answer}");
    // The second keeps the job busy for seconds.
    let nine = "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)";
    let slow = format!("{nine}.select({nine}.select({nine}.select({nine}))).count()");
    for (code, kind, expression) in
        [("eye", "token", "Patient.extension.where(url = 'http://a/eye').value"), ("slow", "number", &*slow)]
    {
        let definition = json!({ "resourceType": "SearchParameter", "id": code, "url": format!("http://a/{code}"),
            "name": code, "status": "active", "description": "of a test", "code": code, "type": kind,
            "base": ["Patient"], "expression": expression });
        let (status, answer) = fhir.put(&format!("SearchParameter/{code}"), definition).await?;
        ensure!(status == 201, "{status} {answer}");
    }
    let begun = fhir.send(Method::POST, "$reindex", None).await?;
    ensure!(begun.status() == 202, "{}", begun.text().await?);
    let url = begun.headers()["content-location"].to_str()?.to_owned();
    let job = url.strip_prefix(&format!("{}/", fhir.base)).context("the job is at this gateway")?.to_owned();
    let mut before = 0;
    for kill in 0..KILLS {
        until("the job has gone further", || async { (done(&fhir, &job).await? > before).then_some(()) }).await;
        before = done(&fhir, &job).await.context("the job ended before it could be killed")?;
        let (status, answer) = fhir.put(&format!("Patient/p{}", PATIENTS + kill), patient(PATIENTS + kill)).await?;
        ensure!(status == 201, "{status} {answer}");
        process.kill().await?;
        process.restart().await?;
        fhir = Fhir::new(&process.text("fhir"), &fhir.token);
        let (status, answer) = fhir.get("Patient?eye=blue").await?;
        ensure!(status == 400 && answer.to_string().contains("is being indexed"), "{status} {answer}");
        ensure!(done(&fhir, &job).await.context("the job is there after a start")? >= before, "the job fell back");
    }
    until("the job ends", || async { (fhir.get(&job).await.ok()?.0 == 200).then_some(()) }).await;
    let (_, outcome) = fhir.get(&job).await?;
    ensure!(outcome["issue"].as_array().is_some_and(|issues| issues.len() == 2), "{outcome}");
    let total = fhir.total("Patient?eye=blue&_total=accurate").await?;
    ensure!(total == (PATIENTS + KILLS) as u64, "{total} are found");
    house::verify_and_reindex(&mut process).await?;
    let said = run(&["reindex", "--data", &process.data.display().to_string()]).await?;
    ensure!(said.contains("SearchParameter/eye: Patient can be searched by eye"), "{said}");
    Ok(())
}

fn patient(number: usize) -> Value {
    json!({ "resourceType": "Patient", "id": format!("p{number}"),
        "extension": [{ "url": "http://a/eye", "valueCode": "blue" }] })
}

/// How many resources the job has gone through; none once it has ended.
async fn done(fhir: &Fhir, job: &str) -> Option<usize> {
    let answer = fhir.send(Method::GET, job, None).await.ok()?;
    let progress = answer.headers().get("x-progress")?.to_str().ok()?.to_owned();
    progress.split(' ').next()?.parse().ok()
}
