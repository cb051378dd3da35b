//! `chartwell gateway`: a hospital's side, until it is told to stop.

use crate::service::{self, Started};
use crate::stop;
use node::Role;
use serde_json::json;
use std::process::ExitCode;

/// Runs the gateway.
pub(crate) async fn run(args: service::Args) -> anyhow::Result<ExitCode> {
    let Started { node, listener, address, base_url, p2p, ready, stopped } = args.start(Role::Gateway).await?;
    let base_url = base_url.trim_end_matches('/').to_owned();
    let router = server::app(server::Settings::new(&base_url), node.clone());
    ready.write(&json!({ "fhir": format!("{base_url}/fhir"), "p2p": p2p, "pid": std::process::id() }))?;
    tracing::info!(%address, database = node.database_kind(), identity = %node.identity().id(), "FHIR is served at {base_url}/fhir");
    server::serve(listener, router, stop::wait(stopped)).await?;
    node.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
