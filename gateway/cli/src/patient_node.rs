//! `chartwell patient`: a patient's node and its page, until it is told to stop.

use crate::service::{self, Started};
use crate::stop;
use fhir::validate::Mode;
use node::Role;
use serde_json::json;
use std::process::ExitCode;

/// Runs the patient's node.
pub(crate) async fn run(args: service::Args) -> anyhow::Result<ExitCode> {
    let Started { node, listener, address, base_url, p2p, ready, stopped } =
        args.start(Role::Patient, Mode::default(), |address| format!("http://{address}")).await?;
    let login = patient::Login::new(&base_url);
    let router = patient::app(patient::Settings { base_url: base_url.clone(), login: login.clone() }, node.clone());
    let say =
        |login: &str| ready.write(&json!({ "page": base_url, "login": login, "p2p": p2p, "pid": std::process::id() }));
    say(&login.login_url())?;
    tracing::info!(%address, database = node.database_kind(), "the page is served at {base_url}");
    let mut links = login.changes();
    let rewrite = async {
        // The file always holds a link that works: a used one is replaced at once.
        while links.changed().await.is_ok() {
            let link = links.borrow_and_update().clone();
            if let Err(error) = say(&link) {
                tracing::warn!(%error, "ready.json could not be renewed");
            }
        }
    };
    tokio::select! {
        served = patient::serve(listener, router, stop::wait(stopped)) => served?,
        () = rewrite => {}
    }
    node.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
