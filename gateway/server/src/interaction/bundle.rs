//! Transaction and batch: `POST /fhir` with a Bundle. What its entries write is `node`'s; what they ask is answered after
//! that, by the rows of `routes` that answer it alone. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::answer::{Answer, Facts, fhir_response, location, softened};
use crate::body::{self, aside};
use crate::bundle::{BundleText, Response};
use crate::dispatch::{Asker, Call, Part};
use crate::entry::{Question, Told, questions};
use crate::error::{ApiError, outcome_json};
use crate::negotiate::Return;
use axum::http::StatusCode;
use fhir::bundle::{self, Bundle, Kind};
use fhir::{Code, Issue, Outcome};
use node::Written;
use node::transaction::EntryResult;
use std::collections::{HashMap, HashSet};

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let bytes = call.json().await?;
    let heavy = body::is_heavy(bytes.len());
    let bundle = aside(heavy, move || bundle::read(bytes)).await??;
    let (questions, asker) = (questions(&bundle), call.asker());
    let (interaction, kind, results) = match &bundle.kind {
        Kind::Transaction => {
            try_first(&asker, &bundle, &questions, Budget::of(&call)).await?;
            ("transaction", "transaction-response", call.app.node.transaction(&call.caller, bundle).await?)
        }
        Kind::Batch => ("batch", "batch-response", call.app.node.batch(&call.caller, bundle).await?),
        Kind::Other(_) => {
            let text = "only a Bundle of type batch or transaction can be posted here";
            return Err(ApiError::bad(Code::NotSupported, text, "Bundle.type"));
        }
    };
    let (mut told, mut budget) = (HashMap::new(), Budget::of(&call));
    // Reads come last and see what was written (http.html#trules).
    for (at, question) in questions {
        // What is no longer told is not looked for either.
        let answer = match budget.left() {
            true => question.answer(&asker).await,
            false => Told::refused(budget.over(), &asker),
        };
        let fits = answer.failed() || budget.takes(answer.json.len());
        told.insert(at, if fits { answer } else { Told::refused(budget.over(), &asker) });
    }
    let mut facts = Facts { interaction: Some(interaction), ..Facts::default() };
    let bytes = results.iter().map(|result| size(&call, result)).sum::<usize>()
        + told.values().map(|told| told.json.len() + 512).sum::<usize>();
    let mut text = BundleText::new(kind, None, &[("self", &call.app.base)], bytes);
    for (at, result) in results.into_iter().enumerate() {
        match (result, told.remove(&at)) {
            (EntryResult::Written(mut written), _) => {
                let also = std::mem::take(&mut written.also);
                facts.patients.extend(also.into_iter().map(|written| written.patient));
                facts.patients.push(write(&call, &mut text, written));
            }
            (EntryResult::Left, Some(told)) => facts.parts.extend(tell(&call, &mut text, told)),
            (EntryResult::Left, None) => fail(&call, &mut text, ApiError::not_here("this entry asks for nothing")),
            (EntryResult::Failed(error), _) => fail(&call, &mut text, error.into()),
        }
    }
    let response = fhir_response(StatusCode::OK, call.view.lay_out(text.finish()));
    Ok(Answer { response, facts })
}

/// A transaction fails as a whole where one of its reads does: what is not of its own making is tried before anything
/// is written.
async fn try_first(
    asker: &Asker,
    bundle: &Bundle,
    questions: &[(usize, Question)],
    mut budget: Budget,
) -> Result<(), ApiError> {
    if questions.is_empty() {
        return Ok(());
    }
    let requests = bundle.entries.iter().filter_map(|entry| entry.request.as_ref());
    let writes = requests.filter(|request| !node::transaction::asks(request));
    let written: HashSet<&str> = writes.map(|request| request.url.trim_start_matches('/')).collect();
    for (at, question) in questions {
        if question.may_write() {
            let text = format!("Bundle.entry[{at}]: this operation cannot be undone and is not run in a transaction");
            return Err(ApiError::bad(Code::NotSupported, text, &format!("Bundle.entry[{at}].request")));
        }
        if question.instance().is_some_and(|name| written.contains(name)) {
            continue;
        }
        let fits = question.clone().check(asker).await.and_then(|bytes| match budget.takes(bytes) {
            true => Ok(()),
            false => Err(budget.over()),
        });
        if let Err(mut error) = fits {
            let place = format!("Bundle.entry[{at}]");
            for issue in &mut error.outcome.issues {
                issue.diagnostics = format!("{place}: {}", issue.diagnostics);
                issue.expression = vec![place.clone()];
            }
            return Err(error);
        }
    }
    Ok(())
}

