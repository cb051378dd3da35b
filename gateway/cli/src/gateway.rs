//! `chartwell gateway`: a hospital's side, until it is told to stop.

use crate::acme;
use crate::passphrase;
use crate::service::{self, Started};
use crate::stop;
use anyhow::ensure;
use fhir::validate::Mode;
use node::Role;
use serde_json::json;
use server::settings::{Issuer, Login, is_safe};
use server::tls::Tls;
use std::path::PathBuf;
use std::process::ExitCode;

// Two structs of one name would be two groups of one name.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    service: service::Args,
    /// What happens to resources that break the rules of FHIR.
    #[arg(long, value_enum, value_name = "MODE", default_value = "enforce")]
    validation: Validation,
    /// Take the tokens of this issuer alone: an OpenID provider's URL, as its tokens name it. The gateway has no endpoints for
    /// tokens then.
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Option<String>,
    /// What those tokens must be for.
    #[arg(long, value_name = "TEXT", requires = "issuer")]
    audience: Option<String>,
    /// Have people log in at this OpenID provider instead of here: its URL, as its tokens name it. It sends them back to
    /// BASE-URL/auth/callback.
    #[arg(long, value_name = "URL", requires_all = ["login_client_id", "login_secret_file"], conflicts_with = "issuer")]
    login_issuer: Option<String>,
    /// What the provider calls this gateway.
    #[arg(long, value_name = "TEXT", requires = "login_issuer")]
    login_client_id: Option<String>,
    /// The file with the gateway's secret at the provider; its last line end is no part of it.
    #[arg(long, value_name = "FILE", requires = "login_issuer")]
    login_secret_file: Option<PathBuf>,
    /// Lets one conditional delete take every resource that matches, not only a single one.
    #[arg(long)]
    conditional_delete_multiple: bool,
    /// Requests a second that one client may make over time, five times as many at once; 0 for no limit. Default: 1000.
    #[arg(long, value_name = "COUNT")]
    client_rate: Option<u32>,
    /// A web page's origin whose scripts may call FHIR and the token endpoint, for example `https://app.example.org`; may be
    /// repeated. Without any no other origin's scripts may.
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Holds resources with a code of this ValueSet (JSON, its codes listed or expanded) to be of a class of protected entries, for
    /// example `substance-use=part2.json`; may be repeated. What was written before keeps its class until it is written again.
    #[arg(long, value_name = "CLASS=FILE")]
    sensitive: Vec<String>,
    /// Serves over TLS with this certificate chain in PEM, the server's own first. Taken up anew when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    acme: acme::Args,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Validation {
    /// They are refused.
    Enforce,
    /// They are kept; the log counts their issues, and who asks with Prefer: return=OperationOutcome is told them.
    Warn,
    /// They are kept, and no rule is held.
    Off,
}

impl From<Validation> for Mode {
    fn from(validation: Validation) -> Self {
        match validation {
            Validation::Enforce => Self::Enforce,
            Validation::Warn => Self::Warn,
            Validation::Off => Self::Off,
        }
    }
}

/// Runs the gateway.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    for issuer in args.issuer.iter().chain(&args.login_issuer) {
        ensure!(is_safe(issuer), "an issuer must be https, or http to this machine itself: {issuer}");
    }
    let login = match (args.login_issuer, args.login_client_id, args.login_secret_file) {
        (Some(issuer), Some(client_id), Some(file)) => {
            Some(Login { issuer, client_id, secret: passphrase::text(&file)?.to_string() })
        }
        _ => None,
    };
    let validation = Mode::from(args.validation);
    let sensitive = crate::sensitive::read(&args.sensitive)?;
    let tls = match (&args.tls_cert, &args.tls_key, args.acme.read(args.service.data())?) {
        (Some(certificate), Some(key), _) => Some(Tls::load(certificate, key)?),
        (_, _, Some(acme)) => Some(Tls::acme(acme)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let seen = |address| args.acme.base_url(address).unwrap_or_else(|| format!("{scheme}://{address}"));
    let Started { node, listener, address, base_url, p2p, ready, stopped } =
        args.service.start(Role::Gateway, validation, seen).await?;
    let base_url = base_url.trim_end_matches('/').to_owned();
    let conditional_delete_multiple = args.conditional_delete_multiple;
    let issuer = args.issuer.zip(args.audience).map(|(url, audience)| Issuer { url, audience });
    let mut settings =
        server::Settings { conditional_delete_multiple, issuer, login, ..server::Settings::new(&base_url) };
    settings.cors_origins = args.cors_origin;
    if let Some(per_second) = args.client_rate {
        let burst =
            per_second.saturating_mul(server::settings::CLIENT_RATE.burst / server::settings::CLIENT_RATE.per_second);
        settings.limits.client_rate = server::quota::Rate { per_second, burst };
    }
    if let Some(sensitive) = sensitive {
        node.set_sensitive(sensitive);
    }
    let router = server::app(settings, node.clone());
    node.keep_base().await?;
    ready.write(&json!({ "fhir": format!("{base_url}/fhir"), "p2p": p2p, "pid": std::process::id() }))?;
    if validation != Mode::Enforce {
        tracing::warn!(?validation, "resources that break the rules of FHIR are kept");
    }
    tracing::info!(%address, database = node.database_kind(), identity = %node.identity().id(), "FHIR is served at {base_url}/fhir");
    let transport = server::Transport { tls, ..server::Transport::default() };
    server::serve(listener, transport, router, stop::wait(stopped)).await?;
    node.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
