//! Patches as a caller sends them, and what one makes of a resource: checked as any write is. Called by `write` and
//! `transaction`; how each kind of patch reads is `fhir::patch`'s business.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>

use crate::error::NodeError;
use crate::node::Node;
use crate::prepare::Prepared;
use data_encoding::BASE64;
use fhir::json::{Doc, Node as Json};
use fhir::patch::Refused;
use fhir::{Code, Issue, Parsed, ResourceType};
use record::frame::{Method, Packer};

/// A patch, not yet read.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Vec<u8>),
    /// A Parameters resource, as JSON.
    FhirPath(Vec<u8>),
    /// RFC 5261.
    Xml(Vec<u8>),
}

impl Patch {
    /// The kind of patch that a media type names, without its parameters.
    pub fn of_type(media: &str, bytes: Vec<u8>) -> Option<Self> {
        match media.trim().to_ascii_lowercase().as_str() {
            "application/json-patch+json" => Some(Self::Json(bytes)),
            "application/xml-patch+xml" => Some(Self::Xml(bytes)),
            _ => None,
        }
    }

    /// The patch that an entry of a Bundle carries: Parameters as they are, the others as a Binary.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] at the entry's resource.
    pub(crate) fn of_entry(resource: &Parsed, place: &str) -> Result<Self, NodeError> {
        if resource.kind().name() == "Parameters" {
            return Ok(Self::FhirPath(resource.bytes().to_vec()));
        }
        if resource.kind().name() != "Binary" {
            let text = "a PATCH carries Parameters, or a Binary with a JSON Patch or an XML Patch";
            return Err(NodeError::invalid(Code::Invalid, text, &format!("{place}.resource")));
        }
        let root = resource.doc().root();
        let data = root.get("data").and_then(Json::text).unwrap_or_default();
        let data: String = data.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let Ok(bytes) = BASE64.decode(data.as_bytes()) else {
            let text = "the data of a Binary is base64";
            return Err(NodeError::invalid(Code::Value, text, &format!("{place}.resource.data")));
        };
        let media = root.get("contentType").and_then(Json::text).unwrap_or_default();
        Self::of_type(media.split(';').next().unwrap_or_default(), bytes).ok_or_else(|| {
            let text = "the contentType of a patch is application/json-patch+json or application/xml-patch+xml";
            NodeError::invalid(Code::NotSupported, text, &format!("{place}.resource.contentType"))
        })
    }

    fn apply(&self, doc: &Doc) -> Result<Vec<u8>, Refused> {
        match self {
            Self::Json(bytes) => fhir::patch::json(doc, bytes),
            Self::FhirPath(bytes) => fhir::patch::fhirpath(doc, bytes),
            Self::Xml(bytes) => fhir::patch::xml(doc, bytes),
        }
    }
}

impl Node {
    /// What a patch makes of a resource as it is served.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] for what is no patch, [`NodeError::Inapplicable`] for one that does not fit the resource,
    /// changes who it is, or leaves it invalid.
    pub(crate) fn patched(
        &self,
        kind: ResourceType,
        id: &str,
        served: Vec<u8>,
        patch: &Patch,
    ) -> Result<Prepared, NodeError> {
        let doc = Doc::parse(served).map_err(|_| NodeError::Internal("a resource that does not read back"))?;
        let text = patch.apply(&doc).map_err(|refused| match refused {
            Refused::Document(outcome) => NodeError::Invalid(outcome),
            Refused::NotApplicable(outcome) => NodeError::Inapplicable(outcome),
        })?;
        let parsed = fhir::parse::resource(text).map_err(NodeError::Inapplicable)?;
        if parsed.kind() != kind || parsed.id() != Some(id) {
            let issue = Issue::error(Code::BusinessRule, "a patch may not change or remove the id");
            return Err(NodeError::Inapplicable(issue.at(format!("{}.id", kind.name())).into()));
        }
        let (valid, issues) = self.admit(parsed).map_err(NodeError::Inapplicable)?;
        let prepared = Prepared::put(self, &valid.into_parsed(), id, Method::Update, &mut Packer::default())?;
        Ok(Prepared { issues, ..prepared })
    }
}
