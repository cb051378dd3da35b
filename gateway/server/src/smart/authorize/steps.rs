//! The pages a person goes through: log in, choose a patient where there is a choice, say what the app may. Each form carries
//! what the app asked, sealed, and the token of its browser. Called by `authorize` and the router in `app`.

use super::asked::{Asked, Fault};
use super::patients::{self, Wanted};
use super::provider::Provider;
use super::{address, answer, sealed};
use crate::app::App;
use crate::serve::Peer;
use crate::smart::attempts::Shared;
use crate::smart::browser::Browser;
use crate::smart::form::Form;
use crate::smart::pages::{self, Frame};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use node::apps::Grant;
use node::clients::Client;
use node::people::Person;
use record::scope::Scopes;
use std::time::{Duration, Instant};

/// Longest time a password waits to be hashed.
const HASH_WAIT: Duration = Duration::from_secs(5);

/// The next page for what an app asked.
pub(crate) async fn next(app: &App, browser: &Browser, asked: Asked) -> Response {
    match shown(app, browser, asked).await {
        Ok(response) => response,
        Err(fault) => answer(app, browser, fault),
    }
}

async fn shown(app: &App, browser: &Browser, mut asked: Asked) -> Result<Response, Fault> {
    let client = app.node.approved_client(&asked.client).await?.ok_or_else(|| asked.fault("access_denied", GONE))?;
    let Some(person) = app.node.session(&browser.secret).await? else {
        return Ok(login_page(app, browser, &asked, &client, StatusCode::OK, None));
    };
    check(app, &mut asked, &person).await?;
    let frame = Frame { request: sealed(app, &asked), csrf: browser.csrf(app), app: client.name };
    let html = match &asked.patient {
        None if asked.needs_patient() => pages::patients(&frame, None, &[]),
        None => pages::consent(&frame, &person, None, &asked.scopes()),
        Some(id) => {
            let patient = patients::find(app, &asked, &person, id).await?;
            let patient = patient.ok_or_else(|| asked.fault("access_denied", "the patient is not known here"))?;
            pages::consent(&frame, &person, Some(&patient), &asked.scopes())
        }
    };
    Ok(browser.page(app, StatusCode::OK, html, &[Some(&asked.redirect)]))
}

const GONE: &str = "the app may not ask any more";

/// Holds who logged in against whom the app was opened for, and takes the patient where there is no choice.
async fn check(app: &App, asked: &mut Asked, person: &Person) -> Result<(), Fault> {
    if !asked.launch_user.is_empty() && asked.launch_user != person.fhir_user {
        return Err(asked.fault("access_denied", "the EHR opened the app for somebody else"));
    }
    let own = patients::own(app, asked, person).await?;
    if asked.needs_patient() && asked.patient.is_none() {
        asked.patient.clone_from(&own);
    }
    if asked.launch.is_some() && !asked.encounter.is_empty() {
        let patient = patients::of_encounter(app, asked, person, &asked.encounter).await?;
        if patient.is_none() || asked.patient.is_some() && asked.patient != patient {
            return Err(asked.fault("access_denied", "the encounter is not of this patient"));
        }
        asked.patient = patient;
    }
    // Last, so that it holds however the patient was found.
    if own.is_some() && asked.patient.is_some() && asked.patient != own {
        return Err(asked.fault("access_denied", "the app was opened for another patient"));
    }
    Ok(())
}

