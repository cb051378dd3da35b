//! What an app asks when it sends a person here: read strictly, before anything is shown. Called by `authorize`.

use crate::app::App;
use crate::auth::both;
use crate::smart::form::Form;
use crate::smart::refused::Refused;
use crate::token::now_s;
use node::NodeError;
use node::clients::{Client, launch_words};
use record::scope::{Context, Scopes};
use serde::{Deserialize, Serialize};

/// What the forms that carry it are sealed for.
pub(crate) const PURPOSE: &str = "what an app asked";

/// How long a person may take, in seconds.
const TIME_S: u64 = 1800;

/// Longest state and nonce: each is kept while a person logs in, for whoever asks, and apps send some tens of bytes.
const KEPT_BYTES_MAX: usize = 2048;

/// Bytes of a SHA-256 in base64url.
const CHALLENGE_BYTES: usize = 43;

/// A question that can be answered: whoever asks is known, and where the answer goes is the app's own place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) state: String,
    /// What the app may have of what it asked for, at most.
    pub(crate) scope: String,
    pub(crate) challenge: String,
    pub(crate) nonce: String,
    /// What the EHR opened the app with, and whom it is for.
    pub(crate) launch: Option<String>,
    pub(crate) launch_user: String,
    pub(crate) patient: Option<String>,
    pub(crate) encounter: String,
    /// Seconds since 1970.
    pub(crate) until_s: u64,
}

/// Why there is nothing to ask a person.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nobody knows where an answer would go: the person is told.
    Page(&'static str),
    /// The app is told.
    Back { redirect: String, state: Option<String>, code: &'static str, text: &'static str },
    /// The store.
    Node(NodeError),
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl Asked {
    /// The app is told why not.
    pub(crate) fn fault(&self, code: &'static str, text: &'static str) -> Fault {
        Fault::Back { redirect: self.redirect.clone(), state: Some(self.state.clone()), code, text }
    }

    pub(crate) fn scopes(&self) -> Scopes {
        Scopes::parse(&self.scope)
    }

    /// Whether it asks for one patient's data, which then must be somebody's.
    pub(crate) fn needs_patient(&self) -> bool {
        let scopes = self.scopes();
        let named = scopes.other.iter().any(|word| word == "launch/patient");
        named || scopes.known.iter().any(|scope| scope.context == Context::Patient)
    }

    /// The same out of a form of ours, if nobody changed it and the app may still ask.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn open(app: &App, text: &str) -> Result<(Self, Client), Fault> {
        let opened = app.node.open_form(PURPOSE, text).and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        let asked = opened.filter(|asked| asked.until_s > now_s());
        let asked = asked.ok_or(Fault::Page("This page is too old. Go back to the app and begin again."))?;
        let client = known(app, &asked.client).await?;
        if !client.redirects.contains(&asked.redirect) {
            return Err(Fault::Page(ELSEWHERE));
        }
        Ok((asked, client))
    }
}

const ELSEWHERE: &str = "The app wants to be answered where it was not registered to be.";
const STRANGER: &str = "No app of this name is registered here.";

