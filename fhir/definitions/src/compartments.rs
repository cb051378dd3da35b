//! The patient compartment's parameters and the main patient element of each type. Called by `main` last.

use crate::load::{Official, items, text};
use crate::table::Table;
use serde_json::Value;

/// Names of a main patient element, in the order they are looked for.
const MAIN: [&str; 6] = ["patient", "subject", "beneficiary", "for", "individual", "candidate"];

/// Types whose main element the rule does not find, or that have none on purpose.
const EXCEPTIONS: [(&str, Option<&str>); 9] = [
    ("Appointment", Some("participant.actor")),
    ("AppointmentResponse", Some("actor")),
    ("Binary", Some("securityContext")),
    ("Provenance", Some("target")),
    ("Patient", None),
    ("Group", None),
    ("Person", None),
    ("Schedule", None),
    ("Linkage", None),
];

/// Fills compartment and home.
pub fn build(official: &Official, table: &mut Table) -> anyhow::Result<()> {
    let compartment = &official.patient_compartment;
    for name in &official.resources {
        let entry = items(compartment, "resource").iter().find(|entry| text(entry, "code") == name);
        let params = entry.map_or(&[][..], |entry| items(entry, "param"));
        let codes = params.iter().filter_map(Value::as_str).map(|code| table.string(code)).collect();
        table.compartment.push(codes);
        let main = main_element(official, name).map(|path| table.string(&path));
        table.home.push(main);
    }
    Ok(())
}

fn main_element(official: &Official, resource: &str) -> Option<String> {
    if let Some((_, path)) = EXCEPTIONS.iter().find(|(name, _)| *name == resource) {
        return path.map(str::to_owned);
    }
    let elements = items(&official.structures.get(resource)?["snapshot"], "element");
    MAIN.iter().find_map(|name| {
        let path = format!("{resource}.{name}");
        let element = elements.iter().find(|element| text(element, "path") == path)?;
        names_patient(element).then(|| (*name).to_owned())
    })
}

fn names_patient(element: &Value) -> bool {
    items(element, "type").iter().filter(|kind| text(kind, "code") == "Reference").any(|kind| {
        let targets = items(kind, "targetProfile");
        let named = |name: &str| targets.iter().filter_map(Value::as_str).any(|url| url.ends_with(name));
        targets.is_empty() || named("/Patient") || named("/Resource")
    })
}
