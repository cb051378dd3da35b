//! The copy of a resource that is answered: the stored JSON with `id`, `meta.versionId` and `meta.lastUpdated` set and
//! every other byte as it was sent; `tag` is one tag that the server speaks for. Called by `node` for each resource of an answer,
//! so it scans only the top level and builds no index.

mod tag;

pub use tag::{Tag, tag};

use crate::json::scan::{skip_space, skip_string, skip_value, unescape};
use crate::json::write_string;
use std::borrow::Cow;
use std::ops::Range;

/// The text with the three set.
///
/// `id` and `meta` stand where they stood; a missing `id` comes after `resourceType`, a missing `meta` after `id`.
/// Other elements of `meta` are kept. Bytes that are no JSON object come back as they are.
#[must_use]
pub fn splice(bytes: &[u8], id: &str, version_id: &str, last_updated: &str) -> Vec<u8> {
    let Some(top) = scan(bytes, 0) else { return bytes.to_vec() };
    let (mut kind, mut id_value, mut meta) = (None, None, None);
    for (key, value) in &top.members {
        match &*name(bytes, key) {
            b"resourceType" => kind = Some(value.end),
            b"id" => id_value = Some(value.clone()),
            b"meta" => meta = Some(value.clone()),
            _ => {}
        }
    }
    let mut out = Writer { bytes, text: Vec::with_capacity(bytes.len() + 160), at: 0 };
    let meta_text = |inside: bool| {
        let mut json = String::from(if inside { "" } else { "\"meta\":{" });
        json.push_str("\"versionId\":");
        write_string(&mut json, version_id);
        json.push_str(",\"lastUpdated\":");
        write_string(&mut json, last_updated);
        json.push_str(if inside { "" } else { "}" });
        json
    };
    let mut id_text = String::new();
    write_string(&mut id_text, id);

    // Where a missing member goes: after this byte, with a comma before it.
    let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(3);
    let mut new = String::new();
    match &id_value {
        Some(value) => edits.push((value.clone(), id_text)),
        None => new = format!("\"id\":{id_text}"),
    }
    match &meta {
        Some(value) => edits.push((value.clone(), spliced_meta(&bytes[value.clone()], version_id, last_updated))),
        None => {
            let place = id_value.as_ref().map(|value| value.end);
            match place {
                Some(end) => edits.push((end..end, format!(",{}", meta_text(false)))),
                None => new = format!("{new},{}", meta_text(false)),
            }
        }
    }
    if !new.is_empty() {
        match kind {
            Some(end) => edits.push((end..end, format!(",{new}"))),
            None if top.members.is_empty() => edits.push((top.start..top.start, new)),
            None => edits.push((top.start..top.start, format!("{new},"))),
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    for (range, new) in edits {
        out.edit(range, &new);
    }
    out.finish()
}

/// The `meta` object with both set and everything else kept; one that is no object is replaced.
fn spliced_meta(bytes: &[u8], version_id: &str, last_updated: &str) -> String {
    let whole = || String::from_utf8_lossy(bytes).into_owned();
    let quoted = |text: &str| {
        let mut json = String::new();
        write_string(&mut json, text);
        json
    };
    let Some(object) = scan(bytes, 0) else {
        return format!("{{\"versionId\":{},\"lastUpdated\":{}}}", quoted(version_id), quoted(last_updated));
    };
    let mut edits = Vec::with_capacity(3);
    let mut new = String::new();
    for (member, text) in [("versionId", version_id), ("lastUpdated", last_updated)] {
        match object.members.iter().find(|(key, _)| *name(bytes, key) == *member.as_bytes()) {
            Some((_, value)) => edits.push((value.clone(), quoted(text).into_bytes())),
            None => {
                let comma = if new.is_empty() { "" } else { "," };
                new = format!("{new}{comma}\"{member}\":{}", quoted(text));
            }
        }
    }
    if !new.is_empty() {
        let comma = if object.members.is_empty() { "" } else { "," };
        edits.push((object.start..object.start, format!("{new}{comma}").into_bytes()));
    }
    String::from_utf8(crate::edit::replace(bytes, &edits)).unwrap_or_else(|_| whole())
}

/// The members of one object: where keys (with quotes) and values are.
struct Object {
    /// After the opening brace.
    start: usize,
    members: Vec<(Range<usize>, Range<usize>)>,
}

fn scan(bytes: &[u8], at: usize) -> Option<Object> {
    let open = skip_space(bytes, at);
    if bytes.get(open) != Some(&b'{') {
        return None;
    }
    let mut object = Object { start: open + 1, members: Vec::with_capacity(16) };
    let mut at = skip_space(bytes, open + 1);
    while bytes.get(at) == Some(&b'"') {
        let key = at..skip_string(bytes, at);
        at = skip_space(bytes, key.end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(bytes, at + 1);
        let value = start..skip_value(bytes, start);
        at = skip_space(bytes, value.end);
        object.members.push((key, value));
        if bytes.get(at) != Some(&b',') {
            break;
        }
        at = skip_space(bytes, at + 1);
    }
    (bytes.get(at) == Some(&b'}')).then_some(object)
}

/// A key without its quotes; nearly none has escapes.
fn name<'a>(bytes: &'a [u8], key: &Range<usize>) -> Cow<'a, [u8]> {
    let inner = bytes.get(key.start + 1..key.end - 1).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    match std::str::from_utf8(inner) {
        Ok(text) => Cow::Owned(unescape(text).into_bytes()),
        Err(_) => Cow::Borrowed(inner),
    }
}

struct Writer<'a> {
    bytes: &'a [u8],
    text: Vec<u8>,
    at: usize,
}

