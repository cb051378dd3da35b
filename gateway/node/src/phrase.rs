//! The patient's 24 words while they are on this device: shown, and wiped once three of them were typed back. They are read
//! from the identity's file each time; none of them is in a log, an error or a page that is kept. Called by `patient`.

use crate::error::NodeError;
use crate::identity_file::{self, Words};
use crate::node::Node;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// How many of the words are asked for.
pub const ASKED: usize = 3;

/// How it stands with the words.
pub enum PhraseView {
    /// This identity is older than phrases: there is nothing to write down, and nothing to recover with.
    None,
    /// The words, in order; not written down yet.
    Here(Vec<Zeroizing<String>>),
    /// They were written down then, milliseconds since 1970, and are gone from here.
    Noted(u64),
}

impl Node {
    /// How it stands with the words.
    ///
    /// # Errors
    /// [`NodeError::Internal`] where the identity's file does not read any more.
    pub async fn phrase(&self) -> Result<PhraseView, NodeError> {
        let Some((path, passphrase)) = self.identity_file.clone() else { return Ok(PhraseView::None) };
        // A sealed file takes the better part of a second to open.
        let read = tokio::task::spawn_blocking(move || identity_file::words(&path, passphrase.as_ref()));
        let words = read.await.or(Err(NodeError::Stopping))?.map_err(unreadable)?;
        Ok(match words {
            Words::None => PhraseView::None,
            Words::Noted(at_ms) => PhraseView::Noted(at_ms),
            Words::Here(text) => {
                PhraseView::Here(text.split_whitespace().map(|word| Zeroizing::new(word.to_owned())).collect())
            }
        })
    }

    /// Whether the words still have to be written down: not where all records were taken over on another device, whose words
    /// recover them.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn needs_words(&self) -> Result<bool, NodeError> {
        let here = self.has_words.load(Ordering::Relaxed);
        Ok(here && (self.has_claimed().await? || self.own_records().await?.is_empty()))
    }

    /// Wipes the words, if `typed` are those at these places, counted from 1.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for other words, or other than three different places; they stay then.
    pub async fn note_phrase(&self, typed: &[(usize, Zeroizing<String>)]) -> Result<(), NodeError> {
        let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
        let words = match self.phrase().await? {
            PhraseView::None => return refuse("this device has no words to write down"),
            PhraseView::Noted(_) => return Ok(()),
            PhraseView::Here(words) => words,
        };
        let mut places = typed.iter().map(|(place, _)| *place).collect::<Vec<_>>();
        places.sort_unstable();
        places.dedup();
        if places.len() != ASKED || places.iter().any(|place| *place == 0 || *place > words.len()) {
            return refuse("three of the words are asked for");
        }
        let is_it = |(place, typed): &(usize, Zeroizing<String>)| {
            words.get(place - 1).is_some_and(|word| typed.trim().eq_ignore_ascii_case(word))
        };
        if !typed.iter().all(is_it) {
            return refuse("that is not what stands there: compare with your paper; the words are still here");
        }
        let Some((path, passphrase)) = self.identity_file.clone() else { return Ok(()) };
        let now_ms = crate::clock::now_ms();
        let wiped = tokio::task::spawn_blocking(move || identity_file::note_words(&path, passphrase.as_ref(), now_ms));
        wiped.await.or(Err(NodeError::Stopping))?.map_err(unreadable)?;
        self.has_words.store(false, Ordering::Relaxed);
        Ok(())
    }
}

fn unreadable(error: identity_file::IdentityFileError) -> NodeError {
    tracing::error!(%error, "the words could not be read or wiped");
    NodeError::Internal("the identity's file cannot be used")
}
