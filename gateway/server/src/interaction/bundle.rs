//! Transaction and batch: `POST /fhir` with a Bundle. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use super::search::{Page1, Search, searchset};
use crate::answer::{Answer, Facts, fhir_response, location};
use crate::body::{self, aside};
use crate::bundle::{BundleText, Response};
use crate::dispatch::{Call, Part};
use crate::error::{ApiError, outcome_json};
use crate::negotiate::Return;
use axum::http::StatusCode;
use fhir::bundle::{self, Bundle, Kind};
use fhir::{Code, Issue};
use node::Written;
use node::transaction::EntryResult;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let bytes = call.bytes().await?;
    body::check_json(&call.headers)?;
    let heavy = body::is_heavy(bytes.len());
    let bundle = aside(heavy, move || bundle::read(bytes)).await??;
    let urls = urls(&bundle);
    let (interaction, kind, results) = match &bundle.kind {
        Kind::Transaction => {
            ("transaction", "transaction-response", call.app.node.transaction(&call.caller, bundle).await?)
        }
        Kind::Batch => ("batch", "batch-response", call.app.node.batch(&call.caller, bundle).await?),
        Kind::Other(_) => {
            let text = "only a Bundle of type batch or transaction can be posted here";
            return Err(ApiError::bad(Code::NotSupported, text, "Bundle.type"));
        }
    };
    let mut facts = Facts { interaction: Some(interaction), ..Facts::default() };
    let bytes = results.iter().map(|result| size(&call, result)).sum();
    let mut text = BundleText::new(kind, None, &[("self", &call.app.base)], bytes);
    for (result, url) in results.into_iter().zip(urls) {
        match result {
            EntryResult::Written(written) => facts.patients.push(write(&call, &mut text, written)),
            EntryResult::Read(mut served) => {
                let json = call.view.part(std::mem::take(&mut served.json));
                let response = Response {
                    status: "200 OK",
                    location: "",
                    version: &served.version,
                    last_updated: served.last_updated,
                };
                text.done(&format!("{}/{}/{}", call.app.base, served.kind, served.id), Some(&json), &response, None);
                let (kind, id) = (served.kind, served.id.clone());
                facts.parts.push(Part {
                    interaction: "read",
                    kind,
                    id,
                    query: String::new(),
                    status: 200,
                    shown: vec![served],
                });
            }
            EntryResult::Found { kind, mut found, .. } => {
                let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default().to_owned();
                let this = Search { kind, query };
                let (app, caller, request, view) = (&call.app, &call.caller, &call.request, &call.view);
                let json = searchset(&Page1 { app, caller, request, view, this: &this, page: None }, &mut found);
                text.done(
                    "",
                    Some(&json),
                    &Response { status: "200 OK", location: "", version: "", last_updated: 0 },
                    None,
                );
                let mut shown = found.matches;
                shown.append(&mut found.includes);
                facts.parts.push(Part {
                    interaction: "search",
                    kind,
                    id: String::new(),
                    query: this.query,
                    status: 200,
                    shown,
                });
            }
            EntryResult::Failed(error) => {
                let error = ApiError::from(error);
                let outcome = outcome_json(error.outcome, &call.request);
                let response = Response { status: &words(error.status), location: "", version: "", last_updated: 0 };
                text.done("", None, &response, Some(&outcome));
            }
        }
    }
    let response = fhir_response(StatusCode::OK, call.view.lay_out(text.finish()));
    Ok(Answer { response, facts })
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
    // A load of thousands wants to know that they are in, and has them; who wants them back says so.
    let wanted = call.prefers && !deleted;
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
        EntryResult::Read(served) => served.json.len() + 512,
        _ => 512,
    }
}

fn urls(bundle: &Bundle) -> Vec<String> {
    let url = |entry: &bundle::Entry| entry.request.as_ref().map(|request| request.url.clone()).unwrap_or_default();
    bundle.entries.iter().map(url).collect()
}

fn words(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}
