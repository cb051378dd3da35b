//! `/admin/clients`: software that may call. Called by `admin`.

use super::{Done, Said, on_the_machine_alone, quoted};
use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use fhir::Code;
use node::clients::{ADMIN, Auth, Client, GRANTS, NewClient, Quota, Status};
use serde::Deserialize;
use serde_json::{Value, json};

/// Characters of a name, of rights, of a scope and of a hash of keys that the audit log has.
const NAME_CHARS: usize = 120;
const SCOPE_CHARS: usize = 500;
const KEYS_CHARS: usize = 20;

/// A client to be added, which waits for its approval on the machine, or the one of the same name that is to do less.
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

impl Said for Asked {
    fn said(&self) -> String {
        let keys = self.jwks.as_ref().map(Value::to_string).or_else(|| self.jwks_uri.clone());
        // Whoever has the set at hand tells whether it was this one.
        let hash = keys.map(|keys| record::id::base32(&record::seal::mac(&[0; 32], keys.as_bytes())));
        let keys = hash.as_deref().and_then(|hash| hash.get(..KEYS_CHARS)).unwrap_or("none");
        let (auth, redirects) = (if self.public { Auth::None } else { Auth::Key }.text(), self.redirects.len());
        let [name, rights] = [&self.name, &self.rights.join(" ")].map(|text| quoted(text, NAME_CHARS));
        let scope = quoted(&self.scope, SCOPE_CHARS);
        format!(" name={name} auth={auth} keys={keys} redirects={redirects} rights={rights} scope={scope}")
    }
}

impl Said for NewStatus {
    fn said(&self) -> String {
        format!(" status={}", quoted(&self.status, NAME_CHARS))
    }
}

impl Said for NewQuota {
    fn said(&self) -> String {
        format!(" per_second={} burst={} at_once={}", self.per_second, self.burst, self.at_once)
    }
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

pub(super) async fn put(app: &App, asked: Asked, said: &mut String) -> Result<Done, ApiError> {
    let before = app.node.client(&asked.name).await?;
    if let Some(before) = &before {
        said.push_str(&format!(" id={}", before.id));
        if before.name != asked.name {
            return Err(ApiError::bad(Code::Invalid, "the name is the id of another client", "name"));
        }
        if before.has(ADMIN) {
            return Err(on_the_machine_alone("changing a client with the right admin"));
        }
        if before.auth == Auth::Secret {
            return Err(on_the_machine_alone("changing a client with a secret"));
        }
    }
    if !asked.rights.is_empty() {
        return Err(on_the_machine_alone("giving rights"));
    }
    let new = new_client(asked, before.as_ref())?;
    let (status, client) = match &before {
        Some(before) => (StatusCode::OK, app.node.narrow_client(&before.id, &new).await?),
        None => (StatusCode::CREATED, app.node.register_new(&new).await?),
    };
    if before.is_none() {
        said.push_str(&format!(" id={}", client.id));
    }
    Ok(Done(status, shown(&client)))
}

/// The client that is asked for: one that waits where it is new, and with the rights it has where it is not.
fn new_client(asked: Asked, before: Option<&Client>) -> Result<NewClient, ApiError> {
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
    Ok(NewClient {
        name: asked.name,
        scope: asked.scope,
        jwks,
        auth: if asked.public { Auth::None } else { Auth::Key },
        redirects: asked.redirects,
        launch: asked.launch,
        grants,
        rights: before.map(|before| before.rights.clone()).unwrap_or_default(),
        status: Status::Pending,
    })
}

pub(super) async fn set_status(app: &App, id: &str, new: NewStatus, said: &mut String) -> Result<Done, ApiError> {
    let client = changeable(app, id, said).await?;
    let status = [Status::Approved, Status::Disabled].into_iter().find(|status| status.text() == new.status);
    let status = status.ok_or_else(|| ApiError::bad(Code::Value, "status is approved or disabled", "status"))?;
    // Neither is one let in that nobody on the machine looked at, nor made one that was kept out, which could be let in.
    if client.status == Status::Pending {
        return Err(on_the_machine_alone("letting in or keeping out a client that waits"));
    }
    app.node.set_client_status(&client.id, status).await?;
    show(app, &client.id).await
}

pub(super) async fn set_quota(app: &App, id: &str, new: Option<NewQuota>, said: &mut String) -> Result<Done, ApiError> {
    let client = changeable(app, id, said).await?;
    let quota = new.map(|new| Quota { per_second: new.per_second, burst: new.burst, at_once: new.at_once });
    app.node.set_client_quota(&client.id, quota).await?;
    show(app, &client.id).await
}

pub(super) async fn remove(app: &App, id: &str, said: &mut String) -> Result<Done, ApiError> {
    let client = changeable(app, id, said).await?;
    app.node.remove_client(&client.id).await?;
    Ok(Done(StatusCode::NO_CONTENT, Value::Null))
}

async fn find(app: &App, id: &str) -> Result<Client, ApiError> {
    let client = app.node.client(id).await?.filter(|client| client.id == id);
    client.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "there is no client of this id"))
}

async fn changeable(app: &App, id: &str, said: &mut String) -> Result<Client, ApiError> {
    let client = find(app, id).await?;
    said.push_str(&format!(" name={}", quoted(&client.name, NAME_CHARS)));
    match client.has(ADMIN) {
        true => Err(on_the_machine_alone("changing a client with the right admin")),
        false => Ok(client),
    }
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
