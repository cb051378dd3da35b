//! The identity's file: seeds at rest, readable by its owner alone, and sealed where there is a passphrase. Called when a
//! node opens, and by `cli` to seal what was not.

use record::id::{base32, unbase32};
use record::identity::{Identity, Seeds};
use record::passphrase::{Fault, Sealed};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// A passphrase that an identity file is sealed under; wiped when it is dropped, and never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// From the text as it was given, with anything but an empty one.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passphrase")
    }
}

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
    /// There is no passphrase for it.
    #[error("the identity file {0} is sealed: name its passphrase by --passphrase-file or --passphrase-fd")]
    Sealed(PathBuf),
    /// Another passphrase, or a file that was changed.
    #[error("the passphrase does not open the identity file {0}")]
    Passphrase(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Shape {
    format: String,
    signing: String,
    next: String,
    sealing: String,
}

impl Drop for Shape {
    fn drop(&mut self) {
        for text in [&mut self.signing, &mut self.next, &mut self.sealing] {
            text.zeroize();
        }
    }
}

const FORMAT: &str = "chartwell identity 1";

/// The file where it is sealed: the text of the other shape under a passphrase.
#[derive(Serialize, Deserialize)]
struct SealedShape {
    format: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

const SEALED_FORMAT: &str = "chartwell sealed 1";

/// Loads the identity at `path`, or makes one there if there is none; a new one is sealed where there is a passphrase.
///
/// # Errors
/// [`IdentityFileError`].
pub fn load_or_create(path: &Path, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    match read(path)? {
        Some(text) => opened(path, &text, passphrase),
        None => create(path, passphrase),
    }
}

/// Loads the identity at `path`, which must be there.
///
/// # Errors
/// [`IdentityFileError`].
pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    opened(path, &existing(path)?, passphrase)
}

/// Seals the identity at `path` under `passphrase`; one that is sealed already is opened by `before` first.
///
/// What was written before may still be found on the disk itself: only a new disk forgets a file that was not sealed.
///
/// # Errors
/// [`IdentityFileError`]; the file stays as it was then.
pub fn seal(path: &Path, before: Option<&Passphrase>, passphrase: &Passphrase) -> Result<(), IdentityFileError> {
    let plain = plain(path, &existing(path)?, before)?;
    // What is no identity is not hidden under a seal.
    opened(path, &plain, None)?;
    write(path, &sealed(&plain, passphrase))
}

/// Whether the identity at `path` is sealed; none if there is no identity.
///
/// # Errors
/// [`IdentityFileError`].
pub fn is_sealed(path: &Path) -> Result<Option<bool>, IdentityFileError> {
    Ok(read(path)?.map(|text| sealed_shape(&text).is_some()))
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, IdentityFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            check_mode(path)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(IdentityFileError::Damaged(path.to_owned()))
        }
        Err(error) => Err(IdentityFileError::Io(path.to_owned(), error)),
    }
}

/// The text that says the seeds.
fn plain(path: &Path, text: &str, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, IdentityFileError> {
    let Some(shape) = sealed_shape(text) else { return Ok(Zeroizing::new(text.to_owned())) };
    let passphrase = passphrase.ok_or_else(|| IdentityFileError::Sealed(path.to_owned()))?;
    let damaged = || IdentityFileError::Damaged(path.to_owned());
    let opened = parts(&shape).ok_or_else(damaged)?.open(&passphrase.0).map_err(|fault| match fault {
        Fault::Bounds => damaged(),
        Fault::Passphrase => IdentityFileError::Passphrase(path.to_owned()),
    })?;
    std::str::from_utf8(&opened).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| damaged())
}

fn sealed_shape(text: &str) -> Option<SealedShape> {
    serde_json::from_str(text).ok().filter(|shape: &SealedShape| shape.format == SEALED_FORMAT)
}

fn parts(shape: &SealedShape) -> Option<Sealed> {
    Some(Sealed {
        memory_kib: shape.memory_kib,
        passes: shape.passes,
        salt: unbase32(&shape.salt)?.try_into().ok()?,
        nonce: unbase32(&shape.nonce)?.try_into().ok()?,
        text: unbase32(&shape.sealed)?,
    })
}

fn sealed(text: &str, passphrase: &Passphrase) -> String {
    let sealed = Sealed::seal(text.as_bytes(), &passphrase.0, &mut crate::clock::entropy());
    let shape = SealedShape {
        format: SEALED_FORMAT.to_owned(),
        memory_kib: sealed.memory_kib,
        passes: sealed.passes,
        salt: base32(&sealed.salt),
        nonce: base32(&sealed.nonce),
        sealed: base32(&sealed.text),
    };
    serde_json::to_string_pretty(&shape).expect("six plain members are JSON")
}

