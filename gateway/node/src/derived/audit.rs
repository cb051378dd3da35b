//! `AuditEvent`: one interaction at this node, from its audit row, in the shape of IHE BALP. Called by `access`.
//!
//! Spec: <https://hl7.org/fhir/R4/auditevent.html>

use crate::operator::ADMIN;
use crate::read::Served;
use fhir::ResourceType;
use fhir::datetime::format_instant;
use record::RecordId;
use serde_json::json;
use store::audit::AuditRow;

const ACTIONS: [(&str, &[&str]); 5] = [
    ("C", &["create"]),
    ("R", &["read", "vread", "history"]),
    ("U", &["update"]),
    ("D", &["delete"]),
    ("E", &["search", "transaction", "batch", "operation", ADMIN]),
];

/// The interactions an action code stands for.
pub(crate) fn interactions_of(action: &str) -> Vec<String> {
    let known = ACTIONS.iter().find(|(code, _)| *code == action);
    let names = known.map_or(&["-"][..], |(_, names)| names);
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The AuditEvent of a row.
pub(crate) fn event(row: &AuditRow) -> Option<Served> {
    let interaction = row.interaction.as_str();
    let action = ACTIONS.iter().find(|(_, names)| names.contains(&interaction)).map_or("E", |(code, _)| code);
    let id = format!("audit-{}", row.position);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": id,
        "meta": { "versionId": "1", "lastUpdated": format_instant(row.recorded) },
        "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
        "subtype": [{ "system": "http://hl7.org/fhir/restful-interaction", "code": interaction }],
        "action": action,
        "recorded": format_instant(row.recorded),
        "outcome": if row.outcome < 400 { "0" } else if row.outcome < 500 { "4" } else { "8" },
        "agent": [{
            "who": { "display": if row.who.is_empty() { "unknown" } else { &row.who } },
            "name": row.client,
            "requestor": true,
        }],
        "source": { "observer": { "display": "Chartwell" } },
    });
    if interaction == ADMIN {
        let dicom = |code: &str| json!({ "system": "http://dicom.nema.org/resources/ontology/DCM", "code": code });
        (event["type"], event["subtype"]) = (dicom("110113"), json!([dicom("110129")]));
    }
    if row.client.is_empty()
        && let Some(agent) = event["agent"][0].as_object_mut()
    {
        agent.remove("name");
    }
    if !row.purpose.is_empty() {
        let (code, reason) = crate::purpose::with_reason(&row.purpose);
        let coding = json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code });
        event["purposeOfEvent"] = match reason {
            "" => json!([{ "coding": [coding] }]),
            reason => json!([{ "coding": [coding], "text": reason }]),
        };
    }
    let mut entities = Vec::new();
    if !row.patient.is_empty() {
        entities.push(json!({
            "what": { "reference": format!("Patient/{}", row.patient) },
            "role": { "system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1" },
        }));
    }
    if !row.resource_type.is_empty() && !row.resource_id.is_empty() {
        entities.push(json!({ "what": { "reference": format!("{}/{}", row.resource_type, row.resource_id) } }));
    }
    if !row.query.is_empty() {
        let query = match interaction {
            ADMIN => row.query.clone(),
            _ => format!("{}?{}", row.resource_type, row.query),
        };
        let name = if interaction == ADMIN { ADMIN } else { &row.resource_type };
        entities.push(json!({ "query": base64(query.as_bytes()), "name": name }));
    }
    if !row.request.is_empty() {
        entities.push(json!({ "what": { "identifier": { "value": row.request } }, "name": "X-Request-Id" }));
    }
    event["entity"] = entities.into();
    if event["entity"].as_array().is_some_and(Vec::is_empty) {
        event.as_object_mut()?.remove("entity");
    }
    Some(Served {
        fragment: None,
        kind: ResourceType::parse("AuditEvent")?,
        id,
        version: "1".to_owned(),
        last_updated: row.recorded,
        json: serde_json::to_vec(&event).ok()?,
        deleted: false,
        method: "POST",
        record: RecordId([0; 32]),
    })
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
