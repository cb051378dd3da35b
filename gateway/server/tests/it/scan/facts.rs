//! What holds of every answer, whoever asks. Called by the scanner alone.

use super::surface::Request;
use super::world::{ABSENT, MARKER};
use crate::hospital::Answered;

/// Words of what is behind the server, which no answer has.
const INNER: [&str; 14] = [
    "select ",
    "insert into",
    "sqlite",
    "sqlx",
    "postgres",
    "sqlstate",
    "panicked",
    "backtrace",
    ".rs:",
    "/src/",
    "unwrap",
    "log_clients",
    "cache_",
    "no such column",
];

/// Whether a text has the hidden word, as it is or in base64.
pub fn tells(text: &str) -> bool {
    let folded = text.to_lowercase();
    folded.contains(&MARKER.to_lowercase()) || text.contains("WkVCUkFGSU5DS")
}

/// What a scan found that should not be.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Notes a finding unless the fact holds.
    pub fn hold(&mut self, holds: bool, what: &str, answered: &Answered) {
        if !holds {
            let text = answered.text().chars().take(600).collect::<String>();
            self.0.push(format!("{}: {} {text}", what.chars().take(300).collect::<String>(), answered.status));
        }
    }

    /// Neither a failure nor a word of what is inside; an error is an OperationOutcome.
    pub fn sane(&mut self, what: &str, answered: &Answered) {
        self.hold(answered.status < 500 || answered.status == 501, &format!("a failure: {what}"), answered);
        if answered.status < 400 {
            return;
        }
        let lower = answered.text().to_lowercase();
        // What was asked may be repeated.
        let inner = INNER.iter().find(|word| lower.contains(**word) && !what.to_lowercase().contains(word.trim()));
        self.hold(inner.is_none(), &format!("tells of the inside, {inner:?}: {what}"), answered);
        let json = serde_json::from_slice::<serde_json::Value>(&answered.body).unwrap_or_default();
        let issues = json["issue"].as_array().is_some_and(|issues| !issues.is_empty());
        let outcome = json["resourceType"] == "OperationOutcome" && issues;
        self.hold(outcome, &format!("an error that is no OperationOutcome: {what}"), answered);
    }

    /// As [`Findings::sane`], and not a trace of what is hidden.
    pub fn held(&mut self, what: &str, answered: &Answered) {
        self.sane(what, answered);
        let headers = answered.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let trace = tells(&answered.text()) || headers.into_iter().any(|value| tells(&value));
        self.hold(!trace, &format!("tells what is hidden: {what}"), answered);
    }

    /// As [`Findings::held`], and an error.
    pub fn refused(&mut self, what: &str, answered: &Answered) {
        self.held(what, answered);
        // 501 is said of what is not here at all.
        let refused = (400..500).contains(&answered.status) || answered.status == 501;
        self.hold(refused, &format!("is not refused: {what}"), answered);
    }

    /// Fails with what was found.
    pub fn end(self) {
        let some = self.0.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.0.is_empty(), "{} findings:\n{some}", self.0.len());
    }
}

/// An answer without the id that was asked for and the request's own.
pub fn without_ids(request: &Request, answered: &Answered) -> String {
    let text = answered.text().replace(&request.id, ABSENT);
    let text = text.split(" (request ").next().unwrap_or_default().to_owned();
    // Bundles name themselves and their time.
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(mut json) => {
            for name in ["id", "timestamp", "meta"] {
                json.as_object_mut().map(|object| object.remove(name));
            }
            json.to_string()
        }
        Err(_) => text,
    }
}
