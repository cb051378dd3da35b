//! The FHIRPath invariants of the base definitions, each on the objects and values it stands on. Called by `element`.
//!
//! Every expression is read once. Most rules ask only which members are there, so each has a guard that decides it
//! from the walk's counts where they suffice; only what is left is evaluated.

mod guard;

use crate::fhirpath::{Context, Element, Error, Expression};
use crate::json::Node;
use crate::outcome::{Code, Issue};
use crate::table::{Key, Rule, TABLE};
use guard::{Guard, Truth};
use std::sync::LazyLock;

/// A rule, ready to be evaluated.
pub struct Ready {
    rule: &'static Rule,
    expression: Expression,
    guard: Guard,
}

/// The rules of one type.
#[derive(Default)]
pub struct OfType {
    /// On the type itself.
    own: Vec<Ready>,
    /// On elements of it, by the element's place.
    elements: Vec<(u16, Ready)>,
}

/// By the number of the type.
static RULES: LazyLock<Vec<OfType>> = LazyLock::new(|| {
    let mut types: Vec<OfType> = TABLE.types.iter().map(|_| OfType::default()).collect();
    for rule in &TABLE.rules {
        let expression = Expression::parse(rule.expression).expect("the official expressions are read by a test");
        let owner = &mut types[usize::from(rule.owner)];
        match rule.element {
            Some(element) => {
                owner.elements.push((element, Ready { rule, expression, guard: Guard::UNKNOWN }));
            }
            None => {
                let guard = guard::compile(expression.syntax(), TABLE.kind(rule.owner));
                owner.own.push(Ready { rule, expression, guard });
            }
        }
    }
    types
});

/// The rules of a type by its number.
pub fn of_type(kind: u16) -> &'static OfType {
    &RULES[usize::from(kind)]
}

/// What became of a rule.
pub enum Finding {
    /// It is broken.
    Broken(&'static Rule),
    /// It could not be evaluated.
    Failed(&'static Rule, Error),
}

impl Finding {
    /// The issue without its place. A rule that fails on a value whose shape is wrong says nothing more.
    pub fn issue(&self, shaped: bool) -> Option<Issue> {
        match self {
            Self::Broken(rule) => {
                let make = if rule.warning { Issue::warning } else { Issue::error };
                Some(make(Code::Invariant, format!("{} ({})", rule.human, rule.key)))
            }
            Self::Failed(_, error) if !shaped && *error != Error::Steps => None,
            Self::Failed(rule, error) => {
                let code = if *error == Error::Steps { Code::TooCostly } else { Code::Processing };
                Some(Issue::error(code, format!("the rule {} could not be held: {error}", rule.key)))
            }
        }
    }
}

impl OfType {
    /// Whether the type itself has no rules.
    pub fn has_none(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether one of its elements has a rule of its own.
    pub fn has_element(&self, element: u16) -> bool {
        self.elements.iter().any(|(known, _)| *known == element)
    }

    /// Holds an object against the rules of its type. `counts` says how many values each element has.
    pub fn object<'a>(
        &self,
        node: Node<'a>,
        kind: u16,
        counts: &[(u32, u16)],
        context: &Context<'a>,
        warnings: bool,
        mut report: impl FnMut(Finding),
    ) {
        for ready in self.own.iter().filter(|ready| warnings || !ready.rule.warning) {
            match ready.guard.decide(counts) {
                Some(Truth::True) => {}
                Some(Truth::False | Truth::Empty) => report(Finding::Broken(ready.rule)),
                None => ready.evaluate(node, kind, context, &mut report),
            }
        }
    }

    /// Holds a value against the rules of the element it stands in.
    pub fn value<'a>(
        &self,
        node: Node<'a>,
        key: &Key,
        context: &Context<'a>,
        warnings: bool,
        mut report: impl FnMut(Finding),
    ) {
        for (known, ready) in &self.elements {
            if *known == key.element && (warnings || !ready.rule.warning) {
                ready.evaluate(node, key.kind, context, &mut report);
            }
        }
    }
}

impl Ready {
    fn evaluate<'a>(&self, node: Node<'a>, kind: u16, context: &Context<'a>, report: &mut impl FnMut(Finding)) {
        match self.expression.holds(context, Element::numbered(node, kind)) {
            // No answer, such as for dates of different precision: nothing is known to be wrong.
            Ok(Some(true) | None) => {}
            Ok(Some(false)) => report(Finding::Broken(self.rule)),
            Err(error) => report(Finding::Failed(self.rule, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_official_invariant_can_be_read() {
        let faults: Vec<_> = TABLE
            .rules
            .iter()
            .filter_map(|rule| {
                Some(format!("{}: {} {}", rule.key, Expression::parse(rule.expression).err()?, rule.expression))
            })
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(TABLE.rules.len() > 200);
    }

    #[test]
    fn most_invariants_have_a_guard() {
        let all = RULES.iter().flat_map(|of| &of.own);
        let guarded = all.filter(|ready| !ready.guard.is_unknown()).count();
        assert!(guarded > 120, "{guarded}");
    }
}
