//! The invariants of the base definitions: FHIRPath rules on types and elements. Called by `main` after `structures`.
//!
//! Rules that `fhir` holds by hand are left out here and named in [`BY_HAND`]; official expressions that are wrong are
//! put right in [`CORRECTED`]. Nothing else is left out.

use crate::load::{Official, items, text};
use crate::table::{Rule, Table};
use anyhow::Context;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Held by hand in `fhir/src/validate`, because they stand on every element or need no FHIRPath; `dom-6` (a resource
/// should have a narrative) is best practice that machines need not follow, and is not reported.
const BY_HAND: [&str; 10] = ["ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"];

/// Key, owner, the expression that says what the rule's text says, and why the official one does not.
const CORRECTED: [(&str, &str, &str, &str); 6] = [
    (
        "con-3",
        "Condition",
        "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-category' and code='problem-list-item').empty()",
        "select($this='problem-list-item') compares a CodeableConcept with a text and is never empty if there is a category",
    ),
    (
        "md-1",
        "MessageDefinition.focus",
        "max.empty() or max='*' or (max.toInteger() > 0)",
        "empty, and so not true, without max, which is optional",
    ),
    (
        "ras-2",
        "RiskAssessment.prediction",
        "probability.ofType(decimal).empty() or probability.ofType(decimal) <= 100",
        "empty, and so not true, without probability, which is optional",
    ),
    (
        "que-7",
        "Questionnaire.item.enableWhen",
        "operator = 'exists' implies (answer is boolean)",
        "Boolean is the System type; elements have the FHIR type boolean",
    ),
    (
        "eld-19",
        "ElementDefinition",
        r#"path.matches('^[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*$')"#,
        "written when matches() meant the whole text: without ^ and $ it is true of nearly every text",
    ),
    (
        "eld-20",
        "ElementDefinition",
        r#"path.matches('^[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*$')"#,
        "written when matches() meant the whole text: without ^ and $ it is true of every text with a letter",
    ),
];

/// The expression of the rules that end in `-0`, which all say that `name` is usable as an identifier.
const NAME: (&str, &str) =
    ("name.matches('[A-Z]([A-Za-z0-9_]){0,254}')", "name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')");

/// What SimpleQuantity, a profile, says of the elements that must be one.
const SIMPLE_QUANTITY: (&str, &str, &str) =
    ("sqty-1", "The comparator is not used on a SimpleQuantity", "ofType(Quantity).comparator.empty()");

/// Whether each Quantity the element may be is a SimpleQuantity.
fn is_simple_quantity(element: &Value) -> bool {
    let mut quantities = items(element, "type").iter().filter(|kind| text(kind, "code") == "Quantity").peekable();
    let simple = |kind: &Value| {
        items(kind, "profile").iter().any(|url| url.as_str().is_some_and(|url| url.ends_with("/SimpleQuantity")))
    };
    quantities.peek().is_some() && quantities.all(simple)
}

/// Fills the table's rules.
pub fn build(official: &Official, table: &mut Table) -> anyhow::Result<()> {
    let numbers: BTreeMap<String, usize> =
        table.types.iter().enumerate().map(|(number, kind)| (kind.name.clone(), number)).collect();
    let mut used = BTreeSet::new();
    for definition in official.structures.values() {
        if text(definition, "kind") == "primitive-type" {
            continue;
        }
        for element in items(&definition["snapshot"], "element") {
            let path = text(element, "path");
            if is_simple_quantity(element) {
                let (owner, element) = place(path, &numbers, table).with_context(|| format!("no element {path}"))?;
                let (key, human, expression) = SIMPLE_QUANTITY;
                table.rules.push(Rule {
                    owner,
                    element,
                    key: key.to_owned(),
                    warning: false,
                    human: human.to_owned(),
                    expression: expression.to_owned(),
                });
            }
            for constraint in items(element, "constraint") {
                let key = text(constraint, "key");
                if BY_HAND.contains(&key) {
                    continue;
                }
                let Some((owner, element)) = place(path, &numbers, table) else {
                    anyhow::bail!("{key} stands on {path}, which the table does not have");
                };
                let mut expression = text(constraint, "expression").to_owned();
                anyhow::ensure!(!expression.is_empty(), "{key} of {path} has no expression");
                if let Some((_, _, right, reason)) =
                    CORRECTED.iter().find(|(known, at, _, _)| *known == key && *at == path)
                {
                    eprintln!("corrected: {key} of {path}: {reason}");
                    used.insert((key.to_owned(), path.to_owned()));
                    (*right).clone_into(&mut expression);
                } else if expression == NAME.0 {
                    NAME.1.clone_into(&mut expression);
                }
                table.rules.push(Rule {
                    owner,
                    element,
                    key: key.to_owned(),
                    warning: text(constraint, "severity") == "warning",
                    human: sentence(constraint)?,
                    expression,
                });
            }
        }
    }
    for (key, path, _, _) in CORRECTED {
        anyhow::ensure!(
            used.contains(&(key.to_owned(), path.to_owned())),
            "{key} of {path} is corrected but not there"
        );
    }
    Ok(())
}

/// A type, or an element of one.
fn place(path: &str, numbers: &BTreeMap<String, usize>, table: &Table) -> Option<(usize, Option<usize>)> {
    if let Some(&owner) = numbers.get(path) {
        return Some((owner, None));
    }
    let (owner, name) = path.rsplit_once('.')?;
    let owner = *numbers.get(owner)?;
    let name = name.trim_end_matches("[x]");
    let element = table.types[owner].elements.iter().position(|element| element.name == name)?;
    Some((owner, Some(element)))
}

/// The rule in the words of the definition, on one line and without a full stop.
fn sentence(constraint: &Value) -> anyhow::Result<String> {
    let human = constraint["human"].as_str().context("a constraint without text")?;
    let words: Vec<&str> = human.split_whitespace().collect();
    Ok(words.join(" ").trim_end_matches('.').to_owned())
}
