//! One transaction of a thousand entries, end to end: read, validated, resolved, signed, indexed, on disk, answered. Called
//! by `bench`.

use super::place::Place;
use super::{Figure, rate, timed};
use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// Entries of the transaction.
const ENTRIES: usize = 1_000;
/// How many of them are sent, one after the other.
const ROUNDS: usize = 20;

/// A Patient, and Observations that name it and each other's panel as Synthea's do.
fn bundle() -> String {
    let patient = "urn:uuid:00000000-0000-4000-8000-000000000000";
    let named = |number: usize| format!("urn:uuid:00000000-0000-4000-8000-{number:012}");
    let observation = |number: usize| {
        json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory",
                "display": "laboratory"
            }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": format!("{}-8", 1000 + number % 90) }] },
            "subject": { "reference": patient },
            "effectiveDateTime": format!("2026-{:02}-{:02}T08:30:00+01:00", number % 12 + 1, number % 28 + 1),
            "issued": "2026-11-01T08:30:00.123+01:00",
            "valueQuantity": { "value": number, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL" }
        })
    };
    let first =
        json!({ "resourceType": "Patient", "name": [{ "family": "Bench", "given": ["One"] }], "gender": "female" });
    let resources = std::iter::once((patient.to_owned(), first));
    let resources = resources.chain((1..ENTRIES).map(|number| (named(number), observation(number))));
    let entries = resources.map(|(full_url, resource)| {
        let url = resource["resourceType"].clone();
        json!({ "fullUrl": full_url, "resource": resource, "request": { "method": "POST", "url": url } })
    });
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries.collect::<Vec<_>>() }).to_string()
}

/// Measures.
pub(super) async fn run(place: &Place) -> anyhow::Result<Figure> {
    let body = bundle();
    let send = async || {
        let answer: Value = serde_json::from_slice(&place.post("", body.clone()).await?.bytes().await?)?;
        let entries = answer["entry"].as_array().context("a response has entries")?;
        ensure!(entries.len() == ENTRIES, "{} of {ENTRIES} entries were answered", entries.len());
        anyhow::Ok(())
    };
    // The first opens what all of them need.
    send().await?;
    let ((), took) = timed(async {
        for _ in 0..ROUNDS {
            send().await?;
        }
        Ok(())
    })
    .await?;
    let ms = took.as_secs_f64() * 1000.0 / ROUNDS as f64;
    Ok(Figure {
        what: format!(
            "a transaction of {ENTRIES} entries, {} kB, end to end, 1 client: {ms:.0} ms each",
            body.len() / 1000
        ),
        ours: rate(ENTRIES * ROUNDS, took),
        unit: "resources/s",
        limit: None,
    })
}
