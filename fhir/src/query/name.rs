//! From a parameter's name and value to a condition: modifiers, chains, `_has`, `_list`, `_filter`. Called by
//! [`super::parse`] and by `expression`.
//! Spec: <https://hl7.org/fhir/R4/search.html#modifiers>, <https://hl7.org/fhir/R4/search.html#chaining>.

use super::{Budget, CHAIN_MAX, Condition, Fault, Filter, Modifier, Wanted, expression, value, words};
use crate::outcome::Code;
use crate::params::{self, Param, SearchType};
use crate::types::ResourceType;

/// The condition on resources of `kinds`: every one of them must have the parameter.
pub(super) fn condition(
    kinds: &[ResourceType],
    name: &str,
    text: &str,
    budget: &mut Budget<'_>,
) -> Result<Condition, Fault> {
    let [first, others @ ..] = kinds else { return Err(Fault::from("no type is searched".to_owned())) };
    let found = of_kind(*first, name, text, 0, budget)?;
    let mut all = vec![found];
    for kind in others {
        let before = budget.left();
        let found = of_kind(*kind, name, text, 0, budget).map_err(|fault| match fault {
            Fault::Ignored(code, _) => Fault::Ignored(code, "not every type that is searched has it".to_owned()),
            wrong @ Fault::Wrong(..) => wrong,
        })?;
        // Types share most parameters: the same condition is asked once.
        if !all.contains(&found) {
            all.push(found);
        } else {
            budget.restore(before);
        }
    }
    if all.len() == 1 {
        return all.pop().ok_or_else(|| Fault::from("no type is searched".to_owned()));
    }
    let negative = all.iter().any(is_negative);
    Ok(if negative { Condition::All(all) } else { Condition::Any(all) })
}

/// Whether it holds for what has no value: then it must hold for each type's parameter.
fn is_negative(condition: &Condition) -> bool {
    match condition {
        Condition::Is(filter) => match filter.modifier {
            Modifier::Not | Modifier::NotIn => true,
            Modifier::Missing => filter.values.contains(&Wanted::Missing(true)),
            _ => false,
        },
        Condition::Not(_) => true,
        _ => false,
    }
}

/// As deep as [`CHAIN_MAX`] at most.
pub(super) fn of_kind(
    kind: ResourceType,
    name: &str,
    text: &str,
    depth: usize,
    budget: &mut Budget<'_>,
) -> Result<Condition, Fault> {
    if depth > CHAIN_MAX {
        return Err(Fault::too_deep());
    }
    budget.condition()?;
    if let Some(rest) = name.strip_prefix("_has:") {
        return has(kind, rest, text, depth, budget);
    }
    match name {
        "_filter" => return expression::read(kind, text, depth, budget),
        "_list" => return list(kind, text, depth, budget),
        "_query" => return Err(Fault::Wrong(Code::NotSupported, "no named queries are defined here".to_owned())),
        _ => {}
    }
    // The dot of a chain stands behind the type of its target: subject:Patient.name.
    if let Some((first, rest)) = name.split_once('.') {
        return chain(kind, first, rest, text, depth, budget);
    }
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let param = known(kind, code, budget)?;
    let modifier = modifier_of(param, modifier)
        .ok_or_else(|| Fault::Wrong(Code::NotSupported, unsupported(param, modifier.unwrap_or_default())))?;
    if text.is_empty() {
        return Err(Fault::Ignored(Code::Value, "it has no value".to_owned()));
    }
    let values = value::read(param, modifier, text)?;
    budget.values(values.len())?;
    if param.is_of_words() && modifier == Modifier::None {
        return words::read(param, &values, budget);
    }
    Ok(Condition::Is(Filter { param, modifier, values }))
}

/// A parameter that is known and indexed.
fn known(kind: ResourceType, code: &str, budget: &Budget<'_>) -> Result<Param, Fault> {
    let ignored = |text: String| Fault::Ignored(Code::NotSupported, text);
    let param = budget.find(kind, code)?.ok_or_else(|| ignored(format!("{kind} has no such parameter")))?;
    match param.reason() {
        None => Ok(param),
        Some(reason) => Err(ignored(format!("it is not supported: {reason}"))),
    }
}

fn unsupported(param: Param, modifier: &str) -> String {
    let known = ["missing", "exact", "contains", "text", "not", "above", "below", "in", "not-in", "of-type"];
    let name = if known.contains(&modifier) { format!(":{modifier}") } else { "this modifier".to_owned() };
    format!("{name} is not defined for a {}, or not supported", param.kind.name())
}

