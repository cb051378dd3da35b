//! Parameters: what operations take and give. Called by `operation`.
//! Spec: <https://hl7.org/fhir/R4/parameters.html>.

use crate::dispatch::Call;
use crate::error::ApiError;
use crate::{body, media};
use fhir::json::{Doc, Node, write_string};
use fhir::validate::Mode;
use fhir::{Code, Issue};

/// The parameters of an operation.
pub(crate) struct Parameters(Doc);

impl Parameters {
    /// Reads the body; an empty one is no parameters.
    ///
    /// # Errors
    /// 400 if it is no Parameters, or has a parameter that is not among `known`.
    pub(crate) async fn read(call: &mut Call, known: &[&str]) -> Result<Self, ApiError> {
        let bytes = call.bytes().await?;
        if bytes.is_empty() {
            return Self::none();
        }
        let bytes = body::json(media::of_body(&call.headers)?, bytes).await?;
        let (resource, _) = body::admit(bytes, Mode::Enforce, false).await?;
        if resource.kind().name() != "Parameters" {
            return Err(ApiError::bad(Code::Structure, "an operation takes a Parameters resource", "resourceType"));
        }
        let parameters = Self(resource.into_parsed().into_doc());
        for (number, parameter) in parameters.all().enumerate() {
            let name = parameter.get("name").and_then(Node::text).unwrap_or_default();
            if !known.contains(&&*name) {
                let text = format!("this operation takes {} and nothing else", list(known));
                return Err(ApiError::bad(Code::NotSupported, text, &format!("Parameters.parameter[{number}].name")));
            }
        }
        Ok(parameters)
    }

    /// No parameters.
    pub(crate) fn none() -> Result<Self, ApiError> {
        Ok(Self(Doc::parse(b"{}".to_vec())?))
    }

    fn all(&self) -> impl Iterator<Item = Node<'_>> {
        self.0.root().get("parameter").into_iter().flat_map(Node::items)
    }

    /// The value of a parameter, such as its `valueString`.
    ///
    /// # Errors
    /// 400 if it is there more than once or with a value of another type.
    pub(crate) fn value(&self, name: &str, member: &str) -> Result<Option<Node<'_>>, ApiError> {
        let mut found =
            self.all().filter(|parameter| parameter.get("name").and_then(Node::text).as_deref() == Some(name));
        let place = format!("Parameters.parameter.where(name='{name}')");
        let Some(first) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(ApiError::bad(Code::Invalid, format!("{name} may be given once"), &place));
        }
        match first.get(member) {
            Some(value) => Ok(Some(value)),
            None => Err(ApiError::bad(Code::Value, format!("{name} must have a {member}"), &place)),
        }
    }

    /// The values of a parameter that may be given several times.
    ///
    /// # Errors
    /// 400 if one has a value of another type.
    pub(crate) fn values(&self, name: &str, member: &str) -> Result<Vec<Node<'_>>, ApiError> {
        let found = self.all().filter(|parameter| parameter.get("name").and_then(Node::text).as_deref() == Some(name));
        let place = format!("Parameters.parameter.where(name='{name}')");
        let missing = || ApiError::bad(Code::Value, format!("{name} must have a {member}"), &place);
        found.map(|parameter| parameter.get(member).ok_or_else(missing)).collect()
    }

    /// The text of a parameter that must be there.
    ///
    /// # Errors
    /// 400 if it is not.
    pub(crate) fn text(&self, name: &str, member: &str) -> Result<String, ApiError> {
        match self.value(name, member)?.and_then(Node::text) {
            Some(text) => Ok(text.into_owned()),
            None => {
                let place = format!("Parameters.parameter.where(name='{name}')");
                Err(Issue::error(Code::Required, format!("{name} ({member}) is missing")).at(place).into())
            }
        }
    }
}

fn list(known: &[&str]) -> String {
    if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") }
}

/// A Parameters resource that is being written.
pub(crate) struct Answering(String);

impl Answering {
    pub(crate) fn new() -> Self {
        Self(r#"{"resourceType":"Parameters","parameter":["#.to_owned())
    }

    /// A `valueString`.
    pub(crate) fn string(mut self, name: &str, value: &str) -> Self {
        let mut json = String::new();
        write_string(&mut json, value);
        self.member(name, "valueString", &json);
        self
    }

    /// A value that is JSON already.
    pub(crate) fn value(mut self, name: &str, member: &str, json: &str) -> Self {
        self.member(name, member, json);
        self
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.push_str("]}");
        self.0.into_bytes()
    }

    fn member(&mut self, name: &str, member: &str, json: &str) {
        let comma = if self.0.ends_with('[') { "" } else { "," };
        self.0.push_str(&format!(r#"{comma}{{"name":"{name}","{member}":{json}}}"#));
    }
}
