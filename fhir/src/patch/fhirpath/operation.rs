//! Operations as a Parameters resource has them. Called by [`super::fhirpath()`].

use crate::fhirpath::Expression;
use crate::json::{Doc, Node};
use crate::outcome::Code;
use crate::patch::{OPERATIONS_MAX, Refused};

/// One operation.
pub(super) struct Operation<'a> {
    /// Where it stands in the patch, for issues.
    pub place: String,
    /// The path as written, and as read.
    pub text: String,
    pub path: Expression,
    pub verb: Verb<'a>,
}

/// What is done with the element at the path.
pub(super) enum Verb<'a> {
    /// A child of this name, with the value of this part.
    Add(String, Node<'a>),
    /// The part's value put before the item of this index.
    Insert(usize, Node<'a>),
    Delete,
    Replace(Node<'a>),
    /// The item of the first index put at the second.
    Move(usize, usize),
}

/// The operations of a patch.
pub(super) fn read(parameters: &Doc) -> Result<Vec<Operation<'_>>, Refused> {
    let root = parameters.root();
    let bad = |sentence: &str| Refused::document(Code::Structure, "Parameters", sentence);
    if root.get("resourceType").and_then(Node::text).as_deref() != Some("Parameters") {
        return Err(bad("a FHIRPath Patch must be a Parameters resource"));
    }
    let mut operations = Vec::new();
    let Some(list) = root.get("parameter") else { return Ok(operations) };
    if !list.is_array() {
        return Err(bad("parameter must be an array"));
    }
    for (index, node) in list.items().enumerate() {
        let place = format!("Parameters.parameter[{index}]");
        if index >= OPERATIONS_MAX {
            return Err(Refused::document(Code::TooLong, &place, "a patch may have at most 1,000 operations"));
        }
        operations.push(operation(node, place)?);
    }
    Ok(operations)
}

fn operation(node: Node<'_>, place: String) -> Result<Operation<'_>, Refused> {
    let bad = |sentence: &str| Refused::document(Code::Structure, &place, sentence);
    if name(node).as_deref() != Some("operation") {
        return Err(bad("a parameter of a FHIRPath Patch must be named operation"));
    }
    let part = |wanted: &str| {
        let mut found =
            node.get("part").into_iter().flat_map(Node::items).filter(|part| name(*part).as_deref() == Some(wanted));
        match (found.next(), found.next()) {
            (Some(part), None) => Ok(part),
            (None, _) => Err(bad(&format!("the operation needs the part {wanted}"))),
            _ => Err(bad(&format!("the operation has the part {wanted} more than once"))),
        }
    };
    let text = |wanted: &str| {
        let part = part(wanted)?;
        let value = part.get("valueString").or_else(|| part.get("valueCode")).and_then(Node::text);
        value.map(|text| text.into_owned()).ok_or_else(|| bad(&format!("the part {wanted} needs a valueString")))
    };
    let index = |wanted: &str| {
        let number = part(wanted)?.get("valueInteger").and_then(Node::number);
        number
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| bad(&format!("the part {wanted} needs a valueInteger of 0 or more")))
    };
    let verb = match text("type")?.as_str() {
        "add" => Verb::Add(text("name")?, part("value")?),
        "insert" => Verb::Insert(index("index")?, part("value")?),
        "delete" => Verb::Delete,
        "replace" => Verb::Replace(part("value")?),
        "move" => Verb::Move(index("source")?, index("destination")?),
        _ => return Err(bad("type must be one of add, insert, delete, replace and move")),
    };
    let path = text("path")?;
    let expression = Expression::parse(&path).map_err(|error| bad(&error.to_string()))?;
    Ok(Operation { text: path, path: expression, verb, place })
}

/// A parameter's name.
pub(super) fn name(node: Node<'_>) -> Option<String> {
    node.get("name").and_then(Node::text).map(|name| name.into_owned())
}
