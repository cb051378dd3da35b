//! Which patient an app is opened for: the person's own, the one the EHR named, or one that is looked for. Called by
//! `authorize::steps` and `app_tokens`; looks are in the audit log like any other.

use super::asked::{Asked, Fault};
use crate::app::App;
use fhir::ResourceType;
use node::access::Event;
use node::people::Person;
use node::{Caller, NodeError, Served};
use record::scope::Scopes;
use serde_json::Value;

/// Most patients that one look shows: a person finds nobody among more.
const SHOWN_MAX: u32 = 20;

/// A patient, as a person tells one from another.
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Birth date, gender, identifiers.
    pub(crate) facts: String,
}

/// What is looked for.
pub(crate) struct Wanted<'w> {
    pub(crate) name: &'w str,
    pub(crate) identifier: &'w str,
    pub(crate) birth_date: &'w str,
}

/// Whom a person stands for now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// For whomever is chosen: staff.
    ForAny,
    /// For this Patient.
    For(String),
    /// For nobody: what the person is here is not known, or is over.
    ForNobody,
}

/// Whom a person stands for now, as what is known of the person here says.
///
/// # Errors
/// [`NodeError`].
///
/// # Source
/// <https://hl7.org/fhir/R4/relatedperson-definitions.html#RelatedPerson.period>
pub(crate) async fn stands(app: &App, client: &str, person: &Person) -> Result<Stands, NodeError> {
    if person.is_staff() {
        return Ok(Stands::ForAny);
    }
    let patient = match person.fhir_user.split_once('/') {
        Some(("Patient", id)) => Some(id.to_owned()),
        Some((kind @ "RelatedPerson", id)) => {
            let json = read(app, client, person, kind, id).await?.filter(|json| holds(json, node::clock::now_us()));
            let patient = json.as_ref().and_then(|json| json["patient"]["reference"].as_str());
            patient.and_then(|text| text.strip_prefix("Patient/")).map(str::to_owned)
        }
        _ => None,
    };
    Ok(patient.map_or(Stands::ForNobody, Stands::For))
}

/// Whether a RelatedPerson is active at a time, within its period. What cannot be read ended.
fn holds(json: &Value, now_us: i64) -> bool {
    let bound = |name: &str| match &json["period"][name] {
        Value::Null => Some(None),
        value => value.as_str().and_then(fhir::datetime::range).map(Some),
    };
    let begun = bound("start").is_some_and(|start| start.is_none_or(|start| start.low <= now_us));
    let goes_on = bound("end").is_some_and(|end| end.is_none_or(|end| now_us <= end.high));
    json["active"] != false && begun && goes_on
}

/// The patient that a person is or stands for; none for those who may choose.
///
/// # Errors
/// [`Fault`] where it is nobody known here.
pub(crate) async fn own(app: &App, asked: &Asked, person: &Person) -> Result<Option<String>, Fault> {
    match stands(app, &asked.client, person).await? {
        Stands::ForAny => Ok(None),
        Stands::For(patient) => Ok(Some(patient)),
        Stands::ForNobody => Err(asked.fault("access_denied", "the person's own record is not known here")),
    }
}

/// A Patient by its id, if it is here.
///
/// # Errors
/// [`Fault::Node`].
pub(crate) async fn find(app: &App, asked: &Asked, person: &Person, id: &str) -> Result<Option<Found>, Fault> {
    Ok(read(app, &asked.client, person, "Patient", id).await?.map(|json| shown(&json)))
}

