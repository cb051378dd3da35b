//! Two hospitals and a patient, each a process with a folder of its own; and the steps that most whole-system tests begin
//! with. Called by `tests/system`.

use crate::database::Database;
use crate::http::Fhir;
use crate::page::Page;
use crate::process::{Process, run};
use crate::wait::until;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// The two of `tests/data/synthea`.
pub const SYNTHEA: [&str; 2] = [
    include_str!("../data/synthea/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json"),
    include_str!("../data/synthea/Desmond_Gutmann_d49945ce-9f8c-4974-80e3-0b38054dd45d.json"),
];

/// What a process listens on: whatever is free, and nothing but this machine.
pub const LISTEN: [&str; 6] =
    ["--listen", "127.0.0.1:0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--p2p-listen", "/ip4/127.0.0.1/udp/0/quic-v1"];

/// A hospital's gateway under `folder`.
///
/// # Errors
/// It does not start.
pub async fn gateway(folder: &Path, name: &str, database: Database) -> anyhow::Result<Process> {
    let data = folder.join(name.replace(' ', "-"));
    let url = database.fresh(&data).await?;
    Process::start("gateway", &data, &[&LISTEN[..], &["--name", name, "--database-url", &url]].concat()).await
}

/// The patient's node under `folder`, on SQLite as on a patient's own device.
///
/// # Errors
/// It does not start.
pub async fn patient(folder: &Path) -> anyhow::Result<Process> {
    Process::start("patient", &folder.join("patient"), &[&LISTEN[..], &["--name", "The patient"]].concat()).await
}

/// Two hospitals and a patient.
pub struct House {
    /// Hospital A's process.
    pub a: Process,
    /// Hospital B's process.
    pub b: Process,
    /// The patient's process.
    pub patient: Process,
    /// FHIR at A.
    pub at_a: Fhir,
    /// FHIR at B.
    pub at_b: Fhir,
    /// Holds all their data.
    pub folder: TempDir,
}

impl House {
    /// Starts all three.
    ///
    /// # Errors
    /// One of them does not start.
    pub async fn start(database: Database) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let a = gateway(folder.path(), "Hospital A", database).await?;
        let b = gateway(folder.path(), "Hospital B", database).await?;
        let patient = patient(folder.path()).await?;
        let (at_a, at_b) = (Fhir::of(&a).await?, Fhir::of(&b).await?);
        Ok(Self { a, b, patient, at_a, at_b, folder })
    }
}

/// Loads one of the Synthea patients and returns the id of its Patient.
///
/// # Errors
/// It is not taken.
pub async fn load(fhir: &Fhir, bundle: &str) -> anyhow::Result<String> {
    let (status, answer) = fhir.post("", serde_json::from_str(bundle)?).await?;
    ensure!(status == 200, "a sample patient is not taken: {status} {answer}");
    let entries = answer["entry"].as_array().context("a response has entries")?;
    let locations = entries.iter().filter_map(|entry| entry["response"]["location"].as_str());
    let patient = locations.filter_map(|at| at.split_once("Patient/")).map(|(_, rest)| rest.split('/').next());
    Ok(patient.flatten().next().context("a Patient was made")?.to_owned())
}

/// An Observation of `patient` that says `words`.
pub fn observation(patient: &str, words: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": words },
        "subject": { "reference": format!("Patient/{patient}") } })
}

/// Parameters of names, kinds of value and values.
pub fn parameters(of: &[(&str, &str, Value)]) -> Value {
    let one = |(name, kind, value): &(&str, &str, Value)| json!({ "name": name, (*kind): value });
    json!({ "resourceType": "Parameters", "parameter": of.iter().map(one).collect::<Vec<_>>() })
}

/// Creates, and returns the id.
///
/// # Errors
/// It is not taken.
pub async fn create(fhir: &Fhir, resource: Value) -> anyhow::Result<String> {
    let (status, answer) = fhir.post(resource["resourceType"].as_str().unwrap_or_default(), resource.clone()).await?;
    ensure!(status == 201, "not created: {status} {answer}");
    Ok(answer["id"].as_str().context("what was created has an id")?.to_owned())
}

