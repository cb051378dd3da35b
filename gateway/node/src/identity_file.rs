//! The identity's file: seeds at rest, readable by its owner alone. Called when a node opens.

use record::identity::{Identity, Seeds};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Why an identity file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFileError {
    /// The file system.
    #[error("the identity file {0} cannot be read or written: {1}")]
    Io(PathBuf, std::io::Error),
    /// Not an identity file.
    #[error("the file {0} is no identity file: restore it from its backup, do not delete it")]
    Damaged(PathBuf),
    /// Others may read it.
    #[error("the identity file {0} can be read by others: chmod 600 it")]
    Open(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Shape {
    format: String,
    signing: String,
    next: String,
    sealing: String,
}

const FORMAT: &str = "chartwell identity 1";

/// Loads the identity at `path`, or makes one there if there is none.
///
/// # Errors
/// [`IdentityFileError`].
pub fn load_or_create(path: &Path) -> Result<Identity, IdentityFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            check_mode(path)?;
            parse(&text).ok_or_else(|| IdentityFileError::Damaged(path.to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path),
        Err(error) => Err(IdentityFileError::Io(path.to_owned(), error)),
    }
}

fn parse(text: &str) -> Option<Identity> {
    let mut shape: Shape = serde_json::from_str(text).ok().filter(|shape: &Shape| shape.format == FORMAT)?;
    let seed = |text: &str| record::id::unbase32(text)?.try_into().ok();
    let seeds = Seeds { signing: seed(&shape.signing)?, next: seed(&shape.next)?, sealing: seed(&shape.sealing)? };
    for text in [&mut shape.signing, &mut shape.next, &mut shape.sealing] {
        text.zeroize();
    }
    Some(Identity::from_seeds(seeds))
}

fn create(path: &Path) -> Result<Identity, IdentityFileError> {
    let identity = Identity::generate(&mut crate::clock::entropy());
    let seeds = identity.seeds();
    let shape = Shape {
        format: FORMAT.to_owned(),
        signing: record::id::base32(&seeds.signing),
        next: record::id::base32(&seeds.next),
        sealing: record::id::base32(&seeds.sealing),
    };
    let text = serde_json::to_string_pretty(&shape).expect("four strings are JSON");
    write_private(path, text.as_bytes()).map_err(|error| IdentityFileError::Io(path.to_owned(), error))?;
    Ok(identity)
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// The file system's.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), IdentityFileError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).map_err(|error| IdentityFileError::Io(path.to_owned(), error))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(IdentityFileError::Open(path.to_owned()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), IdentityFileError> {
    Ok(())
}
