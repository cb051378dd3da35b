//! The official FHIRPath cases for R4, where `CHARTWELL_DATA` has them in `fhirpath/cases.jsonl`: one case a line with
//! `expression`, `inputfile`, and `result` or `error`. Without the file nothing is held here; the rows of
//! `src/fhirpath/tests.rs` always are.

use fhir::fhirpath::{Context, Element, Expression, Item, Value};
use fhir::json::Doc;
use std::path::PathBuf;

/// Functions and variables that are refused when an expression is read, by decision.
const REFUSED: &str = "is not supported";

/// Cases that are known to differ, with the reason.
const DIFFER: [(&str, &str); 3] = [
    ("** testQuantity9", "units are not multiplied with each other: no invariant or patch needs it"),
    ("** testQuantity10", "units are not divided by each other: no invariant or patch needs it"),
    ("** testFHIRPathAsFunction21", "as() filters several items, because the official invariant dom-3 needs it"),
];

fn shown(item: &Item<'_>) -> serde_json::Value {
    match item.value() {
        Some(Value::Boolean(value)) => value.into(),
        Some(value) if value.number().is_some() => serde_json::from_str(&value.to_text()).expect("a number"),
        Some(Value::Quantity(_)) | None => match item.element().and_then(Element::node) {
            Some(node) => serde_json::from_slice(node.raw()).expect("JSON"),
            None => item.value().map_or(serde_json::Value::Null, |value| value.to_text().into()),
        },
        Some(value) => value.to_text().into(),
    }
}

fn same(found: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= wanted.abs() * 1e-9,
        _ => {
            found == wanted
                || wanted.as_str().is_some_and(|wanted| found.as_str() == Some(wanted.trim_start_matches(['@', 'T'])))
        }
    }
}

fn run(expression: &str, input: Option<&Doc>) -> Result<Vec<serde_json::Value>, String> {
    let parsed = Expression::parse(expression).map_err(|error| error.to_string())?;
    let empty = Doc::parse(br#"{"resourceType":"Patient","id":"x"}"#.to_vec()).expect("JSON");
    let element = Element::resource(input.unwrap_or(&empty).root()).ok_or("no resource")?;
    let context = Context { now: Some("2026-01-02T03:04:05.678Z"), ..Context::of(element) };
    let found = parsed.evaluate(&context, element).map_err(|error| error.to_string())?;
    Ok(found.iter().map(shown).collect())
}

#[test]
fn the_official_cases_have_their_results() {
    let Some(data) = std::env::var_os("CHARTWELL_DATA") else { return };
    let folder = PathBuf::from(data).join("fhirpath");
    let Ok(cases) = std::fs::read_to_string(folder.join("cases.jsonl")) else { return };
    let (mut passed, mut by_refusal, mut refused, mut failed) = (0, 0, Vec::new(), Vec::new());
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        let text = |key: &str| case[key].as_str();
        if case["disable"] == true {
            continue;
        }
        let expression = text("expression").unwrap_or_default();
        let name = text("desc").unwrap_or_default();
        let input = text("inputfile").map(|file| {
            Doc::parse(std::fs::read(folder.join(file)).expect("the input of a case is there")).expect("JSON")
        });
        let found = run(expression, input.as_ref());
        let good = match (&found, case["result"].as_array()) {
            (Err(_), _) if case["error"] == true => true,
            (Ok(found), Some(wanted)) => {
                found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
            }
            _ => false,
        };
        match found {
            // A case that wants an error gets one, but perhaps not for the reason it means: counted apart.
            Err(error) if good && error.contains(REFUSED) => by_refusal += 1,
            _ if good => passed += 1,
            Err(error) if error.contains(REFUSED) => refused.push(format!("{name}: {expression}: {error}")),
            _ if DIFFER.iter().any(|(known, _)| *known == name) => {}
            found => failed.push(format!(
                "{name}: {expression}\n    found {found:?}\n    wanted {} {}",
                case["result"], case["error"]
            )),
        }
    }
    eprintln!(
        "{passed} passed, {by_refusal} wanted an error and were refused as unsupported, {} refused, {} failed",
        refused.len(),
        failed.len()
    );
    eprintln!("refused:\n{}", refused.join("\n"));
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}
