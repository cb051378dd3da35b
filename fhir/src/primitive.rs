//! The primitive datatypes: their JSON kind and the official format of their text. Called by `validate` and `index`.
//!
//! The formats are the regular expressions of <https://hl7.org/fhir/R4/datatypes.html>, matched by hand.

use crate::datetime;
use crate::json::Kind;

/// A primitive datatype; the order is the generator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the FHIR type of its name")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// Longest `string` or `markdown` in bytes (FHIR: 1 MB).
pub const STRING_BYTES_MAX: usize = 1024 * 1024;

/// Longest resource id in characters.
pub const ID_CHARACTERS_MAX: usize = 64;

impl Primitive {
    /// By number in the table.
    pub(crate) const ALL: [Self; 20] = [
        Self::Base64Binary,
        Self::Boolean,
        Self::Canonical,
        Self::Code,
        Self::Date,
        Self::DateTime,
        Self::Decimal,
        Self::Id,
        Self::Instant,
        Self::Integer,
        Self::Markdown,
        Self::Oid,
        Self::PositiveInt,
        Self::String,
        Self::Time,
        Self::UnsignedInt,
        Self::Uri,
        Self::Url,
        Self::Uuid,
        Self::Xhtml,
    ];

    /// How it is written in JSON.
    #[must_use]
    pub fn json_kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::Boolean,
            Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => Kind::Number,
            _ => Kind::String,
        }
    }

    /// What is wrong with a text of this type, as the end of a sentence.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("may not be empty");
        }
        let (good, rule) = match self {
            Self::Boolean | Self::Decimal => (true, ""),
            Self::Base64Binary => (is_base64(text), "must be base64"),
            Self::Canonical | Self::Uri | Self::Url => {
                (is_uri(text), "may not contain white space or control characters")
            }
            Self::Code => (is_code(text), "must be a code: no white space at its ends, single spaces inside"),
            Self::Date => (is_date(text), "must be a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD"),
            Self::DateTime => (
                is_date(text) || is_instant(text),
                "must be a date of the calendar, or one with time, seconds and time zone",
            ),
            Self::Instant => (is_instant(text), "must be a date with time, seconds and time zone"),
            Self::Time => (is_time(text), "must be a time: hh:mm:ss"),
            Self::Id => (is_id(text), "must be 1 to 64 letters, digits, hyphens and dots"),
            Self::Integer => (is_integer(text), "must be a whole number of 32 bits"),
            Self::UnsignedInt => (is_unsigned(text), "must be a whole number from 0 to 2,147,483,647"),
            Self::PositiveInt => (is_unsigned(text) && text != "0", "must be a whole number from 1 to 2,147,483,647"),
            Self::Oid => (is_oid(text), "must be urn:oid: and an OID"),
            Self::Uuid => (is_uuid(text), "must be urn:uuid: and a UUID in small letters"),
            Self::String | Self::Markdown => (is_text(text), "may not contain control characters or exceed 1 MB"),
            Self::Xhtml => (is_div(text), "must be an XHTML div"),
        };
        if good { Ok(()) } else { Err(rule) }
    }
}

/// Whether it is a resource id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(good)
}

fn is_text(text: &str) -> bool {
    let bad = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    text.len() <= STRING_BYTES_MAX && !text.bytes().any(bad)
}

fn is_uri(text: &str) -> bool {
    text.is_ascii() && !text.bytes().any(|byte| byte <= 0x20)
        || !text.is_ascii() && !text.chars().any(|character| character.is_whitespace() || character < ' ')
}

fn is_code(text: &str) -> bool {
    let (mut before, mut good) = (true, true);
    for character in text.chars() {
        let space = character.is_whitespace();
        good &= !(space && before) && (character >= ' ' || space);
        before = space;
    }
    good && !before
}

fn is_base64(text: &str) -> bool {
    let mut count = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'/' | b'=' => count += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => return false,
        }
    }
    count > 0 && count.is_multiple_of(4)
}

fn is_date(text: &str) -> bool {
    matches!(text.len(), 4 | 7 | 10) && datetime::range(text).is_some()
}

fn is_instant(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zoned = bytes.last() == Some(&b'Z')
        || bytes.len() > 19 && text.as_bytes()[19..].iter().any(|byte| b"+-".contains(byte));
    bytes.get(10) == Some(&b'T') && bytes.get(16) == Some(&b':') && zoned && datetime::range(text).is_some()
}

fn is_time(text: &str) -> bool {
    // The calendar's reader knows times of day; any day will do.
    text.len() >= 8
        && !text.contains(['Z', '+', '-'])
        && text.is_ascii()
        && datetime::range(&format!("2000-01-01T{text}")).is_some()
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i32>().is_ok()
}

fn is_unsigned(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i32>().is_ok()
}

fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = oid.split('.');
    let first = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let arc = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
    };
    first && oid.contains('.') && arcs.all(arc)
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_div(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("<div") && text.ends_with('>')
}

#[cfg(test)]
mod tests {
    use super::Primitive::{self, *};

    #[test]
    fn a_primitive_has_its_official_format() {
        check(
            Id,
            &["a", "A-1.b", "0123456789012345678901234567890123456789012345678901234567890123"],
            &["", "a_b", "a b", "ä", "01234567890123456789012345678901234567890123456789012345678901234"],
        );
        check(
            Date,
            &["1980", "1980-02", "1980-02-29"],
            &["80", "1981-02-29", "1980-2", "1980-02-01T00:00:00Z", "1980-02-", "0000"],
        );
        check(
            DateTime,
            &["1980", "1980-02", "1980-02-29", "1980-02-29T10:00:00Z", "1980-02-29T10:00:00.123456789+14:00"],
            &["1980-02-29T10:00Z", "1980-02-29T10:00:00", "1980-02-29T24:00:00Z", "1980-02-29 10:00:00Z", "today"],
        );
        check(
            Instant,
            &["2015-02-07T13:28:17.239+02:00", "2015-02-07T13:28:17Z"],
            &["2015-02-07", "2015-02-07T13:28:17", "2015"],
        );
        check(
            Time,
            &["10:00:00", "23:59:60", "10:00:00.5"],
            &["10:00", "24:00:00", "10:00:00Z", "1:00:00", "10:00:00+01:00"],
        );
        check(Code, &["a", "a b", "final"], &[" a", "a ", "a  b", "a\n\nb"]);
        check(Uri, &["http://a/b#c", "urn:x", "ü"], &["a b", "a\nb", "a\u{a0}b", "\u{1}"]);
        check(
            Oid,
            &["urn:oid:1.2.3", "urn:oid:2.16.840.0"],
            &["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1."],
        );
        check(
            Uuid,
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "urn:uuid:C757873D-ec9a-4326-a141-556f43239520",
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:c757873d",
            ],
        );
        check(Base64Binary, &["AAAA", "AA==\n BBBB"], &["A", "AAA*", " "]);
        check(Integer, &["0", "-1", "2147483647"], &["1.0", "1e3", "2147483648", "-"]);
        check(UnsignedInt, &["0", "7"], &["-1", "1.5", "2147483648"]);
        check(PositiveInt, &["1"], &["0", "-1"]);
        check(String, &["x", " ", "a\tb\n"], &["", "a\u{0}b", "\u{7}"]);
        check(Xhtml, &["<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>", "<div/>"], &["", "text", "<p/>"]);
    }

    fn check(kind: Primitive, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(kind.check(text), Ok(()), "{kind:?} {text:?}");
        }
        for text in bad {
            assert!(kind.check(text).is_err(), "{kind:?} {text:?}");
        }
    }
}
