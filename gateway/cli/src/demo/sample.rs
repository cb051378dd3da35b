//! The demo's data: two Synthea patients into hospital A by FHIR transaction, and hospital B's own Patient. Loaded once.
//! Called by `demo`.

use super::children::Child;
use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// Synthetic patients of smart-on-fhir/generated-sample-data (Apache-2.0); see `tests/data/synthea/NOTICE`.
const BUNDLES: [&str; 2] = [
    include_str!("../../../../tests/data/synthea/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json"),
    include_str!("../../../../tests/data/synthea/Desmond_Gutmann_d49945ce-9f8c-4974-80e3-0b38054dd45d.json"),
];

/// Marks hospital B's own Patient, so that a second start finds it.
const B_SYSTEM: &str = "urn:chartwell:demo";

/// The patients of the demo.
pub(super) struct Patients {
    /// The two of A, then B's own.
    pub(super) ids: Vec<String>,
    /// Family name of A's first.
    pub(super) family: String,
}

/// Loads what is not there yet.
pub(super) async fn load(a: &Child, b: &Child, tokens: &[String; 2]) -> anyhow::Result<Patients> {
    let http = reqwest::Client::new();
    let (mut ids, mut family) = (Vec::new(), String::new());
    for text in BUNDLES {
        let bundle: Value = serde_json::from_str(text).context("a sample is no JSON")?;
        let patient = &bundle["entry"][0]["resource"];
        let name = &patient["name"][0];
        if family.is_empty() {
            family = name["family"].as_str().unwrap_or_default().to_owned();
        }
        let identifier = format!(
            "{}|{}",
            patient["identifier"][0]["system"].as_str().unwrap_or_default(),
            patient["identifier"][0]["value"].as_str().unwrap_or_default()
        );
        let found = find(&http, &a.fhir(), &tokens[0], &identifier).await?;
        let id = match found {
            Some(id) => id,
            None => {
                let answer =
                    http.post(a.fhir()).bearer_auth(&tokens[0]).header("content-type", "application/fhir+json");
                let answer = answer.body(text).send().await?;
                let (status, body) = (answer.status(), answer.json::<Value>().await?);
                ensure!(status.is_success(), "a sample patient could not be loaded: {status} {body}");
                find(&http, &a.fhir(), &tokens[0], &identifier).await?.context("a loaded patient is not found")?
            }
        };
        ids.push(id);
    }
    let first: Value = serde_json::from_str(BUNDLES[0])?;
    let patient = &first["entry"][0]["resource"];
    let own = json!({
        "resourceType": "Patient",
        "identifier": [{ "system": B_SYSTEM, "value": "b-1" }],
        "name": patient["name"],
        "gender": patient["gender"],
        "birthDate": patient["birthDate"],
    });
    let identifier = format!("{B_SYSTEM}|b-1");
    let answer = http
        .post(format!("{}/Patient", b.fhir()))
        .bearer_auth(&tokens[1])
        .header("content-type", "application/fhir+json")
        .header("if-none-exist", format!("identifier={identifier}"))
        .body(own.to_string())
        .send()
        .await?;
    ensure!(answer.status().is_success(), "hospital B's Patient could not be loaded: {}", answer.status());
    ids.push(find(&http, &b.fhir(), &tokens[1], &identifier).await?.context("hospital B's Patient is not found")?);
    Ok(Patients { ids, family })
}

async fn find(http: &reqwest::Client, base: &str, token: &str, identifier: &str) -> anyhow::Result<Option<String>> {
    let encoded = identifier.replace('|', "%7C");
    let answer = http.get(format!("{base}/Patient?identifier={encoded}")).bearer_auth(token).send().await?;
    let (status, body) = (answer.status(), answer.json::<Value>().await?);
    ensure!(status.is_success(), "a search for a sample patient failed: {status} {body}");
    Ok(body["entry"][0]["resource"]["id"].as_str().map(str::to_owned))
}
