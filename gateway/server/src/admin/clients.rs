//! `/admin/clients`: software that may call. Called by `admin`.

use super::{Done, not_on_the_machine};
use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use fhir::Code;
use node::clients::{ADMIN, Auth, Client, GRANTS, NewClient, Quota, Status};
use serde::Deserialize;
use serde_json::{Value, json};

/// A client to be added, or the one of the same name to be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    name: String,
    scope: String,
    /// Its public keys; a set, or where they are fetched from.
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// It cannot prove who it is.
    #[serde(default)]
    public: bool,
    #[serde(default)]
    redirects: Vec<String>,
    #[serde(default)]
    launch: String,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    rights: Vec<String>,
}

/// Whether a client may call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStatus {
    pub(super) status: String,
}

/// How much a client may ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuota {
    per_second: u32,
    burst: u32,
    at_once: u32,
}

pub(super) async fn list(app: &App) -> Result<Done, ApiError> {
    let clients = app.node.clients().await?;
    let limits = &app.settings.limits;
    let usual = json!({ "per_second": limits.client_rate.per_second, "burst": limits.client_rate.burst,
        "at_once": limits.client_requests_max });
    let clients = clients.iter().map(shown).collect::<Vec<_>>();
    Ok(Done(StatusCode::OK, json!({ "clients": clients, "quota": usual })))
}

pub(super) async fn show(app: &App, id: &str) -> Result<Done, ApiError> {
    Ok(Done(StatusCode::OK, shown(&find(app, id).await?)))
}

pub(super) async fn put(app: &App, asked: Asked) -> Result<Done, ApiError> {
    let before = app.node.client(&asked.name).await?;
    if asked.rights.iter().any(|right| right == ADMIN) || before.as_ref().is_some_and(|before| before.has(ADMIN)) {
        return Err(not_on_the_machine("adding or changing a client with the right admin"));
    }
    if before.as_ref().is_some_and(|before| before.auth == Auth::Secret) {
        return Err(not_on_the_machine("changing a client with a secret"));
    }
    let jwks = match (&asked.jwks, &asked.jwks_uri) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad(Code::Invalid, "a client has jwks or jwks_uri, not both", "jwks"));
        }
        (Some(set), None) if !set.get("keys").is_some_and(Value::is_array) => {
            return Err(ApiError::bad(Code::Structure, "jwks has no keys", "jwks"));
        }
        (Some(set), None) => set.to_string(),
        (None, Some(uri)) if !uri.starts_with("https://") && !uri.starts_with("http://") => {
            return Err(ApiError::bad(Code::Value, "jwks_uri is no URL", "jwks_uri"));
        }
        (None, Some(uri)) => uri.clone(),
        (None, None) => String::new(),
    };
    if asked.public != jwks.is_empty() {
        let text =
            "a client has jwks, jwks_uri, or is public; one with a secret is added by `chartwell client add --secret`";
        return Err(ApiError::bad(Code::Invalid, text, "jwks"));
    }
    let usual = if asked.redirects.is_empty() { &GRANTS[..1] } else { &GRANTS[1..] };
    let grants = match asked.grants.is_empty() {
        true => usual.iter().map(|grant| (*grant).to_owned()).collect(),
        false => asked.grants,
    };
    let new = NewClient {
        name: asked.name,
        scope: asked.scope,
        jwks,
        auth: if asked.public { Auth::None } else { Auth::Key },
        redirects: asked.redirects,
        launch: asked.launch,
        grants,
        rights: asked.rights,
        status: Status::Approved,
    };
    let (client, _) = app.node.register_client(&new).await?;
    forget(app, &client.id);
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Done(status, shown(&client)))
}

pub(super) async fn set_status(app: &App, id: &str, new: NewStatus) -> Result<Done, ApiError> {
    let client = changeable(app, id).await?;
    let status = [Status::Approved, Status::Disabled].into_iter().find(|status| status.text() == new.status);
    let status = status.ok_or_else(|| ApiError::bad(Code::Value, "status is approved or disabled", "status"))?;
    app.node.set_client_status(&client.id, status).await?;
    forget(app, &client.id);
    show(app, &client.id).await
}

pub(super) async fn set_quota(app: &App, id: &str, new: Option<NewQuota>) -> Result<Done, ApiError> {
    let client = changeable(app, id).await?;
    let quota = new.map(|new| Quota { per_second: new.per_second, burst: new.burst, at_once: new.at_once });
    app.node.set_client_quota(&client.id, quota).await?;
    forget(app, &client.id);
    show(app, &client.id).await
}

pub(super) async fn remove(app: &App, id: &str) -> Result<Done, ApiError> {
    let client = changeable(app, id).await?;
    app.node.remove_client(&client.id).await?;
    forget(app, &client.id);
    Ok(Done(StatusCode::NO_CONTENT, Value::Null))
}

async fn find(app: &App, id: &str) -> Result<Client, ApiError> {
    let client = app.node.client(id).await?.filter(|client| client.id == id);
    client.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "there is no client of this id"))
}

async fn changeable(app: &App, id: &str) -> Result<Client, ApiError> {
    let client = find(app, id).await?;
    match client.has(ADMIN) {
        true => Err(not_on_the_machine("changing a client with the right admin")),
        false => Ok(client),
    }
}

/// This process asks anew at once; the others do within half a second.
fn forget(app: &App, client: &str) {
    app.callers.forget_where(|known| known.client_id == client);
}

fn shown(client: &Client) -> Value {
    let mut json = json!({
        "id": client.id,
        "name": client.name,
        "status": client.status.text(),
        "auth": client.auth.text(),
        "scope": client.scope,
        "grants": client.grants,
        "rights": client.rights,
        "redirects": client.redirects,
        "launch": client.launch,
        "made": client.made_s,
    });
    if let Ok(set) = serde_json::from_str::<Value>(&client.jwks) {
        json["jwks"] = set;
    } else if !client.jwks.is_empty() {
        json["jwks_uri"] = client.jwks.as_str().into();
    }
    if let Some(quota) = client.quota {
        json["quota"] = json!({ "per_second": quota.per_second, "burst": quota.burst, "at_once": quota.at_once });
    }
    json
}
