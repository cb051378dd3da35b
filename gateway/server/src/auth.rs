//! Who calls: the bearer token, and what its client may do now. Called by `dispatch` before anything else.
//! Spec: RFC 6750; <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>.

use crate::app::App;
use crate::error::ApiError;
use crate::purpose;
use crate::request_id::RequestId;
use crate::token::{self, Claims, TokenError};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use fhir::Code;
use node::Caller;
use node::clients::{ADMIN, Client, Quota};
use record::scope::{Context, Scopes};
use std::sync::Arc;
use std::time::Instant;

mod common;
mod known;

pub(crate) use common::both;
pub(crate) use known::Callers;
use known::{AsOf, Known};

/// The caller that a request's token names.
///
/// # Errors
/// 401 for a token that is missing, forged, expired or of an unknown client.
pub(crate) async fn caller(app: &App, headers: &HeaderMap, request: &RequestId) -> Result<Caller, ApiError> {
    let token = bearer(headers)?;
    let now = match app.external {
        Some(_) => AsOf::Moment(Instant::now()),
        None => AsOf::Mark(app.node.clients_mark().await?),
    };
    let known = match app.callers.find(token) {
        Some(known) if known.is_fresh(now) => known,
        stale => match check(app, token, stale, now).await {
            Ok(known) => {
                let known = Arc::new(known);
                app.callers.remember(token, known.clone());
                known
            }
            Err(error) => {
                app.callers.forget(token);
                return Err(error);
            }
        },
    };
    app.quotas.note(&known.claims.client_id, known.quota);
    let staff = match known.claims.fhir_user.as_deref() {
        Some(user) => is_staff(user),
        None => known.patient_scopes.known.is_empty(),
    };
    let of_token = known.claims.purpose.as_deref();
    let caller = Caller {
        who: known.who.clone(),
        client: known.claims.client_id.clone(),
        scopes: known.scopes.clone(),
        patient_scopes: known.patient_scopes.clone(),
        patient: known.claims.patient.clone(),
        user: known.claims.fhir_user.clone(),
        purpose: of_token.unwrap_or(purpose::DEFAULT).to_owned(),
        reason: String::new(),
        request: request.as_str().to_owned(),
    };
    let said = purpose::said(app, headers, &caller).await?;
    let (purpose, reason) = purpose::of(headers, said, of_token, staff)?;
    Ok(Caller { purpose, reason, ..caller })
}

/// The client of a token, and whether it administers this server: it has the right, and the token the scope.
///
/// # Errors
/// As [`caller`].
pub(crate) async fn client(app: &App, headers: &HeaderMap) -> Result<(Client, bool), ApiError> {
    let (claims, _) = verified(app, bearer(headers)?, None).await.map_err(refused)?;
    let client = approved(app, &claims).await?;
    let administers = client.has(ADMIN) && claims.scope.split_ascii_whitespace().any(|word| word == ADMIN);
    Ok((client, administers))
}

/// What a good token says, whatever it opens.
///
/// # Errors
/// As [`caller`].
pub(crate) async fn claims(app: &App, headers: &HeaderMap) -> Result<Claims, ApiError> {
    let (claims, _) = verified(app, bearer(headers)?, None).await.map_err(refused)?;
    approved(app, &claims).await?;
    Ok(claims)
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

/// What a token comes to now. A signature that was verified before is not verified again, while its key still counts:
/// that is most of the cost of a token.
async fn check(app: &App, text: &str, before: Option<Arc<Known>>, as_of: AsOf) -> Result<Known, ApiError> {
    let (claims, kid) = verified(app, text, before).await.map_err(refused)?;
    let (client, allowed, quota) = allowed(app, &claims).await?;
    let (scopes, patient_scopes) = apart(allowed, claims.fhir_user.as_deref());
    Ok(Known {
        who: if claims.name.is_empty() { client } else { claims.name.clone() },
        scopes,
        patient_scopes,
        claims,
        kid,
        quota,
        as_of,
    })
}

fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::Node(error) => error.into(),
        TokenError::Away(_) => {
            ApiError::busy(Code::Transient, "the issuer of tokens cannot be reached; nothing was done", 5)
        }
        TokenError::Expired => ApiError::unauthorized(Code::Expired, Some("invalid_token"), &error.to_string()),
        TokenError::Forged => ApiError::unauthorized(Code::Unknown, Some("invalid_token"), &error.to_string()),
    }
}

/// The client of a token that was issued here, if it may call now and nothing was taken back.
async fn approved(app: &App, claims: &Claims) -> Result<Client, ApiError> {
    let grant = claims.grant.as_deref().unwrap_or_default();
    app.node.client_of_token(&claims.client_id, &claims.jti, grant).await?.ok_or_else(|| {
        let text = "the token was taken back, or its client is not registered any more";
        ApiError::unauthorized(Code::Unknown, Some("invalid_token"), text)
    })
}

