//! `chartwell bench search`: a table of queries, each asked many times over HTTP with token and audit, on one database or
//! on two of different sizes side by side. The databases are made by `bench generate`. Called by `bench`.

use super::place::Place;
use super::queries::{Class, QUERIES, Query};
use crate::common::{Place as Folder, say};
use anyhow::Context;
use fhir::validate::Mode;
use node::Role;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Different values one query is asked with; a value that is asked once a round is warm as it would be in use.
const VALUES_MAX: usize = 50;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Folder,
    /// The data folder of a smaller database, measured in the same run, for the growth between the two.
    #[arg(long, value_name = "DIR")]
    beside: Option<PathBuf>,
    /// How often each query is asked.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Only queries with this in their text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Milliseconds of one query on one database.
#[derive(Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

/// Runs the table.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let large = Sample::of(&args.place).await?;
    let small = match &args.beside {
        Some(data) => Some(Sample::of(&Folder { data: data.clone(), ..Folder::default() }).await?),
        None => None,
    };
    let name = |sample: &Sample| format!("{} resources", sample.resources);
    match &small {
        Some(small) => {
            let (small, large) = (name(small), name(&large));
            say(&format!(
                "| query | {small}: p50, p99 ms | {large}: p50, p99 ms | growth of p50 | matches on the page |"
            ))?;
            say("|---|---|---|---|---|")?;
        }
        None => {
            say(&format!("| query | {}: p50, p99 ms | matches on the page |", name(&large)))?;
            say("|---|---|---|")?;
        }
    }
    for class in [Class::Selective, Class::Broad, Class::Share] {
        say(&format!("| **{}** |", class.name()))?;
        for query in QUERIES.iter().filter(|query| query.class == class) {
            if args.only.as_ref().is_some_and(|only| !query.text.contains(only.as_str())) {
                continue;
            }
            let rounds = if class == Class::Share { args.rounds.div_ceil(20) } else { args.rounds };
            let (times, found) = large.ask(query, rounds).await?;
            let text = query.text.replace('|', "\\|");
            let row = match &small {
                Some(small) => {
                    let (before, _) = small.ask(query, rounds).await?;
                    let growth = times.p50 / before.p50.max(0.001);
                    format!(
                        "| `{text}` | {:.2}, {:.2} | {:.2}, {:.2} | {growth:.1} | {found} |",
                        before.p50, before.p99, times.p50, times.p99
                    )
                }
                None => format!("| `{text}` | {:.2}, {:.2} | {found} |", times.p50, times.p99),
            };
            say(&row)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A database with what its queries are asked with.
struct Sample {
    place: Place,
    resources: i64,
    /// Of each patient: id, an identifier, family, birth date, an Encounter of theirs.
    patients: Vec<[String; 5]>,
}

impl Sample {
    async fn of(folder: &Folder) -> anyhow::Result<Self> {
        let node = folder.start(Role::Gateway, None, None, Mode::Enforce).await?;
        let resources = node.versions_current().await?;
        let place = Place::serve(node).await?;
        let page = json(&place, &format!("/Patient?_count={VALUES_MAX}&_elements=identifier,name,birthDate")).await?;
        let mut patients = Vec::new();
        for entry in page["entry"].as_array().context("there are no Patients: generate some first")? {
            let patient = &entry["resource"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = text(&patient["id"]);
            let encounters = json(&place, &format!("/Encounter?patient={id}&_count=1&_elements=id")).await?;
            let encounter = text(&encounters["entry"][0]["resource"]["id"]);
            let identifier = text(&patient["identifier"][0]["value"]);
            let family = text(&patient["name"][0]["family"]);
            patients.push([id, identifier, family, text(&patient["birthDate"]), encounter]);
        }
        Ok(Self { place, resources, patients })
    }

    /// Asks a query with one value after the other; how long it took, and how many were on a page.
    async fn ask(&self, query: &Query, rounds: usize) -> anyhow::Result<(Times, usize)> {
        let (mut times, mut found) = (Vec::with_capacity(rounds), 0);
        for round in 0..rounds + rounds.min(10) {
            let mut path = self.filled(query.text, round);
            for _ in 1..query.page {
                let page = json(&self.place, &path).await?;
                path = next(&page, &self.place.base).context("there are not as many pages")?;
            }
            let start = Instant::now();
            let bytes = self.place.get_bytes(&path).await?;
            let took = start.elapsed().as_secs_f64() * 1000.0;
            // The first ones warm the caches.
            if round >= rounds.min(10) {
                times.push(took);
            }
            if round == 0 {
                let page: Value = serde_json::from_slice(&bytes)?;
                found = page["entry"].as_array().map_or(0, Vec::len);
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        Ok((Times { p50: at(0.5), p99: at(0.99) }, found))
    }

    fn filled(&self, text: &str, round: usize) -> String {
        let names = ["{patient}", "{identifier}", "{family}", "{birthdate}", "{encounter}"];
        let patient = &self.patients[round % self.patients.len()];
        let mut path = text.replace('|', "%7C").replace(' ', "%20");
        for (name, value) in names.iter().zip(patient) {
            path = path.replace(name, value);
        }
        format!("/{path}")
    }
}

async fn json(place: &Place, path: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&place.get_bytes(path).await?)?)
}

fn next(page: &Value, base: &str) -> Option<String> {
    let links = page["link"].as_array()?;
    let url = links.iter().find(|link| link["relation"] == "next")?["url"].as_str()?;
    url.strip_prefix(base).map(str::to_owned)
}
