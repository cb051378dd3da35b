//! A resource as a client wants to see it: whole or in part, in one line or laid out. Works on the text, so that no
//! digit changes. Called by `answer` and `interaction`.
//! Spec: <https://hl7.org/fhir/R4/search.html#elements>, <https://hl7.org/fhir/R4/search.html#summary>.

use fhir::json::{Doc, Node};
use fhir::{Code, Issue, edit, parse, validate};
use std::collections::BTreeSet;

/// How a client wants resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) pretty: bool,
    pub(crate) subset: Subset,
}

/// Which elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subset {
    #[default]
    Whole,
    /// `_elements`
    Elements(Vec<String>),
    /// `_summary=text`
    Text,
    /// `_summary=data`
    Data,
    /// `_summary=true`; the definitions at hand do not say which elements those are, so the whole is shown.
    Summary,
}

/// What every part has: who it is, and what changes the meaning of the rest.
const ALWAYS: [&str; 5] = ["resourceType", "id", "meta", "implicitRules", "modifierExtension"];

const SUBSETTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

impl View {
    /// The resource in its final form.
    pub(crate) fn apply(&self, json: Vec<u8>) -> Vec<u8> {
        self.lay_out(self.part(json))
    }

    /// The wanted elements.
    pub(crate) fn part(&self, json: Vec<u8>) -> Vec<u8> {
        match &self.subset {
            Subset::Whole | Subset::Summary => json,
            Subset::Data => subset(&json, |name| name != "text").unwrap_or(json),
            Subset::Text => named(&json, &["text".to_owned()]).unwrap_or(json),
            Subset::Elements(names) => named(&json, names).unwrap_or(json),
        }
    }

    /// One line, or many.
    pub(crate) fn lay_out(&self, json: Vec<u8>) -> Vec<u8> {
        if self.pretty { pretty(&json) } else { json }
    }

    /// What this view asks for and does not get.
    pub(crate) fn issue(&self) -> Option<Issue> {
        let text = "_summary=true is not supported; resources are shown whole";
        (self.subset == Subset::Summary).then(|| Issue::warning(Code::NotSupported, text).at("http._summary"))
    }
}

/// The named elements, and those without which it would be no valid resource.
fn named(json: &[u8], names: &[String]) -> Option<Vec<u8>> {
    let mut names: BTreeSet<String> = names.iter().cloned().collect();
    let keep = |names: &BTreeSet<String>, key: &str| {
        let key = key.strip_prefix('_').unwrap_or(key);
        ALWAYS.contains(&key) || names.iter().any(|name| is_element(key, name))
    };
    let part = subset(json, |key| keep(&names, key))?;
    let mut missing = BTreeSet::new();
    for issue in validate::issues(&parse::resource(part.as_slice()).ok()?) {
        let places = issue.expression.iter().filter_map(|place| place.split('.').nth(1));
        missing.extend(places.map(|name| name.trim_end_matches("[x]").to_owned()));
    }
    if missing.is_empty() {
        return Some(part);
    }
    names.append(&mut missing);
    subset(json, |key| keep(&names, key))
}

/// `value` is `value`, and `valueQuantity` of a choice.
fn is_element(key: &str, name: &str) -> bool {
    key.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(|next: char| next.is_ascii_uppercase()))
}

/// The members that are kept, the copy marked as a part.
fn subset(json: &[u8], keep: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let doc = Doc::parse(json.to_vec()).ok()?;
    let mut out = vec![b'{'];
    let mut marked = false;
    for (key, value) in doc.root().members().filter(|(key, _)| keep(key)) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&edit::string(&key));
        out.push(b':');
        if key == "meta" {
            out.extend_from_slice(&marked_meta(value));
            marked = true;
        } else {
            out.extend_from_slice(value.raw());
        }
    }
    if !marked {
        out.extend_from_slice(format!(r#","meta":{{"tag":[{SUBSETTED}]}}"#).as_bytes());
    }
    out.push(b'}');
    Some(out)
}

fn marked_meta(meta: Node<'_>) -> Vec<u8> {
    let start = meta.range().start;
    let (end, new) = match meta.get("tag").filter(|tag| tag.is_array()) {
        Some(tags) => {
            let comma = if tags.items().next().is_some() { "," } else { "" };
            (tags.range().end - 1, format!("{comma}{SUBSETTED}"))
        }
        None => {
            let comma = if meta.members().next().is_some() { "," } else { "" };
            (meta.range().end - 1, format!(r#"{comma}"tag":[{SUBSETTED}]"#))
        }
    };
    edit::replace(meta.raw(), &[(end - start..end - start, new.into_bytes())])
}

/// The same JSON with a line per value and two blanks per level.
fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    for &byte in json {
        if text {
            out.push(byte);
            text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                while out.last().is_some_and(u8::is_ascii_whitespace) {
                    out.pop();
                }
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b'"' => {
                text = true;
                out.push(byte);
            }
            other => out.push(other),
        }
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_changes_blanks_only() {
        check_pretty(r#"{"a":[],"b":{}}"#, "{\n  \"a\": [],\n  \"b\": {}\n}\n");
        check_pretty(r#"{"a": [1.00, "x\"}, \\"]}"#, "{\n  \"a\": [\n    1.00,\n    \"x\\\"}, \\\\\"\n  ]\n}\n");
    }

    fn check_pretty(json: &str, wanted: &str) {
        assert_eq!(String::from_utf8(pretty(json.as_bytes())).unwrap(), wanted);
    }

    #[test]
    fn a_part_keeps_what_was_named_and_what_must_be_there() {
        let whole = r#"{"resourceType":"Observation","id":"1","meta":{"versionId":"1"},"text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"status":"final","code":{"text":"c"},"valueQuantity":{"value":1.00}}"#;
        let tag = SUBSETTED;
        let head = format!(r#"{{"resourceType":"Observation","id":"1","meta":{{"versionId":"1","tag":[{tag}]}},"#);
        let elements = |names: &[&str]| Subset::Elements(names.iter().map(|name| (*name).to_owned()).collect());
        check(
            whole,
            elements(&["value"]),
            &format!(r#"{head}"status":"final","code":{{"text":"c"}},"valueQuantity":{{"value":1.00}}}}"#),
        );
        check(whole, elements(&[]), &format!(r#"{head}"status":"final","code":{{"text":"c"}}}}"#));
        check(
            whole,
            Subset::Data,
            &format!(r#"{head}"status":"final","code":{{"text":"c"}},"valueQuantity":{{"value":1.00}}}}"#),
        );
        check(
            r#"{"resourceType":"Patient","meta":{"tag":[{"code":"a"}]},"active":true}"#,
            elements(&[]),
            &format!(r#"{{"resourceType":"Patient","meta":{{"tag":[{{"code":"a"}},{tag}]}}}}"#),
        );
        check(
            r#"{"resourceType":"Patient","active":true}"#,
            elements(&[]),
            &format!(r#"{{"resourceType":"Patient","meta":{{"tag":[{tag}]}}}}"#),
        );
        check(whole, Subset::Whole, whole);
    }

    fn check(json: &str, subset: Subset, wanted: &str) {
        let view = View { pretty: false, subset };
        assert_eq!(String::from_utf8(view.apply(json.as_bytes().to_vec())).unwrap(), wanted);
    }
}
