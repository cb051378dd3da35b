//! Real data loads whole and reads back as it was sent: every digit, apart from id, meta and the references a transaction
//! resolves. The fixtures always; with `CHARTWELL_DATA` (a folder with `synthea/` and `r4-examples/`) all of that too.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::database::Database;
use tests::house;
use tests::http::Fhir;

/// Names a folder with far more data than the project carries.
const DATA: &str = "CHARTWELL_DATA";

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> anyhow::Result<Value> {
    serde_json::from_str(&std::fs::read_to_string(path)?).with_context(|| path.display().to_string())
}

/// Whether `found` is `sent`, where references may have been resolved. Says where they differ.
fn same(sent: &Value, found: &Value, resolved: &HashMap<String, String>, at: &str) -> Result<(), String> {
    match (sent, found) {
        (Value::Object(sent), Value::Object(found)) => {
            let skip = |name: &str| at.is_empty() && matches!(name, "id" | "meta");
            let names = sent.keys().chain(found.keys()).filter(|name| !skip(name));
            for name in names {
                let at = format!("{at}.{name}");
                let sent = sent.get(name).ok_or_else(|| format!("{at} was not sent"))?;
                same(sent, found.get(name).ok_or_else(|| format!("{at} is lost"))?, resolved, &at)?;
            }
            Ok(())
        }
        (Value::Array(sent), Value::Array(found)) if sent.len() == found.len() => {
            let pairs = sent.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(place, (sent, found))| same(sent, found, resolved, &format!("{at}[{place}]")))
        }
        (Value::String(sent), Value::String(found)) if sent != found => {
            // A conditional reference became the one that it found.
            let condition = sent.split_once('?').is_some_and(|(kind, _)| found.starts_with(&format!("{kind}/")));
            let resolved = resolved.get(sent).is_some_and(|resolved| resolved == found);
            if condition || resolved { Ok(()) } else { Err(format!("{at}: {sent} is now {found}")) }
        }
        (sent, found) if sent == found => Ok(()),
        (sent, found) => Err(format!("{at}: {sent} is now {found}")),
    }
}

/// Loads a transaction or batch: every entry 2xx, and each reads back.
async fn load(fhir: &Fhir, path: &Path) -> anyhow::Result<usize> {
    let bundle = read(path)?;
    let (status, answer) = fhir.post("", bundle.clone()).await?;
    ensure!(status == 200, "{}: {status} {answer}", path.display());
    let sent = bundle["entry"].as_array().context("a bundle has entries")?;
    let told = answer["entry"].as_array().context("a response has entries")?;
    ensure!(sent.len() == told.len(), "one response for each entry");
    let (mut resolved, mut places) = (HashMap::new(), Vec::new());
    for (entry, told) in sent.iter().zip(told) {
        let status = told["response"]["status"].as_str().unwrap_or_default();
        ensure!(status.starts_with('2'), "{}: {status} {told}", path.display());
        let location = told["response"]["location"].as_str().with_context(|| format!("no location: {told}"))?;
        let parts = location.trim_start_matches(&fhir.base).trim_start_matches('/').split('/').collect::<Vec<_>>();
        let place = format!("{}/{}", parts[0], parts.get(1).context("a location has an id")?);
        if let Some(full) = entry["fullUrl"].as_str() {
            resolved.insert(full.to_owned(), place.clone());
        }
        places.push(place);
    }
    for (entry, place) in sent.iter().zip(&places) {
        let (status, found) = fhir.get(place).await?;
        ensure!(status == 200, "{place}: {status}");
        same(&entry["resource"], &found, &resolved, "")
            .map_err(|why| anyhow::anyhow!("{}: {place}{why}", path.display()))?;
    }
    Ok(sent.len())
}

/// PUTs a resource under its own id; it reads back.
async fn put(fhir: &Fhir, path: &Path) -> anyhow::Result<()> {
    let sent = read(path)?;
    let place = format!(
        "{}/{}",
        sent["resourceType"].as_str().context("a resource has a type")?,
        sent["id"].as_str().with_context(|| format!("{} has no id", path.display()))?
    );
    let (status, answer) = fhir.put(&place, sent.clone()).await?;
    ensure!(matches!(status, 200 | 201), "{}: {status} {answer}", path.display());
    let (status, found) = fhir.get(&place).await?;
    ensure!(status == 200, "{}: {status}", path.display());
    same(&sent, &found, &HashMap::new(), "").map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixtures_read_back_as_they_were_sent() -> anyhow::Result<()> {
    for database in Database::all() {
        let folder = TempDir::new()?;
        let mut process = house::gateway(folder.path(), "Hospital A", database).await?;
        let fhir = Fhir::of(&process).await?;
        for path in files(&fixtures().join("synthea"))? {
            ensure!(load(&fhir, &path).await? > 10, "{} has entries", path.display());
        }
        for path in files(&fixtures().join("examples"))? {
            put(&fhir, &path).await?;
        }
        house::verify_and_reindex(&mut process).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_hand_reads_back_as_it_was_sent() -> anyhow::Result<()> {
    let Some(data) = std::env::var_os(DATA).map(PathBuf::from) else { return Ok(()) };
    for year in ["2019", "2021"] {
        let folder = TempDir::new()?;
        let process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
        let fhir = Fhir::of(&process).await?;
        let mut all = files(&data.join("synthea").join(year))?;
        // Patients of 2021 refer to hospitals and practitioners by condition: those come first.
        let rank = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (!name.starts_with("hospital"), !name.starts_with("practitioner"), name)
        };
        all.sort_by_key(rank);
        let mut entries = 0;
        for path in &all {
            entries += load(&fhir, path).await?;
        }
        println!("{year}: {} bundles, {entries} entries", all.len());
        process.verify().await?;
    }
    let folder = TempDir::new()?;
    let process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let fhir = Fhir::of(&process).await?;
    let all = files(&data.join("r4-examples").join("json"))?;
    let mut failed = Vec::new();
    for path in &all {
        if let Err(error) = put(&fhir, path).await {
            failed.push(error.to_string());
        }
    }
    ensure!(failed.is_empty(), "{} of {} examples: {}", failed.len(), all.len(), failed.join("\n"));
    process.verify().await?;
    Ok(())
}
