//! What every command shares: the data folder, the database it recorded, and the node opened from both.

use crate::passphrase;
use anyhow::{Context, bail};
use clap::Args;
use fhir::validate::Mode;
use node::operator::Act;
use node::{Config, Node, NodeError, Role};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a node lives.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// The node's folder: its identity, its settings and, unless another is named, its database.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// postgres://... or sqlite://FILE; recorded in DIR at first start.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: passphrase::From,
}

/// Notes in the audit log what was done on the command line.
pub(crate) async fn note(node: &Node, what: &str) -> anyhow::Result<()> {
    let act = Act {
        who: "operator".to_owned(),
        client: "chartwell".to_owned(),
        what: format!("chartwell {what}"),
        outcome: 200,
        ..Act::default()
    };
    Ok(node.note_act(act).await?)
}

/// What came of something done on the command line, noted in the audit log where it was done.
pub(crate) async fn noted<T>(
    node: &Node,
    done: Result<T, NodeError>,
    what: impl FnOnce(&T) -> String,
) -> anyhow::Result<T> {
    let done = done?;
    note(node, &what(&done)).await?;
    Ok(done)
}

/// What a data folder remembers of its first start.
#[derive(Serialize, Deserialize)]
struct Recorded {
    role: String,
    database_url: String,
    identity: PathBuf,
    name: String,
}

fn recorded(data: &Path) -> anyhow::Result<Option<Recorded>> {
    let path = data.join("node.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

impl Place {
    /// Opens the node of this folder in `role`, making what is missing and recording it.
    pub(crate) async fn start(
        &self,
        role: Role,
        identity: Option<PathBuf>,
        name: Option<String>,
        validation: Mode,
    ) -> anyhow::Result<Node> {
        let word = word(role);
        let before = recorded(&self.data)?;
        if let Some(before) = &before
            && before.role != word
        {
            bail!("{} is the folder of a {}, not of a {word}", self.data.display(), before.role);
        }
        let data = absolute(&self.data)?;
        let given = self.database_url.clone();
        let recorded = Recorded {
            role: word.to_owned(),
            database_url: given
                .or(before.as_ref().map(|before| before.database_url.clone()))
                .unwrap_or_else(|| format!("sqlite://{}", data.join("chartwell.db").display())),
            identity: match identity {
                Some(path) => absolute(&path)?,
                None => before.as_ref().map_or_else(|| data.join("identity.json"), |before| before.identity.clone()),
            },
            name: name
                .or(before.map(|before| before.name))
                .unwrap_or_else(|| if role == Role::Gateway { "A hospital" } else { "A patient" }.to_owned()),
        };
        let node = self.node(role, &recorded, validation).await?;
        let text = serde_json::to_string_pretty(&recorded)?;
        // The URL may hold a password: the file is its owner's alone.
        node::identity_file::write_private(&data.join("node.json"), text.as_bytes())
            .with_context(|| format!("{} cannot be written", data.join("node.json").display()))?;
        Ok(node)
    }

    /// Opens the node of a folder that has been started before, whatever its role.
    pub(crate) async fn open(&self) -> anyhow::Result<Node> {
        let Some(mut recorded) = recorded(&self.data)? else {
            bail!("{} holds no node yet: start a gateway or a patient's node there first", self.data.display());
        };
        if let Some(url) = &self.database_url {
            recorded.database_url.clone_from(url);
        }
        let role = if recorded.role == word(Role::Patient) { Role::Patient } else { Role::Gateway };
        self.node(role, &recorded, Mode::default()).await
    }

    /// The identity's file of a folder that has been started before.
    pub(crate) fn identity(&self) -> anyhow::Result<PathBuf> {
        match recorded(&self.data)? {
            Some(recorded) => Ok(recorded.identity),
            None => bail!("{} holds no node yet: start a gateway or a patient's node there first", self.data.display()),
        }
    }

    /// Opens the node of a folder; one that is not there yet becomes a gateway's, so that clients can be registered
    /// before the first start.
    pub(crate) async fn open_or_make(&self) -> anyhow::Result<Node> {
        match recorded(&self.data)? {
            Some(_) => self.open().await,
            None => self.start(Role::Gateway, None, None, Mode::default()).await,
        }
    }

    async fn node(&self, role: Role, recorded: &Recorded, validation: Mode) -> anyhow::Result<Node> {
        let config = Config {
            data: absolute(&self.data)?,
            database_url: recorded.database_url.clone(),
            identity: recorded.identity.clone().into(),
            passphrase: self.passphrase.read()?,
            name: recorded.name.clone(),
            role,
            validation,
        };
        Ok(Node::open(config).await?)
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Gateway => "gateway",
        Role::Patient => "patient",
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

/// Prints one line of a command's own output.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{line}").context("standard output is closed")
}
