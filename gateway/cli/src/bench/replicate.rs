//! From a gateway to a patient's node: ops verified, stored, indexed and acknowledged, beside their signatures verified
//! alone. Called by `bench`.

use super::place::fresh_database;
use super::{Figure, rate};
use anyhow::{Context, bail};
use node::pairing::PairingState;
use node::write::Intent;
use node::{Caller, Config, Node, Role};
use record::scope::Scopes;
use record::{Entropy, Identity};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longest wait for a state.
const PATIENCE: Duration = Duration::from_secs(300);

fn caller() -> Caller {
    Caller {
        who: "bench".into(),
        client: "bench".into(),
        scopes: Scopes::parse("system/*.cruds"),
        purpose: "TREAT".into(),
        ..Caller::nobody()
    }
}

async fn open(server: Option<&str>, folder: &tempfile::TempDir, role: Role) -> anyhow::Result<Node> {
    let data = folder.path().join(if role == Role::Gateway { "a" } else { "p" });
    let config = Config {
        identity: data.join("identity.json").into(),
        passphrase: None,
        data,
        database_url: fresh_database(server, folder).await?,
        name: "Bench".into(),
        role,
        validation: fhir::validate::Mode::default(),
    };
    let node = Node::open(config).await?;
    node.start_net(vec!["/ip4/127.0.0.1/tcp/0".into()], Vec::new()).await?;
    Ok(node)
}

fn resource(text: serde_json::Value) -> anyhow::Result<Intent> {
    let parsed = fhir::parse::resource(text.to_string().into_bytes())?;
    Ok(Intent::Create { resource: fhir::validate::check(parsed)?, if_none_exist: None })
}

async fn until<F: AsyncFnMut() -> anyhow::Result<bool>>(mut state: F) -> anyhow::Result<()> {
    let start = Instant::now();
    while !state().await? {
        if start.elapsed() > PATIENCE {
            bail!("a state of the replication bench never came");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Measures.
pub(super) async fn run(server: Option<&str>, count: usize) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let (a, p) = (open(server, &folder, Role::Gateway).await?, open(server, &folder, Role::Patient).await?);
    let patient = a.write(&caller(), resource(json!({ "resourceType": "Patient" }))?).await?.id;
    let invite = a.invite(&caller(), &patient).await?;
    let pairing = p.accept_invite(&invite.code).await?;
    until(async || Ok(p.pairing(&pairing).await?.is_some_and(|view| view.state == PairingState::Digits))).await?;
    let view = p.pairing(&pairing).await?.context("a pairing")?;
    p.confirm_pairing(&pairing, &[true, true]).await?;
    a.confirm(&caller(), &invite.task, &view.digits).await?;
    until(async || Ok(p.pairing(&pairing).await?.is_some_and(|view| view.state == PairingState::Done))).await?;
    let record = p.records().await?.pop().context("the patient's record")?;
    until(async || Ok(a.peers().await?.iter().all(|peer| peer.behind == 0))).await?;
    let writes = (0..count).map(|number| {
        let (a, patient) = (a.clone(), patient.clone());
        async move {
            let text = json!({
                "resourceType": "Observation", "status": "final", "code": { "text": format!("bench {number}") },
                "subject": { "reference": format!("Patient/{patient}") },
            });
            a.write(&caller(), resource(text)?).await?;
            anyhow::Ok(())
        }
    });
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for write in writes {
        tasks.spawn(write);
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    // One patient, one record: the last acknowledgement ends the measurement.
    until(async || {
        let behind = a.peers().await?.iter().map(|peer| peer.behind).sum::<u64>();
        Ok(behind == 0)
    })
    .await?;
    let took = start.elapsed();
    let resources = p.records().await?.pop().map_or(0, |record| record.resources);
    anyhow::ensure!(resources as usize > count, "the patient's node holds {resources} of {count} in {}", record.title);
    a.close().await;
    p.close().await;
    let identity = Identity::generate(&mut Entropy::new([7; 32]));
    let message = [1_u8; 300];
    let signature = identity.sign(&message);
    let alone = Instant::now();
    for _ in 0..count {
        identity.card().verify(&message, &signature)?;
    }
    Ok(Figure {
        what: "ops written at the gateway and acknowledged by the patient's node, one resource each".into(),
        ours: rate(count, took),
        unit: "ops/s",
        limit: Some(("verify_strict alone, one core", rate(count, alone.elapsed()))),
    })
}
