//! Text as a search compares it: folded and cut. Used by `convert` and by `query`, so that both sides agree.

use crate::terminology;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest folded or exact text in bytes; a Postgres index row holds 2,704 bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Longest code, system, id or URI in bytes; three of them fit into an index row.
pub const KEY_BYTES_MAX: usize = 768;

/// Text without case and accents, white space drawn together, cut to [`TEXT_BYTES_MAX`].
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(TEXT_BYTES_MAX));
    let mut space = true;
    let mut push = |character: char| {
        if character.is_whitespace() {
            if !space {
                folded.push(' ');
            }
            space = true;
        } else if character != '\0' {
            folded.push(character);
            space = false;
        }
        folded.len() < TEXT_BYTES_MAX
    };
    if text.is_ascii() {
        for byte in text.bytes() {
            if !push(char::from(byte.to_ascii_lowercase())) {
                break;
            }
        }
    } else {
        'text: for character in text.nfkd().filter(|character| !is_combining_mark(*character)) {
            for lower in character.to_lowercase() {
                if !push(lower) {
                    break 'text;
                }
            }
        }
    }
    let end = folded.trim_end().len();
    folded.truncate(end);
    cut(&mut folded, TEXT_BYTES_MAX);
    folded
}

/// A text as written, without NULs, cut to [`TEXT_BYTES_MAX`].
pub fn exact(text: Cow<'_, str>) -> String {
    tidy(text, TEXT_BYTES_MAX)
}

/// A code, system, id or URI, without NULs, cut to [`KEY_BYTES_MAX`].
pub fn key(text: Cow<'_, str>) -> String {
    tidy(text, KEY_BYTES_MAX)
}

/// A code of a code system as searches compare it: without case, unless the system is known to tell codes apart by it.
///
/// Identifiers are no such codes: "Both system and value are always case sensitive".
///
/// # Source
/// <https://hl7.org/fhir/R4/search.html#token>, <https://hl7.org/fhir/R4/datatypes.html#Identifier>.
#[must_use]
pub fn code(system: Option<&str>, code: String) -> String {
    let is_lower = code.chars().all(|character| character.is_ascii() && !character.is_ascii_uppercase());
    if is_lower || system.is_some_and(terminology::is_cased) {
        return code;
    }
    let mut code = code.to_lowercase();
    cut(&mut code, KEY_BYTES_MAX);
    code
}

fn tidy(text: Cow<'_, str>, bytes_max: usize) -> String {
    // Databases take no NUL in text, and received resources may hold one.
    let mut text = if text.contains('\0') { text.replace('\0', "") } else { text.into_owned() };
    cut(&mut text, bytes_max);
    text
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_forgets_case_accents_and_repeated_space() {
        for (text, folded) in [
            ("Müller", "muller"),
            ("MU\u{308}LLER", "muller"),
            ("  van  der\nBerg ", "van der berg"),
            ("Élodie", "elodie"),
            ("Ångström", "angstrom"),
            ("ŁÓDŹ", "łodz"),
            ("李", "李"),
            ("ﬁ", "fi"),
            ("a\0b", "ab"),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(fold(&"a".repeat(5000)).len(), TEXT_BYTES_MAX);
        assert!(fold(&"李".repeat(5000)).len() <= TEXT_BYTES_MAX);
        assert!(exact("é".repeat(5000).into()).len() <= TEXT_BYTES_MAX);
        assert!(key("李".repeat(5000).into()).len() <= KEY_BYTES_MAX);
    }
}
