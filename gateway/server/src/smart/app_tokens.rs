//! The tokens of an app that a person let in: for a code, and for a refresh token, each used once. Called by
//! `token_endpoint`. Spec: RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.6, OpenID Connect Core section 3.1.3,
//! <https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token>.

use crate::app::App;
use crate::smart::authorize::asked::allowed;
use crate::smart::authorize::patients::{self, Stands};
use crate::smart::form::Form;
use crate::smart::refused::Refused;
use crate::smart::signing::IDENTITY;
use crate::token::{self, Claims};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Header;
use node::NodeError;
use node::apps::{Grant, Used};
use node::clients::Client;
use node::people::Person;
use record::scope::Scopes;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long tokens of apps hold; SMART says an hour at most.
const APP_LIFETIME: Duration = Duration::from_secs(3600);

/// Longest and shortest PKCE verifier (RFC 7636 section 4.1).
const VERIFIER_BYTES: std::ops::RangeInclusive<usize> = 43..=128;

/// Who the person is, for the app.
#[derive(Serialize)]
struct Identity<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    nonce: &'a str,
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    fhir_user: Option<String>,
}

/// Tokens for a code.
///
/// # Errors
/// [`Refused::Grant`] for a code that is none, of another client, of another place, or without its verifier; it is used up
/// by any of these. Used twice, it takes back what came of it.
pub(crate) async fn of_code(app: &App, client: &Client, form: &Form) -> Result<Value, Refused> {
    let (code, redirect, verifier) = (form.one("code")?, form.one("redirect_uri")?, form.one("code_verifier")?);
    let used = app.node.use_code(code).await?;
    let Used::Fresh { grant, redirect: sent, challenge } = used else { return Err(refused(used)) };
    if grant.client != client.id || sent != redirect || !proves(verifier, &challenge) {
        return Err(invalid());
    }
    let scopes = still(&grant, client)?;
    let person = person(app, &grant).await?;
    let mut json = access(app, client, &grant, &person, &scopes).await?;
    if has(&scopes, "openid") {
        json["id_token"] = identity(app, client, &grant, &person, &scopes).await?.into();
    }
    Ok(json)
}

/// Fresh tokens for a refresh token; fewer scopes where fewer are asked for.
///
/// # Errors
/// As [`of_code`]; [`Refused::Scope`] for more than the person allowed.
pub(crate) async fn of_refresh(app: &App, client: &Client, form: &Form) -> Result<Value, Refused> {
    let refresh = form.one("refresh_token")?;
    let wanted = form.find("scope")?.map(Scopes::parse);
    // Looked at before it is used: who asks for too much may ask again.
    let found = app.node.grant_of_refresh(refresh).await?.filter(|grant| grant.client == client.id);
    let most = still(&found.ok_or_else(invalid)?, client)?;
    let scopes = match wanted {
        None => most,
        Some(wanted) if wanted.within(&most) && wanted.other.iter().all(|word| has(&most, word)) => wanted,
        Some(_) => return Err(Refused::Scope("these are more scopes than the person allowed".to_owned())),
    };
    let used = app.node.use_refresh(refresh, &client.id).await?;
    let Used::Fresh { grant, .. } = used else { return Err(refused(used)) };
    let person = person(app, &grant).await?;
    access(app, client, &grant, &person, &scopes).await
}

