//! Bad input over HTTP: each is refused in words, nothing of it is written, and the process goes on.

use anyhow::{Context, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::io::Write;
use tempfile::TempDir;
use tests::database::Database;
use tests::house::{self, observation};
use tests::http::Fhir;

/// More than the server takes of one body.
const TOO_MUCH: usize = 65 * 1024 * 1024;

/// A gateway with one patient, and what `verify` counted of it.
struct Place {
    fhir: Fhir,
    client: Client,
}

impl Place {
    async fn send(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<Response> {
        let url = if path.is_empty() { self.fhir.base.clone() } else { format!("{}/{path}", self.fhir.base) };
        let mut request = self.client.post(url).bearer_auth(&self.fhir.token);
        request = request.header("content-type", "application/fhir+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.body(body).send().await?)
    }

    /// Posts, and expects to be refused with `status` and with words that hold `says`.
    async fn refused(&self, path: &str, body: impl Into<Vec<u8>>, status: u16, says: &str) -> anyhow::Result<()> {
        let answer = self.send(path, &[], body.into()).await.with_context(|| format!("{says}: no answer"))?;
        outcome(answer, status, says).await
    }
}

/// The answer is this status and an OperationOutcome that says so.
async fn outcome(answer: Response, status: u16, says: &str) -> anyhow::Result<()> {
    let found = answer.status().as_u16();
    let request = answer.headers().contains_key("x-request-id");
    let text = answer.text().await?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("{says}: {found} {text}"))?;
    ensure!(found == status, "{says}: {found}, not {status}: {json}");
    ensure!(json["resourceType"] == "OperationOutcome", "{says}: {json}");
    ensure!(matches!(json["issue"][0]["severity"].as_str(), Some("error" | "fatal")), "{says}: {json}");
    ensure!(text.to_lowercase().contains(&says.to_lowercase()), "{says:?} is not said: {json}");
    ensure!(request, "{says}: no X-Request-Id");
    Ok(())
}

fn transaction(entries: Vec<Value>) -> String {
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string()
}

fn post(resource: &Value) -> Value {
    json!({ "request": { "method": "POST", "url": resource["resourceType"] }, "resource": resource })
}

fn gzip(bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![b' '; 1024 * 1024];
    for _ in 0..bytes / block.len() {
        encoder.write_all(&block)?;
    }
    Ok(encoder.finish()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_in_words_and_nothing_is_written() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let place = Place { fhir: Fhir::of(&process).await?, client: Client::new() };
    let patient = house::create(&place.fhir, json!({ "resourceType": "Patient" })).await?;
    let before = process.verify().await?;
    resources(&place, &patient).await?;
    bundles(&place, &patient).await?;
    sizes(&place).await?;
    tokens(&place).await?;
    ensure!(place.fhir.total("Observation").await? == 0, "nothing was written");
    let after = process.verify().await?;
    ensure!(before.lines().last() == after.lines().last(), "nothing was written: {before}\n{after}");
    house::create(&place.fhir, observation(&patient, "it still answers")).await?;
    process.stop().await
}

/// One resource at a time.
async fn resources(place: &Place, patient: &str) -> anyhow::Result<()> {
    let with = |name: &str, value: Value| {
        let mut resource = observation(patient, "bad");
        resource[name] = value;
        resource.to_string()
    };
    let mut unset = observation(patient, "bad");
    unset.as_object_mut().context("an object")?.remove("status");
    let rows: [(&str, String, u16, &str); 11] = [
        ("Observation", "{\"resourceType\":".to_owned(), 400, ""),
        ("Observation", "no json".to_owned(), 400, ""),
        ("Observation", String::new(), 400, ""),
        ("Observation", "[]".to_owned(), 400, ""),
        ("Observation", format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)), 400, ""),
        ("Observation", with("status", json!(7)), 400, "Observation.status"),
        ("Observation", with("code", json!("text")), 400, "Observation.code"),
        ("Observation", with("colour", json!("red")), 400, "colour"),
        ("Observation", with("effectiveDateTime", json!("2024-02-30")), 400, "effective"),
        ("Observation", unset.to_string(), 400, "Observation.status"),
        ("Patient", observation(patient, "bad").to_string(), 400, ""),
    ];
    for (path, body, status, says) in rows {
        place.refused(path, body, status, says).await?;
    }
    Ok(())
}

/// Transactions fail whole.
async fn bundles(place: &Place, patient: &str) -> anyhow::Result<()> {
    let good = observation(patient, "good");
    let mut unresolved = good.clone();
    unresolved["subject"]["reference"] = "urn:uuid:0d6f5f0e-0000-4000-8000-000000000000".into();
    let mut conditional = good.clone();
    conditional["subject"]["reference"] = "Patient?identifier=urn:test%7Cnobody".into();
    let mut wrong = good.clone();
    wrong["status"] = 7.into();
    let rows = [
        (transaction(vec![post(&good), post(&unresolved)]), 400, "fullUrl"),
        (transaction(vec![post(&good), post(&conditional)]), 412, "exactly one"),
        (transaction(vec![post(&good), post(&wrong)]), 400, "status"),
        (transaction(vec![post(&good); 20_000]), 413, "entries"),
    ];
    for (body, status, says) in rows {
        place.refused("", body, status, says).await?;
    }
    Ok(())
}

/// Bodies over the limit, as they are and inflated; and searches.
async fn sizes(place: &Place) -> anyhow::Result<()> {
    place.refused("Observation", vec![b' '; TOO_MUCH], 413, "body").await?;
    let bomb = gzip(1024 * 1024 * 1024)?;
    ensure!(bomb.len() < 2 * 1024 * 1024, "a bomb is small");
    let answer = place.send("Observation", &[("content-encoding", "gzip")], bomb).await?;
    outcome(answer, 413, "body").await?;
    let answer = place.send("Observation", &[("content-encoding", "gzip")], b"no gzip".to_vec()).await?;
    outcome(answer, 400, "").await?;
    let url = format!("{}/Patient?nonsense=1", place.fhir.base);
    let strict = place.client.get(&url).bearer_auth(&place.fhir.token).header("prefer", "handling=strict");
    outcome(strict.send().await?, 400, "nonsense").await?;
    let (status, bundle) = place.fhir.get("Patient?nonsense=1").await?;
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let told = entries.iter().find(|entry| entry["search"]["mode"] == "outcome").context("an outcome entry")?;
    ensure!(status == 200 && told.to_string().contains("nonsense"), "{told}");
    ensure!(bundle["total"] == 1 && entries.len() == 2, "the outcome is not counted: {bundle}");
    Ok(())
}

/// No token, one that was changed, one of another key, and none at all.
async fn tokens(place: &Place) -> anyhow::Result<()> {
    let good = &place.fhir.token;
    let (head, signature) = good.rsplit_once('.').context("a JWT has three parts")?;
    let (first, payload) = head.split_once('.').context("a JWT has three parts")?;
    let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let mut turned = signature.chars().rev().collect::<String>();
    turned.truncate(signature.len());
    let later = String::from_utf8(data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes())?)?;
    let later = data_encoding::BASE64URL_NOPAD.encode(later.replace("system/", "user/").as_bytes());
    let rows = [
        String::new(),
        "nonsense".to_owned(),
        format!("{head}.{turned}"),
        format!("{first}.{later}.{signature}"),
        format!("{none}.{payload}."),
    ];
    for token in rows {
        let url = format!("{}/Patient", place.fhir.base);
        let answer = place.client.get(&url).bearer_auth(&token).send().await?;
        ensure!(answer.headers().contains_key("www-authenticate"), "a 401 says how to authenticate");
        outcome(answer, 401, "").await?;
    }
    let answer = place.client.get(format!("{}/Patient", place.fhir.base)).send().await?;
    outcome(answer, 401, "").await
}
