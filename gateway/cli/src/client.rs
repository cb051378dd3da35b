//! `chartwell client`: the software that may call a gateway, added, listed, kept out and removed. A running gateway honours
//! each at once.

use crate::common::{Place, noted, say};
use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use node::clients::{Auth, Client, GRANTS, NewClient, Status};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a client, or update the one of the same name; prints its id, and below it a fresh secret where it has one.
    Add(Box<Add>),
    /// List clients: id, status, how each proves who it is, grant types, rights, name, scopes, redirect URLs.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Let a client in that was disabled, or that registered itself.
    #[command(visible_alias = "approve")]
    Enable(Named),
    /// Keep a client out; its tokens end.
    Disable(Named),
    /// Remove a client; its tokens end.
    Remove(Named),
}

#[derive(clap::Args)]
struct Add {
    #[command(flatten)]
    place: Place,
    /// The client's name.
    #[arg(long)]
    name: String,
    /// SMART scopes, for example "system/*.cruds" or "launch/patient patient/*.rs openid fhirUser offline_access".
    #[arg(long)]
    scope: String,
    /// The client's public keys (JWKS): a file, or a URL they are fetched from.
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["secret", "public"])]
    jwks: Option<String>,
    /// The client proves who it is by a secret, which is printed once.
    #[arg(long, conflicts_with = "public")]
    secret: bool,
    /// The client cannot keep a secret: an app in a browser or on a phone.
    #[arg(long)]
    public: bool,
    /// Where people are sent back to after they logged in; may be repeated. Makes the client an app that people log in for.
    #[arg(long, value_name = "URL")]
    redirect: Vec<String>,
    /// Where an EHR launches the app.
    #[arg(long, value_name = "URL", default_value = "")]
    launch: String,
    /// A grant type it may use; may be repeated. Default: client_credentials, or with --redirect authorization_code and
    /// refresh_token.
    #[arg(long, value_name = "TYPE")]
    grant: Vec<String>,
    /// What it may do beyond that: introspect (learn what any token is), ehr (launch apps), admin (administer
    /// this server over HTTP, with the scope admin); may be repeated.
    #[arg(long, value_name = "RIGHT")]
    right: Vec<String>,
}

#[derive(clap::Args)]
struct Named {
    #[command(flatten)]
    place: Place,
    /// The client's id or name.
    client: String,
}

/// Runs `client`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(*args).await?,
        Command::List { place } => list(&place).await?,
        Command::Enable(named) => set(named, Some(Status::Approved)).await?,
        Command::Disable(named) => set(named, Some(Status::Disabled)).await?,
        Command::Remove(named) => set(named, None).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(args: Add) -> anyhow::Result<()> {
    let auth = match (args.secret, args.public) {
        (true, _) => Auth::Secret,
        (_, true) => Auth::None,
        _ => Auth::Key,
    };
    let usual = if args.redirect.is_empty() { &GRANTS[..1] } else { &GRANTS[1..] };
    let grants =
        if args.grant.is_empty() { usual.iter().map(|grant| (*grant).to_owned()).collect() } else { args.grant };
    let new = NewClient {
        name: args.name,
        scope: args.scope,
        jwks: jwks(args.jwks)?,
        auth,
        redirects: args.redirect,
        launch: args.launch,
        grants,
        rights: args.right,
        status: Status::Approved,
    };
    let node = args.place.open_or_make().await?;
    let registered = node.register_client(&new).await;
    let registered = noted(&node, registered, |(client, _)| format!("client add {}", client.id)).await;
    node.close().await;
    let (client, secret) = registered?;
    say(&client.id)?;
    if let Some(secret) = secret {
        say(&secret)?;
    }
    if client.status != Status::Approved {
        eprintln!("chartwell: the client is {}: `chartwell client enable` lets it in", client.status.text());
    }
    Ok(())
}

/// The key set as it is registered: a URL, or what is in a file.
fn jwks(named: Option<String>) -> anyhow::Result<String> {
    let Some(at) = named else { return Ok(String::new()) };
    if at.starts_with("http://") || at.starts_with("https://") {
        return Ok(at);
    }
    let text = std::fs::read_to_string(&at).with_context(|| format!("{at} cannot be read"))?;
    let keys: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{at} is no JSON"))?;
    ensure!(keys.get("keys").is_some_and(serde_json::Value::is_array), "{at} is no JWKS: it has no keys");
    Ok(text)
}

async fn list(place: &Place) -> anyhow::Result<()> {
    let node = place.open().await?;
    let clients = node.clients().await;
    node.close().await;
    for client in clients? {
        let Client { id, name, scope, .. } = &client;
        let (status, auth) = (client.status.text(), client.auth.text());
        let [grants, rights] = [&client.grants, &client.rights].map(|words| words.join(","));
        let rights = if rights.is_empty() { "-" } else { &rights };
        let redirects = client.redirects.join(" ");
        say(&format!("{id} {status} {auth} {grants} {rights} {name:?} {scope:?} {redirects}"))?;
    }
    Ok(())
}

/// Gives a client a status, or removes it.
async fn set(named: Named, status: Option<Status>) -> anyhow::Result<()> {
    let node = named.place.open().await?;
    let Some(client) = node.client(&named.client).await? else {
        bail!("there is no client {:?}: `chartwell client list` shows them", named.client);
    };
    let done = match status {
        Some(status) => node.set_client_status(&client.id, status).await,
        None => node.remove_client(&client.id).await,
    };
    let what = status.map_or("remove", Status::text);
    let done = noted(&node, done, |()| format!("client {what} {}", client.id)).await;
    node.close().await;
    done
}