/// The client's name, what its token may do now, and how much the client may ask: of an issuer elsewhere what the token says, else
/// no more than the client.
async fn allowed(app: &App, claims: &Claims) -> Result<(String, Scopes, Option<Quota>), ApiError> {
    let said = Scopes::parse(&claims.scope);
    if app.external.is_some() {
        return Ok((claims.client_id.clone(), said, None));
    }
    let client = approved(app, claims).await?;
    Ok((client.name, both(&said, &Scopes::parse(&client.scope)), client.quota))
}

async fn verified(app: &App, text: &str, before: Option<Arc<Known>>) -> Result<(Claims, String), TokenError> {
    let counts = match (&before, &app.external) {
        (Some(known), Some(external)) => external.knows(&known.kid).await?,
        (Some(known), None) => app.signing.find(&app.node, &known.kid).await?.is_some(),
        (None, _) => false,
    };
    let (claims, kid) = match (before.filter(|_| counts), &app.external) {
        (Some(known), _) => (known.claims.clone(), known.kid.clone()),
        (None, Some(external)) => external.verify(text).await?,
        (None, None) => token::verify(&app.signing, &app.node, &app.places, text).await?,
    };
    claims.check_time(token::now_s())?;
    Ok((claims, kid))
}

/// Scopes that open whatever they name, and those that open one patient's part of it. What a `user/` scope opens is what its
/// user may see: to whoever is not known to be staff, that is no more than the patient's own.
fn apart(scopes: Scopes, user: Option<&str>) -> (Scopes, Scopes) {
    let of_staff = user.is_some_and(is_staff);
    let (patient, other) = scopes.known.into_iter().partition(|scope| match scope.context {
        Context::Patient => true,
        Context::User => !of_staff,
        Context::System => false,
    });
    (Scopes { known: other, other: Vec::new() }, Scopes { known: patient, other: Vec::new() })
}

/// Whether a `fhirUser` names staff: `Practitioner/7`, or the same behind a base URL, and nothing behind or between. What is
/// written in any other way may have been taken for something else by whoever issued it.
fn is_staff(user: &str) -> bool {
    let parts = match user.split_once("://") {
        Some(("https" | "http", rest)) => match rest.split_once('/') {
            Some((host, path)) if !host.is_empty() => path.rsplit('/').take(2).collect::<Vec<_>>(),
            _ => return false,
        },
        Some(_) => return false,
        None => user.rsplit('/').collect(),
    };
    let [id, kind] = parts[..] else { return false };
    matches!(kind, "Practitioner" | "PractitionerRole") && node::people::is_id(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_a_patient_opens_no_others() {
        let row = |user: Option<&str>, wanted: (&str, &str)| {
            let (scopes, patient) = apart(Scopes::parse("system/A.r user/B.r patient/C.r"), user);
            assert_eq!((scopes.to_string().as_str(), patient.to_string().as_str()), wanted, "{user:?}");
        };
        row(None, ("system/A.r", "user/B.r patient/C.r"));
        row(Some("Practitioner/7"), ("system/A.r user/B.r", "patient/C.r"));
        row(Some("Patient/7"), ("system/A.r", "user/B.r patient/C.r"));
        row(Some("RelatedPerson/7"), ("system/A.r", "user/B.r patient/C.r"));
        row(Some("PractitionerRole/7"), ("system/A.r user/B.r", "patient/C.r"));
        row(Some("Person/7"), ("system/A.r", "user/B.r patient/C.r"));
        row(Some("ada"), ("system/A.r", "user/B.r patient/C.r"));
        row(Some("https://elsewhere.example/fhir/Patient/7"), ("system/A.r", "user/B.r patient/C.r"));
    }

    #[test]
    fn staff_is_who_is_named_as_staff_and_nobody_else() {
        let row = |user: &str, wanted: bool| assert_eq!(is_staff(user), wanted, "{user:?}");
        row("Practitioner/7", true);
        row("PractitionerRole/a-b.7", true);
        row("https://elsewhere.example/Practitioner/7", true);
        row("https://elsewhere.example/fhir/r4/PractitionerRole/7", true);
        for user in [
            "",
            "Practitioner",
            "Practitioner/",
            "/Practitioner/7",
            "Practitioner/7/",
            "Practitioner/7/_history/1",
            "Practitioner/7?x=Patient/1",
            "Practitioner/7#x",
            "Practitioner/7 ",
            "practitioner/7",
            "Person/7",
            "Patient/7",
            "Patient/Practitioner/7",
            "https://Practitioner/7",
            "https:///Practitioner/7",
            "https://elsewhere.example/fhir/Practitioner/7/",
            "https://elsewhere.example/fhir/Practitioner/7/_history/1",
            "https://elsewhere.example/fhir/Person/7",
            "urn:uuid:Practitioner/7",
            "ftp://elsewhere.example/Practitioner/7",
        ] {
            row(user, false);
        }
    }
}