/// What the answers to the questions of one Bundle may come to, in bytes.
struct Budget {
    spent: usize,
    most: usize,
}

impl Budget {
    fn of(call: &Call) -> Self {
        Self { spent: 0, most: call.app.settings.limits.bundle_reads_bytes_max }
    }

    /// Whether anything more may be told.
    fn left(&self) -> bool {
        self.spent < self.most
    }

    /// Takes so many bytes; `false` if they are more than what is left.
    fn takes(&mut self, bytes: usize) -> bool {
        self.spent = self.spent.saturating_add(bytes);
        self.spent <= self.most
    }

    fn over(&self) -> ApiError {
        let text = format!("the reads of one Bundle may answer {} bytes together; ask for less at once", self.most);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooCostly, text)
    }
}

/// Writes one answered question; what the audit log hears of it.
fn tell(call: &Call, text: &mut BundleText, told: Told) -> Option<Part> {
    let status = words(told.status);
    let response = Response { status: &status, location: "", version: &told.version, last_updated: told.last_updated };
    let failed = told.failed();
    let full_url = match told.name.is_empty() {
        true => String::new(),
        false => format!("{}/{}", call.app.base, told.name),
    };
    match (failed, told.json.is_empty()) {
        (true, _) => text.done("", None, &response, Some(&told.json)),
        (false, true) => text.done(&full_url, None, &response, None),
        (false, false) => text.done(&full_url, Some(&told.json), &response, None),
    }
    told.part
}

fn fail(call: &Call, text: &mut BundleText, error: ApiError) {
    let outcome = outcome_json(error.outcome, &call.request);
    let response = Response { status: &words(error.status), location: "", version: "", last_updated: 0 };
    text.done("", None, &response, Some(&outcome));
}

/// Writes one entry's answer; the Patient it was about.
fn write(call: &Call, text: &mut BundleText, written: Written) -> String {
    let deleted = written.json.is_empty();
    let status = match (deleted, written.created && written.changed) {
        (true, _) => "204 No Content",
        (false, true) => "201 Created",
        (false, false) => "200 OK",
    };
    let place = if deleted { String::new() } else { location(&call.app.base, &written) };
    let response = Response { status, location: &place, version: &written.version, last_updated: written.last_updated };
    let full_url = format!("{}/{}/{}", call.app.base, written.kind, written.id);
    // A load of thousands wants to know that they are in, and has them; who wants them back says so, and may read them.
    let wanted = call.prefers
        && !deleted
        && call.prefer.answer == Return::Representation
        && call.caller.permit(written.kind, record::scope::Interactions::READ).is_ok();
    let mut issues = written.issues;
    if call.prefers && call.prefer.answer == Return::Outcome {
        let done = format!("{}/{} was written", written.kind, written.id);
        issues.insert(0, Issue::information(Code::Informational, done));
    }
    // "hints and warnings produced as part of processing this entry": told whether they are asked for or not.
    let outcome = (!issues.is_empty()).then(|| outcome_json(softened(Outcome { issues }), &call.request));
    let resource = wanted.then(|| call.view.part(written.json));
    let full_url = if deleted && outcome.is_none() { "" } else { &full_url };
    text.done(full_url, resource.as_deref(), &response, outcome.as_deref());
    written.patient
}

fn size(call: &Call, result: &EntryResult) -> usize {
    let whole = call.prefers && call.prefer.answer == Return::Representation;
    match result {
        EntryResult::Written(written) if whole => written.json.len() + 512,
        _ => 512,
    }
}

fn words(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}
