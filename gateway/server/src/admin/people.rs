//! `/admin/users` and `/admin/sessions`: people who log in here, kept out, and browsers in which somebody is logged in. Called by
//! `admin`.

use super::clients::NewStatus;
use super::{Done, on_the_machine_alone};
use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use fhir::Code;
use node::operator::Session;
use node::people::Person;
use serde_json::{Value, json};

pub(super) async fn list(app: &App) -> Result<Done, ApiError> {
    let people = app.node.people().await?;
    Ok(Done(StatusCode::OK, json!({ "users": people.iter().map(shown).collect::<Vec<_>>() })))
}

/// Keeps a person out: sessions end, and what the person allowed apps is taken back.
pub(super) async fn set_status(app: &App, id: &str, new: NewStatus) -> Result<Done, ApiError> {
    let person = app.node.person(id).await?.filter(|person| person.id == id);
    let missing = || ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "there is no user of this id");
    let person = person.ok_or_else(missing)?;
    match new.status.as_str() {
        "disabled" => app.node.disable_person(&person.id).await?,
        "active" => return Err(on_the_machine_alone("letting a person in, who needs a password,")),
        _ => return Err(ApiError::bad(Code::Value, "status is disabled", "status")),
    }
    Ok(Done(StatusCode::OK, shown(&Person { active: false, ..person })))
}

pub(super) async fn sessions(app: &App) -> Result<Done, ApiError> {
    let sessions = app.node.sessions().await?;
    let one = |session: &Session| json!({ "name": session.name, "person": session.person, "began": session.began_s, "used": session.used_s });
    Ok(Done(StatusCode::OK, json!({ "sessions": sessions.iter().map(one).collect::<Vec<_>>() })))
}

pub(super) async fn end_session(app: &App, name: &str) -> Result<Done, ApiError> {
    app.node.end_session_of(name).await?;
    Ok(Done(StatusCode::NO_CONTENT, Value::Null))
}

fn shown(person: &Person) -> Value {
    let status = if person.active { "active" } else { "disabled" };
    json!({ "id": person.id, "name": person.name, "title": person.title, "fhirUser": person.fhir_user, "status": status })
}
