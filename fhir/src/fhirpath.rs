//! FHIRPath over the JSON index: an expression is read once and evaluated on any element, which is never copied.
//!
//! Held: FHIRPath N1 with FHIR's own functions, as far as `fhirpath/syntax.rs` lists them; what is not there is an
//! error when the text is read, never a silent false. Not here: what an invariant means (`validate/invariant.rs`),
//! search parameters (compiled by `definitions`). Called by `validate` and by patches, which read the
//! [`Location`] of what was found. Spec: <http://hl7.org/fhirpath/N1/> and <https://hl7.org/fhir/R4/fhirpath.html>.

mod compare;
mod convert;
mod decimal;
mod element;
mod evaluate;
mod functions;
mod lex;
mod math;
mod moment;
mod parse;
mod strings;
pub(crate) mod syntax;
mod types;
mod value;

use crate::json::Node;
pub use decimal::{DIGITS_MAX, Decimal};
pub use element::{Element, Location};
pub use moment::Moment;
pub use value::{Quantity, Value};

/// Longest expression in bytes; the official ones end at 800.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Deepest nesting of an expression, its longest path included; keeps reading and evaluating within the stack.
pub const DEPTH_MAX: usize = 64;

/// Most steps of one evaluation: items looked at or made, and texts by their length. Less than a second.
pub const STEPS_MAX: usize = 4_000_000;

/// Most items of one collection; keeps it below 50 MB.
pub const ITEMS_MAX: usize = 500_000;

/// Longest text that one function makes, in bytes.
pub const STRING_BYTES_MAX: usize = 1024 * 1024;

/// Why an expression cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no FHIRPath: correct it at the byte named.
    #[error("FHIRPath, near byte {at}: {reason}")]
    Syntax {
        /// Byte of the text.
        at: usize,
        /// What is wrong, as a sentence's middle.
        reason: &'static str,
    },
    /// It names a function, variable or type that is not there: write it another way.
    #[error("FHIRPath: {name} is not supported")]
    Unsupported {
        /// The name.
        name: String,
    },
    /// It nests more than [`DEPTH_MAX`] deep.
    #[error("FHIRPath: the expression nests more than {DEPTH_MAX} deep")]
    Deep,
    /// It has more than [`TEXT_BYTES_MAX`] bytes.
    #[error("FHIRPath: the expression is longer than {TEXT_BYTES_MAX} bytes")]
    Long,
    /// It took more steps on this resource than it may, or a collection more than [`ITEMS_MAX`] items.
    #[error("FHIRPath: the evaluation took too many steps, or more than {ITEMS_MAX} items")]
    Steps,
    /// A function or operator was given what it is not for.
    #[error("FHIRPath: {function} {reason}")]
    Operand {
        /// The function or operator.
        function: &'static str,
        /// What it needs, as a sentence's end.
        reason: &'static str,
    },
}

/// One item of a result.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An element of the resource.
    Element(Element<'a>),
    /// A value that the expression made.
    Value(Value<'a>),
}

impl<'a> Item<'a> {
    /// The System value: of a primitive its own.
    #[must_use]
    pub fn value(&self) -> Option<Value<'a>> {
        match self {
            Self::Element(element) => element.to_value(),
            Self::Value(value) => Some(value.clone()),
        }
    }

    /// The element, if it is one.
    #[must_use]
    pub fn element(&self) -> Option<Element<'a>> {
        match self {
            Self::Element(element) => Some(*element),
            Self::Value(_) => None,
        }
    }
}

/// A result: items in order.
pub type Collection<'a> = Vec<Item<'a>>;

/// What an evaluation may name beside its element.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `%resource`: the resource the element is in.
    pub resource: Element<'a>,
    /// `%rootResource`: the same, or what contains it.
    pub root: Element<'a>,
    /// The instant that `now()` and `today()` give, as text; without it they are errors.
    pub now: Option<&'a str>,
}

impl<'a> Context<'a> {
    /// For a resource that stands by itself.
    #[must_use]
    pub fn of(resource: Element<'a>) -> Self {
        Self { resource, root: resource, now: None }
    }
}

/// An expression that was read.
#[derive(Debug)]
pub struct Expression {
    root: syntax::Expr,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is no FHIRPath, too long or too deep, or names what is not there.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { root: parse::parse(text)? })
    }

    /// Reads the expression of a search parameter: `as` takes what fits of several items, as `ofType()` does. The official
    /// expressions count on it (`(Observation.component.value as Quantity)`), against FHIRPath's own rule.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn parse_search(text: &str) -> Result<Self, Error> {
        let mut expression = Self::parse(text)?;
        expression.root.take_all_that_fit();
        Ok(expression)
    }

    /// What the expression finds from an element.
    ///
    /// # Errors
    /// A function was given what it is not for, or the evaluation took too many steps.
    pub fn evaluate<'a>(&'a self, context: &Context<'a>, element: Element<'a>) -> Result<Collection<'a>, Error> {
        let input = [Item::Element(element)];
        evaluate::Evaluator::new(context, &input).run(&self.root)
    }

    /// What the expression finds from a resource: [`Self::evaluate`] with the resource as its own context.
    ///
    /// # Errors
    /// As [`Self::evaluate`]; [`Error::Operand`] if the node is no resource.
    pub fn of_resource<'a>(&'a self, resource: Node<'a>) -> Result<Collection<'a>, Error> {
        let reason = "is for resources";
        let element = Element::resource(resource).ok_or(Error::Operand { function: "an evaluation", reason })?;
        self.evaluate(&Context::of(element), element)
    }

    /// As [`Self::of_resource`], in at most `steps` steps.
    ///
    /// # Errors
    /// As [`Self::of_resource`].
    pub(crate) fn of_resource_within<'a>(&'a self, steps: usize, resource: Node<'a>) -> Result<Collection<'a>, Error> {
        let reason = "is for resources";
        let element = Element::resource(resource).ok_or(Error::Operand { function: "an evaluation", reason })?;
        let (context, input) = (Context::of(element), [Item::Element(element)]);
        evaluate::Evaluator::within(steps, &context, &input).run(&self.root)
    }

    /// Whether the expression is true; none if it is empty because a comparison has no answer, such as of dates of
    /// different precision. Empty for another reason counts as false, as a rule that is not fulfilled.
    ///
    /// # Errors
    /// As [`Self::evaluate`]; several items are an error.
    pub fn holds<'a>(&'a self, context: &Context<'a>, element: Element<'a>) -> Result<Option<bool>, Error> {
        let input = [Item::Element(element)];
        let mut evaluator = evaluate::Evaluator::new(context, &input);
        let result = evaluator.run(&self.root)?;
        Ok(match evaluate::boolean(&result, "a rule")? {
            Some(holds) => Some(holds),
            None if evaluator.indeterminate => None,
            None => Some(false),
        })
    }

    pub(crate) fn syntax(&self) -> &syntax::Expr {
        &self.root
    }
}

#[cfg(test)]
mod tests;
