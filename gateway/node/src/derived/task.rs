//! `Task`: an invite or a request of this hospital's, in whatever state it is. Called by `derived`.
//!
//! Spec: <https://hl7.org/fhir/R4/task.html>

use crate::invite::InviteBody;
use crate::meeting::host::{self, Host};
use crate::requests::RequestBody;
use fhir::datetime::format_instant;
use serde_json::{Value, json};
use store::tasks::StoredTask;

/// The FHIR Task of a task.
pub(crate) fn json(stored: &StoredTask) -> Value {
    let mut task = json!({ "resourceType": "Task", "id": stored.id, "status": stored.status, "intent": "order" });
    match stored.kind.as_str() {
        "invite" => {
            if let Some((host, own)) = host::read::<InviteBody>(stored) {
                times(&mut task, stored, host.made_ms);
                invite(&mut task, &host, &own.patient);
            }
        }
        _ => {
            if let Ok(body) = serde_json::from_str::<RequestBody>(&stored.body) {
                times(&mut task, stored, body.made_ms);
                request(&mut task, &body);
            }
        }
    }
    task
}

/// When it was asked and when it last changed. The log's clock may be a little behind the one that the asking was read
/// from, and a Task does not change before it is authored (inv-1).
fn times(task: &mut Value, stored: &StoredTask, made_ms: u64) {
    let authored = i64::try_from(made_ms).unwrap_or(i64::MAX).saturating_mul(1000);
    task["authoredOn"] = super::instant(made_ms).into();
    task["lastModified"] = format_instant(stored.last_updated.max(authored)).into();
}

fn invite(task: &mut Value, host: &Host, patient: &str) {
    task["code"] = json!({ "text": "Hand the record to its patient" });
    task["description"] = "An invite to the patient to take over the record this hospital keeps".into();
    task["for"] = json!({ "reference": format!("Patient/{patient}") });
    if !host.message.is_empty() {
        task["statusReason"] = json!({ "text": host.message });
    }
    if !host.digits.is_empty() {
        task["businessStatus"] = json!({ "text": "Compare the six digits with those the patient sees" });
        task["output"] = json!([{ "type": { "text": "digits" }, "valueString": host.digits }]);
    }
}

fn request(task: &mut Value, body: &RequestBody) {
    task["code"] = json!({ "text": "Ask the patient for access" });
    task["for"] = json!({ "reference": format!("Patient/{}", body.patient) });
    task["description"] = body.scope.clone().into();
    if !body.reason.is_empty() {
        task["reasonCode"] = json!({ "text": body.reason });
    }
    if !body.message.is_empty() {
        task["statusReason"] = json!({ "text": body.message });
    }
    let mut input = vec![
        json!({ "type": { "text": "scope" }, "valueString": body.scope }),
        json!({ "type": { "text": "purpose" }, "valueCode": body.purpose }),
    ];
    let mut period = json!({ "start": super::instant(body.start_ms) });
    if body.end_ms != 0 {
        period["end"] = super::instant(body.end_ms).into();
    }
    input.push(json!({ "type": { "text": "period" }, "valuePeriod": period }));
    task["input"] = input.into();
}
