//! `GET /network`: the hospitals this device shares records with, and how far behind each is.

use crate::app::App;
use crate::error::PageError;
use crate::html::{El, Html, el};
use crate::layout::{self, Frame, Page, empty, facts};
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::State;
use node::peers::PeerView;

/// `GET /network`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let peers = app.node.peers().await?;
    app.show(&session, |frame| page(frame, &peers)).await
}

/// The page.
pub(crate) fn page(_: &Frame, peers: &[PeerView]) -> Page {
    let lead = el("p").class("lead").with("Your record is kept in step directly between your device and those you share it with. Whoever is not connected catches up by itself the next time.");
    let peers = peers.iter().map(peer).collect::<Vec<_>>();
    let peers =
        if peers.is_empty() { vec![empty("You share your record with nobody yet.").id("no-peers")] } else { peers };
    let body = el("div").with((el("h1").with("Connections"), lead, peers));
    Page { menu: "/network", title: "Connections", waits: false, body: body.html() }
}

fn peer(peer: &PeerView) -> El {
    let (key, look) = match peer.connected {
        true => ("connected", layout::state("good", "Connected")),
        false => ("away", layout::state("off", "Not connected")),
    };
    let behind = match peer.behind {
        0 => "It has everything that is meant for it.".to_owned(),
        behind => format!("It still lacks {} of what you share with it.", words::count(behind, "change", "changes")),
    };
    let since =
        peer.seen_ms.map(|seen| el("p").class("hint").with(("Since ", clock::stamp(seen, &clock::moment(seen)))));
    let addresses = match peer.addresses.is_empty() {
        true => el("span").with("not known"),
        false => el("span").with(peer.addresses.iter().map(|at| el("code").class("wide").with(at)).collect::<Vec<_>>()),
    };
    let fingerprint = el("span").with(el("code").with(&peer.origin));
    let details = el("details").id(format!("peer-details-{}", peer.origin));
    let details = details.with((
        el("summary").with("Technical details"),
        facts([("Fingerprint of its identity", fingerprint), ("Reached at", addresses)]),
    ));
    el("article")
        .class("card")
        .id(format!("peer-{}", peer.origin))
        .attr("data-state", key)
        .attr("data-behind", peer.behind.to_string())
        .with((
            look,
            el("h2").class("who").with(words::name(&peer.name, "Without a name")),
            el("p").with(behind),
            since,
            details,
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_peer_says_whether_it_is_there_and_how_far_behind() {
        let html = samples::shown("network", |frame| page(frame, &samples::peers()));
        assert!(html.contains("data-state=\"connected\" data-behind=\"0\""));
        assert!(html.contains("data-state=\"away\" data-behind=\"3\"") && html.contains("It still lacks 3 changes"));
    }
}
