//! `Consent`: a grant that this identity holds. A stored Consent is a document and grants nothing; this one is the
//! other way round. Called by `derived`.
//!
//! Spec: <https://hl7.org/fhir/R4/consent.html>

use record::scope::Scope;
use record::state::Given;
use record::{GrantId, RecordId};
use serde_json::{Value, json};

/// The id of the Consent of a grant.
pub(super) fn id(grant: &GrantId) -> String {
    format!("{}-{}", &grant.op.to_string()[..40], grant.index)
}

/// The Consent of a grant, from when to when it permits anything, for the local Patient it is bound to.
pub(super) fn json(given: &Given, (start_ms, end_ms): (u64, u64), patient: &str, record: &RecordId) -> Value {
    let ended = given.revoked_by.is_some() || given.replaced_by.is_some();
    use super::instant;
    let mut period = json!({ "start": instant(start_ms) });
    if end_ms != 0 {
        period["end"] = instant(end_ms).into();
    }
    let classes = given.grant.classes.iter().map(|class| {
        json!({ "system": "https://chartwell.dev/fhir/CodeSystem/confidentiality-class", "code": class.name() })
    });
    let scopes = given.grant.scopes().known.into_iter().map(|scope| {
        let class = scope
            .resource_type
            .iter()
            .map(|kind| json!({ "system": "http://hl7.org/fhir/resource-types", "code": kind }));
        json!({
            "type": "permit",
            "code": codes(&scope),
            "class": class.collect::<Vec<_>>(),
        })
    });
    let mut consent = json!({
        "resourceType": "Consent",
        "status": if ended { "inactive" } else { "active" },
        "scope": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "dateTime": instant(given.given_ms),
        "policyRule": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN" }] },
        "identifier": [{ "system": "urn:chartwell:record", "value": record.to_string() }],
        "provision": {
            "type": "permit",
            "period": period,
            "actor": [{
                "role": { "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
                "reference": { "display": given.grant.name },
            }],
            "purpose": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": given.grant.purpose }],
            "securityLabel": classes.collect::<Vec<_>>(),
            "provision": scopes.collect::<Vec<_>>(),
        },
    });
    if !patient.is_empty() {
        consent["patient"] = json!({ "reference": format!("Patient/{patient}") });
    }
    prune(&mut consent);
    consent
}

/// A scope in its own words, and the codes that its parameters leave.
fn codes(scope: &Scope) -> Vec<Value> {
    let pairs = crate::search::pairs(scope.parameters.as_deref().unwrap_or_default());
    let codes = pairs.iter().flat_map(|(_, values)| values.split(',')).filter_map(|value| {
        let (system, code) = value.split_once('|').unwrap_or(("", value));
        match (system, code) {
            (_, "") => None,
            ("", code) => Some(json!({ "coding": [{ "code": code }] })),
            (system, code) => Some(json!({ "coding": [{ "system": system, "code": code }] })),
        }
    });
    std::iter::once(json!({ "text": scope.to_string() })).chain(codes).collect()
}

/// FHIR has no empty arrays.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
            map.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