fn existing(path: &Path) -> Result<Zeroizing<String>, IdentityFileError> {
    let missing = || IdentityFileError::Io(path.to_owned(), std::io::ErrorKind::NotFound.into());
    read(path)?.ok_or_else(missing)
}

fn opened(path: &Path, text: &str, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    parse(&plain(path, text, passphrase)?).ok_or_else(|| IdentityFileError::Damaged(path.to_owned()))
}

fn parse(text: &str) -> Option<Identity> {
    let shape: Shape = serde_json::from_str(text).ok().filter(|shape: &Shape| shape.format == FORMAT)?;
    let seed = |text: &str| unbase32(text)?.try_into().ok();
    let seeds = Seeds { signing: seed(&shape.signing)?, next: seed(&shape.next)?, sealing: seed(&shape.sealing)? };
    Some(Identity::from_seeds(seeds))
}

fn create(path: &Path, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    let identity = Identity::generate(&mut crate::clock::entropy());
    let seeds = identity.seeds();
    let shape = Shape {
        format: FORMAT.to_owned(),
        signing: base32(&seeds.signing),
        next: base32(&seeds.next),
        sealing: base32(&seeds.sealing),
    };
    let text = Zeroizing::new(serde_json::to_string_pretty(&shape).expect("four strings are JSON"));
    match passphrase {
        Some(passphrase) => write(path, &sealed(&text, passphrase))?,
        None => write(path, &text)?,
    }
    Ok(identity)
}

fn write(path: &Path, text: &str) -> Result<(), IdentityFileError> {
    write_private(path, text.as_bytes()).map_err(|error| IdentityFileError::Io(path.to_owned(), error))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn an_identity_stays_the_same_when_it_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        assert_eq!(is_sealed(&path).unwrap(), None);
        let id = load_or_create(&path, None).unwrap().id();
        assert_eq!(is_sealed(&path).unwrap(), Some(false));
        seal(&path, None, &passphrase("one")).unwrap();
        assert_eq!(is_sealed(&path).unwrap(), Some(true));
        assert!(matches!(load_or_create(&path, None), Err(IdentityFileError::Sealed(_))));
        assert!(matches!(load_or_create(&path, Some(&passphrase("two"))), Err(IdentityFileError::Passphrase(_))));
        assert_eq!(load_or_create(&path, Some(&passphrase("one"))).unwrap().id(), id);
        // Another passphrase takes the one before, and a failure leaves the file as it was.
        assert!(matches!(seal(&path, None, &passphrase("two")), Err(IdentityFileError::Sealed(_))));
        let wrong = Some(passphrase("two"));
        assert!(matches!(seal(&path, wrong.as_ref(), &passphrase("two")), Err(IdentityFileError::Passphrase(_))));
        seal(&path, Some(&passphrase("one")), &passphrase("two")).unwrap();
        assert_eq!(load_or_create(&path, Some(&passphrase("two"))).unwrap().id(), id);
    }

    #[test]
    fn a_new_identity_is_sealed_where_there_is_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let id = load_or_create(&path, Some(&passphrase("one"))).unwrap().id();
        assert_eq!(is_sealed(&path).unwrap(), Some(true));
        assert_eq!(load_or_create(&path, Some(&passphrase("one"))).unwrap().id(), id);
        assert!(Passphrase::new(Zeroizing::new(String::new())).is_none());
        assert_eq!(format!("{:?}", passphrase("one")), "Passphrase");
    }

    #[test]
    fn what_is_no_identity_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        for bytes in [
            &b"{}"[..],
            b"",
            b"\xff\xfe",
            br#"{"format":"chartwell identity 1","signing":"a","next":"a","sealing":"a"}"#,
        ] {
            write_private(&path, bytes).unwrap();
            assert!(matches!(load_or_create(&path, None), Err(IdentityFileError::Damaged(_))));
            assert!(matches!(seal(&path, None, &passphrase("one")), Err(IdentityFileError::Damaged(_))));
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        let sealed =
            br#"{"format":"chartwell sealed 1","memory_kib":1,"passes":1,"salt":"a","nonce":"a","sealed":"a"}"#;
        write_private(&path, sealed).unwrap();
        assert!(matches!(load_or_create(&path, Some(&passphrase("one"))), Err(IdentityFileError::Damaged(_))));
    }
}
