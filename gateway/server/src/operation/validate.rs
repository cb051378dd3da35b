//! `POST /fhir/Patient/$validate`, `POST` and `GET /fhir/Patient/1/$validate`: every broken rule of a resource, warnings
//! too, by the code that holds writes. The answer is 200 whatever it says. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-validate.html>, <https://hl7.org/fhir/R4/validation.html#op>.

use crate::answer::{Answer, fhir_response};
use crate::body::{self, aside, is_heavy};
use crate::dispatch::Call;
use crate::error::{ApiError, outcome_json};
use crate::{media, pairs};
use axum::http::{Method, StatusCode};
use fhir::json::{Doc, Node};
use fhir::{Code, Issue, Outcome, ResourceType, parse, validate};
use node::NodeError;

/// What the resource is meant for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Nothing in particular, or profiles alone.
    #[default]
    Content,
    Create,
    Update,
    Delete,
}

/// What is asked.
#[derive(Default)]
struct Asked {
    /// None where nothing was sent.
    resource: Option<Doc>,
    mode: Mode,
    profiles: Vec<String>,
}

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let kind = call.kind()?;
    let asked = match read(&mut call, kind).await? {
        Ok(asked) => asked,
        Err(outcome) => return Ok(told(&call, outcome.issues)),
    };
    let Asked { resource, mode, profiles } = asked;
    let one = !call.target.id.is_empty();
    let mut issues = Vec::new();
    if matches!(mode, Mode::Update | Mode::Delete) && !one {
        let text = "the modes update and delete are about one resource: ask at its own URL";
        return Err(ApiError::bad(Code::Invalid, text, "Parameters.parameter.where(name='mode')"));
    }
    // What is here is asked for only where it decides, or where nothing was sent.
    let stored = match one && (mode == Mode::Delete || resource.is_none()) {
        true => Some(call.app.node.read(&call.caller, kind, &call.target.id).await),
        false => None,
    };
    if mode == Mode::Delete {
        match stored {
            Some(Err(NodeError::NotFound(_) | NodeError::Gone(_))) => {
                issues.push(Issue::information(Code::Informational, "there is nothing to delete"));
            }
            Some(Err(error)) => return Err(error.into()),
            _ => {}
        }
        return Ok(told(&call, issues));
    }
    let doc = match (resource, stored) {
        (Some(doc), _) => doc,
        (None, Some(stored)) => Doc::parse(stored?.json)?,
        (None, None) => {
            let text = "send the resource, or Parameters with it as the parameter resource";
            return Err(ApiError::bad(Code::Required, text, "Parameters.parameter.where(name='resource')"));
        }
    };
    issues.extend(check(doc, kind, mode, &call.target.id).await?);
    issues.extend(profiles.iter().filter_map(|profile| unknown_profile(profile, kind)));
    Ok(told(&call, issues))
}

/// Reads the query and the body; the inner error is what is wrong with the resource, which is an answer, too.
async fn read(call: &mut Call, kind: ResourceType) -> Result<Result<Asked, Outcome>, ApiError> {
    let mut asked = Asked::default();
    for pair in pairs::read(call.query())? {
        match pair.name.as_str() {
            "mode" => asked.mode = mode(&pair.value)?,
            "profile" => asked.profiles.push(pair.value),
            _ => {}
        }
    }
    if call.method != Method::POST {
        return Ok(Ok(asked));
    }
    let format = media::of_body(&call.headers)?;
    let bytes = call.bytes().await?;
    if bytes.is_empty() {
        return Ok(Ok(asked));
    }
    let doc = match body::json(format, bytes).await {
        Ok(json) => Doc::parse(json),
        Err(error) if error.status == StatusCode::BAD_REQUEST => return Ok(Err(error.outcome)),
        Err(error) => return Err(error),
    };
    let doc = match doc {
        Ok(doc) => doc,
        Err(issue) => return Ok(Err(issue.into())),
    };
    let root = doc.root();
    let parameters = || root.get("parameter").into_iter().flat_map(Node::items);
    let is = |node: Node<'_>, name: &str| node.get("name").and_then(Node::text).as_deref() == Some(name);
    let wrapped = parameters().any(|one| is(one, "resource") || is(one, "mode") || is(one, "profile"));
    let of_parameters = root.get("resourceType").and_then(Node::text).as_deref() == Some("Parameters");
    if !of_parameters || (kind.name() == "Parameters" && !wrapped) {
        asked.resource = Some(doc);
        return Ok(Ok(asked));
    }
    for one in parameters() {
        let text = |members: [&str; 3]| members.iter().find_map(|member| one.get(member)).and_then(Node::text);
        if is(one, "resource") {
            asked.resource = one.get("resource").map(Node::to_doc);
        } else if is(one, "mode") {
            asked.mode = mode(&text(["valueCode", "valueString", "valueUri"]).unwrap_or_default())?;
        } else if is(one, "profile") {
            asked.profiles.extend(text(["valueUri", "valueCanonical", "valueString"]).map(|text| text.into_owned()));
        } else {
            let text = "this operation takes resource, mode and profile, and nothing else";
            return Err(ApiError::bad(Code::NotSupported, text, "Parameters.parameter.name"));
        }
    }
    Ok(Ok(asked))
}

fn mode(text: &str) -> Result<Mode, ApiError> {
    Ok(match text {
        "create" => Mode::Create,
        "update" => Mode::Update,
        "delete" => Mode::Delete,
        "profile" => Mode::Content,
        _ => {
            let text = "mode is one of create, update, delete and profile";
            return Err(ApiError::bad(Code::Value, text, "Parameters.parameter.where(name='mode')"));
        }
    })
}

/// The issues of a resource under the URL it was sent to.
async fn check(doc: Doc, kind: ResourceType, mode: Mode, id: &str) -> Result<Vec<Issue>, ApiError> {
    let heavy = is_heavy(doc.bytes().len());
    let parsed = match parse::document(doc) {
        Ok(parsed) => parsed,
        Err(outcome) => return Ok(outcome.issues),
    };
    let mut issues = Vec::new();
    if parsed.kind() != kind {
        let text = format!("the URL says {kind}, the resource is a {}", parsed.kind());
        issues.push(Issue::error(Code::Invalid, text).at("resourceType"));
    }
    if mode == Mode::Update && parsed.id() != Some(id) {
        let text = "an update needs an id in the resource, the same as in the URL";
        issues.push(Issue::error(Code::Invalid, text).at(format!("{}.id", parsed.kind())));
    }
    issues.extend(aside(heavy, move || validate::report(&parsed)).await?);
    Ok(issues)
}

/// The base definition of the type is what is held anyway; a resource cannot be called good by any other.
fn unknown_profile(profile: &str, kind: ResourceType) -> Option<Issue> {
    let base = profile.split('|').next().and_then(|url| url.strip_prefix("http://hl7.org/fhir/StructureDefinition/"));
    let known = base.is_some_and(|name| name == kind.name() || matches!(name, "Resource" | "DomainResource"));
    let text = "profiles are not supported: the resource was held against the base definition only";
    (!known).then(|| Issue::error(Code::NotSupported, text).at("Parameters.parameter.where(name='profile')"))
}

fn told(call: &Call, mut issues: Vec<Issue>) -> Answer {
    if issues.is_empty() {
        issues.push(Issue::information(Code::Informational, "All OK"));
    }
    let json = outcome_json(Outcome { issues }, &call.request);
    fhir_response(StatusCode::OK, call.view.lay_out(json)).into()
}
