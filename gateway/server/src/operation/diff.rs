//! `GET` and `POST /fhir/Patient/1/$diff?from=..&to=..`: the FHIRPath Patch that turns one version of a resource into
//! another. Without `to` it is the current version, without `from` the one before `to`. Called through `routes`.
//! R4 has no such operation; its answer is <https://hl7.org/fhir/R4/fhirpatch.html>.

use crate::answer::{Answer, Facts, fhir_response};
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::pairs;
use crate::parameters::Parameters;
use axum::http::{Method, StatusCode};
use fhir::json::{Doc, Node};
use fhir::{Code, edit};
use node::{NodeError, Served};

/// Versions looked through for the one before another.
const BEFORE_MAX: usize = 1000;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let (mut from, mut to) = (None, None);
    for pair in pairs::read(call.query())? {
        match pair.name.as_str() {
            "from" => from = Some(pair.value),
            "to" => to = Some(pair.value),
            _ => {}
        }
    }
    if call.method == Method::POST {
        let parameters = Parameters::read(&mut call, &["from", "to"]).await?;
        for (name, place) in [("from", &mut from), ("to", &mut to)] {
            if let Some(value) = parameters.value(name, "valueString")? {
                *place = value.text().map(|text| text.into_owned());
            }
        }
    }
    let (kind, id) = (call.kind()?, call.target.id.clone());
    let node = &call.app.node;
    let to = match &to {
        Some(version) => node.vread(&call.caller, kind, &id, tail(version)).await?,
        None => node.read(&call.caller, kind, &id).await?,
    };
    let from = match &from {
        Some(version) => node.vread(&call.caller, kind, &id, tail(version)).await?,
        None => before(&call, &to).await?,
    };
    let patch = fhir::diff::diff(&content(&from)?, &content(&to)?).map_err(NodeError::Inapplicable)?;
    let response = fhir_response(StatusCode::OK, call.view.lay_out(patch));
    Ok(Answer { response, facts: Facts { shown: vec![from, to], ..Facts::default() } })
}

/// `2` and `Patient/1/_history/2` name the version 2.
fn tail(version: &str) -> &str {
    version.rsplit('/').next().unwrap_or(version)
}

/// The version before another that has content.
async fn before(call: &Call, to: &Served) -> Result<Served, ApiError> {
    let page = call.app.node.history(&call.caller, to.kind, &to.id, None, BEFORE_MAX).await?;
    let mut older = page.versions.into_iter().skip_while(|version| version.version != to.version).skip(1);
    older.find(|version| !version.deleted).ok_or_else(|| {
        let text = "there is no version before this one; name one with from";
        ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, text)
    })
}

/// A version without what every version has of its own: `meta.versionId` and `meta.lastUpdated`.
fn content(served: &Served) -> Result<Doc, ApiError> {
    let doc = Doc::parse(served.json.clone())?;
    let mut text = vec![b'{'];
    let member = |text: &mut Vec<u8>, name: &str, value: &[u8]| {
        if text.last() != Some(&b'{') {
            text.push(b',');
        }
        text.extend_from_slice(&edit::string(name));
        text.push(b':');
        text.extend_from_slice(value);
    };
    for (name, value) in doc.root().members() {
        if name != "meta" {
            member(&mut text, &name, value.raw());
            continue;
        }
        let mut meta = vec![b'{'];
        let own = |name: &str| matches!(name, "versionId" | "lastUpdated");
        for (name, value) in value.members().filter(|(name, _): &(_, Node<'_>)| !own(name)) {
            member(&mut meta, &name, value.raw());
        }
        meta.push(b'}');
        if meta.len() > 2 {
            member(&mut text, "meta", &meta);
        }
    }
    text.push(b'}');
    Ok(Doc::parse(text)?)
}
