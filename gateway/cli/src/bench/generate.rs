//! `chartwell bench generate`: a folder's transaction Bundles loaded again and again under other names, until a database has
//! as many resources as were asked for. It can be stopped and started again; what is loaded stays. Called by `bench`.

use super::read_bundles;
use crate::common::{Place, say};
use anyhow::Context;
use fhir::validate::Mode;
use node::{Caller, Node, Role};
use record::scope::Scopes;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Transactions that are prepared side by side; they share commits.
const AT_ONCE: usize = 4;
/// Transactions between two lines that tell how far it is.
const TOLD_EVERY: u64 = 54;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A folder of FHIR transaction Bundles, for example Synthea's.
    #[arg(long, value_name = "DIR")]
    bundles: PathBuf,
    /// Resources there shall be.
    #[arg(long, default_value_t = 1_000_000)]
    resources: u64,
    #[command(flatten)]
    place: Place,
}

/// How far it is; a file in the data folder.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Done {
    transactions: u64,
    resources: u64,
}

/// Generates what is missing.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let bundles = Arc::new(read_bundles(&args.bundles)?);
    let node = args.place.start(Role::Gateway, None, Some("Bench".into()), Mode::Enforce).await?;
    let file = args.place.data.join("generated.json");
    let mut done = read(&file)?;
    let (start, before) = (Instant::now(), done.resources);
    let mut running = JoinSet::new();
    let mut next = done.transactions;
    let mut planned = done.resources;
    loop {
        while running.len() < AT_ONCE && planned < args.resources {
            let at = (next % bundles.len() as u64) as usize;
            planned += bundles[at].1 as u64;
            let (node, bundles, copy) = (node.clone(), bundles.clone(), next / bundles.len() as u64);
            running.spawn(async move { load(&node, &bundles[at].0, copy).await });
            next += 1;
        }
        let Some(loaded) = running.join_next().await else { break };
        done.resources += loaded??;
        done.transactions += 1;
        if done.transactions.is_multiple_of(TOLD_EVERY) || running.is_empty() {
            // Transactions that were under way when it is stopped are loaded again: a few patients more.
            write(&file, done)?;
            let rate = (done.resources - before) as f64 / start.elapsed().as_secs_f64();
            tracing::info!(
                resources = done.resources,
                "{} of {} resources, {rate:.0}/s",
                done.resources,
                args.resources
            );
        }
    }
    write(&file, done)?;
    node.refresh_statistics().await?;
    node.close().await;
    say(&format!(
        "{} resources in {} transactions are in {}",
        done.resources,
        done.transactions,
        args.place.data.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn load(node: &Node, text: &str, copy: u64) -> anyhow::Result<u64> {
    let bundle = fhir::bundle::read(renamed(text, copy).into_bytes());
    let bundle = bundle.map_err(|outcome| anyhow::anyhow!("a Bundle does not read: {:?}", outcome.issues.first()))?;
    let count = bundle.entries.len() as u64;
    let caller = Caller {
        who: "bench".into(),
        client: "bench".into(),
        scopes: Scopes::parse("system/*.cruds"),
        ..Caller::nobody()
    };
    node.transaction(&caller, bundle).await?;
    Ok(count)
}

/// The Bundle of a copy: every UUID is another one and every family name has the copy's number behind it, so that what
/// is selective in one copy stays so in all of them.
fn renamed(text: &str, copy: u64) -> String {
    if copy == 0 {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    while let Some(at) = rest.find(['-', '"']) {
        if rest[at..].starts_with("\"family\"") {
            let end = rest[at..].match_indices('"').nth(3).map_or(rest.len(), |(end, _)| at + end);
            out.push_str(&rest[..end]);
            out.push_str(&format!("-{copy}"));
            rest = &rest[end..];
            continue;
        }
        let from = at.wrapping_sub(8);
        if at >= 8 && rest.as_bytes()[at] == b'-' && is_uuid(rest.as_bytes().get(from..from + 36)) {
            out.push_str(&rest[..from]);
            let first = u64::from_str_radix(&rest[from..at], 16).unwrap_or_default();
            out.push_str(&format!("{:08x}", (first ^ copy.wrapping_mul(0x9e37_79b1)) & 0xffff_ffff));
            out.push_str(&rest[at..from + 36]);
            rest = &rest[from + 36..];
            continue;
        }
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

fn is_uuid(bytes: Option<&[u8]>) -> bool {
    bytes.is_some_and(|bytes| {
        bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}

fn read(file: &Path) -> anyhow::Result<Done> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Done::default()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

fn write(file: &Path, done: Done) -> anyhow::Result<()> {
    std::fs::write(file, serde_json::to_vec(&done)?).with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_other_uuids_and_families_and_nothing_else() {
        let text = r#"{"fullUrl":"urn:uuid:1484a42d-0eaf-4654-9cbf-6b050a5cd73b","family": "Kreiger457","a-b":"2-3"}"#;
        assert_eq!(renamed(text, 0), text);
        let copy = renamed(text, 2);
        assert_ne!(copy, text);
        assert!(copy.contains(r#""family": "Kreiger457-2","a-b":"2-3"}"#), "{copy}");
        assert!(copy.contains("-0eaf-4654-9cbf-6b050a5cd73b\""), "{copy}");
        assert_eq!(renamed(text, 2), copy);
    }
}
