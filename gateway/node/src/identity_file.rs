//! The identity's file: seeds at rest, readable by its owner alone, and sealed where there is a passphrase. Called when a
//! node opens, and by `cli` to seal what was not and to hand over to the next key. The words of a patient's phrase, as long as they are here, are `words`.

mod words;

pub use words::{Words, note_words, words};

use record::Phrase;
use record::id::{base32, unbase32};
use record::identity::{Card, Identity, Seeds};
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
    /// It has no next key of its own, or no number for one is left.
    #[error(
        "the identity file {0} is a patient's device, whose next key is the words': let another device in and suspend this one"
    )]
    Rooted(PathBuf),
    /// Another passphrase, or a file that was changed.
    #[error("the passphrase does not open the identity file {0}")]
    Passphrase(PathBuf),
}

/// Who gets an identity that is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A hospital: it hands its keys over itself.
    Hospital,
    /// A patient's device: a phrase is drawn with it, whose root alone may speak for it (rule 1.6).
    Patient,
}

/// An identity and the root that its statement announces, if there is one.
pub struct Kept {
    /// The identity.
    pub identity: Identity,
    /// The root's card; none for a hospital, and for a patient's identity that is older than phrases.
    pub root: Option<Card>,
    /// The words of the root's phrase are in the file: the patient has not said yet that they are written down.
    pub has_words: bool,
}

/// What the file says. A hospital's identity has the four members it always had; one under a root has a card too, since its
/// seeds do not say which key it announces, and another format, so that no older build takes it for another identity.
#[derive(Serialize, Deserialize)]
struct Shape {
    format: String,
    signing: String,
    next: String,
    sealing: String,
    /// The X25519 secrets before `sealing`, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    card: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    root: String,
    /// The phrase, until the patient says that it is written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    words: String,
    /// When the patient said so, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted_ms: Option<u64>,
}

impl Drop for Shape {
    fn drop(&mut self) {
        for text in [&mut self.signing, &mut self.next, &mut self.sealing, &mut self.words] {
            text.zeroize();
        }
        self.before.zeroize();
    }
}

const FORMAT: &str = "chartwell identity 1";
const ROOTED_FORMAT: &str = "chartwell identity 2";
/// A hospital's that handed over: its seeds alone do not say its card.
const HANDED_FORMAT: &str = "chartwell identity 3";

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

/// Loads the identity at `path`, or makes `owner` one there if there is none; a new one is sealed where there is a passphrase.
///
/// # Errors
/// [`IdentityFileError`].
pub fn load_or_create(path: &Path, passphrase: Option<&Passphrase>, owner: Owner) -> Result<Kept, IdentityFileError> {
    match read(path)? {
        Some(text) => opened(path, &text, passphrase),
        None => create(path, passphrase, owner),
    }
}

/// Loads the identity at `path`, which must be there.
///
/// # Errors
/// [`IdentityFileError`].
pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    Ok(opened(path, &existing(path)?, passphrase)?.identity)
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