/// Patients that are looked for.
///
/// # Errors
/// [`Fault::Node`]; [`Fault::Back`] for a person who is no staff.
pub(crate) async fn search(
    app: &App,
    asked: &Asked,
    person: &Person,
    wanted: &Wanted<'_>,
) -> Result<Vec<Found>, Fault> {
    if !person.is_staff() {
        return Err(asked.fault("access_denied", "only staff look for patients"));
    }
    let pairs = [("name", wanted.name), ("identifier", wanted.identifier), ("birthdate", wanted.birth_date)];
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let mut pairs = pairs.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>();
    let Some(kind) = ResourceType::parse("Patient").filter(|_| !pairs.is_empty()) else { return Ok(Vec::new()) };
    pairs.push(("_count".to_owned(), SHOWN_MAX.to_string()));
    let caller = caller(&asked.client, person);
    let query = match app.node.query(kind, &pairs).await {
        Ok(query) => query,
        // What is no date finds nobody.
        Err(NodeError::Invalid(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let found = app.node.search(&caller, query, None).await?.matches;
    tell(app, &caller, "search", kind, "", &found.iter().collect::<Vec<_>>()).await;
    Ok(found.iter().filter_map(|served| serde_json::from_slice(&served.json).ok()).map(|json| shown(&json)).collect())
}

/// The Patient of an Encounter, so that an app is not opened for one and the other of two people.
///
/// # Errors
/// [`Fault::Node`].
pub(crate) async fn of_encounter(app: &App, asked: &Asked, person: &Person, id: &str) -> Result<Option<String>, Fault> {
    let json = read(app, &asked.client, person, "Encounter", id).await?;
    let subject = json.as_ref().and_then(|json| json["subject"]["reference"].as_str());
    Ok(subject.and_then(|text| text.strip_prefix("Patient/")).map(str::to_owned))
}

async fn read(app: &App, client: &str, person: &Person, kind: &str, id: &str) -> Result<Option<Value>, NodeError> {
    let Some(kind) = ResourceType::parse(kind) else { return Ok(None) };
    let caller = caller(client, person);
    let served = match app.node.read(&caller, kind, id).await {
        Ok(served) => served,
        Err(NodeError::NotFound(_) | NodeError::Gone(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    tell(app, &caller, "read", kind, id, &[&served]).await;
    Ok(serde_json::from_slice(&served.json).ok())
}

async fn tell(app: &App, caller: &Caller, interaction: &'static str, kind: ResourceType, id: &str, read: &[&Served]) {
    let (request, query, patient) = (caller.request.as_str(), "", "");
    let (caller, kind) = (Some(caller), Some(kind));
    app.node.audit(Event { caller, interaction, kind, id, query, status: 200, request, patient, read }).await;
}

/// The person, looking for whom the app is about: it opens these types and nothing for the app.
fn caller(client: &str, person: &Person) -> Caller {
    Caller {
        who: person.title.clone(),
        client: client.to_owned(),
        scopes: Scopes::parse("system/Patient.rs system/RelatedPerson.r system/Encounter.r"),
        purpose: "TREAT".to_owned(),
        request: node::clock::fresh_id(),
        ..Caller::nobody()
    }
}

fn shown(json: &Value) -> Found {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = &json["name"][0];
    let given = name["given"].as_array().into_iter().flatten().map(text);
    let parts = given.chain([text(&name["family"])]).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let whole = text(&name["text"]);
    let identifiers = json["identifier"].as_array().into_iter().flatten().map(|one| text(&one["value"])).take(3);
    let facts = [text(&json["birthDate"]), text(&json["gender"])].into_iter().chain(identifiers);
    Found {
        id: text(&json["id"]),
        name: [whole, parts].into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "(no name)".to_owned()),
        facts: facts.filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" · "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_is_related_is_so_while_active_and_within_the_period() {
        let now = fhir::datetime::parse_instant("2026-05-10T12:00:00Z").unwrap();
        let row = |json: Value, wanted: bool| assert_eq!(holds(&json, now), wanted, "{json}");
        row(json!({}), true);
        row(json!({ "active": true }), true);
        row(json!({ "active": false }), false);
        for (start, end, wanted) in [
            ("2020", "2027", true),
            ("2026-05-10", "2026-05-10", true),
            ("2026", "2026", true),
            ("2026-05-10T11:00:00Z", "2026-05-10T13:00:00Z", true),
            ("2020", "2025", false),
            ("2020", "2026-05-09", false),
            ("2020", "2026-05-10T11:59:59Z", false),
            ("2026-05-11", "2027", false),
            ("2020", "never", false),
        ] {
            row(json!({ "period": { "start": start, "end": end } }), wanted);
        }
        row(json!({ "period": { "end": "2025-01-01" } }), false);
        row(json!({ "period": { "start": "2025-01-01" } }), true);
    }
}
