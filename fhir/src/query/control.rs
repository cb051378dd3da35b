//! Parameters that shape the answer instead of filtering: sorting, paging, includes, summaries. Called by
//! [`super::parse`]. Spec: <https://hl7.org/fhir/R4/search.html#modifyingresults>.

use super::value::split;
use super::{Budget, Contained, ContainedType, Fault, Include, Query, Sort, Summary, Total};
use crate::outcome::Code;
use crate::params::{Param, SearchType};
use crate::types::ResourceType;

/// Most keys of `_sort`; each is a look at the index per row.
pub const SORT_KEYS_MAX: usize = 8;

/// Most `_include` and `_revinclude` of one search.
pub const INCLUDES_MAX: usize = 32;

/// Reads the parameter if it is one of these.
pub(super) fn read(query: &mut Query, name: &str, value: &str, budget: &Budget<'_>) -> Option<Result<(), Fault>> {
    match name {
        "_sort" => Some(sort(query, value, budget)),
        "_include" | "_revinclude" => Some(include(query, name, value, false, budget)),
        "_include:iterate" | "_revinclude:iterate" | "_include:recurse" | "_revinclude:recurse" => {
            Some(include(query, name, value, true, budget))
        }
        _ => Some(control(query, name, value)?.map_err(Fault::from)),
    }
}

/// The error is the end of a sentence.
fn control(query: &mut Query, name: &str, value: &str) -> Option<Result<(), String>> {
    Some(match name {
        "_count" => number(value).map(|count| query.count = Some(count)),
        "_summary" => summary(query, value),
        "_total" => total(query, value),
        "_elements" => {
            query.elements.extend(value.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
            Ok(())
        }
        "_format" => {
            query.format = Some(value.to_owned());
            Ok(())
        }
        "_pretty" => match value {
            "true" | "false" => {
                query.pretty = value == "true";
                Ok(())
            }
            _ => Err("the value must be true or false".to_owned()),
        },
        "_contained" => contained(query, value),
        "_containedType" => contained_type(query, value),
        _ => return None,
    })
}

fn contained(query: &mut Query, value: &str) -> Result<(), String> {
    query.contained = match value {
        "false" => Contained::False,
        "true" => Contained::True,
        "both" => Contained::Both,
        _ => return Err("the value must be false, true or both".to_owned()),
    };
    Ok(())
}

fn contained_type(query: &mut Query, value: &str) -> Result<(), String> {
    query.contained_type = match value {
        "container" => ContainedType::Container,
        "contained" => ContainedType::Contained,
        _ => return Err("the value must be container or contained".to_owned()),
    };
    Ok(())
}

fn number(value: &str) -> Result<u32, String> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More than any page holds means as many as a page holds.
    if digits {
        Ok(value.parse().unwrap_or(u32::MAX))
    } else {
        Err("the value must be a whole number from 0".to_owned())
    }
}

fn summary(query: &mut Query, value: &str) -> Result<(), String> {
    query.summary = Some(match value {
        "true" => Summary::True,
        "text" => Summary::Text,
        "data" => Summary::Data,
        "count" => Summary::Count,
        "false" => Summary::False,
        _ => return Err("the value must be true, text, data, count or false".to_owned()),
    });
    Ok(())
}

fn total(query: &mut Query, value: &str) -> Result<(), String> {
    query.total = Some(match value {
        "none" => Total::None,
        "estimate" => Total::Estimate,
        "accurate" => Total::Accurate,
        _ => return Err("the value must be none, estimate or accurate".to_owned()),
    });
    Ok(())
}

fn sort(query: &mut Query, value: &str, budget: &Budget<'_>) -> Result<(), Fault> {
    for text in split(value, ',').iter().filter(|text| !text.is_empty()) {
        let (code, descending) = match text.strip_prefix('-') {
            Some(code) => (code, true),
            None => (text.as_str(), false),
        };
        if query.sort.len() == SORT_KEYS_MAX {
            return Err(format!("it may have at most {SORT_KEYS_MAX} keys").into());
        }
        let is_sorted = |param: &Param| {
            !matches!(param.kind, SearchType::Composite | SearchType::Special) && param.code != "_content"
        };
        let sortable = |param: &Param| param.supported && is_sorted(param);
        let mut shared = budget.find(query.kinds[0], code)?.filter(sortable);
        for kind in &query.kinds[1..] {
            let other = budget.find(*kind, code)?;
            shared = shared.filter(|param| other.is_some_and(|other| other.id == param.id));
        }
        match shared {
            Some(param) => query.sort.push(Sort { param, descending }),
            None => query.ignore(Code::NotSupported, "_sort", "one of its keys is no supported parameter of the type"),
        }
    }
    Ok(())
}

fn include(query: &mut Query, name: &str, value: &str, iterate: bool, budget: &Budget<'_>) -> Result<(), Fault> {
    let malformed = || Fault::from("the value must be Type:parameter or Type:parameter:Target".to_owned());
    let reverse = name.starts_with("_rev");
    let mut parts = value.split(':');
    let (source, code, target) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(malformed());
    }
    if source == "*" && code.is_none() {
        let list = if reverse { &mut query.revincludes } else { &mut query.includes };
        list.push(Include { source: None, param: None, target: None, iterate });
        return Ok(());
    }
    if query.includes.len() + query.revincludes.len() >= INCLUDES_MAX {
        return Err(format!("a search may have at most {INCLUDES_MAX} of them").into());
    }
    let Some(source) = ResourceType::parse(source) else {
        query.ignore(Code::NotSupported, name, "its first part is no resource type");
        return Ok(());
    };
    let target = match target.filter(|target| !target.is_empty()).map(|target| (target, ResourceType::parse(target))) {
        Some((_, None)) => {
            query.ignore(Code::NotSupported, name, "its last part is no resource type");
            return Ok(());
        }
        Some((_, target)) => target,
        None => None,
    };
    let param = match code {
        None => return Err(malformed()),
        Some("*") => None,
        Some(code) => {
            let found = budget.find(source, code)?.filter(|param| param.supported);
            let found = found.filter(|param| param.kind == SearchType::Reference);
            if found.is_none() {
                let sentence = format!("{source} has no such reference parameter");
                query.ignore(Code::NotSupported, name, &sentence);
                return Ok(());
            }
            found
        }
    };
    let include = Include { source: Some(source), param, target, iterate };
    let list = if reverse { &mut query.revincludes } else { &mut query.includes };
    list.push(include);
    Ok(())
}
