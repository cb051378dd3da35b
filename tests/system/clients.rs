//! Clients, users and keys as an operator handles them while a gateway runs: over the command line, and over HTTP what comes
//! of it.

use anyhow::{Context, ensure};
use data_encoding::BASE64;
use serde_json::Value;
use tempfile::TempDir;
use tests::database::Database;
use tests::house;
use tests::http::Fhir;
use tests::process::{Process, run};
use tests::wait::until;

/// What the token endpoint says to a client's secret.
async fn granted(process: &Process, id: &str, secret: &str) -> anyhow::Result<(u16, Value)> {
    let url = process.text("fhir").replace("/fhir", "/auth/token");
    let basic = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    let form = "grant_type=client_credentials&scope=system/Patient.rs";
    let request = reqwest::Client::new().post(url).header("authorization", basic).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_secret_is_let_in_kept_out_and_removed() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let data = process.data.display().to_string();
    let said =
        run(&["client", "add", "--data", &data, "--name", "lab", "--scope", "system/Patient.rs", "--secret"]).await?;
    let (id, secret) = said.split_once('\n').context("an id and a secret")?;
    let (status, json) = granted(&process, id, secret).await?;
    ensure!(status == 200, "{json}");
    let token = json["access_token"].as_str().context("a token")?.to_owned();
    ensure!(Fhir::new(&process.text("fhir"), &token).get("Patient").await?.0 == 200, "its token opens");
    let listed = run(&["client", "list", "--data", &data]).await?;
    ensure!(listed.contains(&format!("{id} approved secret client_credentials - \"lab\"")), "{listed}");
    ensure!(!listed.contains(secret), "the list tells a secret");
    for (command, wanted) in [("disable", 401), ("enable", 200), ("remove", 401)] {
        run(&["client", command, "--data", &data, "lab"]).await?;
        let (status, json) = granted(&process, id, secret).await?;
        ensure!(status == wanted, "{command}: {status} {json}");
        until("its tokens go with it", || async {
            let (status, _) = Fhir::new(&process.text("fhir"), &token).get("Patient").await.ok()?;
            (status == wanted).then_some(())
        })
        .await;
    }
    // A wrong one is refused before anything is written.
    let bad = run(&["client", "add", "--data", &data, "--name", "app", "--scope", "patient/*.rs", "--public"]).await;
    ensure!(bad.is_err(), "a public client with nowhere to go");
    let app = ["--public", "--redirect", "https://app.example/cb", "--scope", "patient/*.rs launch/patient openid"];
    let app = run(&[&["client", "add", "--data", &data, "--name", "app"], &app[..]].concat()).await?;
    let listed = run(&["client", "list", "--data", &data]).await?;
    ensure!(listed.contains(&format!("{app} approved none authorization_code,refresh_token - \"app\"")), "{listed}");
    process.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_keys_are_kept_from_the_command_line() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut process = house::gateway(folder.path(), "Hospital A", Database::Sqlite).await?;
    let data = process.data.display().to_string();
    let file = folder.path().join("password");
    std::fs::write(&file, "correct horse battery\n")?;
    let file = file.display().to_string();
    let user = ["user", "add", "--data", &data, "--title", "Dr. Ada"];
    let add = async |more: &[&str]| run(&[&user, more].concat()).await;
    add(&["--name", "Ada", "--fhir-user", "Practitioner/1", "--password-file", &file]).await?;
    add(&["--name", "bo", "--fhir-user", "Practitioner/2", "--subject", "s-2"]).await?;
    ensure!(add(&["--name", "cy", "--fhir-user", "Practitioner/3"]).await.is_err(), "no password and no subject");
    ensure!(add(&["--name", "cy", "--fhir-user", "Device/3", "--subject", "s-3"]).await.is_err(), "a device");
    run(&["user", "disable", "--data", &data, "bo"]).await?;
    let listed = run(&["user", "list", "--data", &data]).await?;
    let wanted = "\"ada\" active Practitioner/1 \"Dr. Ada\"\n\"bo\" disabled Practitioner/2 \"Dr. Ada\"";
    ensure!(listed == wanted, "{listed}");

    run(&["client", "add", "--data", &data, "--name", "ehr", "--scope", "system/*.rs"]).await?;
    let before = run(&["token", "--data", &data, "--client", "ehr"]).await?;
    let fhir = Fhir::new(&process.text("fhir"), &before);
    ensure!(fhir.get("Patient").await?.0 == 200, "a token of the first key");
    let keys = run(&["keys", "list", "--data", &data]).await?;
    ensure!(keys.lines().count() == 1 && keys.ends_with("signs"), "{keys}");
    let keys = run(&["keys", "rotate", "--data", &data]).await?;
    ensure!(keys.matches("signs").count() == 2 && keys.matches("verifies until").count() == 1, "{keys}");
    let after = run(&["token", "--data", &data, "--client", "ehr"]).await?;
    until("a token of the new key is taken", || async {
        let (status, _) = Fhir::new(&process.text("fhir"), &after).get("Patient").await.ok()?;
        (status == 200).then_some(())
    })
    .await;
    ensure!(fhir.get("Patient").await?.0 == 200, "a token of the key before goes on");
    process.stop().await
}
