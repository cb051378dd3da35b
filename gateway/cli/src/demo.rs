//! `chartwell demo`: two hospitals and a patient on this machine, each a process of its own, with sample data and lines to
//! paste. Runs until it is told to stop; a second start with the same folder carries on.

mod children;
mod sample;
mod words;

use crate::ready::Ready;
use crate::stop;
use anyhow::Context;
use children::Child;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Ports of a first start: FHIR of A and B, the page, and each one's peers.
const PORTS: [u16; 6] = [8701, 8702, 8703, 8711, 8712, 8713];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the demo keeps its data. Default: a folder of the user's data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stopped = stop::signal(false)?;
    let data = match args.data {
        Some(data) => std::path::absolute(data)?,
        None => directories::ProjectDirs::from("dev", "chartwell", "chartwell")
            .context("this user has no data directory: name one with --data")?
            .data_dir()
            .join("demo"),
    };
    let ready = Ready::new(&data)?;
    let ports = children::free_ports(PORTS)?;
    let mut a = Child::gateway(&data, "a", "Hospital A", ports[0], ports[3]);
    let mut b = Child::gateway(&data, "b", "Hospital B", ports[1], ports[4]);
    let mut patient = Child::patient(&data, ports[2], ports[5]);
    for child in [&mut a, &mut b, &mut patient] {
        child.start()?;
    }
    let work = async {
        for child in [&mut a, &mut b, &mut patient] {
            child.ready().await?;
        }
        let tokens = [a.token().await?, b.token().await?];
        let patients = sample::load(&a, &b, &tokens).await?;
        anyhow::Ok((tokens, patients))
    };
    let (tokens, patients) = tokio::select! {
        done = work => done?,
        () = stop::wait(stopped.clone()) => {
            for child in [&mut a, &mut b, &mut patient] {
                child.stop().await;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    ready.write(&state([&a, &b, &patient], &tokens, &patients))?;
    words::print(&data, &a, &b, &patient, &tokens, &patients)?;
    // A used link is replaced by a fresh one, and the file must always hold one that works.
    let mut login = patient.login();
    loop {
        tokio::select! {
            () = stop::wait(stopped.clone()) => break,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                patient.refresh();
                if patient.login() != login {
                    login = patient.login();
                    ready.write(&state([&a, &b, &patient], &tokens, &patients))?;
                }
            }
        }
    }
    for child in [&mut a, &mut b, &mut patient] {
        child.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `ready.json` says of the demo.
fn state([a, b, patient]: [&Child; 3], tokens: &[String; 2], patients: &sample::Patients) -> serde_json::Value {
    json!({
        "a": { "fhir": a.fhir(), "token": tokens[0], "pid": a.pid() },
        "b": { "fhir": b.fhir(), "token": tokens[1], "pid": b.pid() },
        "patient": { "page": patient.page(), "login": patient.login(), "pid": patient.pid() },
        "patients": patients.ids,
    })
}
