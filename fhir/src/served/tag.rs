//! One tag of a served copy that the server speaks for: set or not, whatever the stored JSON says of it. Everything else keeps
//! its bytes. Called by `node`.
//!
//! Spec: <https://hl7.org/fhir/R4/resource-definitions.html#Meta.tag>

use super::{name, scan};
use crate::json::scan::{skip_space, skip_value};
use crate::json::write_string;
use std::ops::Range;

/// A tag by its code.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    /// Its system.
    pub system: &'static str,
    /// Its code.
    pub code: &'static str,
    /// Its words.
    pub display: &'static str,
}

/// The JSON of a resource with a `meta`, with the tag or without it. Bytes that are no such object come back as they are.
#[must_use]
pub fn tag(bytes: Vec<u8>, tag: &Tag, set: bool) -> Vec<u8> {
    // Nearly no resource has one: then nothing is looked at twice.
    if !set && !mentions(&bytes, tag.system) {
        return bytes;
    }
    edit(&bytes, tag, set).map_or(bytes.clone(), |edit| crate::edit::replace(&bytes, &[edit]))
}

fn mentions(bytes: &[u8], system: &str) -> bool {
    memchr::memmem::find(bytes, system.as_bytes()).is_some()
}

fn edit(bytes: &[u8], tag: &Tag, set: bool) -> Option<(Range<usize>, Vec<u8>)> {
    let top = scan(bytes, 0)?;
    let (_, meta) = top.members.iter().find(|(key, _)| *name(bytes, key) == *b"meta")?;
    let object = scan(bytes, meta.start)?;
    let at = object.members.iter().position(|(key, _)| *name(bytes, key) == *b"tag");
    let Some(at) = at else {
        let comma = if object.members.is_empty() { "" } else { "," };
        let text = format!("\"tag\":[{}]{comma}", coding(tag));
        return set.then(|| (object.start..object.start, text.into_bytes()));
    };
    let (key, value) = &object.members[at];
    let mut kept = elements(bytes, value.start)
        .filter(|element| !is_tag(bytes, element, tag))
        .map(|element| String::from_utf8_lossy(&bytes[element]).into_owned())
        .collect::<Vec<_>>();
    if set {
        kept.push(coding(tag));
    }
    if !kept.is_empty() {
        return Some((value.clone(), format!("[{}]", kept.join(",")).into_bytes()));
    }
    // The member goes, with one comma of those beside it.
    let before = at.checked_sub(1).map(|before| object.members[before].1.end);
    let after = object.members.get(at + 1).map(|(key, _)| key.start);
    Some(match (before, after) {
        (Some(before), _) => (before..value.end, Vec::new()),
        (None, Some(after)) => (key.start..after, Vec::new()),
        (None, None) => (key.start..value.end, Vec::new()),
    })
}

fn coding(tag: &Tag) -> String {
    let mut text = String::from("{\"system\":");
    write_string(&mut text, tag.system);
    text.push_str(",\"code\":");
    write_string(&mut text, tag.code);
    text.push_str(",\"display\":");
    write_string(&mut text, tag.display);
    text.push('}');
    text
}

/// Where the elements of an array are; none for what is no array.
fn elements(bytes: &[u8], at: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = (bytes.get(at) == Some(&b'[')).then(|| skip_space(bytes, at + 1));
    std::iter::from_fn(move || {
        let start = at.filter(|start| !matches!(bytes.get(*start), None | Some(b']')))?;
        let end = skip_value(bytes, start);
        let next = skip_space(bytes, end);
        at = (end > start && bytes.get(next) == Some(&b',')).then(|| skip_space(bytes, next + 1));
        Some(start..end)
    })
}

fn is_tag(bytes: &[u8], element: &Range<usize>, tag: &Tag) -> bool {
    let Some(coding) = scan(bytes, element.start) else { return false };
    let says = |member: &str, text: &str| {
        let value = coding.members.iter().find(|(key, _)| *name(bytes, key) == *member.as_bytes());
        value.is_some_and(|(_, value)| *name(bytes, value) == *text.as_bytes())
    };
    says("system", tag.system) && says("code", tag.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag { system: "urn:s", code: "c", display: "Words" };

    #[test]
    fn the_tag_is_set_or_gone_and_everything_else_keeps_its_bytes() {
        let own = r#"{"system":"urn:s","code":"c","display":"Words"}"#;
        for (stored, set, unset) in [
            (r#"{"a":1.00}"#, None, None),
            ("[]", None, None),
            ("{\"meta\":{", None, None),
            (r#"{"meta":7}"#, None, None),
            (r#"{"meta":{}}"#, Some(r#"{"meta":{"tag":[OWN]}}"#), None),
            (
                r#"{"meta":{"versionId":"1"},"n":1.00}"#,
                Some(r#"{"meta":{"tag":[OWN],"versionId":"1"},"n":1.00}"#),
                None,
            ),
            (r#"{"meta":{"tag":[]}}"#, Some(r#"{"meta":{"tag":[OWN]}}"#), None),
            (
                r#"{"meta":{"tag":[ {"code" : "x"} ],"source":"s"}}"#,
                Some(r#"{"meta":{"tag":[{"code" : "x"},OWN],"source":"s"}}"#),
                None,
            ),
            (
                r#"{"meta":{"source":"s","tag":[OWN]}}"#,
                Some(r#"{"meta":{"source":"s","tag":[OWN]}}"#),
                Some(r#"{"meta":{"source":"s"}}"#),
            ),
            (r#"{"meta":{"tag":[OWN]}}"#, Some(r#"{"meta":{"tag":[OWN]}}"#), Some(r#"{"meta":{}}"#)),
            (
                r#"{"meta":{"tag":[OWN], "source":"s"}}"#,
                Some(r#"{"meta":{"tag":[OWN], "source":"s"}}"#),
                Some(r#"{"meta":{"source":"s"}}"#),
            ),
            (
                r#"{"meta":{"tag":[{"code":"c","system":"urn:s"},{"system":"urn:s","code":"d"},7]}}"#,
                Some(r#"{"meta":{"tag":[{"system":"urn:s","code":"d"},7,OWN]}}"#),
                Some(r#"{"meta":{"tag":[{"system":"urn:s","code":"d"},7]}}"#),
            ),
        ] {
            let text = stored.replace("OWN", own);
            let check = |set: bool, wanted: Option<&str>| {
                let found = String::from_utf8(tag(text.clone().into_bytes(), &TAG, set)).unwrap();
                assert_eq!(found, wanted.map_or(text.clone(), |wanted| wanted.replace("OWN", own)), "{stored} {set}");
            };
            check(true, set);
            // Without the system in it nothing is touched.
            check(false, unset);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[{}\\[\\]\":,\\\\a urn:s]{0,40}", set: bool) {
            let _ = tag(bytes, &TAG, set);
            let _ = tag(format!("{{\"meta\":{{\"tag\":{text}urn:s").into_bytes(), &TAG, set);
            let _ = tag(text.into_bytes(), &TAG, set);
        }
    }
}
