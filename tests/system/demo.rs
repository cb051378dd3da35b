//! `chartwell demo`: both hospitals and the patient's node come up with sample data, go down with it however it ends, and
//! carry on at the next start.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tests::http::Fhir;
use tests::process::command;
use tests::wait::until;
use tokio::process::Child;

struct Demo {
    child: Child,
    ready: Value,
}

async fn start(data: &Path) -> anyhow::Result<Demo> {
    let file = data.join("ready.json");
    std::fs::remove_file(&file).ok();
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("log.txt"))?;
    let mut demo = command()?;
    demo.arg("demo").arg("--data").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let child = demo.spawn()?;
    let ready = until("the demo is ready", || async {
        let ready: Value = serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
        ready["patients"].is_array().then_some(ready)
    })
    .await;
    Ok(Demo { child, ready })
}

fn hospital(ready: &Value, name: &str) -> anyhow::Result<Fhir> {
    let text = |member: &str| ready[name][member].as_str().with_context(|| format!("{name} has {member}"));
    Ok(Fhir::new(text("fhir")?, text("token")?))
}

/// Waits until none of the three answers any more.
async fn all_are_gone(ready: &Value) {
    for (name, member) in [("a", "fhir"), ("b", "fhir"), ("patient", "page")] {
        let url = ready[name][member].as_str().unwrap_or_default();
        let place = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        until(&format!("{name} has ended"), || async {
            tokio::net::TcpStream::connect(place).await.is_err().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_comes_up_goes_down_and_carries_on() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut demo = start(folder.path()).await?;
    let patients = demo.ready["patients"].clone();
    let at_a = hospital(&demo.ready, "a")?;
    let first = patients[0].as_str().context("a sample patient")?;
    ensure!(at_a.total(&format!("Observation?patient={first}")).await? > 0, "A has sample data");
    ensure!(hospital(&demo.ready, "b")?.total("Patient").await? > 0, "B has a Patient of its own");

    // Killed: no child stays behind.
    demo.child.kill().await?;
    all_are_gone(&demo.ready).await;

    let mut again = start(folder.path()).await?;
    ensure!(again.ready["patients"] == patients, "the same patients: {}", again.ready["patients"]);
    let (status, _) = hospital(&again.ready, "a")?.get(&format!("Patient/{first}")).await?;
    ensure!(status == 200, "they are still there: {status}");

    // Asked to end.
    let pid = again.child.id().context("it runs")?;
    ensure!(std::process::Command::new("kill").arg(pid.to_string()).status()?.success(), "it is signalled");
    let status = again.child.wait().await?;
    ensure!(status.success(), "it ends well: {status}");
    all_are_gone(&again.ready).await;
    Ok(())
}