/// Hands the identity at `path` over to its announced key, with a fresh one announced and a fresh one to seal to, and returns it.
/// Its name stays. The file is written whole or not at all; records are told when a node opens it (`handover`).
///
/// # Errors
/// [`IdentityFileError`]; [`IdentityFileError::Rooted`] for a patient's device; the file stays as it was then.
pub fn hand_over(path: &Path, passphrase: Option<&Passphrase>) -> Result<Identity, IdentityFileError> {
    let text = existing(path)?;
    let before = opened(path, &text, passphrase)?.identity;
    let entropy = &mut crate::clock::entropy();
    let identity = before.hand_over(entropy).ok_or_else(|| IdentityFileError::Rooted(path.to_owned()))?;
    let seeds = identity.seeds();
    let shape = Shape {
        format: HANDED_FORMAT.to_owned(),
        signing: base32(&seeds.signing),
        next: base32(&seeds.next),
        sealing: base32(&seeds.sealing),
        before: seeds.before.iter().map(|secret| base32(secret)).collect(),
        card: base32(&identity.card().encode()),
        root: String::new(),
        words: String::new(),
        noted_ms: None,
    };
    // A file that was not sealed stays so, whatever passphrase there is: sealing it is `seal`'s.
    let sealed = sealed_shape(&text).is_some();
    write_shape(path, &shape, passphrase.filter(|_| sealed))?;
    Ok(identity)
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

fn opened(path: &Path, text: &str, passphrase: Option<&Passphrase>) -> Result<Kept, IdentityFileError> {
    let shape = parse(&plain(path, text, passphrase)?);
    shape.as_ref().and_then(kept).ok_or_else(|| IdentityFileError::Damaged(path.to_owned()))
}

fn parse(text: &str) -> Option<Shape> {
    let known = |shape: &Shape| matches!(shape.format.as_str(), FORMAT | ROOTED_FORMAT | HANDED_FORMAT);
    serde_json::from_str(text).ok().filter(known)
}

fn kept(shape: &Shape) -> Option<Kept> {
    let seed = |text: &str| unbase32(text)?.try_into().ok();
    let before = shape.before.iter().map(|text| seed(text)).collect::<Option<Vec<_>>>()?;
    let (signing, next, sealing) = (seed(&shape.signing)?, seed(&shape.next)?, seed(&shape.sealing)?);
    let seeds = Seeds { signing, next, sealing, before };
    if shape.format == FORMAT {
        return Some(Kept { identity: Identity::from_seeds(seeds), root: None, has_words: false });
    }
    let card = |text: &str| Card::decode(&unbase32(text)?).ok();
    if shape.format == HANDED_FORMAT {
        let identity = Identity::restore(card(&shape.card)?, seeds)?;
        let fits = identity.card().key_number() == shape.before.len() as u64 && shape.root.is_empty();
        return fits.then_some(Kept { identity, root: None, has_words: false });
    }
    let (identity, root) = (Identity::restore(card(&shape.card)?, seeds)?, card(&shape.root)?);
    Some(Kept { identity, root: Some(root), has_words: !shape.words.is_empty() })
}

fn create(path: &Path, passphrase: Option<&Passphrase>, owner: Owner) -> Result<Kept, IdentityFileError> {
    let entropy = &mut crate::clock::entropy();
    let phrase = (owner == Owner::Patient).then(|| Phrase::generate(entropy));
    let root = phrase.as_ref().map(|phrase| phrase.root().card().clone());
    let identity = match &root {
        Some(root) => Identity::generate_under(root, entropy),
        None => Identity::generate(entropy),
    };
    let seeds = identity.seeds();
    let mut shape = Shape {
        format: FORMAT.to_owned(),
        signing: base32(&seeds.signing),
        next: base32(&seeds.next),
        sealing: base32(&seeds.sealing),
        before: Vec::new(),
        card: String::new(),
        root: String::new(),
        words: String::new(),
        noted_ms: None,
    };
    if let (Some(phrase), Some(root)) = (&phrase, &root) {
        shape.format = ROOTED_FORMAT.to_owned();
        (shape.card, shape.root) = (base32(&identity.card().encode()), base32(&root.encode()));
        shape.words = phrase.words().collect::<Vec<_>>().join(" ");
    }
    write_shape(path, &shape, passphrase)?;
    let has_words = root.is_some();
    Ok(Kept { identity, root, has_words })
}

/// Writes the file anew, sealed where there is a passphrase.
fn write_shape(path: &Path, shape: &Shape, passphrase: Option<&Passphrase>) -> Result<(), IdentityFileError> {
    let text = Zeroizing::new(serde_json::to_string_pretty(shape).expect("plain members are JSON"));
    match passphrase {
        Some(passphrase) => write(path, &sealed(&text, passphrase)),
        None => write(path, &text),
    }
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
    std::fs::rename(&draft, path)?;
    sync_folder(folder)
}

/// Makes sure that a name which was just given stays given when the power fails: a file's own sync says nothing of its folder.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    // A path without a folder has an empty one.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
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
mod tests;
