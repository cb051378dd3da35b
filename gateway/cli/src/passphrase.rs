//! Where the passphrase of a sealed identity file comes from: a file, such as a container's secret, or a descriptor that
//! whoever starts the process has opened, so that it stands in no file, no argument and no environment.

use anyhow::{Context, bail, ensure};
use clap::Args;
use node::identity_file::Passphrase;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest passphrase in bytes; it is typed by a person or made by a generator.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct From {
    /// The file with the passphrase of the identity; its last line end is no part of it.
    #[arg(long, env = "CHARTWELL_PASSPHRASE_FILE", value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// The number of an open file descriptor to read the passphrase from.
    #[arg(long, value_name = "NUMBER")]
    passphrase_fd: Option<u32>,
}

impl From {
    /// The passphrase, if one was named. A descriptor can be read once.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Passphrase>> {
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(file), _) => read(file).map(Some),
            (None, Some(number)) => read(Path::new(&format!("/dev/fd/{number}"))).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// The passphrase in a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Passphrase> {
    let Some(passphrase) = Passphrase::new(text(path)?) else {
        bail!("the passphrase in {} is empty", path.display());
    };
    Ok(passphrase)
}

/// The secret in a file, without its last line end.
pub(crate) fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let named = || format!("the passphrase cannot be read from {}", path.display());
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).with_context(named)?;
    file.take(PASSPHRASE_BYTES_MAX + 1).read_to_string(&mut text).with_context(named)?;
    ensure!(text.len() as u64 <= PASSPHRASE_BYTES_MAX, "the passphrase is longer than {PASSPHRASE_BYTES_MAX} bytes");
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Zeroizing::new(line.to_owned()))
}