impl Writer<'_> {
    fn edit(&mut self, range: Range<usize>, new: &str) {
        self.text.extend_from_slice(&self.bytes[self.at..range.start]);
        self.text.extend_from_slice(new.as_bytes());
        self.at = range.end;
    }

    fn finish(mut self) -> Vec<u8> {
        self.text.extend_from_slice(&self.bytes[self.at..]);
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn the_three_are_set_and_the_rest_kept_byte_for_byte() {
        for (stored, served) in [
            (
                r#"{"resourceType":"Patient","id":"x","n":1.00}"#,
                r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"v","lastUpdated":"t"},"n":1.00}"#,
            ),
            (
                r#"{"resourceType":"Patient"}"#,
                r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"v","lastUpdated":"t"}}"#,
            ),
            (
                "{ \"resourceType\" : \"Patient\" , \"meta\" : { \"tag\" : [ {} ] } ,\n\"id\" : \"x\" }",
                "{ \"resourceType\" : \"Patient\" , \"meta\" : {\"versionId\":\"v\",\"lastUpdated\":\"t\", \"tag\" : [ {} ] } ,\n\"id\" : \"a\" }",
            ),
            (
                r#"{"meta":{"lastUpdated":"2000","versionId":"9","source":"s"},"resourceType":"Patient"}"#,
                r#"{"meta":{"lastUpdated":"t","versionId":"v","source":"s"},"resourceType":"Patient","id":"a"}"#,
            ),
            (
                r#"{"resourceType":"P","meta":{}}"#,
                r#"{"resourceType":"P","id":"a","meta":{"versionId":"v","lastUpdated":"t"}}"#,
            ),
            (
                r#"{"resourceType":"P","meta":7}"#,
                r#"{"resourceType":"P","id":"a","meta":{"versionId":"v","lastUpdated":"t"}}"#,
            ),
            (
                r#"{"contained":[{"id":"c","meta":{"versionId":"1"}}],"resourceType":"P","id":"x"}"#,
                r#"{"contained":[{"id":"c","meta":{"versionId":"1"}}],"resourceType":"P","id":"a","meta":{"versionId":"v","lastUpdated":"t"}}"#,
            ),
            (
                r#"{"resourceType":"P","\u0069d":"x","m\u0065ta":{"v\u0065rsionId":"1"}}"#,
                r#"{"resourceType":"P","\u0069d":"a","m\u0065ta":{"lastUpdated":"t","v\u0065rsionId":"v"}}"#,
            ),
            ("{}", r#"{"id":"a","meta":{"versionId":"v","lastUpdated":"t"}}"#),
            (r#"{"x":1}"#, r#"{"id":"a","meta":{"versionId":"v","lastUpdated":"t"},"x":1}"#),
            ("[]", "[]"),
            ("", ""),
            ("{\"a\"", "{\"a\""),
            ("{\"a\":\"\\", "{\"a\":\"\\"),
        ] {
            let found = splice(stored.as_bytes(), "a", "v", "t");
            assert_eq!(String::from_utf8(found).unwrap(), served, "{stored}");
        }
    }

    proptest! {
        #[test]
        fn only_the_three_change(
            members in prop::collection::vec(("[a-z\"\\\\é]{1,6}", any::<String>()), 0..6),
            meta in prop::option::of(prop::collection::vec(("(versionId|lastUpdated|source|tag)", "[a-z]{0,3}"), 0..4)),
            id in prop::option::of("[a-z]{1,3}"),
            place in 0..8_usize,
            pretty: bool,
        ) {
            let mut pairs: Vec<(String, Value)> = members.into_iter().map(|(key, text)| (key, json!(text))).collect();
            if let Some(meta) = meta {
                let meta: serde_json::Map<String, Value> = meta.into_iter().map(|(key, text)| (key, json!(text))).collect();
                pairs.insert(place.min(pairs.len()), ("meta".into(), Value::Object(meta)));
            }
            if let Some(id) = id {
                pairs.insert((place / 2).min(pairs.len()), ("id".into(), json!(id)));
            }
            pairs.insert((place / 3).min(pairs.len()), ("resourceType".into(), json!("Patient")));
            let stored = Value::Object(pairs.into_iter().collect());
            let text = if pretty { serde_json::to_vec_pretty(&stored) } else { serde_json::to_vec(&stored) }.unwrap();
            let served: Value = serde_json::from_slice(&splice(&text, "new \"id\"", "v", "t")).unwrap();

            prop_assert_eq!(&served["id"], "new \"id\"");
            prop_assert_eq!(&served["meta"]["versionId"], "v");
            prop_assert_eq!(&served["meta"]["lastUpdated"], "t");
            for key in ["id", "meta"] {
                prop_assert!(served.get(key).is_some());
            }
            for (key, value) in stored.as_object().unwrap() {
                if key != "id" && key != "meta" {
                    prop_assert_eq!(&served[key], value);
                }
            }
            for (key, value) in stored.get("meta").and_then(Value::as_object).into_iter().flatten() {
                if key != "versionId" && key != "lastUpdated" {
                    prop_assert_eq!(&served["meta"][key], value);
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[{}\\[\\]\":,\\\\a ]{0,30}") {
            let _ = splice(&bytes, "a", "v", "t");
            let _ = splice(text.as_bytes(), "a", "v", "t");
        }
    }
}
