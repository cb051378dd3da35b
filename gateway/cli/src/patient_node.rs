//! `chartwell patient`: a patient's node and its page, until it is told to stop.

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
    /// Where the page is served, for example 127.0.0.1:8090; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// What the browser sees, where a proxy stands in front.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The identity's file. Default: DIR/identity.json.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// What hospitals see of the name of this node.
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

/// Runs the patient's node.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stopped = stop::signal(args.until_stdin_closes)?;
    let ready = Ready::new(&args.place.data)?;
    let listener =
        TcpListener::bind(&args.listen).await.with_context(|| format!("{} cannot be listened on", args.listen))?;
    let address = listener.local_addr()?;
    let node = args.place.start(Role::Patient, args.identity, args.name).await?;
    let p2p = node.start_net(args.p2p_listen, args.peer).await?;
    let base_url = args.base_url.unwrap_or_else(|| format!("http://{address}"));
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
