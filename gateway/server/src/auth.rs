//! Who calls: the bearer token, and what its client may do now. Called by `dispatch` before anything else.
//! Spec: RFC 6750; <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>.

use crate::app::App;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::token::{self, TokenError};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use fhir::Code;
use jsonwebtoken::DecodingKey;
use node::Caller;
use record::scope::{Interactions, Scope, Scopes};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a checked token is remembered: a client that is changed or taken away is served so long at most.
const REMEMBERED: Duration = Duration::from_millis(500);

/// Most tokens remembered; beyond it all are forgotten and checked anew.
const REMEMBERED_MAX: usize = 4096;

/// Purpose of use of a token that names none: treatment.
const PURPOSE: &str = "TREAT";

/// The key of tokens, and those checked a moment ago.
pub(crate) struct Callers {
    key: DecodingKey,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// What a token came to.
struct Known {
    who: String,
    client: String,
    scopes: Scopes,
    purpose: String,
    exp: u64,
    checked: Instant,
}

impl Callers {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: DecodingKey::from_secret(key), known: Mutex::default() }
    }

    fn find(&self, token: &str) -> Option<Arc<Known>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()?;
        (known.checked.elapsed() < REMEMBERED && known.exp > token::now_s()).then_some(known)
    }

    fn remember(&self, token: &str, known: Arc<Known>) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX {
            all.clear();
        }
        all.insert(token.to_owned(), known);
    }
}

/// The caller that a request's token names.
///
/// # Errors
/// 401 for a token that is missing, forged, expired or of an unknown client.
pub(crate) async fn caller(app: &App, headers: &HeaderMap, request: &RequestId) -> Result<Caller, ApiError> {
    let token = bearer(headers)?;
    let known = match app.callers.find(token) {
        Some(known) => known,
        None => {
            let known = Arc::new(check(app, token).await?);
            app.callers.remember(token, known.clone());
            known
        }
    };
    Ok(Caller {
        who: known.who.clone(),
        client: known.client.clone(),
        scopes: known.scopes.clone(),
        purpose: known.purpose.clone(),
        request: request.as_str().to_owned(),
        ..Caller::nobody()
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(ApiError::unauthorized(
            Code::Login,
            None,
            "a bearer token is needed: Authorization: Bearer <token>",
        ));
    };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(ApiError::unauthorized(
            Code::Login,
            Some("invalid_request"),
            "the Authorization header has no bearer token",
        )),
    }
}

async fn check(app: &App, text: &str) -> Result<Known, ApiError> {
    let claims = token::check_with(&app.callers.key, text, token::now_s()).map_err(|error| {
        let code = if error == TokenError::Expired { Code::Expired } else { Code::Unknown };
        ApiError::unauthorized(code, Some("invalid_token"), &error.to_string())
    })?;
    let Some(client) = app.node.client(&claims.client_id).await?.filter(|client| client.id == claims.client_id) else {
        return Err(ApiError::unauthorized(
            Code::Unknown,
            Some("invalid_token"),
            "the client of the token is not registered",
        ));
    };
    let purpose = claims.purpose.filter(|code| code.len() <= 16 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    Ok(Known {
        who: if claims.name.is_empty() { client.name } else { claims.name },
        scopes: both(&Scopes::parse(&claims.scope), &Scopes::parse(&client.scope)),
        client: client.id,
        purpose: purpose.unwrap_or_else(|| PURPOSE.to_owned()),
        exp: claims.exp,
        checked: Instant::now(),
    })
}

/// What both permit.
pub(crate) fn both(one: &Scopes, other: &Scopes) -> Scopes {
    let pairs = one.known.iter().flat_map(|one| other.known.iter().map(move |other| (one, other)));
    Scopes { known: pairs.filter_map(|(one, other)| common(one, other)).collect(), other: Vec::new() }
}

fn common(one: &Scope, other: &Scope) -> Option<Scope> {
    let either = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => (one == other).then(|| Some(one.clone())),
        (some, None) | (None, some) => Some(some.clone()),
    };
    let all =
        [Interactions::CREATE, Interactions::READ, Interactions::UPDATE, Interactions::DELETE, Interactions::SEARCH];
    let shared = all.into_iter().filter(|bit| one.interactions.contains(*bit) && other.interactions.contains(*bit));
    let interactions = shared.reduce(Interactions::and)?;
    (one.context == other.context).then_some(())?;
    let parameters = match (&one.parameters, &other.parameters) {
        // Both must hold, and in a query they do.
        (Some(one), Some(other)) if one != other => Some(format!("{one}&{other}")),
        (one, other) => either(one, other)?,
    };
    Some(Scope {
        context: one.context,
        resource_type: either(&one.resource_type, &other.resource_type)?,
        interactions,
        parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_what_it_says_and_its_client_still_may() {
        check("system/*.cruds", "system/*.rs", "system/*.rs");
        check("system/Patient.rs", "system/*.cruds", "system/Patient.rs");
        check("system/*.cruds", "system/Patient.cr system/Observation.s", "system/Patient.cr system/Observation.s");
        check("system/Patient.r", "system/Patient.s", "");
        check("system/Patient.r", "system/Observation.r", "");
        check("user/Patient.r", "system/*.r", "");
        check("system/Observation.rs", "system/Observation.rs?category=a", "system/Observation.rs?category=a");
        check("system/Observation.r?code=b", "system/*.r?category=a", "system/Observation.r?code=b&category=a");
        check("system/Observation.r?code=b", "system/*.r?code=b", "system/Observation.r?code=b");
        check("openid", "openid", "");
    }

    fn check(token: &str, client: &str, wanted: &str) {
        assert_eq!(both(&Scopes::parse(token), &Scopes::parse(client)).to_string(), wanted, "{token} and {client}");
    }
}