/// `POST /auth/login`.
pub(crate) async fn login(State(app): State<App>, request: Request) -> Response {
    let from = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let (browser, form, asked, client) = match opened(&app, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let again = |status, text| login_page(&app, &browser, &asked, &client, status, Some(text));
    if app.provider.is_some() {
        return again(StatusCode::FORBIDDEN, "Nobody logs in here with a password.");
    }
    let field = |name| form.find(name).ok().flatten().unwrap_or_default();
    let (name, password) = (field("name"), field("password"));
    if name.len() > node::people::PASSWORD_BYTES_MAX || password.len() > node::people::PASSWORD_BYTES_MAX {
        return again(StatusCode::FORBIDDEN, WRONG);
    }
    if !app.attempts.begin(name, from, Instant::now()) {
        tracing::warn!("a login has to wait after several failures");
        return again(StatusCode::TOO_MANY_REQUESTS, WAIT);
    }
    let shared = match Shared::read(&app.node, name, from).await {
        Ok(shared) if shared.may_try() => shared,
        found => {
            // Nothing was looked at.
            app.attempts.take_back(name, from);
            return match found {
                Ok(_) => again(StatusCode::TOO_MANY_REQUESTS, WAIT),
                Err(error) => answer(&app, &browser, Fault::Node(error)),
            };
        }
    };
    let Ok(Ok(_turn)) = tokio::time::timeout(HASH_WAIT, app.attempts.hashing.acquire()).await else {
        app.attempts.take_back(name, from);
        return again(StatusCode::SERVICE_UNAVAILABLE, "Too many people log in at this moment. Try again.");
    };
    let logged_in = async {
        let Some(person) = app.node.log_in(name, password).await? else { return Ok(None) };
        // Another secret than before the login, which nobody can have planted.
        app.node.end_session(&browser.secret).await?;
        app.node.begin_session(&person).await.map(Some)
    };
    match logged_in.await {
        Ok(Some(secret)) => {
            app.attempts.went_well(name, from);
            shared.went_well().await;
            tracing::info!("a person logged in");
            next(&app, &Browser::with(secret), asked).await
        }
        Ok(None) => {
            tracing::warn!("a login failed");
            shared.failed().await;
            again(StatusCode::FORBIDDEN, WRONG)
        }
        Err(error) => {
            app.attempts.take_back(name, from);
            answer(&app, &browser, Fault::Node(error))
        }
    }
}

const WAIT: &str = "Too many attempts. Wait a while and try again.";
const WRONG: &str = "Name and password do not belong together.";

/// `POST /auth/patient`: looks for patients, or takes the one that was chosen.
pub(crate) async fn patient(State(app): State<App>, request: Request) -> Response {
    let (browser, form, mut asked, client) = match opened(&app, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let field = |name| form.find(name).ok().flatten().unwrap_or_default();
    let chosen = async {
        let Some(person) = app.node.session(&browser.secret).await? else { return Ok(None) };
        check(&app, &mut asked, &person).await?;
        if asked.patient.is_some() {
            return Ok(None);
        }
        // Nobody looks through the patients but staff who were asked to, whatever form is sent.
        if !asked.needs_patient() || !person.is_staff() {
            return Err(asked.fault("access_denied", "there is no patient to choose"));
        }
        if let Some(found) = patients::find(&app, &asked, &person, field("pick")).await? {
            asked.patient = Some(found.id);
            return Ok(None);
        }
        let wanted = Wanted { name: field("name"), identifier: field("identifier"), birth_date: field("birthdate") };
        let found = patients::search(&app, &asked, &person, &wanted).await?;
        let frame = Frame { request: sealed(&app, &asked), csrf: browser.csrf(&app), app: client.name.clone() };
        Ok(Some(pages::patients(&frame, Some(&wanted), &found)))
    };
    match chosen.await {
        Ok(Some(html)) => browser.page(&app, StatusCode::OK, html, &[Some(&asked.redirect)]),
        Ok(None) => next(&app, &browser, asked).await,
        Err(fault) => answer(&app, &browser, fault),
    }
}

/// `POST /auth/consent`: what the person says.
pub(crate) async fn consent(State(app): State<App>, request: Request) -> Response {
    let (browser, form, asked, _) = match opened(&app, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    match decided(&app, &browser, &form, asked).await {
        Ok(response) => response,
        Err(fault) => answer(&app, &browser, fault),
    }
}

async fn decided(app: &App, browser: &Browser, form: &Form, mut asked: Asked) -> Result<Response, Fault> {
    let denied = |asked: &Asked| asked.fault("access_denied", "the person did not allow it");
    if form.find("allow").ok().flatten().is_none() {
        return Err(denied(&asked));
    }
    let Some(person) = app.node.session(&browser.secret).await? else { return shown(app, browser, asked).await };
    check(app, &mut asked, &person).await?;
    if asked.patient.is_none() && asked.needs_patient() {
        return shown(app, browser, asked).await;
    }
    let left = left(&asked.scopes(), form);
    if left.known.is_empty() && !left.other.iter().any(|word| word == "openid") {
        return Err(denied(&asked));
    }
    let has = |word: &str| left.other.iter().any(|other| other == word);
    let session = (has("online_access") && !has("offline_access")).then_some(browser.secret.as_str());
    let grant = Grant {
        client: asked.client.clone(),
        person: person.id,
        scope: left.to_string(),
        patient: asked.patient.clone().unwrap_or_default(),
        encounter: asked.encounter.clone(),
        nonce: asked.nonce.clone(),
        ..Grant::default()
    };
    let place = (asked.redirect.as_str(), asked.challenge.as_str());
    let Some(code) = app.node.allow(grant, place, asked.launch.as_deref(), session).await? else {
        return Err(asked.fault("invalid_request", "the launch was used before"));
    };
    tracing::info!(client = %asked.client, "a person allowed an app");
    Ok(browser.sent_to(app, &address(app, &asked.redirect, &[("code", &code)], Some(&asked.state))))
}

/// What was asked for and ticked; words that say how the app was opened are no question.
fn left(asked: &Scopes, form: &Form) -> Scopes {
    let ticked = |text: &str| form.all("scope").any(|ticked| ticked == text);
    let known = asked.known.iter().filter(|scope| ticked(&scope.to_string())).cloned().collect();
    let kept = |word: &&String| crate::smart::words::of_word(word).is_none() || ticked(word);
    Scopes { known, other: asked.other.iter().filter(kept).cloned().collect() }
}

/// `POST /auth/logout`: somebody else may log in.
pub(crate) async fn logout(State(app): State<App>, request: Request) -> Response {
    let (browser, _, asked, _) = match opened(&app, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    match app.node.end_session(&browser.secret).await {
        Ok(()) => next(&app, &browser, asked).await,
        Err(error) => answer(&app, &browser, Fault::Node(error)),
    }
}

/// A form of ours: sent by the browser it was given to, about what an app really asked.
pub(super) async fn opened(app: &App, request: Request) -> Result<(Browser, Form, Asked, Client), Box<Response>> {
    let browser = Browser::of(app, request.headers());
    let told = |fault| Box::new(answer(app, &browser, fault));
    let form = Form::read(app, request).await.map_err(|_| told(Fault::Page("The form cannot be read.")))?;
    let field = |name| form.find(name).ok().flatten().unwrap_or_default();
    if !browser.sent(app, &form.headers, field("token")) {
        let text = "This form does not belong to this browser. Go back to the app and begin again.";
        return Err(Box::new(browser.page(app, StatusCode::FORBIDDEN, pages::fault(text), &[])));
    }
    let (asked, client) = Asked::open(app, field("request")).await.map_err(told)?;
    Ok((browser, form, asked, client))
}

/// The page on which a person logs in, here or at the provider.
pub(super) fn login_page(
    app: &App,
    browser: &Browser,
    asked: &Asked,
    client: &Client,
    status: StatusCode,
    fault: Option<&str>,
) -> Response {
    let frame = Frame { request: sealed(app, asked), csrf: browser.csrf(app), app: client.name.clone() };
    let provider = app.provider.as_ref().map(Provider::issuer);
    let targets = [Some(asked.redirect.as_str()), provider];
    browser.page(app, status, pages::login(&frame, fault, provider), &targets)
}
