//! What `_text` and `_content` are asked: words, with `and`, `or`, `not` and brackets between, as in the page's own example
//! `(bone OR liver) and metastases`. Words that stand side by side must all be there. Called by `name`.
//! Spec: <https://hl7.org/fhir/R4/search.html#content>.

use super::{Budget, Condition, Fault, Filter, Modifier, Wanted};
use crate::index;
use crate::outcome::Code;
use crate::params::Param;

/// Deepest nesting of brackets and `not`.
const NESTING_MAX: usize = 16;

/// The condition that one of the values holds.
pub(super) fn read(param: Param, values: &[Wanted], budget: &mut Budget) -> Result<Condition, Fault> {
    let mut any = Vec::with_capacity(values.len());
    for value in values {
        let Wanted::Text { exact, .. } = value else { continue };
        let mut reader = Reader { param, parts: parts(exact), budget };
        any.push(reader.any(0)?);
        if !reader.parts.is_empty() {
            return Err(Fault::from("a bracket closes that was not opened".to_owned()));
        }
    }
    Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
}

#[derive(Debug, PartialEq)]
enum Part {
    Open,
    Close,
    And,
    Or,
    Not,
    Word(String),
}

/// The parts, last first.
fn parts(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    for piece in text.split_inclusive(['(', ')']) {
        let (words, bracket) = match piece.char_indices().next_back() {
            Some((at, '(')) => (&piece[..at], Some(Part::Open)),
            Some((at, ')')) => (&piece[..at], Some(Part::Close)),
            _ => (piece, None),
        };
        found.extend(index::words_of(words).map(|word| match word.as_str() {
            "and" => Part::And,
            "or" => Part::Or,
            "not" => Part::Not,
            _ => Part::Word(word),
        }));
        found.extend(bracket);
    }
    found.reverse();
    found
}

struct Reader<'r, 'p> {
    param: Param,
    /// Those that are left, last first.
    parts: Vec<Part>,
    budget: &'r mut Budget<'p>,
}

impl Reader<'_, '_> {
    fn any(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut any = vec![self.all(depth)?];
        while self.parts.pop_if(|part| *part == Part::Or).is_some() {
            any.push(self.all(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn all(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut all = vec![self.one(depth)?];
        loop {
            match self.parts.last() {
                Some(Part::And) => {
                    self.parts.pop();
                }
                Some(Part::Word(_) | Part::Not | Part::Open) => {}
                Some(Part::Or | Part::Close) | None => break,
            }
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    /// No deeper than [`NESTING_MAX`].
    fn one(&mut self, depth: usize) -> Result<Condition, Fault> {
        if depth > NESTING_MAX {
            return Err(Fault::Wrong(Code::TooCostly, format!("it nests deeper than {NESTING_MAX}")));
        }
        self.budget.condition()?;
        match self.parts.pop() {
            Some(Part::Word(word)) => {
                let values = vec![Wanted::Text { exact: word.clone(), normal: word }];
                Ok(Condition::Is(Filter { param: self.param, modifier: Modifier::None, values }))
            }
            Some(Part::Not) => Ok(Condition::Not(Box::new(self.one(depth + 1)?))),
            Some(Part::Open) => {
                let inner = self.any(depth + 1)?;
                match self.parts.pop() {
                    Some(Part::Close) => Ok(inner),
                    _ => Err(Fault::from("a bracket is not closed".to_owned())),
                }
            }
            Some(Part::And | Part::Or | Part::Close) | None => Err(Fault::from("a word is missing".to_owned())),
        }
    }
}
