//! `chartwell user`: the people who log in at the gateway itself, added, listed and kept out.

use crate::common::{Place, note, noted, say};
use crate::passphrase;
use anyhow::bail;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a person, or give the one of the same name another password, title or resource; lets the person in.
    Add {
        #[command(flatten)]
        place: Place,
        /// What the person types.
        #[arg(long)]
        name: String,
        /// What the person is called.
        #[arg(long)]
        title: String,
        /// The person's own resource: Practitioner/ID, PractitionerRole/ID, Patient/ID or RelatedPerson/ID.
        #[arg(long, value_name = "TYPE/ID")]
        fhir_user: String,
        /// The file with the password; its last line end is no part of it.
        #[arg(long, value_name = "FILE", required_unless_present = "subject")]
        password_file: Option<PathBuf>,
        /// What the OpenID provider that people log in at names the person (`sub`), letter for letter.
        #[arg(long, value_name = "TEXT", default_value = "")]
        subject: String,
    },
    /// List people: name, whether active, own resource, title.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Keep a person out: sessions end, and what the person allowed apps is taken back.
    Disable {
        #[command(flatten)]
        place: Place,
        /// What the person types.
        name: String,
    },
}

/// Runs `user`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add { place, name, title, fhir_user, password_file, subject } => {
            let password = password_file.map(|file| passphrase::text(&file)).transpose()?;
            let password = password.as_ref().map(|text| text.as_str());
            let node = place.open_or_make().await?;
            let done = match node.put_user(&name, (password, &subject), &title, &fhir_user).await {
                Ok(()) => {
                    let person = node.person(&name).await?.map(|person| person.id).unwrap_or_default();
                    note(&node, &format!("user add {person}")).await
                }
                Err(error) => Err(error.into()),
            };
            node.close().await;
            done?;
        }
        Command::List { place } => {
            let node = place.open().await?;
            let people = node.people().await;
            node.close().await;
            for person in people? {
                let state = if person.active { "active" } else { "disabled" };
                say(&format!("{:?} {state} {} {:?}", person.name, person.fhir_user, person.title))?;
            }
        }
        Command::Disable { place, name } => {
            let node = place.open().await?;
            let Some(person) = node.person(&name).await? else {
                bail!("there is no user {name:?}: `chartwell user list` shows them");
            };
            let done = node.disable_person(&person.id).await;
            let done = noted(&node, done, |()| format!("user disable {}", person.id)).await;
            node.close().await;
            done?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
