//! Real processes of the one binary: started, found, killed, asked. Each has a folder of its own, on port 0.

use crate::wait::until;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// The binary under test: beside this test's own, where cargo put both.
///
/// # Errors
/// It was not built: `cargo build` first, as `tests/run` does.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Ok(path) = std::env::var("CHARTWELL_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("a test binary stands in target/PROFILE/deps")?;
    let path = folder.join(format!("chartwell{}", std::env::consts::EXE_SUFFIX));
    ensure!(path.exists(), "{} is not built: run `cargo build` first, as tests/run does", path.display());
    Ok(path)
}

/// A command of the binary, with nothing of this shell's database.
///
/// # Errors
/// As [`binary`].
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command.env_remove("DATABASE_URL").kill_on_drop(true);
    Ok(command)
}

/// A command of the binary whose files cannot grow beyond a limit: writes fail there, and no signal ends the process.
fn limited(kib_max: u64) -> anyhow::Result<Command> {
    let mut command = Command::new("sh");
    // The shell counts in blocks of 512 bytes.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib_max * 2);
    command.arg("-c").arg(script).arg(binary()?).env_remove("DATABASE_URL").kill_on_drop(true);
    Ok(command)
}

/// Runs a command to its end.
///
/// # Errors
/// It failed; the error holds what it said.
pub async fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let output = command()?.args(arguments).stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "chartwell {} failed: {said} {told}", arguments.join(" "));
    Ok(said)
}

/// A running process with a data folder.
pub struct Process {
    /// Its folder.
    pub data: PathBuf,
    /// What its `ready.json` said.
    pub ready: Value,
    arguments: Vec<String>,
    file_kib_max: Option<u64>,
    child: Option<Child>,
}

impl Process {
    /// Starts `chartwell COMMAND --data DATA ARGUMENTS` and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(command: &str, data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut all = vec![command.to_owned(), "--data".to_owned(), data.display().to_string()];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut process =
            Self { data: data.to_owned(), ready: Value::Null, arguments: all, file_kib_max: None, child: None };
        process.restart().await?;
        Ok(process)
    }

    /// Starts the process again, after it ended.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.data)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.data.join("log.txt"))?;
        let mut command = command()?;
        if let Some(limit) = self.file_kib_max {
            command = limited(limit)?;
        }
        let child = command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let pid = child.id();
        self.child = Some(child);
        let file = self.data.join("ready.json");
        self.ready = until("a process becomes ready", || async {
            let text = std::fs::read_to_string(&file).ok()?;
            let ready: Value = serde_json::from_str(&text).ok()?;
            (ready["pid"].as_u64() == pid.map(u64::from)).then_some(ready)
        })
        .await;
        Ok(())
    }

    /// From the next start on no file of the process may grow beyond so many KiB, as if the disk were full.
    pub fn limit_files(&mut self, kib_max: Option<u64>) {
        self.file_kib_max = kib_max;
    }

    /// Starts the process again where `before`, an earlier `ready.json`, says it was: the same ports, so that those who
    /// know it find it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn again_on(&mut self, before: &Value) -> anyhow::Result<()> {
        let web = before["page"].as_str().or(before["fhir"].as_str()).context("it said where it listens")?;
        let web = web.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let p2p = before["p2p"].as_array().context("it said where peers connect")?;
        let p2p = p2p.iter().filter_map(|at| at.as_str()?.split("/p2p/").next().map(str::to_owned));
        let (mut p2p, mut arguments) = (p2p.collect::<Vec<_>>(), self.arguments[..3].to_vec());
        p2p.sort();
        p2p.dedup();
        let mut rest = self.arguments[3..].iter();
        while let Some(argument) = rest.next() {
            let value = rest.next();
            if argument != "--listen" && argument != "--p2p-listen" {
                arguments.extend([argument.clone()].into_iter().chain(value.cloned()));
            }
        }
        arguments.extend(["--listen".to_owned(), web]);
        arguments.extend(p2p.into_iter().flat_map(|at| ["--p2p-listen".to_owned(), at]));
        self.arguments = arguments;
        self.restart().await
    }

    /// Reads again what the process says of itself.
    pub fn refresh(&mut self) {
        if let Ok(text) = std::fs::read_to_string(self.data.join("ready.json"))
            && let Ok(ready) = serde_json::from_str(&text)
        {
            self.ready = ready;
        }
    }

    /// A text of `ready.json`.
    pub fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_default().to_owned()
    }

    /// Kills the process at once, as a power failure would.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// It ends with a failure.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().context("the process has ended already")?;
        let sent = std::process::Command::new("kill").arg(pid.to_string()).status()?;
        ensure!(sent.success(), "the process {pid} could not be signalled");
        let status = child.wait().await?;
        ensure!(status.success(), "the process ended with {status}");
        Ok(())
    }

    /// Registers a client with all scopes and returns a token for it.
    ///
    /// # Errors
    /// The command fails.
    pub async fn token(&self) -> anyhow::Result<String> {
        let data = self.data.display().to_string();
        run(&["client", "add", "--data", &data, "--name", "test", "--scope", "system/*.cruds"]).await?;
        run(&["token", "--data", &data, "--client", "test"]).await
    }

    /// Runs `chartwell verify` and returns what it said; fails on any fault.
    ///
    /// # Errors
    /// There is a fault.
    pub async fn verify(&self) -> anyhow::Result<String> {
        run(&["verify", "--data", &self.data.display().to_string()]).await
    }
}
