//! A gateway for a bench: a fresh database, the whole HTTP stack on a free port, a client with a token. Called by
//! `bench`.

use super::rate;
use anyhow::Context;
use node::{Config, Node, Role};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use store::Store;
use tempfile::TempDir;
use tokio::net::TcpListener;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running gateway.
pub(crate) struct Place {
    pub(crate) node: Node,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
    url: String,
    /// Where a fresh database lies, and goes with it.
    folder: Option<TempDir>,
    server: Option<String>,
}

/// A fresh database beside the one at `server`, or a file in `folder`.
pub(crate) async fn fresh_database(server: Option<&str>, folder: &TempDir) -> anyhow::Result<String> {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(match server {
        Some(url) => {
            store::bench::fresh_database(url, &format!("chartwell_bench_{}_{number}", std::process::id())).await?
        }
        None => format!("sqlite://{}", folder.path().join(format!("bench-{number}.db")).display()),
    })
}

impl Place {
    /// Opens a gateway on a fresh database.
    pub(crate) async fn open(server: Option<&str>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = fresh_database(server, &folder).await?;
        let config = Config {
            data: folder.path().to_owned(),
            database_url: url.clone(),
            identity: folder.path().join("identity.json").into(),
            passphrase: None,
            name: "Bench".into(),
            role: Role::Gateway,
            validation: fhir::validate::Mode::default(),
        };
        let node = Node::open(config).await?;
        let running = Self::serve(node).await?;
        Ok(Self { url, folder: Some(folder), server: server.map(str::to_owned), ..running })
    }

    /// Serves a node that is open.
    pub(crate) async fn serve(node: Node) -> anyhow::Result<Self> {
        let client = node.add_client("bench", "system/*.cruds", None).await?;
        let hour = Duration::from_secs(3600);
        let token = server::token::issue(&node, &client, hour).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        // One client asks for all it can: its share is what others have limits for.
        let mut settings = server::Settings::new(&base);
        settings.limits.client_rate.per_second = 0;
        settings.limits.client_requests_max = settings.limits.requests_max;
        let router = server::app(settings, node.clone());
        tokio::spawn(server::serve(listener, server::Transport::default(), router, std::future::pending()));
        let base = format!("{base}/fhir");
        let http = reqwest::Client::builder().gzip(false).build()?;
        Ok(Self { node, base, token, http, url: String::new(), folder: None, server: None })
    }

    /// A store of its own on this database, for bare statements.
    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.url).await?)
    }

    /// Resources per second that the rows of this database come to by bare multi-row inserts.
    pub(crate) async fn bare_insert(&self, resources: usize) -> anyhow::Result<f64> {
        let from = self.store().await?;
        let folder = self.folder.as_ref().context("this database was there before")?;
        let into = Store::open(&fresh_database(self.server.as_deref(), folder).await?).await?;
        let start = Instant::now();
        from.bare_insert(&into, 5_000).await?;
        let took = start.elapsed();
        from.close().await;
        into.close().await;
        Ok(rate(resources, took))
    }

    /// Gives the database its statistics now, as its own maintenance does within minutes of a load.
    pub(crate) async fn analyze(&self) -> anyhow::Result<()> {
        let store = self.store().await?;
        store.refresh_statistics().await?;
        store.close().await;
        Ok(())
    }

    /// Bytes of the database.
    pub(crate) async fn bytes_on_disk(&self) -> anyhow::Result<i64> {
        let store = self.store().await?;
        let bytes = store.bytes_on_disk().await?;
        store.close().await;
        Ok(bytes)
    }

    /// Sends a Bundle or a resource; `path` follows the base.
    pub(crate) async fn post(&self, path: &str, body: String) -> anyhow::Result<reqwest::Response> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.header("content-type", "application/fhir+json").body(body).send().await?;
        anyhow::ensure!(answer.status().is_success(), "POST {path}: {}", answer.status());
        Ok(answer)
    }

    /// Reads a path to its end.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<usize> {
        Ok(self.get_bytes(path).await?.len())
    }

    /// What a path answers.
    pub(crate) async fn get_bytes(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        anyhow::ensure!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.bytes().await.context("an answer that was cut")
    }

    /// Ends the gateway.
    pub(crate) async fn close(self) {
        self.node.close().await;
    }
}
