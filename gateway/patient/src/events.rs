//! Server-sent events: one word whenever something changed, so that an open page asks anew. Nothing of the record
//! travels here. Called by `app` for `static/live.js`.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use crate::app::App;
use crate::error::PageError;
use crate::session::Session;
use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Open streams: windows of one person.
pub(crate) const STREAMS_MAX: usize = 24;
/// Changes within this time are told as one.
const COALESCE: Duration = Duration::from_millis(300);
/// An open page asks anew this often even if nothing was told: "5 minutes ago" and peers that went away.
const TICK: Duration = Duration::from_secs(15);
/// A stream ends after this time; the browser opens the next by itself.
const STREAM_MAX: Duration = Duration::from_secs(3600);

/// Turns true when the page ends.
#[derive(Clone)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

struct Listener {
    app: App,
    session: Session,
    changes: watch::Receiver<u64>,
    stop: Option<watch::Receiver<bool>>,
    began: Instant,
    told: bool,
    _permit: OwnedSemaphorePermit,
}

/// `GET /events`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    stop: Option<Extension<Stop>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, PageError> {
    let permit = app.streams.clone().try_acquire_owned().or(Err(PageError::too_many_windows()))?;
    let mut changes = app.node.changes();
    changes.mark_unchanged();
    let stop = stop.map(|Extension(Stop(stop))| stop);
    let stream = Listener { app, session, changes, stop, began: Instant::now(), told: false, _permit: permit };
    let keep_alive = KeepAlive::new().interval(TICK).text("still here");
    Ok(Sse::new(unfold(stream, next)).keep_alive(keep_alive))
}

async fn next(mut stream: Listener) -> Option<(Result<Event, Infallible>, Listener)> {
    // An event without data is one that browsers do not tell their pages of.
    let said = |word: &str, stream| Some((Ok(Event::default().event(word).data("now")), stream));
    if !stream.told {
        // What happened between the page and this stream is not lost: the page asks once more.
        stream.told = true;
        return said("change", stream);
    }
    let word = tokio::select! {
        changed = stream.changes.changed() => {
            changed.ok()?;
            tokio::time::sleep(COALESCE).await;
            stream.changes.mark_unchanged();
            "change"
        }
        () = tokio::time::sleep(TICK) => "tick",
        () = stopped(stream.stop.as_mut()) => return None,
    };
    let lives = stream.app.sessions.find(&stream.session.token, Instant::now(), false).is_some();
    if !lives || stream.began.elapsed() > STREAM_MAX {
        return None;
    }
    said(word, stream)
}

async fn stopped(stop: Option<&mut watch::Receiver<bool>>) {
    match stop {
        Some(stop) => drop(stop.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}
