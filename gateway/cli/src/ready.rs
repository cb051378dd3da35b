//! `ready.json`: says where a process listens, once it does. Readable by its owner alone, written by rename, gone when the
//! process is. Called by `gateway`, `patient_node`, `demo`.

use anyhow::Context;
use node::identity_file::write_private;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The file of a running process; removed when dropped.
pub(crate) struct Ready(PathBuf);

impl Ready {
    /// Removes what an earlier process left.
    pub(crate) fn new(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("{} cannot be made", data.display()))?;
        let path = data.join("ready.json");
        remove(&path);
        Ok(Self(path))
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, value: &Value) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        write_private(&self.0, text.as_bytes()).with_context(|| format!("{} cannot be written", self.0.display()))
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "ready.json could not be removed");
    }
}
