//! Which patient an app is opened for: the person's own, the one the EHR named, or one that is looked for. Called by
//! `authorize::steps`; looks are in the audit log like any other.

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

/// The patient that a person is or stands for; none for those who may choose.
///
/// # Errors
/// [`Fault`] where it is nobody known here.
pub(crate) async fn own(app: &App, asked: &Asked, person: &Person) -> Result<Option<String>, Fault> {
    let nobody = || asked.fault("access_denied", "the person's own record is not known here");
    let (kind, id) = person.fhir_user.split_once('/').ok_or_else(nobody)?;
    match kind {
        "Patient" => Ok(Some(id.to_owned())),
        "RelatedPerson" => {
            let json = read(app, asked, person, kind, id).await?.ok_or_else(nobody)?;
            let patient = json["patient"]["reference"].as_str().and_then(|text| text.strip_prefix("Patient/"));
            Ok(Some(patient.ok_or_else(nobody)?.to_owned()))
        }
        _ => Ok(None),
    }
}

/// A Patient by its id, if it is here.
///
/// # Errors
/// [`Fault::Node`].
pub(crate) async fn find(app: &App, asked: &Asked, person: &Person, id: &str) -> Result<Option<Found>, Fault> {
    Ok(read(app, asked, person, "Patient", id).await?.map(|json| shown(&json)))
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
    let caller = caller(asked, person);
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
    let json = read(app, asked, person, "Encounter", id).await?;
    let subject = json.as_ref().and_then(|json| json["subject"]["reference"].as_str());
    Ok(subject.and_then(|text| text.strip_prefix("Patient/")).map(str::to_owned))
}

async fn read(app: &App, asked: &Asked, person: &Person, kind: &str, id: &str) -> Result<Option<Value>, Fault> {
    let Some(kind) = ResourceType::parse(kind) else { return Ok(None) };
    let caller = caller(asked, person);
    let served = match app.node.read(&caller, kind, id).await {
        Ok(served) => served,
        Err(NodeError::NotFound(_) | NodeError::Gone(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
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
fn caller(asked: &Asked, person: &Person) -> Caller {
    Caller {
        who: person.title.clone(),
        client: asked.client.clone(),
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