fn modifier_of(param: Param, text: Option<&str>) -> Option<Modifier> {
    let Some(text) = text else { return Some(Modifier::None) };
    let own = param.is_id() || param.is_last_updated();
    match (text, param.kind) {
        ("not", SearchType::Token) => Some(Modifier::Not),
        // Every resource has both, and the index holds neither.
        _ if own => None,
        ("missing", kind) if kind != SearchType::Composite => Some(Modifier::Missing),
        ("text", SearchType::Token) => Some(Modifier::Text),
        (_, SearchType::String) if param.is_of_words() => None,
        ("exact", SearchType::String) => Some(Modifier::Exact),
        ("contains", SearchType::String) => Some(Modifier::Contains),
        ("above", SearchType::Token | SearchType::Uri) => Some(Modifier::Above),
        ("below", SearchType::Token | SearchType::Uri) => Some(Modifier::Below),
        ("above", SearchType::Reference) if has_hierarchy(param) => Some(Modifier::Above),
        ("below", SearchType::Reference) if has_hierarchy(param) => Some(Modifier::Below),
        ("in", SearchType::Token) => Some(Modifier::In),
        ("not-in", SearchType::Token) => Some(Modifier::NotIn),
        ("of-type", SearchType::Token) if param.of_type.is_some() => Some(Modifier::OfType),
        ("identifier", SearchType::Reference) => Some(Modifier::Identifier),
        (name, SearchType::Reference) => ResourceType::parse(name).map(Modifier::Type),
        _ => None,
    }
}

/// Whether something it may refer to has parts of its own type.
fn has_hierarchy(param: Param) -> bool {
    param.targets.iter().any(|kind| params::part_of(*kind).is_some())
}

/// `subject.name=x`, `subject:Patient.name=x`
fn chain(
    kind: ResourceType,
    first: &str,
    rest: &str,
    text: &str,
    depth: usize,
    budget: &mut Budget<'_>,
) -> Result<Condition, Fault> {
    let (code, only) = match first.split_once(':') {
        Some((code, name)) => (code, Some(name)),
        None => (first, None),
    };
    let param = known(kind, code, budget)?;
    if param.kind != SearchType::Reference {
        return Err(Fault::Wrong(Code::Value, format!("{code} is no reference, so it cannot be followed")));
    }
    let only = match only.map(|name| ResourceType::parse(name).filter(|kind| param.targets.contains(kind))) {
        Some(None) => {
            return Err(Fault::Wrong(Code::Value, format!("{code} does not refer to the type behind its colon")));
        }
        Some(Some(only)) => Some([only]),
        None => None,
    };
    let (mut targets, mut fault) = (Vec::new(), None);
    for target in only.as_ref().map_or(param.targets, |only| &only[..]) {
        match Fault::unless_costly(of_kind(*target, rest, text, depth + 1, budget))? {
            Ok(condition) => targets.push((*target, condition)),
            // Where no type understands it, a value that is malformed says more than a name that is not there.
            Err(wrong @ Fault::Wrong(..)) => fault = Some(wrong),
            Err(ignored) => fault = fault.or(Some(ignored)),
        }
    }
    match (targets.is_empty(), fault) {
        (true, Some(fault)) => Err(fault),
        (true, None) => Err(Fault::Ignored(Code::NotSupported, "what it refers to has no such parameter".to_owned())),
        (false, _) => Ok(Condition::Refers { param, targets }),
    }
}

/// `_has:Observation:patient:code=x`, without its `_has:`.
fn has(kind: ResourceType, rest: &str, text: &str, depth: usize, budget: &mut Budget<'_>) -> Result<Condition, Fault> {
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(code), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        let text = "it is written _has:Type:reference:parameter";
        return Err(Fault::Wrong(Code::Value, text.to_owned()));
    };
    let source = ResourceType::parse(source)
        .ok_or_else(|| Fault::Wrong(Code::Value, "what follows _has: is no resource type".to_owned()))?;
    let param = known(source, code, budget)?;
    if param.kind != SearchType::Reference || !param.targets.contains(&kind) {
        return Err(Fault::Wrong(Code::Value, format!("{source} does not refer to {kind} by the parameter named")));
    }
    let condition = Box::new(of_kind(source, name, text, depth + 1, budget)?);
    Ok(Condition::Referred { source, param, condition })
}

/// `_list=42`: the resources that a List names (search.html#list).
fn list(kind: ResourceType, text: &str, depth: usize, budget: &mut Budget<'_>) -> Result<Condition, Fault> {
    if text.starts_with('$') {
        let text = "functional lists, such as $current-problems, are not defined here";
        return Err(Fault::Wrong(Code::NotSupported, text.to_owned()));
    }
    let ids = text.split(',').map(|id| id.strip_prefix("List/").unwrap_or(id)).collect::<Vec<_>>().join(",");
    has(kind, "List:item:_id", &ids, depth, budget)
}
