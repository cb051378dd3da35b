//! Capabilities: `GET /fhir/metadata`, written from the tables that serve requests and the stored search parameters. Called through `routes`; needs
//! no token. Spec: <https://hl7.org/fhir/R4/http.html#capabilities>.

use crate::answer::{Answer, fhir_response};
use crate::app::App;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::media::{FORMATS, PATCH_FORMATS};
use crate::pairs;
use crate::routes::{Claim, EVERY, ROUTES};
use crate::target::Shape;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use fhir::params::{self, Lookup, Param, SearchType};
use fhir::{Code, ResourceType, datetime};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the OAuth URLs of a server stand in its statement.
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let mode = pairs::read(call.query())?.into_iter().find(|pair| pair.name == "mode").map(|pair| pair.value);
    let json = current(&call.app).await?;
    let json = match mode.as_deref() {
        None | Some("full") => json.to_vec(),
        Some("normative") => normative(&json)?,
        Some("terminology") => terminology(&json)?,
        Some(_) => {
            let text = "mode is one of full, normative and terminology";
            return Err(ApiError::bad(Code::Value, text, "http.mode"));
        }
    };
    Ok(fhir_response(StatusCode::OK, call.view.apply(json)).into())
}

/// The statement, written anew where what may be searched by has changed.
async fn current(app: &App) -> Result<Bytes, ApiError> {
    let names = app.node.names().await?;
    let known = || app.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, json)) = known().as_ref()
        && Arc::ptr_eq(of, &names)
    {
        return Ok(json.clone());
    }
    let json = Bytes::from(statement(app, &names).to_string());
    *known() = Some((names, json.clone()));
    Ok(json)
}

/// What this server does with terminologies, which is nothing beyond the bindings it holds resources against: the head of
/// the statement under another name (<https://hl7.org/fhir/R4/terminologycapabilities.html>).
fn terminology(json: &[u8]) -> Result<Vec<u8>, ApiError> {
    let json = read(json)?;
    let mut head = serde_json::Map::new();
    head.insert("resourceType".to_owned(), "TerminologyCapabilities".into());
    for name in ["status", "date", "kind", "software", "implementation"] {
        head.insert(name.to_owned(), json[name].clone());
    }
    let text = "no operation on code systems, value sets or concept maps is offered";
    head.insert("description".to_owned(), text.into());
    Ok(Value::Object(head).to_string().into_bytes())
}

fn read(json: &[u8]) -> Result<Value, ApiError> {
    let text = "the statement is no JSON";
    serde_json::from_slice(json).map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, text))
}

/// Elements that R4's definition marks as trial use, at any level where this statement has them.
const TRIAL_USE: [&str; 11] = [
    "security",
    "versioning",
    "readHistory",
    "updateCreate",
    "conditionalCreate",
    "conditionalRead",
    "conditionalUpdate",
    "conditionalDelete",
    "referencePolicy",
    "searchInclude",
    "searchRevInclude",
];

/// The normative portions of the statement (<https://hl7.org/fhir/R4/http.html#capabilities>).
fn normative(json: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut json = read(json)?;
    let rest = json["rest"].as_array_mut().into_iter().flatten();
    for part in rest.filter_map(Value::as_object_mut) {
        part.retain(|name, _| !TRIAL_USE.contains(&name.as_str()));
        let resources = part.get_mut("resource").and_then(Value::as_array_mut).into_iter().flatten();
        for resource in resources.filter_map(Value::as_object_mut) {
            resource.retain(|name, _| !TRIAL_USE.contains(&name.as_str()));
        }
    }
    Ok(json.to_string().into_bytes())
}

fn statement(app: &App, names: &Lookup) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let system = ROUTES.iter().filter_map(|route| match route.claim {
        Claim::System(codes) => Some(codes),
        _ => None,
    });
    let system: Vec<Value> = system.flatten().map(|code| json!({ "code": code })).collect();
    let of_system = ROUTES.iter().filter(|route| route.shape == Shape::SystemOperation);
    let operations: BTreeSet<(&str, &str)> = of_system
        .filter_map(|route| match route.claim {
            Claim::Operation(of, name) => Some((name, of)),
            _ => None,
        })
        .collect();
    let operations: Vec<Value> = operations.into_iter().map(|(name, of)| operation(of, name)).collect();
    let sources = sources(names);
    let multiple = app.node.deletes_multiple();
    let resources: Vec<Value> = ResourceType::all().map(|kind| resource(kind, names, &sources, multiple)).collect();
    let mut json = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": datetime::format_instant(i64::try_from(now).unwrap_or(i64::MAX)),
        "kind": "instance",
        "software": { "name": "Chartwell", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": app.node.name(), "url": app.base },
        "fhirVersion": "4.0.1",
        "format": FORMATS.iter().flat_map(|row| [row.name, row.short]).collect::<Vec<_>>(),
        "rest": [{
            "mode": "server",
            "security": {
                "extension": [{ "url": OAUTH_URIS, "extension": uris(app) }],
                "cors": !app.settings.cors_origins.is_empty(),
                "service": [{ "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR"
                }] }],
                "description": "SMART: a bearer token for everything but this statement"
            },
            "resource": resources,
            "interaction": system,
            "operation": operations,
            "compartment": compartments(),
        }]
    });
    if app.external.is_some()
        && let Some(security) = json["rest"][0]["security"].as_object_mut()
    {
        // Where tokens are had then is discovery's to say.
        security.shift_remove("extension");
    }
    if ROUTES.iter().any(|route| route.method == Method::PATCH) {
        json["patchFormat"] = PATCH_FORMATS.to_vec().into();
    }
    json
}

