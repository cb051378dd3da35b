//! `chartwell bench`: what this machine does with Chartwell, each figure beside its limit in the same run: the same rows by
//! bare inserts, the same bytes by a bare handler, the same signatures alone. Prints a table for `docs/PERFORMANCE.md`.

mod generate;
mod place;
mod queries;
mod replicate;
mod requests;
mod search;
mod transaction;

use crate::common::say;
use anyhow::{Context, ensure};
use place::Place;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Most bundles a run loads.
const BUNDLES_MAX: usize = 1000;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A folder of FHIR transaction Bundles, for example Synthea's.
    #[arg(long, value_name = "DIR", required = true)]
    bundles: Option<PathBuf>,
    /// A Postgres server to make fresh databases on; SQLite files in a temporary folder otherwise.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Requests of each of the measured kinds.
    #[arg(long, default_value_t = 5000)]
    requests: usize,
    /// Ops sent from the gateway to the patient's node.
    #[arg(long, default_value_t = 2000)]
    ops: usize,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Load the Bundles again and again under other names, until there are as many resources as asked for.
    Generate(generate::Args),
    /// Ask a table of queries on what `generate` has made.
    Search(search::Args),
}

/// One line of the table.
pub(crate) struct Figure {
    what: String,
    ours: f64,
    unit: &'static str,
    limit: Option<(&'static str, f64)>,
}

/// Runs the bench.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::Generate(args)) => return generate::run(args).await,
        Some(Command::Search(args)) => return search::run(args).await,
        None => {}
    }
    let bundles = read_bundles(&args.bundles.context("--bundles is missing")?)?;
    let resources = bundles.iter().map(|(_, count)| count).sum::<usize>();
    let kind = if args.database_url.is_some() { "Postgres" } else { "SQLite" };
    tracing::info!("{} bundles with {resources} resources on {kind}", bundles.len());
    let mut figures = Vec::new();
    for clients in [1, 4] {
        let place = Place::open(args.database_url.as_deref()).await?;
        let took = requests::load(&place, &bundles, clients).await?;
        let rate = resources as f64 / took.as_secs_f64();
        let limit = if clients == 1 { Some(place.bare_insert(resources).await?) } else { None };
        figures.push(Figure {
            what: format!("load by transaction, {clients} client{}", if clients == 1 { "" } else { "s" }),
            ours: rate,
            unit: "resources/s",
            limit: limit.map(|rate| ("bare multi-row insert of the same rows", rate)),
        });
        if clients == 1 {
            let bytes = place.bytes_on_disk().await? as f64 / resources as f64;
            figures.push(Figure { what: "bytes on disk".into(), ours: bytes, unit: "bytes/resource", limit: None });
            place.analyze().await?;
            figures.extend(requests::reads(&place, args.requests).await?);
            figures.push(requests::search(&place, args.requests).await?);
            figures.extend(requests::creates(&place, args.requests).await?);
        }
        place.close().await;
    }
    let place = Place::open(args.database_url.as_deref()).await?;
    figures.push(requests::same_directory(&place, 200).await?);
    place.close().await;
    let place = Place::open(args.database_url.as_deref()).await?;
    figures.push(transaction::run(&place).await?);
    place.close().await;
    figures.push(replicate::run(args.database_url.as_deref(), args.ops).await?);
    print(kind, &figures)?;
    Ok(ExitCode::SUCCESS)
}

fn print(kind: &str, figures: &[Figure]) -> anyhow::Result<()> {
    say(&format!("| {kind} | ours | its limit in the same run | ratio |"))?;
    say("|---|---|---|---|")?;
    for figure in figures {
        let (limit, ratio) = match figure.limit {
            Some((name, rate)) => (format!("{rate:.0} ({name})"), format!("{:.2}", figure.ours / rate)),
            None => (String::new(), String::new()),
        };
        say(&format!("| {} | {:.0} {} | {limit} | {ratio} |", figure.what, figure.ours, figure.unit))?;
    }
    Ok(())
}

/// The transaction Bundles of a folder, smallest name first, with how many entries each has.
fn read_bundles(folder: &std::path::Path) -> anyhow::Result<Vec<(String, usize)>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let mut bundles = Vec::new();
    for path in paths.into_iter().take(BUNDLES_MAX) {
        let text = std::fs::read_to_string(&path)?;
        if let Ok(bundle) = fhir::bundle::read(text.clone().into_bytes())
            && bundle.kind == fhir::bundle::Kind::Transaction
        {
            bundles.push((text, bundle.entries.len()));
        }
    }
    ensure!(!bundles.is_empty(), "{} holds no transaction Bundles", folder.display());
    Ok(bundles)
}

/// How many of `count` fit in a second of `took`.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Times a future.
pub(crate) async fn timed<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, Duration)> {
    let start = Instant::now();
    let made = work.await?;
    Ok((made, start.elapsed()))
}