async fn access(app: &App, client: &Client, grant: &Grant, person: &Person, scopes: &Scopes) -> Result<Value, Refused> {
    let scope = scopes.to_string();
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let stands_for_patient = ["Patient/", "RelatedPerson/"].iter().any(|kind| person.fhir_user.starts_with(kind));
    let claims = Claims {
        sub: person.id.clone(),
        name: person.title.clone(),
        purpose: stands_for_patient.then(|| "PATRQT".to_owned()),
        patient: some(&grant.patient),
        // Told even where the app is not: what the person may see goes by it.
        fhir_user: some(&person.fhir_user),
        grant: Some(grant.id.clone()),
        ..token::claims(&app.places[0], client, &scope, APP_LIFETIME)
    };
    let token = token::sign_with(&app.signing, &app.node, &claims).await?;
    let seconds = APP_LIFETIME.as_secs();
    let mut json = json!({ "access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": scope });
    let allowed = Scopes::parse(&grant.scope);
    if has(&allowed, "offline_access") || has(&allowed, "online_access") {
        json["refresh_token"] = app.node.add_refresh(grant).await?.into();
    }
    if let Some(patient) = claims.patient {
        json["patient"] = patient.into();
        // Nothing around the app says whose record it shows.
        json["need_patient_banner"] = true.into();
    }
    if !grant.encounter.is_empty() {
        json["encounter"] = grant.encounter.clone().into();
    }
    tracing::info!(client = %client.id, "a token was granted for {seconds} s");
    Ok(json)
}

async fn identity(
    app: &App,
    client: &Client,
    grant: &Grant,
    person: &Person,
    scopes: &Scopes,
) -> Result<String, Refused> {
    let iat = token::now_s();
    let claims = Identity {
        iss: &app.settings.base_url,
        sub: &person.id,
        aud: &client.id,
        iat,
        exp: iat + APP_LIFETIME.as_secs(),
        nonce: &grant.nonce,
        fhir_user: has(scopes, "fhirUser").then(|| format!("{}/{}", app.base, person.fhir_user)),
    };
    let key = app.signing.newest(&app.node, IDENTITY).await?;
    let header = Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) };
    let token = jsonwebtoken::encode(&header, &claims, key.encoding());
    Ok(token.map_err(|_| NodeError::Internal("an id_token that cannot be signed"))?)
}

/// What of a grant the client may still have: it may have been narrowed since.
fn still(grant: &Grant, client: &Client) -> Result<Scopes, Refused> {
    let scopes = allowed(&grant.scope, client);
    if scopes.known.is_empty() && !has(&scopes, "openid") {
        return Err(Refused::Scope("the client may have none of these scopes any more".to_owned()));
    }
    Ok(scopes)
}

/// Who allowed it, if the person may still log in, and still stands for whom it was allowed: a grant that another patient's
/// data would be read by ends here.
async fn person(app: &App, grant: &Grant) -> Result<Person, Refused> {
    let person = app.node.person(&grant.person).await?;
    let person = person.filter(|person| person.id == grant.person && person.active).ok_or_else(invalid)?;
    let still = match patients::stands(app, &grant.client, &person).await? {
        Stands::ForAny => true,
        Stands::For(patient) => grant.patient.is_empty() || grant.patient == patient,
        Stands::ForNobody => false,
    };
    if still {
        return Ok(person);
    }
    app.node.revoke_grants(&grant.id, "").await?;
    tracing::info!(client = %grant.client, "a grant ended: its person does not stand for its patient any more");
    Err(invalid())
}

fn refused(used: Used) -> Refused {
    if let Used::Again(grant) = used {
        tracing::warn!(grant, "a code or refresh token was used twice: what came of it was taken back");
    }
    invalid()
}

/// One answer for whatever is wrong with a code or refresh token.
fn invalid() -> Refused {
    Refused::Grant("the code or refresh token is none, is over, or belongs to another request".to_owned())
}

fn has(scopes: &Scopes, word: &str) -> bool {
    scopes.other.iter().any(|other| other == word)
}

/// Whether a PKCE verifier is the one of a challenge. Nothing here is secret from who sends it: the code is used up.
fn proves(verifier: &str, challenge: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    VERIFIER_BYTES.contains(&verifier.len())
        && verifier.bytes().all(letters)
        && BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref()) == challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_proves_its_challenge_alone() {
        // RFC 7636 appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let row = |verifier: &str, challenge: &str, wanted: bool| assert_eq!(proves(verifier, challenge), wanted);
        row(verifier, challenge, true);
        row(verifier, verifier, false);
        row(challenge, challenge, false);
        row(&verifier[..42], challenge, false);
        row("", challenge, false);
        row(&"a".repeat(129), challenge, false);
        row(&verifier.replace('d', " "), challenge, false);
    }
}
