//! Required bindings: whether a code is in the value set it must be in. Called by `element`.
//!
//! Sets that cannot be enumerated accept every code, but media types, languages and currencies must have their syntax.

use crate::json::Node;
use crate::table::{Set, TABLE};

/// What is wrong with a value that is bound to a set, if anything.
pub fn fault(value: Node<'_>, set: u16) -> Option<String> {
    let set = &TABLE.sets[usize::from(set)];
    if set.codes.is_empty() {
        return syntax_fault(value, set.url);
    }
    let good = match value.text() {
        Some(code) => has(set, None, &code),
        None => concept_is_in(value, set),
    };
    (!good).then(|| format!("the code must be one of {}", set.url))
}

/// Of codes in sets that only a syntax can say.
fn syntax_fault(value: Node<'_>, set: &str) -> Option<String> {
    let text = value.text()?;
    match set {
        "http://hl7.org/fhir/ValueSet/mimetypes" | "http://www.rfc-editor.org/bcp/bcp13.txt"
            if !is_media_type(&text) =>
        {
            Some("the code must be a media type, such as text/plain (RFC 6838)".to_owned())
        }
        "http://hl7.org/fhir/ValueSet/currencies"
            if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) =>
        {
            Some("the code must be a currency, such as EUR (ISO 4217)".to_owned())
        }
        "http://hl7.org/fhir/ValueSet/all-languages" if !is_language(&text) => {
            Some("the code must be a language tag, such as en or de-CH (BCP 47)".to_owned())
        }
        _ => None,
    }
}

/// `type/subtype` and parameters; the short forms `xml` and `json` of FHIR's own formats have no slash.
fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or("").trim_end();
    let good = |part: &str| {
        let character = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte);
        !part.is_empty() && part.len() <= 127 && part.bytes().all(character)
    };
    match name.split_once('/') {
        Some((kind, subtype)) => good(kind) && good(subtype),
        None => good(name),
    }
}

/// Subtags of one to eight letters and digits, the first only letters.
fn is_language(text: &str) -> bool {
    let mut tags = text.split('-');
    let first =
        tags.next().is_some_and(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphabetic()));
    first && tags.all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// A Coding must be in the set; a CodeableConcept needs one coding that is, unless it has only text.
fn concept_is_in(value: Node<'_>, set: &Set) -> bool {
    if let Some(coding) = value.get("coding") {
        return coding.items().any(|coding| coding_is_in(coding, set));
    }
    value.get("code").is_none() || coding_is_in(value, set)
}

fn coding_is_in(coding: Node<'_>, set: &Set) -> bool {
    let system = coding.get("system").and_then(Node::text);
    match coding.get("code").and_then(Node::text) {
        Some(code) => has(set, system.as_deref(), &code),
        None => false,
    }
}

fn has(set: &Set, system: Option<&str>, code: &str) -> bool {
    let from = set.codes.partition_point(|(_, known)| *known < code);
    let found = set.codes[from..].iter().take_while(|(_, known)| *known == code);
    found.into_iter().any(|(known, _)| system.is_none_or(|system| system == *known))
}
