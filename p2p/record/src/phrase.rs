//! The patient's 24 words (BIP-39) and the root identity they stand for. It is on no device: it is made from the words, says
//! which devices stay, and is wiped. Called by whoever sets a patient up, recovers one, or says with the phrase who remains.

use crate::cbor::{CodecError, refuse};
use crate::entropy::Entropy;
use crate::id::IdentityId;
use crate::identity::{Identity, Seeds};
use bip39::{Language, Mnemonic};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Words of a phrase: 256 bits and their checksum.
pub const WORDS: usize = 24;

/// The 24 words. Printed only by whoever shows them to the patient, once; wiped when dropped.
pub struct Phrase(Mnemonic);

impl Phrase {
    /// Draws a phrase.
    pub fn generate(entropy: &mut Entropy) -> Self {
        let drawn = Zeroizing::new(entropy.draw::<32>());
        Self(Mnemonic::from_entropy_in(Language::English, &drawn[..]).expect("32 bytes are 24 words"))
    }

    /// Reads a phrase as typed: in any case, with any space between the words.
    ///
    /// # Errors
    /// Rule 1.6: another number of words, a word that is not in the list, or one that is wrong (the checksum tells).
    pub fn parse(text: &str) -> Result<Self, CodecError> {
        let typed = Zeroizing::new(text.to_lowercase());
        let words = typed.split_whitespace().collect::<Vec<_>>();
        if words.len() != WORDS {
            return refuse("1.6", "not 24 words");
        }
        match Mnemonic::parse_in_normalized(Language::English, &Zeroizing::new(words.join(" "))) {
            Ok(mnemonic) => Ok(Self(mnemonic)),
            Err(bip39::Error::UnknownWord(_)) => refuse("1.6", "a word that is not in the list"),
            Err(_) => refuse("1.6", "one of the words is wrong"),
        }
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// The root identity (rule 1.6): the same words, the same identity, on any machine.
    pub fn root(&self) -> Identity {
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        let derived = |purpose| blake3::derive_key(purpose, &seed[..]);
        Identity::from_seeds(Seeds {
            signing: derived("chartwell 1 root signing"),
            next: derived("chartwell 1 root next"),
            sealing: derived("chartwell 1 root sealing"),
            before: Vec::new(),
        })
    }
}

/// Where whoever has the phrase meets whoever holds the record (rule 1.7); both can tell it from the root's name.
pub fn rendezvous(root: &IdentityId) -> [u8; 32] {
    blake3::derive_key("chartwell 1 rendezvous", root.bytes())
}

impl Drop for Phrase {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_the_same_root_however_they_are_typed() {
        let phrase = Phrase::generate(&mut Entropy::new([1; 32]));
        let words = phrase.words().collect::<Vec<_>>();
        assert_eq!(words.len(), WORDS);
        let root = phrase.root();
        for typed in [words.join(" "), words.join("\n  ").to_uppercase()] {
            assert_eq!(Phrase::parse(&typed).map(|phrase| phrase.root().id()), Ok(root.id()));
        }
        assert_eq!(format!("{phrase:?}"), "Phrase(..)");
    }

    #[test]
    fn a_wrong_word_is_told() {
        let good = "abandon ".repeat(23) + "art";
        assert!(Phrase::parse(&good).is_ok());
        for (typed, what) in [
            (String::new(), "not 24 words"),
            ("abandon ".repeat(12), "not 24 words"),
            ("abandon ".repeat(24), "one of the words is wrong"),
            ("abandon ".repeat(23) + "hospital2", "a word that is not in the list"),
        ] {
            assert_eq!(Phrase::parse(&typed).map(drop), refuse("1.6", what), "{typed}");
        }
    }

    #[test]
    fn the_root_of_known_words_is_known() {
        // The words of 32 zero bytes: a second implementation must come to this identity.
        let root = Phrase::parse(&("abandon ".repeat(23) + "art")).map(|phrase| phrase.root().id().to_string());
        assert_eq!(root.as_deref(), Ok("4n7ziqfpj6bb2qgknubpzbmbhdrqobzdfhupxweqzps7hxitzecq"));
    }
}
