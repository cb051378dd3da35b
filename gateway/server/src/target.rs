//! What a URL under `/fhir` names. Called by `dispatch`. Spec: <https://hl7.org/fhir/R4/http.html#summary>.

use crate::error::ApiError;
use crate::pairs;
use axum::http::StatusCode;
use fhir::{Code, ResourceType};

/// The forms of URL that R4 defines and this server serves something at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `/fhir`
    System,
    /// `/fhir/_search`
    SystemSearch,
    /// `/fhir/metadata`
    Metadata,
    /// `/fhir/Patient`
    Type,
    /// `/fhir/Patient/_search`
    Search,
    /// `/fhir/Patient/1`
    Instance,
    /// `/fhir/Patient/1/_history`
    History,
    /// `/fhir/Patient/_history`
    TypeHistory,
    /// `/fhir/_history`
    SystemHistory,
    /// `/fhir/Patient/1/_history/2`
    Version,
    /// `/fhir/Patient/1/Observation`
    Compartment,
    /// `/fhir/Patient/1/Observation/_search`
    CompartmentSearch,
    /// `/fhir/Patient/1/*`
    WholeCompartment,
    /// `/fhir/Patient/1/*/_search`
    WholeCompartmentSearch,
    /// `/fhir/Patient/1/$name`
    Operation,
    /// `/fhir/Patient/$name`
    TypeOperation,
    /// `/fhir/$name`
    SystemOperation,
    /// `/fhir/$reindex/1`: how a job stands.
    ReindexJob,
}

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) shape: Shape,
    pub(crate) kind: Option<ResourceType>,
    /// Empty where there is none.
    pub(crate) id: String,
    /// The versionId, the operation's name with its dollar sign, or what a compartment is searched for; empty where
    /// there is none.
    pub(crate) rest: String,
}

/// Reads the path after `/fhir`.
///
/// # Errors
/// 404 for what R4 does not define, 501 for what it does and is not here.
pub(crate) fn parse(path: &str) -> Result<Target, ApiError> {
    let path = path.strip_prefix("/fhir").unwrap_or(path).trim_matches('/');
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect::<Result<Vec<_>, _>>()?;
    let target =
        |shape, kind, id: &str, rest: &str| Ok(Target { shape, kind, id: id.to_owned(), rest: rest.to_owned() });
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    match names[..] {
        [] => return target(Shape::System, None, "", ""),
        ["metadata"] => return target(Shape::Metadata, None, "", ""),
        ["_history"] => return target(Shape::SystemHistory, None, "", ""),
        ["_search"] => return target(Shape::SystemSearch, None, "", ""),
        [name] if name.starts_with('$') => return target(Shape::SystemOperation, None, "", name),
        ["$reindex", id] => return target(Shape::ReindexJob, None, id, ""),
        _ => {}
    }
    let Some(kind) = ResourceType::parse(names[0]) else {
        let text = "the path does not begin with a resource type of FHIR R4";
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, text));
    };
    let kind = Some(kind);
    match names[1..] {
        [] => target(Shape::Type, kind, "", ""),
        ["_search"] => target(Shape::Search, kind, "", ""),
        ["_history"] => target(Shape::TypeHistory, kind, "", ""),
        [name] if name.starts_with('$') => target(Shape::TypeOperation, kind, "", name),
        [id] => target(Shape::Instance, kind, id, ""),
        [id, "_history"] => target(Shape::History, kind, id, ""),
        [id, "_history", version] => target(Shape::Version, kind, id, version),
        [id, name] if name.starts_with('$') => target(Shape::Operation, kind, id, name),
        [id, what] | [id, what, "_search"] if what == "*" || ResourceType::parse(what).is_some() => {
            match kind.map(|owner| fhir::compartment::params(owner, owner)) {
                Some(Some(_)) if what != "*" || names[0] == "Patient" => {}
                _ => return Err(compartment(names[0])),
            }
            let shape = match (what, names.len()) {
                ("*", 3) => Shape::WholeCompartment,
                ("*", _) => Shape::WholeCompartmentSearch,
                (_, 3) => Shape::Compartment,
                _ => Shape::CompartmentSearch,
            };
            target(shape, kind, id, what)
        }
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "FHIR R4 defines nothing at this path")),
    }
}

/// 501 for an operation that is not here.
pub(crate) fn no_operation(name: &str, place: &str) -> ApiError {
    let name: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "$-".contains(*letter)).take(64).collect();
    ApiError::not_here(format!("the operation {name} on {place} is not supported"))
}

fn compartment(name: &str) -> ApiError {
    let text = match name {
        "Device" | "Encounter" | "Practitioner" | "RelatedPerson" => {
            format!("the compartment of one {name} is searched for one type, not for all of them")
        }
        _ => format!("R4 defines no compartment of one {name}"),
    };
    ApiError::not_here(text)
}

fn decoded(segment: &str) -> Result<String, ApiError> {
    // A plus sign is itself in a path.
    let text =
        if segment.contains('%') { pairs::decode(&segment.replace('+', "%2B")) } else { Some(segment.to_owned()) };
    text.ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, Code::Value, "the path is not percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_thing_or_is_refused() {
        check("/fhir", Ok(Shape::System));
        check("/fhir/", Ok(Shape::System));
        check("/fhir/metadata", Ok(Shape::Metadata));
        check("/fhir/Patient", Ok(Shape::Type));
        check("/fhir/Patient/", Ok(Shape::Type));
        check("/fhir/Patient/_search", Ok(Shape::Search));
        check("/fhir/Patient/1", Ok(Shape::Instance));
        check("/fhir/Patient/1/_history", Ok(Shape::History));
        check("/fhir/Patient/1/_history/2.0", Ok(Shape::Version));
        check("/fhir/Patient/1/$invite", Ok(Shape::Operation));
        check("/fhir/Patient/1/%24invite", Ok(Shape::Operation));
        check("/fhir/patient", Err(404));
        check("/fhir/Resource", Err(404));
        check("/fhir/Patient/1/x", Err(404));
        check("/fhir/Patient/1/_history/2/3", Err(404));
        check("/fhir/_history", Ok(Shape::SystemHistory));
        check("/fhir/_search", Ok(Shape::SystemSearch));
        check("/fhir/$export", Ok(Shape::SystemOperation));
        check("/fhir/$reindex/1", Ok(Shape::ReindexJob));
        check("/fhir/$export/1", Err(404));
        check("/fhir/Patient/_history", Ok(Shape::TypeHistory));
        check("/fhir/Patient/$match", Ok(Shape::TypeOperation));
        check("/fhir/Patient/1/Observation", Ok(Shape::Compartment));
        check("/fhir/Patient/1/Observation/_search", Ok(Shape::CompartmentSearch));
        check("/fhir/Patient/1/*", Ok(Shape::WholeCompartment));
        check("/fhir/Patient/1/*/_search", Ok(Shape::WholeCompartmentSearch));
        check("/fhir/Encounter/1/Observation", Ok(Shape::Compartment));
        check("/fhir/Encounter/1/*", Err(501));
        check("/fhir/Group/1/Observation", Err(501));
        check("/fhir/Patient/1/Shoe", Err(404));
        check("/fhir/Patient/1/Observation/2", Err(404));
        check("/fhir/Patient/%ff", Err(400));
    }

    fn check(path: &str, wanted: Result<Shape, u16>) {
        let found = parse(path).map(|target| target.shape).map_err(|error| error.status.as_u16());
        assert_eq!(found, wanted, "{path}");
    }
}
