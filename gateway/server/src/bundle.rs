//! Bundles as text: entries are put together from bytes that are served already, none is read again. Called by
//! `interaction`. Spec: <https://hl7.org/fhir/R4/bundle.html>.

use crate::error::outcome_json;
use crate::request_id::RequestId;
use fhir::json::write_string;
use fhir::{Outcome, datetime};
use node::Served;

/// A Bundle that is being written.
pub(crate) struct BundleText {
    text: Vec<u8>,
    entries: usize,
}

impl BundleText {
    /// The Bundle's head; links are pairs of relation and URL.
    pub(crate) fn new(kind: &str, total: Option<i64>, links: &[(&str, &str)], bytes: usize) -> Self {
        let mut head = format!(r#"{{"resourceType":"Bundle","type":"{kind}""#);
        if let Some(total) = total {
            head.push_str(&format!(r#","total":{total}"#));
        }
        for (place, (relation, url)) in links.iter().enumerate() {
            head.push_str(if place == 0 { r#","link":["# } else { "," });
            head.push_str(&format!(r#"{{"relation":"{relation}","url":"#));
            write_string(&mut head, url);
            head.push('}');
        }
        if !links.is_empty() {
            head.push(']');
        }
        let mut text = Vec::with_capacity(head.len() + bytes + 16);
        text.extend_from_slice(head.as_bytes());
        Self { text, entries: 0 }
    }

    /// A resource of a searchset; `mode` is `match`, `include` or `outcome`.
    pub(crate) fn found(&mut self, full_url: &str, resource: &[u8], mode: &str) {
        self.open();
        if !full_url.is_empty() {
            self.push(r#""fullUrl":"#);
            self.string(full_url);
            self.push(",");
        }
        self.push(r#""resource":"#);
        self.text.extend_from_slice(resource);
        self.push(&format!(r#","search":{{"mode":"{mode}"}}}}"#));
    }

    /// A Patient that may be meant, with its score in thousandths and its grade.
    pub(crate) fn matched(&mut self, full_url: &str, resource: &[u8], score: u16, grade: &str) {
        self.open();
        self.push(r#""fullUrl":"#);
        self.string(full_url);
        self.push(r#","resource":"#);
        self.text.extend_from_slice(resource);
        let url = "http://hl7.org/fhir/StructureDefinition/match-grade";
        let (whole, part) = (score / 1000, score % 1000);
        self.push(&format!(
            r#","search":{{"extension":[{{"url":"{url}","valueCode":"{grade}"}}],"mode":"match","score":{whole}.{part:03}}}}}"#
        ));
    }

    /// A version of a history.
    pub(crate) fn version(&mut self, base: &str, served: &Served, resource: &[u8]) {
        let kind = served.kind;
        self.open();
        self.push(r#""fullUrl":"#);
        self.string(&format!("{base}/{kind}/{}", served.id));
        if !served.deleted {
            self.push(r#","resource":"#);
            self.text.extend_from_slice(resource);
        }
        let url = if served.method == "POST" { kind.name().to_owned() } else { format!("{kind}/{}", served.id) };
        self.push(&format!(r#","request":{{"method":"{}","url":"#, served.method));
        self.string(&url);
        let status = match served.method {
            "POST" => "201 Created",
            "DELETE" => "204 No Content",
            _ => "200 OK",
        };
        self.push("},");
        self.response(&Response { status, location: "", version: &served.version, last_updated: served.last_updated });
        self.push("}}");
    }

    /// What became of an entry of a batch or transaction.
    pub(crate) fn done(
        &mut self,
        full_url: &str,
        resource: Option<&[u8]>,
        response: &Response<'_>,
        outcome: Option<&[u8]>,
    ) {
        self.open();
        if !full_url.is_empty() {
            self.push(r#""fullUrl":"#);
            self.string(full_url);
            self.push(",");
        }
        if let Some(resource) = resource {
            self.push(r#""resource":"#);
            self.text.extend_from_slice(resource);
            self.push(",");
        }
        self.response(response);
        if let Some(outcome) = outcome {
            self.push(r#","outcome":"#);
            self.text.extend_from_slice(outcome);
        }
        self.push("}}");
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.entries > 0 {
            self.push("]");
        }
        self.push("}");
        self.text
    }

    fn response(&mut self, response: &Response<'_>) {
        self.push(r#""response":{"status":"#);
        self.string(response.status);
        if !response.location.is_empty() {
            self.push(r#","location":"#);
            self.string(response.location);
        }
        if !response.version.is_empty() {
            self.push(r#","etag":"#);
            self.string(&format!("W/\"{}\"", response.version));
            self.push(&format!(r#","lastModified":"{}""#, datetime::format_instant(response.last_updated)));
        }
    }

    fn open(&mut self) {
        self.push(if self.entries == 0 { r#","entry":[{"# } else { ",{" });
        self.entries += 1;
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
        let mut json = String::with_capacity(text.len() + 2);
        write_string(&mut json, text);
        self.push(&json);
    }
}

/// `Bundle.entry.response`
pub(crate) struct Response<'a> {
    pub(crate) status: &'a str,
    /// Empty for none.
    pub(crate) location: &'a str,
    /// Empty for none.
    pub(crate) version: &'a str,
    /// Microseconds since 1970; only with a version.
    pub(crate) last_updated: i64,
}

/// The outcome entry of a searchset.
pub(crate) fn outcome_entry(bundle: &mut BundleText, outcome: Outcome, request: &RequestId) {
    bundle.found("", &outcome_json(outcome, request), "outcome");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_put_together_as_they_are() {
        let empty = BundleText::new("searchset", Some(0), &[("self", "http://h/fhir/Patient?name=\"")], 0);
        check(
            empty,
            r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"http://h/fhir/Patient?name=\""}]}"#,
        );
        let mut found = BundleText::new("searchset", None, &[], 0);
        found.found("u", br#"{"a":1.00}"#, "match");
        found.found("", b"{}", "outcome");
        check(
            found,
            r#"{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"u","resource":{"a":1.00},"search":{"mode":"match"}},{"resource":{},"search":{"mode":"outcome"}}]}"#,
        );
        let mut done = BundleText::new("batch-response", None, &[], 0);
        let created = Response { status: "201 Created", location: "l", version: "1", last_updated: 0 };
        done.done("", None, &created, None);
        done.done(
            "u",
            Some(b"{}"),
            &Response { status: "404 Not Found", location: "", version: "", last_updated: 0 },
            Some(b"{}"),
        );
        check(
            done,
            r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"201 Created","location":"l","etag":"W/\"1\"","lastModified":"1970-01-01T00:00:00.000Z"}},{"fullUrl":"u","resource":{},"response":{"status":"404 Not Found","outcome":{}}}]}"#,
        );
    }

    fn check(bundle: BundleText, wanted: &str) {
        assert_eq!(String::from_utf8(bundle.finish()).unwrap(), wanted);
    }
}
