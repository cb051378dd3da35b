//! What a rule comes to, decided from which elements an object has. Called by `invariant`.
//!
//! A guard is the rule's own logic over three truths and "not known": where an operand needs more than presence, the
//! guard knows only what it is without its first element.

use crate::fhirpath::Value;
use crate::fhirpath::syntax::{Call, Expr, Function as F, Operator, TypeTest};
use crate::table::Type;

/// FHIRPath's truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Empty,
}

/// A rule, as far as presence decides it.
#[derive(Debug)]
pub enum Guard {
    Known(Option<Truth>),
    /// True with the element, false without.
    Has(u16),
    /// What it is without the element; with it, not known.
    Without(u16, Truth),
    Not(Box<Guard>),
    Binary(Operator, Box<Guard>, Box<Guard>),
}

use Truth::{Empty, False, True};

impl Guard {
    pub const UNKNOWN: Self = Self::Known(None);

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Known(None))
    }

    /// As deep as the expression.
    pub fn decide(&self, counts: &[(u32, u16)]) -> Option<Truth> {
        let has = |element: &u16| counts[usize::from(*element)].0 > 0;
        match self {
            Self::Known(truth) => *truth,
            Self::Has(element) => Some(if has(element) { True } else { False }),
            Self::Without(element, truth) => (!has(element)).then_some(*truth),
            Self::Not(inner) => inner.decide(counts).map(|truth| match truth {
                True => False,
                False => True,
                Empty => Empty,
            }),
            Self::Binary(operator, left, right) => {
                let left = left.decide(counts);
                match (operator, left) {
                    (Operator::And, Some(False)) => return Some(False),
                    (Operator::Or, Some(True)) | (Operator::Implies, Some(False)) => return Some(True),
                    _ => {}
                }
                decide_both(*operator, left, right.decide(counts))
            }
        }
    }
}

fn decide_both(operator: Operator, left: Option<Truth>, right: Option<Truth>) -> Option<Truth> {
    match operator {
        Operator::And => match (left, right) {
            (_, Some(False)) => Some(False),
            (Some(True), right) => right,
            (Some(Empty), Some(_)) => Some(Empty),
            _ => None,
        },
        Operator::Or => match (left, right) {
            (_, Some(True)) => Some(True),
            (Some(False), right) => right,
            (Some(Empty), Some(_)) => Some(Empty),
            _ => None,
        },
        Operator::Implies => match (left, right) {
            (_, Some(True)) => Some(True),
            (Some(True), right) => right,
            (Some(_), Some(_)) => Some(Empty),
            _ => None,
        },
        // Xor, and = and != of truths.
        _ => match (left?, right?) {
            (Empty, _) | (_, Empty) => Some(Empty),
            (left, right) => Some(if (left == right) == (operator == Operator::Equal) { True } else { False }),
        },
    }
}

/// The guard of an expression on a type.
pub fn compile(expr: &Expr, kind: &Type) -> Guard {
    match expr {
        Expr::Constant(None) => Guard::Known(Some(Empty)),
        Expr::Constant(Some(Value::Boolean(value))) => Guard::Known(Some(if *value { True } else { False })),
        Expr::Call(call) => of_call(call, kind),
        Expr::Binary(operator, left, right) => match operator {
            Operator::And | Operator::Or | Operator::Xor | Operator::Implies => binary(*operator, left, right, kind),
            Operator::Equal | Operator::NotEqual if is_truth(left) && is_truth(right) => {
                binary(*operator, left, right, kind)
            }
            Operator::In => without(head(left, kind), Empty),
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => without(head(left, kind).or_else(|| head(right, kind)), Empty),
            _ => Guard::UNKNOWN,
        },
        Expr::Type(TypeTest::Is, Some(input), _) => without(head(input, kind), Empty),
        // A path where a truth is wanted is true if it is there, unless it is itself a Boolean.
        Expr::Member(..) => without(head(expr, kind), Empty),
        _ => Guard::UNKNOWN,
    }
}

fn binary(operator: Operator, left: &Expr, right: &Expr, kind: &Type) -> Guard {
    let (left, right) = (compile(left, kind), compile(right, kind));
    if left.is_unknown() && right.is_unknown() {
        return Guard::UNKNOWN;
    }
    Guard::Binary(operator, Box::new(left), Box::new(right))
}

fn of_call(call: &Call, kind: &Type) -> Guard {
    let Some(input) = &call.input else { return Guard::UNKNOWN };
    let alone = call.arguments.is_empty();
    match (call.function, single_member(input, kind)) {
        (F::Exists, Some(element)) if alone => return Guard::Has(element),
        (F::Empty, Some(element)) => return Guard::Not(Box::new(Guard::Has(element))),
        _ => {}
    }
    match call.function {
        F::Not => match compile(input, kind) {
            Guard::Known(None) => Guard::UNKNOWN,
            inner => Guard::Not(Box::new(inner)),
        },
        F::Exists | F::HasValue | F::AnyTrue | F::AnyFalse => without(head(input, kind), False),
        F::Empty | F::All | F::AllTrue | F::AllFalse | F::IsDistinct => without(head(input, kind), True),
        F::StartsWith | F::EndsWith | F::Contains | F::Matches => without(head(input, kind), Empty),
        _ => Guard::UNKNOWN,
    }
}

fn without(element: Option<u16>, truth: Truth) -> Guard {
    element.map_or(Guard::UNKNOWN, |element| Guard::Without(element, truth))
}

/// Whether it is always true or false, never empty.
fn is_truth(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(call) if matches!(call.function, F::Exists | F::Empty))
}

fn single_member(expr: &Expr, kind: &Type) -> Option<u16> {
    match expr {
        Expr::Member(None, name) => member(name, kind),
        _ => None,
    }
}

fn member(name: &str, kind: &Type) -> Option<u16> {
    let place = kind.elements.iter().position(|element| element.name == name)?;
    u16::try_from(place).ok()
}

/// The element without which the expression is empty.
fn head(expr: &Expr, kind: &Type) -> Option<u16> {
    match expr {
        Expr::Member(None, name) => member(name, kind),
        Expr::Member(Some(input), name) => match &**input {
            // `Patient.name` on a Patient.
            Expr::Member(None, own) if own == kind.name => member(name, kind),
            input => head(input, kind),
        },
        Expr::Item(input, _) => head(input, kind),
        Expr::Type(TypeTest::As | TypeTest::OfType, Some(input), _) => head(input, kind),
        Expr::Call(call) => match call.function {
            F::Where
            | F::Select
            | F::First
            | F::Last
            | F::Tail
            | F::Distinct
            | F::Trace
            | F::Resolve
            | F::Descendants
            | F::Children => head(call.input.as_ref()?, kind),
            _ => None,
        },
        _ => None,
    }
}
