//! The words of a patient's phrase as long as they are in the identity's file: shown until the patient says that they are
//! written down, and wiped then. They are read from the file each time and never kept. Called by `phrase`.

use super::{IdentityFileError, Passphrase, existing, parse, plain, write_shape};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// What the file has of the phrase.
pub enum Words {
    /// There never was one: the identity is older than phrases, or a hospital's.
    None,
    /// The words, separated by spaces: not said to be written down yet.
    Here(Zeroizing<String>),
    /// The patient said so then, milliseconds since 1970; the words are gone.
    Noted(u64),
}

/// Reads what the file at `path` has of the phrase.
///
/// # Errors
/// [`IdentityFileError`].
pub fn words(path: &Path, passphrase: Option<&Passphrase>) -> Result<Words, IdentityFileError> {
    let shape = parse(&plain(path, &existing(path)?, passphrase)?);
    let mut shape = shape.ok_or_else(|| IdentityFileError::Damaged(path.to_owned()))?;
    Ok(match shape.noted_ms {
        Some(at_ms) => Words::Noted(at_ms),
        None if shape.words.is_empty() => Words::None,
        None => Words::Here(Zeroizing::new(std::mem::take(&mut shape.words))),
    })
}

/// Wipes the words from the file: they are written down. Once they are gone nothing is changed.
///
/// What was written before may still be found on the disk itself, as with [`super::seal`].
///
/// # Errors
/// [`IdentityFileError`]; the file stays as it was then.
pub fn note_words(path: &Path, passphrase: Option<&Passphrase>, now_ms: u64) -> Result<(), IdentityFileError> {
    let text = existing(path)?;
    let shape = parse(&plain(path, &text, passphrase)?);
    let mut shape = shape.ok_or_else(|| IdentityFileError::Damaged(path.to_owned()))?;
    if shape.words.is_empty() {
        return Ok(());
    }
    shape.words.zeroize();
    shape.noted_ms = Some(now_ms);
    // A file that was not sealed stays so, whatever passphrase there is: sealing it is `seal`'s.
    let sealed = super::sealed_shape(&text).is_some();
    write_shape(path, &shape, passphrase.filter(|_| sealed))
}
