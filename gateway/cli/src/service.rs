//! What a gateway and a patient's node are started with, and how: the same flags, the same order of steps. Called by
//! `gateway` and `patient_node`.

use crate::common::Place;
use crate::ready::Ready;
use crate::stop;
use anyhow::Context;
use fhir::validate::Mode;
use node::{Node, Role};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Where FHIR, or the page, is served, for example 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// What clients see, without a path, where a proxy stands in front.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The identity's file; several processes of one hospital share one. Default: DIR/identity.json.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// What the others are shown as this node's name.
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

/// A node that is open and connected, and the listener it will serve on.
pub(crate) struct Started {
    pub(crate) node: Node,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) base_url: String,
    /// Where its peers reach it.
    pub(crate) p2p: Vec<String>,
    pub(crate) ready: Ready,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Args {
    /// The node's folder.
    pub(crate) fn data(&self) -> &Path {
        &self.place.data
    }

    /// Starts a node in `role`, which holds local writes against the rules of FHIR as `validation` says.
    /// Without a base URL clients see what `seen` makes of the address.
    pub(crate) async fn start(
        self,
        role: Role,
        validation: Mode,
        seen: impl FnOnce(SocketAddr) -> String,
    ) -> anyhow::Result<Started> {
        let stopped = stop::signal(self.until_stdin_closes)?;
        let ready = Ready::new(&self.place.data)?;
        let listener = TcpListener::bind(&self.listen).await;
        let listener = listener.with_context(|| format!("{} cannot be listened on", self.listen))?;
        let address = listener.local_addr()?;
        let node = self.place.start(role, self.identity, self.name, validation).await?;
        let p2p = node.start_net(self.p2p_listen, self.peer).await?;
        let base_url = self.base_url.unwrap_or_else(|| seen(address));
        Ok(Started { node, listener, address, base_url, p2p, ready, stopped })
    }
}
