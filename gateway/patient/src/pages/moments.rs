//! One moment of a record as a list item, and lists of them by day: shared by `timeline`, `audit` and `overview`.

use crate::error::PageError;
use crate::html::{El, el, segment};
use crate::layout::{Frame, empty};
use crate::words::{self, clock, types};
use node::grants::{RecordView, scope_lines};
use node::timeline::{Moment, MomentKind};
use record::RecordId;

/// Moments of one page.
pub(crate) const PAGE_MOMENTS: usize = 50;

/// Which record and which page of it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    record: Option<RecordId>,
    /// Where the page begins; the newest without.
    pub(crate) before: Option<i64>,
}

impl Asked {
    /// Reads `?record=…&before=…`; what does not read is left out.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Self {
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        Self {
            record: value("record").and_then(|text| text.parse().ok()),
            before: value("before").and_then(|text| text.parse().ok()),
        }
    }

    /// The record that was asked for, or the first; none if there is none.
    ///
    /// # Errors
    /// [`PageError`] for a record that is not this patient's.
    pub(crate) fn record<'r>(&self, records: &'r [RecordView]) -> Result<Option<&'r RecordView>, PageError> {
        match self.record {
            None => Ok(records.first()),
            Some(record) => {
                records.iter().find(|known| known.record == record).map(Some).ok_or_else(PageError::no_page)
            }
        }
    }
}

/// What a list of moments shows.
pub(crate) struct View {
    /// Every record there is, to choose between.
    pub(crate) records: Vec<RecordView>,
    /// The one shown.
    pub(crate) record: Option<RecordId>,
    /// Its moments, newest first.
    pub(crate) moments: Vec<Moment>,
    /// Whether newer moments were left out.
    pub(crate) later: bool,
    /// Where the next page begins.
    pub(crate) next: Option<i64>,
}

/// The lists, by day, with the ways to other records and older moments.
pub(crate) fn list(frame: &Frame, view: &View, path: &str, nothing: &str) -> El {
    let days = view.moments.chunk_by(|a, b| a.at_ms / clock::DAY_MS == b.at_ms / clock::DAY_MS);
    let days = days.map(|moments| {
        let day = moments.first().map_or(String::new(), |moment| clock::day(moment.at_ms));
        let items = moments.iter().map(|moment| item(frame, moment)).collect::<Vec<_>>();
        el("section").class("card day").with((el("h2").with(day), el("ol").class("moments").with(items)))
    });
    let days = days.collect::<Vec<_>>();
    let nothing = days.is_empty().then(|| empty(nothing));
    el("div").with((choose(view, path), nothing, days, pages(view, path)))
}

fn choose(view: &View, path: &str) -> Option<El> {
    let link = |record: &RecordView| {
        let link = el("a").href(format!("{path}?record={}", segment(&record.record.to_string())));
        let link = if Some(record.record) == view.record { link.attr("aria-current", "true") } else { link };
        el("li").with(link.with(words::name(&record.title, "Your record")))
    };
    let items = view.records.iter().map(link).collect::<Vec<_>>();
    (view.records.len() > 1).then(|| el("nav").class("choose").attr("aria-label", "Records").with(el("ul").with(items)))
}

fn pages(view: &View, path: &str) -> Option<El> {
    let record = view.record.map(|record| segment(&record.to_string()))?;
    let newest = view.later.then(|| el("a").href(format!("{path}?record={record}")).with("Back to the newest"));
    let older =
        view.next.map(|next| el("a").id("older").href(format!("{path}?record={record}&before={next}")).with("Older"));
    (newest.is_some() || older.is_some())
        .then(|| el("nav").class("pages").attr("aria-label", "Older and newer").with((newest, older)))
}

