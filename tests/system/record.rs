//! A record in one file: written where it lies, verified and read elsewhere, and written again to the same bytes.

use crate::cli::{refused, text};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use tests::database::Database;
use tests::house::{self, House, SYNTHEA, observation};
use tests::page::Page;
use tests::process::run;

/// A folder that other programs do not know of, and the files in it.
struct Files(PathBuf);

impl Files {
    fn at(&self, name: &str) -> String {
        text(&self.0.join(name))
    }
}

/// `N ops, ...` as it begins a line of what a command said.
fn ops(said: &str) -> anyhow::Result<u64> {
    let line = said.lines().find(|line| line.contains(" ops, ")).context("it counts ops")?;
    Ok(line.split(' ').next().unwrap_or_default().parse()?)
}

async fn record(command: &[&str], data: &str, rest: &[&str]) -> anyhow::Result<String> {
    run(&[&["record"][..], command, &["--data", data], rest].concat()).await
}

async fn verified(data: &str) -> anyhow::Result<String> {
    run(&["verify", "--data", data]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_leaves_in_a_file_and_is_read_elsewhere() -> anyhow::Result<()> {
    for database in Database::all() {
        leaves_and_is_read(database).await.with_context(|| format!("{database:?}"))?;
    }
    Ok(())
}

async fn leaves_and_is_read(database: Database) -> anyhow::Result<()> {
    let mut house = House::start(database).await?;
    let patient = house::load(&house.at_a, SYNTHEA[0]).await?;
    let mut page = Page::plain()?;
    page.open(&house.patient.text("login")).await?;
    house::hand_over(&house.at_a, &mut page, &patient).await?;
    house::create(&house.at_a, observation(&patient, "After the hand-over")).await?;
    for process in [&mut house.a, &mut house.b, &mut house.patient] {
        process.stop().await?;
    }
    let files = Files(house.folder.path().to_owned());
    std::fs::write(files.at("passphrase"), "correct horse battery\n")?;
    std::fs::write(files.at("wrong"), "incorrect horse\n")?;
    let (at_a, at_patient) = (text(&house.a.data), text(&house.patient.data));

    let list = record(&["list"], &at_patient, &[]).await?;
    let name = list.split(' ').next().context("a record is listed")?.to_owned();
    ensure!(list.lines().count() == 1 && list.contains("this node: authority"), "{list}");
    ensure!(record(&["list"], &at_a, &[]).await?.contains(&format!("{name} patient, of")), "A is in it too");

    // Without keys from both who hold it, with keys from the patient.
    let (plain, keyed) = (files.at("plain.archive"), files.at("keyed.archive"));
    let short = &name[..10];
    let said = record(&["export"], &at_patient, &[short, &plain]).await?;
    ensure!(said.contains("without keys"), "{said}");
    let keys = ["--with-keys", "--keys-passphrase-file", &files.at("passphrase")];
    let said = record(&["export"], &at_patient, &[&[short, &keyed][..], &keys].concat()).await?;
    ensure!(said.contains("keys under the passphrase"), "{said}");
    let all = ops(&said)?;
    let (code, said) = refused(&["record", "export", "--data", &at_patient, short, &plain]).await?;
    ensure!(code == 1 && said.contains("is there already"), "a file is never written over: {said}");

    // Anywhere: a fresh folder that becomes a patient's node, with the passphrase.
    let elsewhere = files.at("elsewhere");
    let passphrase = ["--keys-passphrase-file", &files.at("passphrase")];
    let import = async |data: &str, rest: &[&str]| record(&["import"], data, rest).await;
    let said = import(&elsewhere, &[&[&keyed[..]][..], &passphrase].concat()).await?;
    ensure!(said.contains("opened by keys") && said.contains(&format!("{all} ops, {all} new")), "{said}");
    let said = import(&elsewhere, &[&[&keyed[..]][..], &passphrase].concat()).await?;
    ensure!(said.contains(&format!("{all} ops, 0 new, 0 frames")), "a repeat changes nothing: {said}");
    ensure!(record(&["list"], &elsewhere, &[]).await?.contains("this node: imported"), "it is no member");
    let log = record(&["log"], &elsewhere, &[short]).await?;
    ensure!(log.lines().count() as u64 == all, "one op a line: {log}");
    ensure!(log.contains(" genesis ") && log.contains(" claim ") && log.contains("counts"), "{log}");
    ensure!(!log.contains("After the hand-over"), "no health data is in a log");

    // And one that becomes a hospital's, without: sealed, and verified all the same.
    let sealed = files.at("sealed");
    let url = database.fresh(Path::new(&sealed)).await?;
    let said = import(&sealed, &["--role", "gateway", "--database-url", &url, &plain]).await?;
    ensure!(said.contains("verified and kept; sealed to this node"), "{said}");

    // What was imported is what was exported, byte for byte, before and after its caches are made anew.
    for (at, data) in [&elsewhere, &sealed].into_iter().enumerate() {
        for step in ["before", "after"] {
            verified(data).await?;
            let again = files.at(&format!("again-{at}-{step}.archive"));
            record(&["export"], data, &[short, &again]).await?;
            ensure!(std::fs::read(&again)? == std::fs::read(&plain)?, "{data} {step}");
            run(&["reindex", "--data", data]).await?;
        }
    }

    // A hospital that lost its database, and kept its identity and an archive of its own: the wraps to it are in that one.
    let own = files.at("own.archive");
    record(&["export"], &at_a, &[short, &own]).await?;
    let restored = files.at("restored");
    std::fs::create_dir(&restored)?;
    std::fs::copy(house.a.data.join("identity.json"), Path::new(&restored).join("identity.json"))?;
    let said = import(&restored, &["--role", "gateway", &own]).await?;
    ensure!(said.contains("this node is in the record"), "{said}");
    verified(&restored).await?;
    drawing(&files, &elsewhere, short).await?;
    refusals(&files, &plain, &keyed).await
}

/// The log as a drawing.
async fn drawing(files: &Files, data: &str, name: &str) -> anyhow::Result<()> {
    let svg = files.at("log.svg");
    record(&["log"], data, &[name, "--svg", &svg]).await?;
    let drawn = std::fs::read_to_string(&svg)?;
    ensure!(drawn.starts_with("<svg ") && drawn.trim_end().ends_with("</svg>"), "{drawn}");
    ensure!(drawn.contains("genesis") && !drawn.contains("<script") && !drawn.contains("href"), "{drawn}");
    let said = record(&["log"], data, &[name, "--last", "2"]).await?;
    ensure!(said.lines().count() == 3 && said.contains("older ops"), "it says what it leaves out: {said}");
    Ok(())
}

/// Archives that are refused leave nothing behind.
async fn refusals(files: &Files, plain: &str, keyed: &str) -> anyhow::Result<()> {
    let good = std::fs::read(plain)?;
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for (name, bytes, rule) in [
        ("cut", good[..good.len() - 100].to_vec(), "rule 10.6"),
        ("longer", [&good[..], b"x"].concat(), "rule 10.6"),
        ("changed", changed, "rule "),
        ("other", b"%PDF-1.7".to_vec(), "rule 10.1"),
    ] {
        let (file, data) = (files.at(&format!("{name}.archive")), files.at(&format!("fresh-{name}")));
        std::fs::write(&file, bytes)?;
        let (code, said) = refused(&["record", "import", "--data", &data, &file]).await?;
        ensure!(code == 1 && said.contains(rule) && said.contains("nothing of it was taken"), "{name}: {said}");
        ensure!(record(&["list"], &data, &[]).await?.is_empty(), "{name}: nothing was taken");
    }
    let (data, wrong) = (files.at("fresh-wrong"), files.at("wrong"));
    let with = |file: &str| {
        ["record", "import", "--data", &data, file, "--keys-passphrase-file", &wrong].map(str::to_owned).to_vec()
    };
    for (file, words) in [(keyed, "does not open"), (plain, "has no keys")] {
        let arguments = with(file);
        let (_, said) = refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        ensure!(said.contains(words), "{said}");
        ensure!(record(&["list"], &data, &[]).await?.is_empty(), "nothing was taken");
    }
    Ok(())
}
