//! A patient with several devices, over real processes and without JavaScript: a phone joins, is lost and suspended, and
//! when the computer is gone too the words on paper let a tablet in, from the hospital that still has the record.

use anyhow::{Context, ensure};
use std::path::Path;
use tests::database::Database;
use tests::house::{self, House, LISTEN, SYNTHEA, observation};
use tests::page::{Edit, Page};
use tests::process::{Process, run};
use tests::wait::until;

async fn device(folder: &Path, name: &str) -> anyhow::Result<(Process, Page)> {
    let process = Process::start("patient", &folder.join(name), &[&LISTEN[..], &["--name", name]].concat()).await?;
    let mut page = Page::plain()?;
    page.open(&process.text("login")).await?;
    Ok((process, page))
}

/// Waits until a page of a device says something.
async fn says(page: &mut Page, path: &str, words: &str) {
    let page = tokio::sync::Mutex::new(page);
    until(&format!("{path} says {words}"), || async {
        let text = page.lock().await.words(path).await.ok()?;
        text.contains(words).then_some(())
    })
    .await;
}

async fn has_entry(page: &mut Page, words: &str) {
    says(page, "/timeline", words).await;
}

/// The words, as the page shows them.
async fn words(page: &mut Page) -> anyhow::Result<Vec<String>> {
    page.go("/phrase").await?;
    let html = page.html().await?;
    let list = html.one("#words").context("the words are shown")?;
    Ok(list.words().split(' ').map(str::to_owned).collect())
}

async fn join(first: &mut Page, new: &mut Page) -> anyhow::Result<()> {
    first.go("/devices").await?;
    first.submit("#add-form", &[]).await?;
    let code = first.html().await?.one("#device-code").context("a code is shown")?.words();
    new.go("/devices/join").await?;
    new.submit("#join-form", &[Edit::Text("code", &code)]).await?;
    let digits = new.digits().await?;
    ensure!(first.digits().await? == digits, "both show the same digits");
    first.submit("#confirm-form", &[Edit::Text("name", "My phone")]).await?;
    new.submit("#confirm-form", &[]).await?;
    first.pairing("done").await?;
    new.pairing("done").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_joins_is_lost_and_the_words_recover_what_is_left() -> anyhow::Result<()> {
    let mut house = House::start(Database::Sqlite).await?;
    let folder = house.folder.path().to_owned();
    let at_a = house::load(&house.at_a, SYNTHEA[0]).await?;
    let mut first = Page::plain()?;
    first.open(&house.patient.text("login")).await?;
    house::hand_over(&house.at_a, &mut first, &at_a).await?;
    let (mut phone, mut on_phone) = device(&folder, "phone").await?;
    join(&mut first, &mut on_phone).await?;
    house::create(&house.at_a, observation(&at_a, "Seen on both")).await?;
    for page in [&mut first, &mut on_phone] {
        has_entry(page, "Seen on both").await;
        says(page, "/devices", "My phone").await;
    }
    // The phone is lost.
    first.go("/devices").await?;
    let lost = first.html().await?.one("[data-state=\"in\"] .button").context("a device that is in can be lost")?;
    let path = lost.element().and_then(|link| link.get("href")).context("it leads on")?.to_owned();
    ensure!(first.words(&path).await?.contains("Only your 24 words let it back in"), "it says what it does");
    first.submit("#suspend-form", &[]).await?;
    says(&mut first, "/devices", "Suspended").await;
    says(&mut on_phone, "/devices", "This device was suspended").await;
    house::create(&house.at_a, observation(&at_a, "After the loss")).await?;
    has_entry(&mut first, "After the loss").await;
    ensure!(!on_phone.words("/timeline").await?.contains("After the loss"), "the phone gets nothing new");
    // The words go on paper, and from the computer.
    let paper = words(&mut first).await?;
    ensure!(paper.len() == 24, "{} words", paper.len());
    says(&mut first, "/phrase", "chartwell:").await;
    let addresses = first.html().await?.one("#recovery-addresses").context("what belongs beside the words")?;
    let address = addresses.words();
    let form = first.html().await?.one("#words-form").context("three words are asked for")?;
    let labels = form.all("label").iter().map(|label| label.words()).collect::<Vec<_>>();
    let asked = labels.iter().filter_map(|label| label.rsplit(' ').next()?.parse::<usize>().ok()).collect::<Vec<_>>();
    ensure!(asked.len() == 3, "{labels:?}");
    ensure!(
        !std::fs::read_to_string(house.patient.data.join("log.txt"))?.contains(&paper[..3].join(" ")),
        "no words in logs"
    );
    // Then the computer is gone as well.
    house.patient.stop().await?;
    let (mut tablet, mut on_tablet) = device(&folder, "tablet").await?;
    let shown = run(&["identity", "show", "--data", &tablet.data.display().to_string()]).await?;
    let card = shown.lines().find_map(|line| line.strip_prefix("card ")).context("its card is shown")?.to_owned();
    let file = folder.join("paper.txt");
    std::fs::write(&file, paper.join("\n"))?;
    let file = file.display().to_string();
    let recover = async |file: &str| {
        run(&[
            "recover",
            "--record",
            &address,
            "--device",
            &card,
            "--name",
            "My tablet",
            "--phrase-file",
            file,
            "--yes",
        ])
        .await
    };
    let wrong = folder.join("wrong.txt");
    std::fs::write(&wrong, "abandon ".repeat(23) + "art")?;
    let refused = recover(&wrong.display().to_string()).await.err().context("other words get nothing")?.to_string();
    ensure!(refused.contains("does not know these words"), "{refused}");
    let said = recover(&file).await?;
    ensure!(said.lines().last() == Some(address.as_str()), "{said}");
    on_tablet.go("/devices/join").await?;
    on_tablet.submit("#join-form", &[Edit::Text("code", &address)]).await?;
    on_tablet.pairing("done").await?;
    for words in ["Seen on both", "After the loss"] {
        has_entry(&mut on_tablet, words).await;
    }
    says(&mut on_tablet, "/devices", "Removed").await;
    house::create(&house.at_a, observation(&at_a, "For the tablet")).await?;
    has_entry(&mut on_tablet, "For the tablet").await;
    for process in [&mut house.a, &mut phone, &mut tablet] {
        house::verify_and_reindex(process).await?;
    }
    Ok(())
}
