//! Search parameters that were stored as SearchParameter resources. Their expressions are evaluated as FHIRPath on each
//! resource, where the official ones are compiled. Called by `node`, which numbers them, when it indexes.
//!
//! A code element's implicit system is not known here, so its token has none.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

use super::Value;
use super::convert::{self, Datatype};
use super::program::End;
use super::text::{exact, fold, key};
use crate::datetime;
use crate::fhirpath::{self, Expression, Item, Value as Computed};
use crate::json::{Doc, Node};
use crate::outcome::{Code, Issue, Outcome};
use crate::params::{self, Param, ParamId, SearchType, interned};
use crate::types::ResourceType;

/// Longest code in bytes; names of parameters are part of URLs.
pub const CODE_BYTES_MAX: usize = 64;

/// Most values one stored parameter has in one resource; an expression may reach every element.
pub const VALUES_MAX: usize = 1000;

/// Most steps that one stored parameter takes on one resource: some tens of milliseconds, while others wait for the
/// transaction. The official expressions take some hundreds.
pub const STEPS_MAX: usize = 100_000;

/// Types that are no DomainResource.
const PLAIN: [&str; 3] = ["Binary", "Bundle", "Parameters"];

/// A stored search parameter that can be evaluated.
#[derive(Debug)]
pub struct Custom {
    url: String,
    code: &'static str,
    kind: SearchType,
    bases: Vec<ResourceType>,
    targets: &'static [ResourceType],
    text: String,
    expression: Expression,
}

impl Custom {
    /// Reads a SearchParameter resource and compiles its expression.
    ///
    /// # Errors
    /// Each with its element: a member that is missing or malformed, a type of resource that R4 does not have, a retired
    /// parameter, `composite` and `special` parameters, `xpathUsage` other than `normal` and `phonetic`, an expression that is
    /// no FHIRPath or names what is not there, a code that one of the bases has already, and a name beyond
    /// [`params::INTERNED_MAX`] others.
    pub fn read(doc: &Doc) -> Result<Self, Outcome> {
        let root = doc.root();
        if text(root, "resourceType").as_deref() != Some("SearchParameter") {
            return Err(Issue::error(Code::Structure, "it is no SearchParameter").at("resourceType").into());
        }
        let (url, code) = (required(root, "url")?, required(root, "code")?);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if code.len() > CODE_BYTES_MAX || code.starts_with(['_', '-']) || !code.bytes().all(is_name) {
            let reason = "the code must be letters, digits and hyphens; names that begin with _ are FHIR's own";
            return Err(refused(Code::Value, "code", reason));
        }
        if text(root, "status").as_deref() == Some("retired") {
            return Err(refused(Code::BusinessRule, "status", "a retired parameter is not searched"));
        }
        if let Some(usage) = text(root, "xpathUsage").filter(|usage| !matches!(usage.as_str(), "normal" | "phonetic")) {
            let reason = format!("the usage {} is not supported", shown(&usage));
            return Err(refused(Code::NotSupported, "xpathUsage", &reason));
        }
        let kind = kind_of(&required(root, "type")?)?;
        let bases = bases(root)?;
        if bases.iter().any(|base| params::find(*base, &code).is_some()) {
            let reason = "one of the bases has a parameter of this code from the specification";
            return Err(refused(Code::Duplicate, "code", reason));
        }
        let text = required(root, "expression")?;
        let expression = Expression::parse_search(&text)
            .map_err(|error| refused(Code::Invalid, "expression", &error.to_string()))?;
        let targets = match kind {
            SearchType::Reference => types(root, "target")?,
            _ => Vec::new(),
        };
        let full = || {
            let reason = "this process has read more different names than it keeps; start it again";
            refused(Code::TooCostly, "code", reason)
        };
        let code = interned::name(&code).ok_or_else(full)?;
        let targets = match (kind, &targets[..]) {
            // Without targets a reference may lead anywhere.
            (SearchType::Reference, []) => interned::targets(&ResourceType::all().collect::<Vec<_>>()),
            (_, targets) => interned::targets(targets),
        };
        Ok(Self { url, code, kind, bases, targets: targets.ok_or_else(full)?, text, expression })
    }

    /// Canonical url of the SearchParameter.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name in a query.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// How values are written; never composite or special.
    #[must_use]
    pub fn kind(&self) -> SearchType {
        self.kind
    }

    /// The resource types it is for; at least one.
    #[must_use]
    pub fn bases(&self) -> &[ResourceType] {
        &self.bases
    }

