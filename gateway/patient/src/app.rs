//! The page as a service: its settings, what handlers share, its routes, and how it is served and ended. Called by
//! `cli`.

use crate::error::PageError;
use crate::events::{STREAMS_MAX, Stop};
use crate::layout::{Frame, Page};
use crate::login::Login;
use crate::session::{Session, Sessions};
use crate::{assets, events, guard, pages};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use node::Node;
use node::grants::RequestState;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Largest form that is read; the longest thing a person pastes is an invite of some kilobytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long running requests may take once the page is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How the page is reached, and who may open it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://127.0.0.1:8080` or what a proxy in front of it is called; scheme, host and port alone.
    pub base_url: String,
    /// The one-time links that open it.
    pub login: Login,
}

/// What every handler has; cloning shares it.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) node: Node,
    pub(crate) login: Login,
    pub(crate) sessions: Sessions,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) place: guard::Place,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// The frame of a page for this session.
    ///
    /// # Errors
    /// [`PageError`] if the node does not answer.
    pub(crate) async fn frame(&self, session: &Session) -> Result<Frame, PageError> {
        let requests = self.node.requests().await?;
        let waiting = requests.iter().filter(|request| request.state == RequestState::Open).count();
        let stopped = self.node.stopped().await?.is_some();
        Ok(Frame { now_ms: node::clock::now_ms(), csrf: session.csrf.clone(), waiting, stopped })
    }

    /// A whole page for this session.
    ///
    /// # Errors
    /// [`PageError`] if the node does not answer.
    pub(crate) async fn show(
        &self,
        session: &Session,
        make: impl FnOnce(&Frame) -> Page,
    ) -> Result<crate::html::Html, PageError> {
        let frame = self.frame(session).await?;
        let page = make(&frame);
        Ok(frame.page(page))
    }
}

/// The page of the patient whose node this is. Needs a runtime: it renews the login links by itself.
pub fn app(settings: Settings, node: Node) -> Router {
    settings.login.keep_fresh();
    let app = App(Arc::new(Inner {
        node,
        place: guard::Place::new(&settings.base_url),
        login: settings.login,
        sessions: Sessions::default(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    }));
    let inside = Router::new()
        .route("/", get(pages::overview::get))
        .route("/requests", get(pages::requests::get))
        .route("/requests/approve", post(pages::requests::approve))
        .route("/requests/refuse", post(pages::requests::refuse))
        .route("/access", get(pages::access::get))
        .route("/access/revoke", post(pages::access::revoke))
        .route("/access/narrow", post(pages::access::narrow))
        .route("/held-back", get(pages::held_back::get))
        .route("/held-back/take-in", post(pages::held_back::take_in))
        .route("/conflicts", get(pages::conflicts::get))
        .route("/conflicts/keep", post(pages::conflicts::keep))
        .route("/timeline", get(pages::timeline::get))
        .route("/audit", get(pages::audit::get))
        .route("/network", get(pages::network::get))
        .route("/entry/{kind}/{id}", get(pages::entry::get))
        .route("/invite", get(pages::invite::get).post(pages::invite::accept))
        .route("/invite/{id}", get(pages::pairing::get))
        .route("/invite/{id}/confirm", post(pages::pairing::confirm))
        .route("/invite/{id}/stop", post(pages::pairing::stop))
        .route("/devices", get(pages::devices::get))
        .route("/devices/add", post(pages::offer::add))
        .route("/devices/add/{id}", get(pages::offer::get))
        .route("/devices/add/{id}/confirm", post(pages::offer::confirm))
        .route("/devices/add/{id}/stop", post(pages::offer::stop))
        .route("/devices/join", get(pages::join::begin).post(pages::join::take))
        .route("/devices/join/{id}", get(pages::join::get))
        .route("/devices/join/{id}/confirm", post(pages::join::confirm))
        .route("/devices/join/{id}/stop", post(pages::join::stop))
        .route("/devices/{id}/suspend", get(pages::devices::ask).post(pages::devices::suspend))
        .route("/phrase", get(pages::phrase::get))
        .route("/phrase/noted", post(pages::phrase::noted))
        .route("/logout", post(pages::login::logout))
        .route("/events", get(events::get))
        .fallback(|| async { PageError::no_page() })
        .layer(middleware::from_fn_with_state(app.clone(), guard::session));
    let open = Router::new()
        .route("/login/{secret}", get(pages::login::get))
        .route("/static/style.css", get(assets::style))
        .route("/static/live.js", get(assets::live))
        .route("/static/icon.svg", get(assets::icon));
    open.merge(inside)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), guard::place))
        .layer(middleware::from_fn(guard::headers))
        .layer(middleware::from_fn(guard::log))
        .with_state(app)
}

/// Serves the page until `shutdown`, then ends: running requests finish, open event streams are closed.
///
/// # Errors
/// What the listener says when it cannot accept any more.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let mut ended = stopping.clone();
    let router = router.layer(Extension(Stop(stopping)));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        stop.send_replace(true);
        // Held until the last connection is gone would be never: it goes with this future.
    });
    let overdue = async move {
        drop(ended.wait_for(|stop| *stop).await);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = server => done,
        () = overdue => Ok(()),
    }
}
