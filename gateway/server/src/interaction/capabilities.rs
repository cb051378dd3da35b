//! Capabilities: `GET /fhir/metadata`, written once from the tables that serve requests. Called through `routes`; needs
//! no token. Spec: <https://hl7.org/fhir/R4/http.html#capabilities>.

use crate::answer::{Answer, fhir_response};
use crate::app::App;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::pairs;
use crate::routes::{Claim, ROUTES};
use axum::http::StatusCode;
use bytes::Bytes;
use fhir::params::{self, Param, SearchType};
use fhir::{Code, ResourceType, datetime};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the OAuth URLs of a server stand in its statement.
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    for pair in pairs::read(call.query())? {
        if pair.name == "mode" && pair.value != "full" {
            return Err(ApiError::bad(Code::NotSupported, "only mode=full is supported", "http.mode"));
        }
    }
    let json = call.app.capabilities.get_or_init(|| Bytes::from(statement(&call.app).to_string())).clone();
    Ok(fhir_response(StatusCode::OK, call.view.lay_out(json.to_vec())).into())
}

fn statement(app: &App) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let system = ROUTES.iter().filter_map(|route| match route.claim {
        Claim::System(codes) => Some(codes),
        _ => None,
    });
    let system: Vec<Value> = system.flatten().map(|code| json!({ "code": code })).collect();
    let sources = sources();
    let resources: Vec<Value> = ResourceType::all().map(|kind| resource(kind, &sources)).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": datetime::format_instant(i64::try_from(now).unwrap_or(i64::MAX)),
        "kind": "instance",
        "software": { "name": "Chartwell", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": app.node.name(), "url": app.base },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": {
                "extension": [{
                    "url": OAUTH_URIS,
                    "extension": [{ "url": "token", "valueUri": app.token_url }]
                }],
                "cors": false,
                "service": [{ "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR"
                }] }],
                "description": "SMART Backend Services: a bearer token for everything but this statement"
            },
            "resource": resources,
            "interaction": system,
        }]
    })
}

fn resource(kind: ResourceType, sources: &BTreeMap<ResourceType, Vec<String>>) -> Value {
    let interactions = ROUTES.iter().filter_map(|route| match route.claim {
        Claim::Resource(code) => Some(json!({ "code": code })),
        _ => None,
    });
    let operations = ROUTES.iter().filter_map(|route| match route.claim {
        Claim::Operation(of, name) if of == kind.name() => {
            let name = name.trim_start_matches('$');
            Some(json!({ "name": name, "definition": format!("urn:chartwell:operation:{of}-{name}") }))
        }
        _ => None,
    });
    let operations: Vec<Value> = operations.collect();
    let supported: Vec<Param> = params::of(kind).filter(|param| param.supported).collect();
    let references = supported.iter().filter(|param| param.kind == SearchType::Reference);
    let mut includes: Vec<String> = references.map(|param| format!("{kind}:{}", param.code)).collect();
    if !includes.is_empty() {
        includes.insert(0, "*".to_owned());
    }
    let search = supported.iter().map(|param| {
        let mut json = json!({ "name": param.code, "type": param.kind.name() });
        if !param.url.is_empty() {
            json["definition"] = param.url.into();
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
        "conditionalUpdate": false,
        "conditionalDelete": "not-supported",
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

/// For each type, the reference parameters that may name it.
fn sources() -> BTreeMap<ResourceType, Vec<String>> {
    let mut sources: BTreeMap<ResourceType, Vec<String>> = BTreeMap::new();
    for kind in ResourceType::all() {
        for param in params::of(kind).filter(|param| param.supported) {
            for target in param.targets {
                sources.entry(*target).or_default().push(format!("{kind}:{}", param.code));
            }
        }
    }
    sources
}