/// Makes an invite and returns its code and its Task's id.
///
/// # Errors
/// There is none.
pub async fn invite(fhir: &Fhir, patient: &str) -> anyhow::Result<(String, String)> {
    let (status, answer) = fhir.ask(reqwest::Method::POST, &format!("Patient/{patient}/$invite"), None).await?;
    ensure!(status == 200, "no invite: {status} {answer}");
    let named = |name: &str| {
        let all = answer["parameter"].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["name"] == name).cloned().with_context(|| format!("the invite lacks {name}"))
    };
    let code = named("code")?["valueString"].as_str().context("a code is a string")?.to_owned();
    let task = named("task")?["valueReference"]["reference"].as_str().context("a task is a reference")?.to_owned();
    ensure!(named("qr")?["valueAttachment"]["contentType"] == "image/png", "the QR code is a picture");
    ensure!(
        named("qrText")?["valueString"].as_str().is_some_and(|text| text.lines().count() > 10),
        "a QR code in text"
    );
    Ok((code, task.trim_start_matches("Task/").to_owned()))
}

/// Confirms a pairing at the hospital.
///
/// # Errors
/// The server does not answer.
pub async fn confirm(fhir: &Fhir, task: &str, digits: &str) -> anyhow::Result<(u16, Value)> {
    fhir.post(&format!("Task/{task}/$confirm"), parameters(&[("digits", "valueString", digits.into())])).await
}

/// Waits until the Task at the hospital stands at `status`.
pub async fn task(fhir: &Fhir, id: &str, status: &str) -> Value {
    until(&format!("Task/{id} is {status}"), || async {
        let (_, task) = fhir.get(&format!("Task/{id}")).await.ok()?;
        (task["status"] == status).then_some(task)
    })
    .await
}

/// Hands the record of `patient` over to the patient whose page is open.
///
/// # Errors
/// One of the sides does not go along.
pub async fn hand_over(fhir: &Fhir, page: &mut Page, patient: &str) -> anyhow::Result<()> {
    let (code, id) = invite(fhir, patient).await?;
    page.accept_invite(&code).await?;
    let digits = page.digits().await?;
    let shown = task(fhir, &id, "in-progress").await;
    ensure!(shown.to_string().contains(&digits), "the Task does not show {digits}: {shown}");
    page.confirm().await?;
    let (status, answer) = confirm(fhir, &id, &digits).await?;
    ensure!(status == 200, "the hospital cannot confirm: {status} {answer}");
    page.pairing("done").await?;
    task(fhir, &id, "completed").await;
    Ok(())
}

/// Asks for access and returns the Task's id.
///
/// # Errors
/// The request is not taken.
pub async fn request(fhir: &Fhir, patient: &str, address: &str, scope: &str) -> anyhow::Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let end = instant(now + 30 * 24 * 3600);
    let body = parameters(&[
        ("address", "valueString", address.into()),
        ("scope", "valueString", scope.into()),
        ("purpose", "valueCode", "TREAT".into()),
        ("period", "valuePeriod", json!({ "start": instant(now), "end": end })),
        ("reason", "valueString", "Follow-up visit".into()),
    ]);
    let (status, answer) = fhir.post(&format!("Patient/{patient}/$request-access"), body).await?;
    ensure!(status == 200, "the request is not taken: {status} {answer}");
    Ok(answer["id"].as_str().context("a Task has an id")?.to_owned())
}

/// Seconds since 1970 as a FHIR instant.
fn instant(seconds: u64) -> String {
    // Days to a date: Howard Hinnant's `civil_from_days`, for dates after 1970.
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Ends a process, since a running one still writes down who read; then `chartwell verify` of its folder, and `reindex`,
/// which must leave the counts as they were.
///
/// # Errors
/// There is a fault, or the counts differ.
pub async fn verify_and_reindex(process: &mut Process) -> anyhow::Result<()> {
    process.stop().await?;
    let before = process.verify().await?;
    run(&["reindex", "--data", &process.data.display().to_string()]).await?;
    let after = process.verify().await?;
    ensure!(before.lines().last() == after.lines().last(), "reindex changed what is there: {before}\n{after}");
    Ok(())
}
