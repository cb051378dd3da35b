//! `chartwell gateway`: a hospital's side, until it is told to stop.

use crate::common::Place;
use crate::ready::Ready;
use crate::stop;
use anyhow::Context;
use node::Role;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Where FHIR is served, for example 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// What clients see before /fhir, where a proxy stands in front.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The identity's file; several processes of one hospital share one. Default: DIR/identity.json.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// What the hospital is called on patients' pages.
    #[arg(long)]
    name: Option<String>,
    /// Where peers connect, for example /ip4/0.0.0.0/tcp/4001; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// A peer to stay connected to, ending in /p2p/ID; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<String>,
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Runs the gateway.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stopped = stop::signal(args.until_stdin_closes)?;
    let ready = Ready::new(&args.place.data)?;
    let listener =
        TcpListener::bind(&args.listen).await.with_context(|| format!("{} cannot be listened on", args.listen))?;
    let address = listener.local_addr()?;
    let node = args.place.start(Role::Gateway, args.identity, args.name).await?;
    let p2p = node.start_net(args.p2p_listen, args.peer).await?;
    let base_url = args.base_url.unwrap_or_else(|| format!("http://{address}"));
    let base_url = base_url.trim_end_matches('/').to_owned();
    let router = server::app(server::Settings::new(&base_url), node.clone());
    ready.write(&json!({ "fhir": format!("{base_url}/fhir"), "p2p": p2p, "pid": std::process::id() }))?;
    tracing::info!(%address, database = node.database_kind(), identity = %node.identity().id(), "FHIR is served at {base_url}/fhir");
    server::serve(listener, router, stop::wait(stopped)).await?;
    node.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