    /// What a reference may name, every type where the definition has no target; empty for other kinds.
    #[must_use]
    pub fn targets(&self) -> &'static [ResourceType] {
        self.targets
    }

    /// The parameter as a query names it, for one of the bases.
    #[must_use]
    pub fn param(&self, id: ParamId, base: ResourceType) -> Param {
        Param {
            id,
            code: self.code,
            kind: self.kind,
            targets: self.targets,
            base,
            supported: true,
            url: "",
            components: &[],
            of_type: None,
        }
    }

    /// Whether another definition finds the same in every resource, whatever it is called.
    #[must_use]
    pub fn finds_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.bases, &self.text) == (other.kind, &other.bases, &other.text)
    }

    /// What a resource can be found by, each value once and at most [`VALUES_MAX`].
    ///
    /// Nothing for a type that is none of the bases.
    ///
    /// # Errors
    /// The expression fails on this resource, or takes more than [`STEPS_MAX`] steps. The resource then has no values: it is
    /// never refused for somebody's search parameter.
    pub fn values(&self, doc: &Doc, kind: ResourceType) -> Result<Vec<Value>, fhirpath::Error> {
        if !self.bases.contains(&kind) {
            return Ok(Vec::new());
        }
        let mut found: Vec<Value> = Vec::new();
        for item in self.expression.of_resource_within(STEPS_MAX, doc.root())? {
            for value in self.values_of(&item) {
                if found.len() >= VALUES_MAX {
                    return Ok(found);
                }
                if !found.contains(&value) {
                    found.push(value);
                }
            }
        }
        Ok(found)
    }

    fn values_of(&self, item: &Item<'_>) -> Vec<Value> {
        let Item::Element(element) = item else {
            return item.value().and_then(|value| computed(self.kind, &value)).into_iter().collect();
        };
        let datatype = match ResourceType::parse(element.kind()) {
            Some(_) => Some(Datatype::Resource),
            None => Datatype::of(element.kind()),
        };
        let (Some(datatype), Some(node)) = (datatype, element.node()) else { return Vec::new() };
        // The number is not used: the values go without it.
        let end =
            End { param: ParamId(u16::MAX), kind: self.kind, datatype, system: None, of_type: None, as_written: false };
        let mut entries = Vec::new();
        convert::value(&end, node, &mut entries);
        entries.into_iter().map(|entry| entry.value).collect()
    }
}

/// A value that the expression made, such as of `exists()`, `today()` or `given & family`.
fn computed(kind: SearchType, value: &Computed<'_>) -> Option<Value> {
    let text = value.to_text();
    Some(match (kind, value) {
        (SearchType::Token, Computed::Boolean(value)) => convert::boolean(*value),
        (SearchType::Token, Computed::String(_) | Computed::Integer(_)) => {
            Value::Token { system: None, code: Some(key(text)), text: None }
        }
        (SearchType::String, _) => Value::Text { normal: fold(&text), exact: exact(text) },
        (SearchType::Uri, Computed::String(_)) => Value::Uri(key(text)),
        (SearchType::Number, Computed::Integer(_) | Computed::Decimal(_)) => {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
            Value::Number { low: value, high: value, value }
        }
        (SearchType::Date, Computed::Date(_) | Computed::DateTime(_) | Computed::String(_)) => {
            let range = datetime::range(text.trim_start_matches('@'))?;
            Value::Date { low: range.low, high: range.high }
        }
        _ => return None,
    })
}

fn kind_of(name: &str) -> Result<SearchType, Outcome> {
    match SearchType::ALL.into_iter().find(|kind| kind.name() == name) {
        Some(SearchType::Composite | SearchType::Special) => {
            Err(refused(Code::NotSupported, "type", &format!("a stored parameter of type {name} is not supported")))
        }
        Some(kind) => Ok(kind),
        None => Err(refused(Code::CodeInvalid, "type", "it is no type of search parameter")),
    }
}

fn bases(root: Node<'_>) -> Result<Vec<ResourceType>, Outcome> {
    let names = names(root, "base");
    let bases = if names.iter().any(|name| name == "Resource") {
        ResourceType::all().collect()
    } else if names.iter().any(|name| name == "DomainResource") {
        ResourceType::all().filter(|kind| !PLAIN.contains(&kind.name())).collect()
    } else {
        types(root, "base")?
    };
    if bases.is_empty() {
        return Err(refused(Code::Required, "base", "it is for no type of resource"));
    }
    Ok(bases)
}

fn types(root: Node<'_>, member: &str) -> Result<Vec<ResourceType>, Outcome> {
    let unknown = || refused(Code::CodeInvalid, member, "it names what is no resource type of R4");
    names(root, member).iter().map(|name| ResourceType::parse(name).ok_or_else(unknown)).collect()
}

fn names(root: Node<'_>, member: &str) -> Vec<String> {
    let items = root.get(member).into_iter().flat_map(Node::items);
    items.filter_map(Node::text).map(std::borrow::Cow::into_owned).collect()
}

fn required(root: Node<'_>, member: &str) -> Result<String, Outcome> {
    let missing =
        || refused(Code::Required, member, &format!("a SearchParameter without {member} cannot be searched by"));
    text(root, member).filter(|text| !text.is_empty()).ok_or_else(missing)
}

fn text(root: Node<'_>, member: &str) -> Option<String> {
    root.get(member).and_then(Node::text).map(std::borrow::Cow::into_owned)
}

/// A word as far as it fits into a sentence.
fn shown(word: &str) -> String {
    word.chars().filter(|character| !character.is_control()).take(32).collect()
}

fn refused(code: Code, member: &str, reason: &str) -> Outcome {
    Issue::error(code, reason).at(format!("SearchParameter.{member}")).into()
}