/// Where tokens are had (<https://hl7.org/fhir/smart-app-launch/STU1/conformance/index.html>).
fn uris(app: &App) -> Vec<Value> {
    let at = |name: &str| json!({ "url": name, "valueUri": format!("{}/auth/{name}", app.settings.base_url) });
    ["authorize", "token", "register", "introspect", "revoke"].map(at).to_vec()
}

/// The compartments that can be searched.
fn compartments() -> Vec<String> {
    let owners = ResourceType::all().filter(|kind| fhir::compartment::params(*kind, *kind).is_some());
    owners.map(|kind| format!("http://hl7.org/fhir/CompartmentDefinition/{}", kind.name().to_lowercase())).collect()
}

fn resource(
    kind: ResourceType,
    names: &Lookup,
    sources: &BTreeMap<ResourceType, Vec<String>>,
    multiple: bool,
) -> Value {
    let has =
        |method: &Method, shape: Shape| ROUTES.iter().any(|route| route.method == *method && route.shape == shape);
    let interactions = ROUTES.iter().filter_map(|route| match route.claim {
        Claim::Resource(code) => Some(json!({ "code": code })),
        _ => None,
    });
    let operations: BTreeSet<(&str, &str)> = ROUTES
        .iter()
        .filter_map(|route| match route.claim {
            Claim::Operation(of, name) if of == EVERY || of == kind.name() => Some((name, of)),
            _ => None,
        })
        .collect();
    let operations: Vec<Value> = operations.into_iter().map(|(name, of)| operation(of, name)).collect();
    let supported: Vec<(Param, &str)> = searched(kind, names).collect();
    let references = supported.iter().filter(|(param, _)| param.kind == SearchType::Reference);
    let mut includes: Vec<String> = references.map(|(param, _)| format!("{kind}:{}", param.code)).collect();
    if !includes.is_empty() {
        includes.insert(0, "*".to_owned());
    }
    let search = supported.iter().map(|(param, url)| {
        let mut json = json!({ "name": param.code, "type": param.kind.name() });
        if !url.is_empty() {
            json["definition"] = (*url).into();
        }
        json
    });
    let mut json = json!({
        "type": kind.name(),
        "interaction": interactions.collect::<Vec<_>>(),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": has(&Method::PUT, Shape::Type),
        "conditionalDelete": match (has(&Method::DELETE, Shape::Type), multiple) {
            (false, _) => "not-supported",
            (true, false) => "single",
            (true, true) => "multiple",
        },
        "searchParam": search.collect::<Vec<_>>(),
    });
    for (name, list) in [("searchInclude", &includes), ("searchRevInclude", sources.get(&kind).unwrap_or(&Vec::new()))]
    {
        if !list.is_empty() {
            json[name] = list.clone().into();
        }
    }
    if !operations.is_empty() {
        json["operation"] = operations.into();
    }
    json
}

/// One operation, by R4's definition where R4 has it.
fn operation(of: &str, name: &str) -> Value {
    let name = name.trim_start_matches('$');
    let definition = match (of, name) {
        (EVERY, "validate" | "meta" | "meta-add" | "meta-delete") | ("Patient", "everything" | "match") => {
            format!("http://hl7.org/fhir/OperationDefinition/{of}-{name}")
        }
        _ => format!("urn:chartwell:operation:{of}-{name}"),
    };
    json!({ "name": name, "definition": definition })
}

/// What a type can be searched by, each with the canonical url of its definition.
fn searched(kind: ResourceType, names: &Lookup) -> impl Iterator<Item = (Param, &str)> {
    let official = params::of(kind).filter(|param| param.supported).map(|param| (param, param.url));
    official.chain(names.stored_of(kind))
}

/// For each type, the reference parameters that may name it.
fn sources(names: &Lookup) -> BTreeMap<ResourceType, Vec<String>> {
    let mut sources: BTreeMap<ResourceType, Vec<String>> = BTreeMap::new();
    for kind in ResourceType::all() {
        for (param, _) in searched(kind, names) {
            for target in param.targets {
                sources.entry(*target).or_default().push(format!("{kind}:{}", param.code));
            }
        }
    }
    sources
}
