//! What scripts rely on: the files a process writes, whom it refuses, what its commands say and how they end.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tempfile::TempDir;
use tests::database::{Database, POSTGRES};
use tests::house::{self, LISTEN, SYNTHEA, observation};
use tests::http::Fhir;
use tests::process::{Process, command, run};
use tests::wait::until;

/// Longest time a command that must refuse may take.
const REFUSAL_MAX: Duration = Duration::from_secs(60);

/// Runs a command that must fail, and returns what it said.
pub(crate) async fn refused(arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let ran = command()?.args(arguments).stdin(std::process::Stdio::null()).output();
    let output = tokio::time::timeout(REFUSAL_MAX, ran).await.context("it does not end")??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(!output.status.success(), "{} succeeds: {said}", arguments.join(" "));
    Ok((output.status.code().unwrap_or_default(), said))
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_json_is_there_while_the_process_is() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut gateway = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let mut patient = house::patient(folder.path()).await?;
    let check = |process: &Process, names: &[&str]| -> anyhow::Result<()> {
        let file = process.data.join("ready.json");
        ensure!(std::fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600, "others can read {}", file.display());
        for name in names {
            ensure!(process.text(name).starts_with("http://127.0.0.1:"), "{name} in {}", process.ready);
            ensure!(!process.text(name).contains(":0/"), "a real port in {}", process.ready);
        }
        let p2p = process.ready["p2p"].as_array().context("p2p is a list")?;
        ensure!(!p2p.is_empty() && p2p.iter().all(|at| !at.to_string().contains("tcp/0")), "{}", process.ready);
        ensure!(process.ready["pid"].is_u64(), "{}", process.ready);
        Ok(())
    };
    check(&gateway, &["fhir"])?;
    check(&patient, &["page", "login"])?;
    ensure!(gateway.text("fhir").ends_with("/fhir"), "{}", gateway.ready);
    for process in [&mut gateway, &mut patient] {
        process.stop().await?;
        ensure!(!process.data.join("ready.json").exists(), "ready.json stays behind");
    }
    // Killed, it leaves its file; the next start replaces it.
    gateway.restart().await?;
    gateway.kill().await?;
    ensure!(gateway.data.join("ready.json").exists(), "a killed process removes nothing");
    gateway.restart().await?;
    gateway.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_identity_is_refused() -> anyhow::Result<()> {
    for database in Database::all() {
        let folder = TempDir::new()?;
        let data = folder.path().join("one");
        let url = database.fresh(&data).await?;
        let arguments = [&LISTEN[..], &["--database-url", &url]].concat();
        let mut one = Process::start("gateway", &data, &arguments).await?;
        one.stop().await?;
        let other = text(&folder.path().join("other"));
        let (code, said) = refused(
            &[&["gateway", "--data", &other, "--listen", "127.0.0.1:0"][..], &["--database-url", &url]].concat(),
        )
        .await?;
        ensure!(code == 1 && said.contains("identity"), "{database:?}, {code}: {said}");
        ensure!(!said.contains("panicked") && said.trim().lines().count() <= 3, "a clear line: {said}");
        one.restart().await?;
        one.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_changed_while_the_gateway_runs() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let data = text(&process.data);
    let add =
        async |scope: &'static str| run(&["client", "add", "--data", &data, "--name", "ehr", "--scope", scope]).await;
    let first = add("system/*.rs").await?;
    let token = run(&["token", "--data", &data, "--client", "ehr"]).await?;
    ensure!(token.lines().count() == 1 && token.split('.').count() == 3, "a token alone: {token}");
    let fhir = Fhir::new(&process.text("fhir"), &token);
    ensure!(fhir.get("Patient").await?.0 == 200, "it may read");
    let (status, outcome) = fhir.post("Patient", json!({ "resourceType": "Patient" })).await?;
    ensure!(status == 403 && outcome["resourceType"] == "OperationOutcome", "it may not write: {status} {outcome}");
    ensure!(add("system/*.cruds").await? == first, "the same client");
    let token = run(&["token", "--data", &data, "--client", "ehr"]).await?;
    let wide = Fhir::new(&process.text("fhir"), &token);
    ensure!(wide.post("Patient", json!({ "resourceType": "Patient" })).await?.0 == 201, "now it may write");
    ensure!(add("system/*.rs").await? == first, "the same client");
    // A token that was checked a moment ago is remembered for half a second, so this one is waited for.
    until("a token does no more than its client may now", || async {
        let (status, _) = wide.post("Patient", json!({ "resourceType": "Patient" })).await.ok()?;
        (status == 403).then_some(())
    })
    .await;
    process.stop().await?;
    // No gateway runs; the token is good once one does.
    let token = run(&["token", "--data", &data, "--client", "ehr"]).await?;
    process.restart().await?;
    ensure!(Fhir::new(&process.text("fhir"), &token).get("Patient").await?.0 == 200, "made without a gateway");
    let (code, said) = refused(&["token", "--data", &data, "--client", "nobody"]).await?;
    ensure!(code == 1 && said.contains("nobody"), "{said}");
    process.stop().await
}

/// `N words, N words` of the last two lines.
fn is_count(line: &str, names: &[&str]) -> bool {
    let parts = line.split(", ").collect::<Vec<_>>();
    parts.len() == names.len()
        && parts
            .iter()
            .zip(names)
            .all(|(part, name)| part.strip_suffix(name).is_some_and(|number| number.trim().parse::<u64>().is_ok()))
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_damage() -> anyhow::Result<()> {
    for database in Database::all() {
        let damages = [
            ("DELETE FROM cache_token WHERE position = (SELECT max(position) FROM cache_token)", None),
            ("DELETE FROM cache_versions WHERE position = (SELECT max(position) FROM cache_versions)", None),
            (
                "UPDATE log_frames SET bytes = (SELECT signature FROM log_ops ORDER BY position LIMIT 1) WHERE place = 1",
                Some("3.6"),
            ),
            ("UPDATE log_ops SET signature = (SELECT signature FROM log_ops ORDER BY position LIMIT 1)", Some("2.7")),
            (
                "UPDATE log_frames SET op = (SELECT id FROM log_ops WHERE kind = 1 LIMIT 1), place = 7000 WHERE place = 1 \
              AND op = (SELECT id FROM log_ops WHERE kind = 1 ORDER BY position DESC LIMIT 1)",
                Some("3.6"),
            ),
            ("DELETE FROM log_ops WHERE position = (SELECT max(position) FROM log_ops WHERE kind = 1)", None),
            (
                "DELETE FROM log_ops WHERE position = (SELECT min(position) FROM log_ops WHERE kind = 1 AND seq = 1)",
                Some("2.5"),
            ),
        ];
        for (damage, rule) in damages {
            let folder = TempDir::new()?;
            let data = folder.path().join("Hospital-A");
            let url = database.fresh(&data).await?;
            let arguments = [&LISTEN[..], &["--database-url", &url]].concat();
            let mut process = Process::start("gateway", &data, &arguments).await?;
            let fhir = Fhir::of(&process).await?;
            let patient = house::create(&fhir, json!({ "resourceType": "Patient" })).await?;
            for number in 0..3 {
                house::create(&fhir, observation(&patient, &format!("value {number}"))).await?;
            }
            process.stop().await?;
            let clean = process.verify().await?;
            let lines = clean.lines().collect::<Vec<_>>();
            ensure!(is_count(lines[lines.len() - 2], &["control ops", "access ops"]), "{clean}");
            ensure!(is_count(lines[lines.len() - 1], &["change ops", "frames", "versions", "index rows"]), "{clean}");
            let store = Store::open(&url).await?;
            ensure!(store.run(damage).await? > 0, "{damage} touches nothing");
            store.close().await;
            let (code, said) = refused(&["verify", "--data", &text(&data)]).await.context(damage)?;
            ensure!(code == 1 && said.contains("fault:"), "{database:?}, {damage}: {code} {said}");
            let last = said.lines().rfind(|line| line.ends_with("index rows")).context("it counts all the same")?;
            ensure!(is_count(last, &["change ops", "frames", "versions", "index rows"]), "{said}");
            in_json(&text(&data), rule).await.with_context(|| format!("{database:?}, {damage}"))?;
            if damage.contains("cache_") {
                run(&["reindex", "--data", &text(&data)]).await?;
                ensure!(process.verify().await?.lines().last() == clean.lines().last(), "reindex repairs {damage}");
            }
        }
    }
    Ok(())
}

/// The same report as an object: with the rule, words for a person, and a summary of the record.
async fn in_json(data: &str, rule: Option<&str>) -> anyhow::Result<()> {
    let output = command()?.args(["verify", "--json", "--data", data]).output().await?;
    ensure!(output.status.code() == Some(1), "a fault is an exit code too");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(report["ok"] == false && report["findings_count"].as_u64() > Some(0), "{report}");
    let findings = report["findings"].as_array().context("findings are a list")?;
    ensure!(findings.iter().any(|one| one["rule"].as_str() == rule), "none breaks rule {rule:?}: {report}");
    for one in findings {
        let sentence = |name: &str| one[name].as_str().is_some_and(|text| text.ends_with('.') && text.len() > 20);
        ensure!(sentence("meaning") && (sentence("advice")), "words for a person: {one}");
        ensure!(one["rule"].is_null() || one["op"].as_str().is_some_and(|op| op.len() == 52), "an op id: {one}");
    }
    let records = report["records"].as_array().context("records are a list")?;
    ensure!(records.len() == 2, "the house record and the patient's: {report}");
    for record in records {
        let writers = record["writers"].as_array().context("writers are a list")?;
        ensure!(writers.len() == 1 && writers[0]["name"] == "A hospital" && writers[0]["forked"] == false, "{record}");
        ensure!(writers[0]["ops"] == record["ops"] && record["conflicts"] == 0, "{record}");
        ensure!(record["frames"]["erased"] == 0 && record["quarantined"] == 0, "{record}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_of_one_hospital_are_one() -> anyhow::Result<()> {
    // Only by hand: `tests/run` always has Postgres.
    if std::env::var_os(POSTGRES).is_none() {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let url = Database::Postgres.fresh(&one).await?;
    let identity = text(&one.join("identity.json"));
    let shared = [&LISTEN[..], &["--database-url", &url, "--identity", &identity]].concat();
    let mut one = Process::start("gateway", &one, &shared).await?;
    let mut two = Process::start("gateway", &two, &shared).await?;
    let at_one = Arc::new(Fhir::of(&one).await?);
    let at_two = Arc::new(Fhir::new(&two.text("fhir"), &at_one.token));
    let patient = house::load(&at_one, SYNTHEA[0]).await?;
    for (write, read) in [(&at_one, &at_two), (&at_two, &at_one)] {
        for number in 0..10 {
            let id = house::create(write, observation(&patient, &format!("value {number}"))).await?;
            let (status, found) = read.get(&format!("Observation/{id}")).await?;
            ensure!(status == 200 && found["code"]["text"] == format!("value {number}"), "at once: {status} {found}");
            let mut changed = found.clone();
            changed["status"] = "amended".into();
            ensure!(read.put(&format!("Observation/{id}"), changed).await?.0 == 200, "the other changes it");
            let (_, found) = write.get(&format!("Observation/{id}")).await?;
            ensure!(found["status"] == "amended", "a cache of reads holds an old version: {found}");
        }
    }
    let tries = (0..100).map(|number| {
        let fhir = if number % 2 == 0 { at_one.clone() } else { at_two.clone() };
        tokio::spawn(async move { conditional(&fhir).await })
    });
    let mut made = 0;
    for one in tries.collect::<Vec<_>>() {
        let status = one.await??;
        ensure!(matches!(status, 200 | 201), "a conditional create: {status}");
        made += usize::from(status == 201);
    }
    ensure!(made == 1, "{made} were made");
    ensure!(at_two.total("Organization?identifier=urn:test%7Cone").await? == 1, "exactly one is there");
    two.stop().await?;
    house::verify_and_reindex(&mut one).await
}

async fn conditional(fhir: &Fhir) -> anyhow::Result<u16> {
    let body: Value =
        json!({ "resourceType": "Organization", "identifier": [{ "system": "urn:test", "value": "one" }] });
    let request = reqwest::Client::new().request(Method::POST, format!("{}/Organization", fhir.base));
    let request = request.bearer_auth(&fhir.token).header("content-type", "application/fhir+json");
    let request = request.header("if-none-exist", "identifier=urn:test%7Cone").body(body.to_string());
    Ok(request.send().await?.status().as_u16())
}