/// Reads what an app asks.
///
/// # Errors
/// [`Fault::Page`] as long as app and place of answer are not known to belong together; then [`Fault::Back`].
pub(crate) async fn read(app: &App, form: &Form) -> Result<Asked, Fault> {
    let id = form.one("client_id").map_err(|_| Fault::Page(STRANGER))?;
    let client = known(app, id).await?;
    // Letter for letter: whatever is only similar may be somebody else's.
    let redirect = form.one("redirect_uri").map_err(|_| Fault::Page(ELSEWHERE))?;
    if !client.redirects.iter().any(|known| known == redirect) {
        return Err(Fault::Page(ELSEWHERE));
    }
    let state = form.find("state").ok().flatten();
    let back = |code: &'static str, text: &'static str| Fault::Back {
        redirect: redirect.to_owned(),
        state: state.map(str::to_owned),
        code,
        text,
    };
    let twice = |_: Refused| back("invalid_request", "a parameter was sent more than once");
    let state = form.find("state").map_err(twice)?.ok_or_else(|| back("invalid_request", "state is missing"))?;
    let nonce = form.find("nonce").map_err(twice)?.unwrap_or_default();
    if state.len() > KEPT_BYTES_MAX || nonce.len() > KEPT_BYTES_MAX {
        return Err(back("invalid_request", "state and nonce have at most 2,048 bytes"));
    }
    match form.find("response_type").map_err(twice)? {
        Some("code") => {}
        Some(_) => return Err(back("unsupported_response_type", "response_type must be code")),
        None => return Err(back("invalid_request", "response_type is missing")),
    }
    for (name, code) in [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")] {
        if form.find(name).map_err(twice)?.is_some() {
            return Err(back(code, "parameters are taken from the query or the form"));
        }
    }
    if form.find("response_mode").map_err(twice)?.is_some_and(|mode| mode != "query") {
        return Err(back("invalid_request", "response_mode must be query"));
    }
    if form.find("code_challenge_method").map_err(twice)? != Some("S256") {
        return Err(back("invalid_request", "PKCE is needed: code_challenge_method must be S256"));
    }
    let challenge = form.find("code_challenge").map_err(twice)?.unwrap_or_default();
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if challenge.len() != CHALLENGE_BYTES || !challenge.bytes().all(letters) {
        return Err(back("invalid_request", "code_challenge must be a SHA-256 in base64url"));
    }
    // A token for another server's data is not had here.
    let audience = form.find("aud").map_err(twice)?.unwrap_or_default();
    if audience.strip_suffix('/').unwrap_or(audience) != app.base {
        return Err(back("invalid_request", "aud must be the FHIR base URL of this server"));
    }
    if form.find("prompt").map_err(twice)?.is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        return Err(back("interaction_required", "a person is always asked"));
    }
    let scope = allowed(form.find("scope").map_err(twice)?.unwrap_or_default(), &client);
    if scope.known.is_empty() && !scope.other.iter().any(|word| word == "openid") {
        return Err(back("invalid_scope", "the app may have none of these scopes"));
    }
    let launch = form.find("launch").map_err(twice)?;
    if launch.is_some() != scope.other.iter().any(|word| word == "launch") {
        return Err(back("invalid_request", "launch and the scope of this name come together"));
    }
    let mut asked = Asked {
        client: client.id,
        redirect: redirect.to_owned(),
        state: state.to_owned(),
        scope: scope.to_string(),
        challenge: challenge.to_owned(),
        nonce: nonce.to_owned(),
        launch: launch.map(str::to_owned),
        launch_user: String::new(),
        patient: None,
        encounter: String::new(),
        until_s: now_s() + TIME_S,
    };
    if let Some(secret) = launch {
        let launch = app.node.launch(secret).await?;
        let launch = launch.filter(|launch| launch.client.is_empty() || launch.client == asked.client);
        let launch = launch.ok_or_else(|| back("invalid_request", "the launch is over, or is for another app"))?;
        asked.patient = Some(launch.patient).filter(|id| !id.is_empty());
        (asked.encounter, asked.launch_user) = (launch.encounter, launch.fhir_user);
    }
    Ok(asked)
}

/// What an app may have of what it asks for, or of what it was allowed before. What only systems have is granted by no person.
pub(crate) fn allowed(wanted: &str, client: &Client) -> Scopes {
    let (wanted, may) = (Scopes::parse(wanted), Scopes::parse(&client.scope));
    let known = both(&wanted, &may).known.into_iter().filter(|scope| scope.context != Context::System).collect();
    let asked = |word: &str| wanted.other.iter().any(|other| other == word);
    let words = launch_words(&may).filter(|word| asked(word)).filter(|word| match *word {
        "offline_access" | "online_access" => client.may_use("refresh_token"),
        "fhirUser" => asked("openid"),
        _ => true,
    });
    Scopes { known, other: words.map(str::to_owned).collect() }
}

async fn known(app: &App, id: &str) -> Result<Client, Fault> {
    let client = app.node.approved_client(id).await?.filter(|client| client.may_use("authorization_code"));
    client.ok_or(Fault::Page(STRANGER))
}
