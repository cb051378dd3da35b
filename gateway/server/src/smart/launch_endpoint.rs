//! `POST /auth/launch`: an EHR says for whom and for which patient it opens an app, and gets the value that the app brings
//! along: good once, for five minutes. For clients with the right `ehr`. Called by the router in `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch>; how an EHR gets the value is left to
//! each server.

use crate::app::App;
use crate::pairs;
use crate::smart::authenticate;
use crate::smart::form::Form;
use crate::smart::refused::{Refused, answer};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use node::NodeError;
use node::apps::Launch;
use node::clients::EHR;
use serde_json::{Value, json};

/// Opens an app.
pub(crate) async fn launch(State(app): State<App>, request: Request) -> Response {
    match opened(&app, request).await {
        Ok(json) => answer(StatusCode::OK, &json),
        Err(refused) => refused.into_response(),
    }
}

async fn opened(app: &App, request: Request) -> Result<Value, Refused> {
    let form = Form::read(app, request).await?;
    let client = authenticate::confidential(app, &form).await?;
    if !client.has(EHR) {
        return Err(Refused::Unauthorized("the client has no right to open apps".to_owned()));
    }
    let field = |name: &str| Ok::<_, Refused>(form.find(name)?.unwrap_or_default().to_owned());
    let named = field("app")?;
    let opened = app.node.approved_client(&named).await?;
    if opened.is_none() && !named.is_empty() {
        return Err(Refused::request("app is no client that people log in for"));
    }
    let launch = Launch {
        client: named,
        patient: field("patient")?,
        encounter: field("encounter")?,
        fhir_user: field("user")?,
        ..Launch::default()
    };
    let secret = app.node.add_launch(launch).await.map_err(|error| match error {
        NodeError::Unprocessable(text) => Refused::Request(text),
        error => error.into(),
    })?;
    let mut json = json!({ "launch": secret, "iss": app.base, "expires_in": node::apps::LAUNCH_S });
    if let Some(url) = opened.map(|opened| opened.launch).filter(|url| !url.is_empty()) {
        let more = if url.contains('?') { '&' } else { '?' };
        json["url"] = format!("{url}{more}iss={}&launch={secret}", pairs::encode(&app.base)).into();
    }
    Ok(json)
}
