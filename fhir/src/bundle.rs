//! A Bundle as a request: its type and its entries, each resource as a part of the text. Called by `server` for batch
//! and transaction. Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::json::{Doc, Node};
use crate::outcome::{Code, Issue, Outcome};
use crate::parse::{self, Parsed};
use std::ops::Range;

/// Most entries of one Bundle; the largest Synthea transaction has some 3,000, and one op carries them all.
pub const ENTRIES_MAX: usize = 10_000;

/// A Bundle that was read.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// `batch`, `transaction` or another type.
    pub kind: Kind,
    /// In the order of the text.
    pub entries: Vec<Entry>,
    doc: Doc,
}

/// `Bundle.type`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each entry for itself.
    Batch,
    /// All entries or none.
    Transaction,
    /// Not a request.
    Other(String),
}

/// `Bundle.entry`
#[derive(Clone, Debug)]
pub struct Entry {
    /// What other entries call it.
    pub full_url: Option<String>,
    /// What to do; only batch and transaction have it.
    pub request: Option<Request>,
    /// Where the resource is in the Bundle's text.
    pub resource: Option<Range<usize>>,
}

/// `Bundle.entry.request`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Relative to the base.
    pub url: String,
    /// As the header.
    pub if_match: Option<String>,
    /// A query without its question mark.
    pub if_none_exist: Option<String>,
    /// As the header, in FHIR's form of an instant.
    pub if_modified_since: Option<String>,
    /// As the header.
    pub if_none_match: Option<String>,
}

/// The methods of R4's value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the HTTP method of its name")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
}

