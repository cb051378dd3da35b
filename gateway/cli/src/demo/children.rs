//! The demo's processes: how each is started, found, asked for a token and stopped. Called by `demo`.

use anyhow::{Context, bail};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Longest wait for a process to say that it is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// Longest wait for a process to end by itself; it finishes running requests first.
const END_MAX: Duration = Duration::from_secs(20);
/// Ports tried upward from a default that is taken.
const PORTS_TRIED: u16 = 200;

/// One process.
pub(super) struct Child {
    data: PathBuf,
    arguments: Vec<String>,
    process: Option<tokio::process::Child>,
    ready: Value,
}

/// The default ports, or the next free ones where they are taken.
pub(super) fn free_ports<const N: usize>(wanted: [u16; N]) -> anyhow::Result<[u16; N]> {
    let mut taken = Vec::<u16>::new();
    let mut ports = wanted;
    for port in &mut ports {
        let free = (*port..port.saturating_add(PORTS_TRIED))
            .find(|port| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok());
        *port = free.with_context(|| format!("no port from {port} to {} is free", port.saturating_add(PORTS_TRIED)))?;
        taken.push(*port);
    }
    Ok(ports)
}

fn peer_arguments(port: u16) -> [String; 4] {
    let listen = "--p2p-listen".to_owned();
    [listen.clone(), format!("/ip4/127.0.0.1/tcp/{port}"), listen, format!("/ip4/127.0.0.1/udp/{port}/quic-v1")]
}

impl Child {
    /// A hospital's gateway.
    pub(super) fn gateway(data: &Path, folder: &str, name: &str, port: u16, p2p: u16) -> Self {
        Self::new(data, "gateway", folder, name, port, p2p)
    }

    /// A patient's node.
    pub(super) fn patient(data: &Path, port: u16, p2p: u16) -> Self {
        Self::new(data, "patient", "patient", "The patient", port, p2p)
    }

    fn new(data: &Path, command: &str, folder: &str, name: &str, port: u16, p2p: u16) -> Self {
        let data = data.join(folder);
        let mut arguments = vec![command.to_owned(), "--data".to_owned(), data.display().to_string()];
        arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}"), "--name".to_owned(), name.to_owned()]);
        arguments.extend(peer_arguments(p2p));
        Self { data, arguments, process: None, ready: Value::Null }
    }

    /// Starts the process; it ends when this one does, even if this one is killed.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        // What an earlier process left must not be taken for this one's word.
        std::fs::remove_file(self.data.join("ready.json")).ok();
        let process = command()?
            .args(&self.arguments)
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("a process of the demo does not start")?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until the process listens.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
        let wait = async {
            loop {
                if let Some(process) = &mut self.process
                    && let Some(status) = process.try_wait()?
                {
                    bail!("{} ended with {status}; what it said stands above", self.arguments.join(" "));
                }
                if read(&self.data).is_some_and(|ready| ready.get("pid").is_some()) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY_MAX, wait).await.context("a process of the demo did not become ready")??;
        self.refresh();
        Ok(())
    }

    /// Reads again what the process says of itself.
    pub(super) fn refresh(&mut self) {
        if let Some(ready) = read(&self.data) {
            self.ready = ready;
        }
    }

    /// A bearer token of the demo's client.
    pub(super) async fn token(&self) -> anyhow::Result<String> {
        let data = self.data.display().to_string();
        let scope = "system/*.cruds";
        run(&["client", "add", "--data", &data, "--name", "demo", "--scope", scope]).await?;
        run(&["token", "--data", &data, "--client", "demo"]).await
    }

    /// The FHIR base.
    pub(super) fn fhir(&self) -> String {
        self.text("fhir")
    }

    /// The patient's page.
    pub(super) fn page(&self) -> String {
        self.text("page")
    }

    /// The one-time link to the page.
    pub(super) fn login(&self) -> String {
        self.text("login")
    }

    fn text(&self, name: &str) -> String {
        self.ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The process's id.
    pub(super) fn pid(&self) -> u64 {
        self.ready.get("pid").and_then(Value::as_u64).unwrap_or_default()
    }

    /// The line that starts the process by hand.
    pub(super) fn line(&self) -> String {
        let program =
            std::env::current_exe().map_or_else(|_| "chartwell".to_owned(), |path| path.display().to_string());
        let quoted = self.arguments.iter().map(|argument| match argument.contains(' ') {
            true => format!("'{argument}'"),
            false => argument.clone(),
        });
        format!("{program} {}", quoted.collect::<Vec<_>>().join(" "))
    }

    /// Ends the process by closing its pipe, and waits for it.
    pub(super) async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        drop(process.stdin.take());
        if tokio::time::timeout(END_MAX, process.wait()).await.is_err() {
            process.kill().await.ok();
        }
    }
}

fn read(data: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(data.join("ready.json")).ok()?).ok()
}

fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program's own file is not known")?);
    // Each process of the demo has a database of its own, whatever this shell works with.
    command.env_remove("DATABASE_URL");
    Ok(command)
}

/// Runs a command of this program to its end and returns what it printed.
async fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let output = command()?.args(arguments).stdin(Stdio::null()).output().await?;
    anyhow::ensure!(
        output.status.success(),
        "chartwell {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
