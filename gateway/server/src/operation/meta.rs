//! `GET` and `POST /fhir/Patient/1/$meta`: the profiles, tags and labels of a resource; of `/fhir/Patient/$meta` and
//! `/fhir/$meta` those in use. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>.

mod change;

use crate::answer::{Answer, Facts, fhir_response};
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::{Answering, Parameters};
use crate::target::Shape;
use axum::http::{Method, StatusCode};
use fhir::Code;
use fhir::json::{Doc, Node};
use fhir::{edit, parse};
use node::metas::Metas;
use node::write::Intent;
use node::{NodeError, Served};
use serde_json::Value;

pub(crate) use change::Change;

/// How often a change is made anew because another came in between.
const TRIES_MAX: usize = 5;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    if call.method == Method::POST {
        Parameters::read(&mut call, &[]).await?;
    }
    if call.target.shape != Shape::Operation {
        let used = call.app.node.metas(&call.caller, call.target.kind).await?;
        let json = Answering::new().value("return", "valueMeta", &in_use(&used)).finish();
        return Ok(fhir_response(StatusCode::OK, call.view.lay_out(json)).into());
    }
    let mut served = call.app.node.read(&call.caller, call.kind()?, &call.target.id).await?;
    let json = answer(std::mem::take(&mut served.json))?;
    let response = fhir_response(StatusCode::OK, call.view.lay_out(json));
    Ok(Answer { response, facts: Facts { shown: vec![served], ..Facts::default() } })
}

/// A `meta` of everything that is in use.
fn in_use(used: &Metas) -> String {
    let codings = |pairs: &[(String, String)]| {
        let coding = |(system, code): &(String, String)| {
            let parts = [("system", system), ("code", code)].into_iter().filter(|(_, text)| !text.is_empty());
            Value::Object(parts.map(|(name, text)| (name.to_owned(), text.as_str().into())).collect())
        };
        pairs.iter().map(coding).collect::<Vec<_>>()
    };
    let mut meta = serde_json::Map::new();
    let profiles = used.profiles.iter().map(|url| Value::from(url.as_str())).collect();
    for (name, list) in [("profile", profiles), ("security", codings(&used.security)), ("tag", codings(&used.tags))] {
        if !list.is_empty() {
            meta.insert(name.to_owned(), list.into());
        }
    }
    Value::Object(meta).to_string()
}

/// Changes the `meta` of a resource by a new version of it; none where nothing changes. What came in between is not
/// lost: the version that was read must still be the current one.
pub(crate) async fn change(mut call: Call, change: Change) -> Result<Answer, ApiError> {
    let parameters = Parameters::read(&mut call, &["meta"]).await?;
    let Some(delta) = parameters.value("meta", "valueMeta")? else {
        let place = "Parameters.parameter.where(name='meta')";
        return Err(ApiError::bad(Code::Required, "meta (valueMeta) is missing", place));
    };
    let kind = call.kind()?;
    let mut tries = 0;
    loop {
        let mut served = call.app.node.read(&call.caller, kind, &call.target.id).await?;
        let Some(json) = changed(&served, delta, change)? else {
            let json = answer(std::mem::take(&mut served.json))?;
            let response = fhir_response(StatusCode::OK, call.view.lay_out(json));
            return Ok(Answer { response, facts: Facts { shown: vec![served], ..Facts::default() } });
        };
        // The rest of the resource was taken once and is not what is asked about.
        let (resource, _) = fhir::validate::admit(parse::resource(json)?, call.app.node.validation())?;
        let intent = Intent::Update { resource, if_match: Some(served.version) };
        match call.app.node.write(&call.caller, intent).await {
            Ok(written) => {
                let response = fhir_response(StatusCode::OK, call.view.lay_out(answer(written.json)?));
                let facts = Facts { patients: vec![written.patient], ..Facts::default() };
                return Ok(Answer { response, facts });
            }
            Err(NodeError::Precondition(_)) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The resource with its new `meta`; none if it stays the same.
fn changed(served: &Served, delta: Node<'_>, change: Change) -> Result<Option<Vec<u8>>, ApiError> {
    let doc = Doc::parse(served.json.clone())?;
    let Some(meta) = doc.root().get("meta") else { return Ok(None) };
    let new = change.apply(meta, delta);
    Ok(new.map(|new| edit::replace(doc.bytes(), &[(meta.range(), new)])))
}

/// Parameters with the `meta` of a served resource.
fn answer(json: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    let doc = Doc::parse(json)?;
    let meta = doc.root().get("meta").map_or("{}".into(), |meta| String::from_utf8_lossy(meta.raw()));
    Ok(Answering::new().value("return", "valueMeta", &meta).finish())
}
