//! Transaction and batch: `POST /fhir` with a Bundle. What its entries write is `node`'s; what they ask is answered after
//! that, by the rows of `routes` that answer it alone. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::answer::{Answer, Facts, fhir_response, location};
use crate::body::{self, aside};
use crate::bundle::{BundleText, Response};
use crate::dispatch::{Asker, Call, Part};
use crate::entry::{Question, Told, questions};
use crate::error::{ApiError, outcome_json};
use crate::negotiate::Return;
use axum::http::StatusCode;
use fhir::bundle::{self, Bundle, Kind};
use fhir::{Code, Issue};
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
            try_first(&asker, &bundle, &questions).await?;
            ("transaction", "transaction-response", call.app.node.transaction(&call.caller, bundle).await?)
        }
        Kind::Batch => ("batch", "batch-response", call.app.node.batch(&call.caller, bundle).await?),
        Kind::Other(_) => {
            let text = "only a Bundle of type batch or transaction can be posted here";
            return Err(ApiError::bad(Code::NotSupported, text, "Bundle.type"));
        }
    };
    let mut told = HashMap::new();
    // Reads come last and see what was written (http.html#trules).
    for (at, question) in questions {
        told.insert(at, question.answer(&asker).await);
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
async fn try_first(asker: &Asker, bundle: &Bundle, questions: &[(usize, Question)]) -> Result<(), ApiError> {
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
        if let Err(mut error) = question.clone().check(asker).await {
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

/// Writes one answered question; what the audit log hears of it.
fn tell(call: &Call, text: &mut BundleText, told: Told) -> Option<Part> {
    let status = words(told.status);
    let response = Response { status: &status, location: "", version: &told.version, last_updated: told.last_updated };
    let failed = told.status.is_client_error() || told.status.is_server_error();
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
    let wanted =
        call.prefers && !deleted && call.caller.permit(written.kind, record::scope::Interactions::READ).is_ok();
    match call.prefer.answer {
        Return::Representation if wanted => {
            text.done(&full_url, Some(&call.view.part(written.json)), &response, None);
        }
        Return::Outcome if call.prefers => {
            let issue = Issue::information(Code::Informational, format!("{}/{} was written", written.kind, written.id));
            text.done(&full_url, None, &response, Some(&outcome_json(issue.into(), &call.request)));
        }
        _ => text.done(if deleted { "" } else { &full_url }, None, &response, None),
    }
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