/// One moment.
pub(crate) fn item(frame: &Frame, moment: &Moment) -> El {
    let recent = frame.now_ms.saturating_sub(moment.at_ms) < clock::DAY_MS;
    let when = match recent {
        true => format!("{}, {}", clock::time_of_day(moment.at_ms), clock::ago(moment.at_ms, frame.now_ms)),
        false => clock::moment(moment.at_ms),
    };
    let when = clock::stamp(moment.at_ms, &when);
    // By key, not by name: a hospital may call itself anything.
    let who = if moment.mine { "You" } else { words::name(&moment.who, "Somebody") };
    let who = el("strong").class("who").with(who);
    let text = el("span").class("what").with(what(moment));
    let text = match &moment.resource {
        Some((kind, id)) if moment.kind != MomentKind::Deleted => {
            el("a").class("what").href(format!("/entry/{}/{}", segment(kind), segment(id))).with(what(moment))
        }
        _ => text,
    };
    let counts = moment.counts.iter().map(|(kind, number)| {
        el("li").with(if *number == 1 { types::one(kind) } else { format!("{number} {}", types::many(kind)) })
    });
    let many = moment.resource.is_none() && moment.kind != MomentKind::Read && !moment.counts.is_empty();
    let counts = many.then(|| el("ul").class("scopes").with(counts.collect::<Vec<_>>()));
    let why = (!moment.why.is_empty())
        .then(|| el("p").class("why").with(format!("Why: {}", words::purposes::words(&moment.why))));
    let reason = (!moment.reason.is_empty())
        .then(|| el("p").class("why").with(("In its own words: ", el("q").with(&moment.reason))));
    let line = el("p").with((who, " ", text));
    el("li")
        .class("moment")
        .attr("data-kind", key(moment.kind))
        .attr("data-position", moment.position.to_string())
        .with((el("p").class("when").with(when), el("div").with((line, counts, why, reason))))
}

fn key(kind: MomentKind) -> &'static str {
    match kind {
        MomentKind::Written => "written",
        MomentKind::Deleted => "deleted",
        MomentKind::Quarantined => "quarantined",
        MomentKind::Grant => "grant",
        MomentKind::Revoke => "revoke",
        MomentKind::Request => "request",
        MomentKind::Refusal => "refusal",
        MomentKind::Claim => "claim",
        MomentKind::Opened => "opened",
        MomentKind::Keys => "keys",
        MomentKind::Device => "device",
        MomentKind::Read => "read",
    }
}

/// What happened, with the names of types and scopes put into words.
fn what(moment: &Moment) -> String {
    match (moment.kind, &moment.resource) {
        (MomentKind::Read, _) => looked(&moment.what),
        (MomentKind::Grant | MomentKind::Request, _) => with_scopes(&moment.what),
        (_, Some((kind, _))) => types::translate(&moment.what, kind),
        _ => moment.what.clone(),
    }
}

/// "read 12 Observation; read 1 Patient" in words.
fn looked(what: &str) -> String {
    let part = |part: &str| {
        let Some((head, kind)) = part.rsplit_once(' ') else { return part.to_owned() };
        match head.rsplit_once(' ') {
            Some((verb, "1")) => format!("{verb} {}", types::one(kind)),
            Some((verb, number)) if number.bytes().all(|letter| letter.is_ascii_digit()) => {
                format!("{verb} {number} {}", types::many(kind))
            }
            _ => types::translate(part, kind),
        }
    };
    what.split("; ").map(part).collect::<Vec<_>>().join("; ")
}

/// "asked for access: patient/Observation.rs" in words.
fn with_scopes(what: &str) -> String {
    let mut out = Vec::<String>::new();
    for word in what.split(' ') {
        let bare = word.trim_end_matches(';');
        match scope_lines(bare).first().filter(|_| bare.contains('/')) {
            Some(line) => {
                let words = words::scope(line);
                let (first, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
                out.push(format!("{}{rest}{}", first.to_lowercase(), if bare == word { "," } else { ";" }));
            }
            None => out.push(word.to_owned()),
        }
    }
    out.join(" ").trim_end_matches(',').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_reads_in_words() {
        let check = |text: &str, expected: &str| assert_eq!(looked(text), expected);
        check("searched and was shown 12 Observation", "searched and was shown 12 measurements and test results");
        check("read 1 Condition; read 2 MedicationRequest", "read a diagnosis or health problem; read 2 prescriptions");
        check("read 3 Nonsense", "read 3 Nonsense");
        check("", "");
    }

    #[test]
    fn scopes_in_a_sentence_read_in_words() {
        let check = |text: &str, expected: &str| assert_eq!(with_scopes(text), expected);
        check("asked for access: patient/Observation.rs", "asked for access: see measurements and test results");
        check(
            "let B in: patient/Observation.rs patient/Condition.rs",
            "let B in: see measurements and test results, see diagnoses and health problems",
        );
        check("let a/b in: nothing", "let a/b in: nothing");
    }

    #[test]
    fn a_query_that_does_not_read_asks_for_the_newest() {
        let check = |name: &str, value: &str, before: Option<i64>| {
            let asked = Asked::parse(&[(name.to_owned(), value.to_owned())]);
            assert_eq!((asked.before, asked.record), (before, None), "{name}={value}");
        };
        check("before", "12", Some(12));
        check("before", "x", None);
        check("before", "99999999999999999999999", None);
        check("record", "x", None);
    }
}