impl Method {
    const NAMES: [(&'static str, Self); 6] = [
        ("GET", Self::Get),
        ("HEAD", Self::Head),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("DELETE", Self::Delete),
        ("PATCH", Self::Patch),
    ];

    /// As HTTP writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

impl Bundle {
    /// The Bundle's text.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.doc.bytes()
    }

    /// The Bundle's index.
    #[must_use]
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    /// The resource of an entry as bytes.
    #[must_use]
    pub fn resource(&self, entry: usize) -> Option<&[u8]> {
        self.doc.bytes().get(self.entries.get(entry)?.resource.clone()?)
    }

    /// The resources of all entries as documents of their own, without reading the text again; none where an entry
    /// has no resource. Issues are located in the Bundle.
    #[must_use]
    pub fn resources(&self) -> Vec<Option<Result<Parsed, Outcome>>> {
        let entries = self.doc.root().get("entry").into_iter().flat_map(Node::items);
        entries
            .enumerate()
            .map(|(number, entry)| {
                let resource = entry.get("resource")?;
                let located = |outcome: Outcome| outcome.within(&format!("Bundle.entry[{number}].resource"));
                Some(parse::document(resource.to_doc()).map_err(located))
            })
            .collect()
    }
}

/// Reads a Bundle.
///
/// # Errors
/// It is no Bundle, has more than [`ENTRIES_MAX`] entries, or an entry of a batch or transaction has no proper
/// request: all such entries at once, located as `Bundle.entry[3].request.url`.
pub fn read(bytes: impl Into<Vec<u8>>) -> Result<Bundle, Outcome> {
    let parsed = parse::resource(bytes)?;
    if parsed.kind().name() != "Bundle" {
        return Err(Issue::error(Code::Structure, "the resource must be a Bundle").at("resourceType").into());
    }
    from_parsed(parsed)
}

/// Takes a Bundle that was read already.
///
/// # Errors
/// As [`read`].
pub fn from_parsed(parsed: Parsed) -> Result<Bundle, Outcome> {
    let doc = parsed.into_doc();
    let root = doc.root();
    let kind = match root.get("type").and_then(Node::text).as_deref() {
        Some("batch") => Kind::Batch,
        Some("transaction") => Kind::Transaction,
        Some(other) => Kind::Other(other.to_owned()),
        None => return Err(Issue::error(Code::Required, "a Bundle needs a type").at("Bundle.type").into()),
    };
    let list = root.get("entry");
    if list.is_some_and(|list| !list.is_array()) {
        return Err(Issue::error(Code::Structure, "the entries must be a JSON array").at("Bundle.entry").into());
    }
    if list.is_some_and(|list| list.items().nth(ENTRIES_MAX).is_some()) {
        let sentence = format!("a Bundle may have at most {ENTRIES_MAX} entries");
        return Err(Issue::error(Code::TooLong, sentence).at("Bundle.entry").into());
    }
    let wanted = matches!(kind, Kind::Batch | Kind::Transaction);
    let (mut entries, mut outcome) = (Vec::new(), Outcome::default());
    for (number, node) in list.into_iter().flat_map(Node::items).enumerate() {
        let place = format!("Bundle.entry[{number}]");
        match entry(node, wanted, &place) {
            Ok(entry) => entries.push(entry),
            Err(issue) => outcome.issues.push(issue),
        }
    }
    if outcome.issues.is_empty() {
        return Ok(Bundle { kind, entries, doc });
    }
    outcome.issues.truncate(crate::validate::ISSUES_MAX);
    Err(outcome)
}

fn entry(node: Node<'_>, wanted: bool, place: &str) -> Result<Entry, Issue> {
    if !node.is_object() {
        return Err(Issue::error(Code::Structure, "an entry must be a JSON object").at(place));
    }
    let resource = node.get("resource");
    if resource.is_some_and(|resource| !resource.is_object()) {
        let place = format!("{place}.resource");
        return Err(Issue::error(Code::Structure, "a resource must be a JSON object").at(place));
    }
    let request = match node.get("request") {
        Some(request) => Some(read_request(request, &format!("{place}.request"))?),
        None if wanted => {
            let sentence = "each entry of a batch or transaction needs a request";
            return Err(Issue::error(Code::Required, sentence).at(format!("{place}.request")));
        }
        None => None,
    };
    let needs = request.as_ref().is_some_and(|request| matches!(request.method, Method::Post | Method::Put));
    let search = request.as_ref().is_some_and(|request| request.url.contains("_search") || request.url.contains('$'));
    if wanted && needs && !search && resource.is_none() {
        let sentence = "POST and PUT need a resource";
        return Err(Issue::error(Code::Required, sentence).at(format!("{place}.resource")));
    }
    let full_url = string(node, "fullUrl", place)?;
    Ok(Entry { full_url, request, resource: resource.map(Node::range) })
}

fn read_request(node: Node<'_>, place: &str) -> Result<Request, Issue> {
    let required = |name: &str| {
        let issue = || Issue::error(Code::Required, format!("a request needs a {name}")).at(format!("{place}.{name}"));
        string(node, name, place)?.ok_or_else(issue)
    };
    let method = required("method")?;
    let Some((_, method)) = Method::NAMES.into_iter().find(|(name, _)| *name == method) else {
        let sentence = "the method must be GET, HEAD, POST, PUT, DELETE or PATCH";
        return Err(Issue::error(Code::CodeInvalid, sentence).at(format!("{place}.method")));
    };
    Ok(Request {
        method,
        url: required("url")?,
        if_match: string(node, "ifMatch", place)?,
        if_none_exist: string(node, "ifNoneExist", place)?,
        if_modified_since: string(node, "ifModifiedSince", place)?,
        if_none_match: string(node, "ifNoneMatch", place)?,
    })
}

fn string(node: Node<'_>, name: &str, place: &str) -> Result<Option<String>, Issue> {
    let Some(value) = node.get(name) else { return Ok(None) };
    match value.text().filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(text.into_owned())),
        None => Err(Issue::error(Code::Structure, format!("{name} must be text")).at(format!("{place}.{name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_a_proper_request() {
        check(r#""type":"transaction""#, Ok(0));
        check(r#""type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]"#, Ok(1));
        check(r#""type":"collection","entry":[{"fullUrl":"urn:x","resource":{"resourceType":"Patient"}}]"#, Ok(1));
        check("\"id\":\"a\"", Err("Bundle.type"));
        check(r#""type":"batch","entry":{}"#, Err("Bundle.entry"));
        check(r#""type":"batch","entry":[1]"#, Err("Bundle.entry[0]"));
        check(r#""type":"batch","entry":[{"fullUrl":"x"}]"#, Err("Bundle.entry[0].request"));
        check(r#""type":"batch","entry":[{"request":{"method":"GET"}}]"#, Err("Bundle.entry[0].request.url"));
        check(
            r#""type":"batch","entry":[{"request":{"method":"get","url":"x"}}]"#,
            Err("Bundle.entry[0].request.method"),
        );
        check(
            r#""type":"batch","entry":[{"request":{"method":"POST","url":"Patient"}}]"#,
            Err("Bundle.entry[0].resource"),
        );
        check(
            r#""type":"batch","entry":[{"fullUrl":1,"request":{"method":"GET","url":"x"}}]"#,
            Err("Bundle.entry[0].fullUrl"),
        );
        check(
            r#""type":"batch","entry":[{"resource":[],"request":{"method":"PUT","url":"x"}}]"#,
            Err("Bundle.entry[0].resource"),
        );
    }

    fn check(members: &str, wanted: Result<usize, &str>) {
        let text = format!(r#"{{"resourceType":"Bundle",{members}}}"#);
        match (read(text.as_str()), wanted) {
            (Ok(bundle), Ok(count)) => assert_eq!(bundle.entries.len(), count),
            (Err(outcome), Err(place)) => assert_eq!(outcome.issues[0].expression, [place], "{members}"),
            (found, _) => panic!("{members}: {found:?}"),
        }
    }

    #[test]
    fn resources_are_parts_of_the_text() {
        let text = r#"{"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p"},"request":{"method":"POST","url":"Patient","ifNoneExist":"a=b"}},
            {"request":{"method":"DELETE","url":"Patient/1","ifMatch":"W/\"1\""}},
            {"resource":{"resourceType":"Nothing"},"request":{"method":"PUT","url":"Nothing/1"}}]}"#;
        let bundle = read(text).unwrap();
        assert_eq!(bundle.kind, Kind::Transaction);
        assert_eq!(bundle.resource(0), Some(&br#"{"resourceType":"Patient","id":"p"}"#[..]));
        assert_eq!(bundle.entries[0].request.as_ref().unwrap().if_none_exist.as_deref(), Some("a=b"));
        assert_eq!(bundle.entries[1].request.as_ref().unwrap().if_match.as_deref(), Some("W/\"1\""));
        let resources = bundle.resources();
        assert_eq!(resources[0].as_ref().unwrap().as_ref().unwrap().id(), Some("p"));
        assert!(resources[1].is_none());
        let outcome = resources[2].as_ref().unwrap().as_ref().unwrap_err();
        assert_eq!(outcome.issues[0].expression, ["Bundle.entry[2].resource"]);
    }

    #[test]
    fn entries_stop_at_their_limit() {
        let bundle = |count: usize| {
            let entries = vec![r#"{"request":{"method":"GET","url":"Patient/1"}}"#; count].join(",");
            read(format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entries}]}}"#))
        };
        assert_eq!(bundle(ENTRIES_MAX).unwrap().entries.len(), ENTRIES_MAX);
        assert_eq!(bundle(ENTRIES_MAX + 1).unwrap_err().issues[0].code, Code::TooLong);
        assert_eq!(bundle(20_000).unwrap_err().issues[0].code, Code::TooLong);
    }
}
