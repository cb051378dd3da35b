//! The router, and what all requests share. Called by `cli` through [`app`].

use crate::auth::Callers;
use crate::metrics::Metrics;
use crate::quota::{AUTH_REQUESTS_MAX, Quotas};
use crate::settings::Settings;
use crate::smart::attempts::Attempts;
use crate::smart::authorize::provider::{self, Provider};
use crate::smart::authorize::steps;
use crate::smart::external::External;
use crate::smart::jwks::KeySets;
use crate::smart::registration::Registrations;
use crate::smart::signing::Signing;
use crate::token::Place;
use crate::{admin, cors, dispatch, edge, health, metrics, smart};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use bytes::Bytes;
use fhir::params::Lookup;
use node::Node;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Smallest answer that is compressed: below it gzip costs more time than the bytes it saves, which fit a packet or two.
const GZIP_BYTES_MIN: u64 = 4096;

/// What all requests share; cloning shares it.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) node: Node,
    pub(crate) settings: Settings,
    /// `<base_url>/fhir`, without a slash at its end.
    pub(crate) base: String,
    /// Where tokens are asked for; the audience of client assertions.
    pub(crate) token_url: String,
    /// Who may have issued a token, and for what.
    pub(crate) places: [Place; 2],
    pub(crate) signing: Signing,
    /// Who issues the tokens instead of this server.
    pub(crate) external: Option<External>,
    /// Where people log in instead of here.
    pub(crate) provider: Option<Provider>,
    pub(crate) callers: Callers,
    pub(crate) metrics: Metrics,
    /// One permit per request that is worked on.
    pub(crate) turns: Semaphore,
    /// One permit per request to `/auth` that is worked on.
    pub(crate) auth_turns: Semaphore,
    pub(crate) quotas: Quotas,
    pub(crate) form_quotas: Quotas,
    pub(crate) key_sets: KeySets,
    pub(crate) attempts: Attempts,
    pub(crate) registrations: Registrations,
    /// The CapabilityStatement, and what it says can be searched by.
    pub(crate) capabilities: Mutex<Option<(Arc<Lookup>, Bytes)>>,
    /// Whether this node's key signs what it verifies, tried once at start.
    pub(crate) signer: bool,
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The whole HTTP surface of a hospital's node.
///
/// FHIR is at `/fhir`, tokens and their keys at `/auth/token` and `/auth/jwks`, the rest at `/health/live`, `/health/ready`, `/metrics` and
/// `/.well-known/smart-configuration`; operators call `/admin`. Every answer carries `X-Request-Id`.
pub fn app(settings: Settings, node: Node) -> Router {
    let app = shared(settings, node);
    let mut called = called();
    let mut rest = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::text));
    if app.external.is_none() {
        called = called.merge(tokens());
        rest = rest.merge(pages()).route("/admin/{*rest}", any(admin::serve));
    }
    if let Some(cors) = cors::layer(&app.settings.cors_origins) {
        // What asks before it calls is answered by the layer: so it stands around other methods too.
        called = called.method_not_allowed_fallback(dispatch::other_method).layer(cors);
    }
    called
        .merge(rest)
        .fallback(dispatch::nothing_here)
        .method_not_allowed_fallback(dispatch::other_method)
        .layer(from_fn_with_state(app.clone(), edge::around))
        .layer(CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(GZIP_BYTES_MIN).and(edge::may_compress)))
        .with_state(app)
}

/// What all requests share, made anew.
pub(crate) fn shared(settings: Settings, node: Node) -> App {
    node.allow_multiple_deletes(settings.conditional_delete_multiple);
    node.set_base(&format!("{}/fhir", settings.base_url));
    App(Arc::new(Inner {
        base: format!("{}/fhir", settings.base_url),
        token_url: format!("{}/auth/token", settings.base_url),
        places: [Place::of_base(&settings.base_url), Place::of_operator(&node)],
        signing: Signing::default(),
        provider: settings.login.as_ref().map(|login| Provider::new(&login.issuer, &login.client_id, &login.secret)),
        external: settings.issuer.as_ref().map(|issuer| External::new(&issuer.url, &issuer.audience)),
        callers: Callers::default(),
        metrics: Metrics::new(node.database_kind()),
        turns: Semaphore::new(settings.limits.requests_max),
        auth_turns: Semaphore::new(AUTH_REQUESTS_MAX.min(settings.limits.requests_max)),
        form_quotas: Quotas::of_forms(),
        quotas: Quotas::new(settings.limits.client_rate, settings.limits.client_requests_max),
        key_sets: KeySets::default(),
        attempts: Attempts::default(),
        registrations: Registrations::default(),
        capabilities: Mutex::default(),
        signer: health::signer_works(&node),
        settings,
        node,
    }))
}

/// What apps call, whoever issues their tokens.
fn called() -> Router<App> {
    Router::new()
        .route("/fhir", any(dispatch::serve))
        .route("/fhir/", any(dispatch::serve))
        .route("/fhir/{*rest}", any(dispatch::serve))
        .route("/fhir/.well-known/smart-configuration", get(smart::discovery::configuration))
        .route("/.well-known/smart-configuration", get(smart::discovery::configuration))
}

/// Where apps have tokens, if they are had here.
fn tokens() -> Router<App> {
    Router::new()
        .route("/.well-known/openid-configuration", get(smart::discovery::configuration))
        .route("/auth/token", post(smart::token_endpoint::grant))
        .route("/auth/launch", post(smart::launch_endpoint::launch))
        .route("/auth/register", post(smart::registration::register))
        .route("/auth/introspect", post(smart::introspection::introspect))
        .route("/auth/revoke", post(smart::revocation::revoke))
        .route("/auth/userinfo", get(smart::userinfo::userinfo).post(smart::userinfo::userinfo))
        .route("/auth/jwks", get(smart::keys_endpoint::keys))
}

/// Where people say who they are and what an app may do; no other origin's scripts come here.
fn pages() -> Router<App> {
    Router::new()
        .route("/auth/authorize", get(smart::authorize::get).post(smart::authorize::post))
        .route("/auth/login", post(steps::login))
        .route("/auth/provider", post(provider::start))
        .route("/auth/callback", get(provider::callback))
        .route("/auth/patient", post(steps::patient))
        .route("/auth/consent", post(steps::consent))
        .route("/auth/logout", post(steps::logout))
        .route("/auth/style.css", get(smart::pages::style))
}
