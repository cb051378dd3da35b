//! `_filter`: conditions with `and`, `or`, `not` and parentheses. Called by `name`.
//! Spec: <https://hl7.org/fhir/R4/search_filter.html>.
//!
//! ```text
//! or    = and { "or" and }           and = one { "and" one }
//! one   = "not" "(" or ")" | "(" or ")" | path operator value
//! path  = name { "." name }          name = code [ ":" Type ] [ "[" or "]" ]
//! ```

mod token;

use super::name::of_kind;
use super::{Budget, Condition, Fault, Filter, Modifier, Prefix, Wanted, value};
use crate::index::text::{exact, fold};
use crate::outcome::Code;
use crate::params::{Param, SearchType};
use crate::types::ResourceType;
use token::{Token, escaped, tokens};

/// Deepest nesting of parentheses and brackets.
pub const NESTING_MAX: usize = 16;

/// Reads the expression for resources of `kind`; `depth` counts the references followed so far.
pub(super) fn read(kind: ResourceType, text: &str, depth: usize, budget: &mut Budget<'_>) -> Result<Condition, Fault> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0, budget };
    let found = reader.any(kind, depth, 0)?;
    match reader.peek() {
        None => Ok(found),
        Some(_) => Err(wrong("what stands behind the last condition is none")),
    }
}

fn wrong(text: &str) -> Fault {
    Fault::Wrong(Code::Value, text.to_owned())
}

struct Reader<'t, 'b, 'l> {
    tokens: &'t [Token],
    at: usize,
    budget: &'b mut Budget<'l>,
}

impl Reader<'_, '_, '_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, kind: ResourceType, depth: usize, nesting: usize) -> Result<Condition, Fault> {
        let mut found = vec![self.all(kind, depth, nesting)?];
        while self.takes_word("or") {
            found.push(self.all(kind, depth, nesting)?);
        }
        Ok(one_or(found, Condition::Any))
    }

    fn all(&mut self, kind: ResourceType, depth: usize, nesting: usize) -> Result<Condition, Fault> {
        let mut found = vec![self.one(kind, depth, nesting)?];
        while self.takes_word("and") {
            found.push(self.one(kind, depth, nesting)?);
        }
        Ok(one_or(found, Condition::All))
    }

    fn one(&mut self, kind: ResourceType, depth: usize, nesting: usize) -> Result<Condition, Fault> {
        if nesting > NESTING_MAX {
            return Err(Fault::Wrong(Code::TooCostly, format!("it nests more than {NESTING_MAX} deep")));
        }
        if self.takes_word("not") {
            if !self.takes(&Token::Open) {
                return Err(wrong("what not denies stands in parentheses"));
            }
            return Ok(Condition::Not(Box::new(self.closed(kind, depth, nesting)?)));
        }
        if self.takes(&Token::Open) {
            return self.closed(kind, depth, nesting);
        }
        let Some(Token::Word(path)) = self.next() else { return Err(wrong("a condition begins with a parameter")) };
        self.along(kind, &path, depth, nesting)
    }

    /// Up to the parenthesis that closes.
    fn closed(&mut self, kind: ResourceType, depth: usize, nesting: usize) -> Result<Condition, Fault> {
        let found = self.any(kind, depth, nesting + 1)?;
        match self.takes(&Token::Close) {
            true => Ok(found),
            false => Err(wrong("a parenthesis is not closed")),
        }
    }

    /// `name operator value`, `subject.name operator value`, `subject[name eq x].birthdate operator value`
    fn along(&mut self, kind: ResourceType, path: &str, depth: usize, nesting: usize) -> Result<Condition, Fault> {
        let from = self.at;
        if !self.takes(&Token::Left) {
            let Some((first, rest)) = path.rsplit_once('.') else { return self.compared(kind, path) };
            // The names before the last dot are references to follow; the chain reads them as a query's would be.
            return self.followed(kind, first, rest, depth);
        }
        let Some((param, targets)) = reference(kind, path, self.budget)? else {
            return Err(wrong("what stands before [ is no reference parameter"));
        };
        if depth >= super::CHAIN_MAX {
            return Err(Fault::too_deep());
        }
        self.at = from;
        let mut found = Vec::new();
        let mut end = from;
        for target in targets {
            self.at = from + 1;
            // Each type costs, whether or not it has what is asked: a reference to any type within another is 145 times 145.
            self.budget.condition()?;
            let Ok(inner) = Fault::unless_costly(self.any(target, depth + 1, nesting + 1))? else { continue };
            if !self.takes(&Token::Right) {
                return Err(wrong("a bracket is not closed"));
            }
            let condition = match self.peek() {
                Some(Token::Word(rest)) if rest.starts_with('.') => {
                    let rest = rest[1..].to_owned();
                    self.at += 1;
                    let behind = self.along(target, &rest, depth + 1, nesting + 1);
                    let Ok(behind) = Fault::unless_costly(behind)? else { continue };
                    Condition::All(vec![inner, behind])
                }
                _ => inner,
            };
            end = self.at;
            found.push((target, condition));
        }
        self.at = end;
        match found.is_empty() {
            true => Err(wrong("nothing that it refers to has the parameters in brackets")),
            false => Ok(Condition::Refers { param, targets: found }),
        }
    }

    fn followed(&mut self, kind: ResourceType, first: &str, last: &str, depth: usize) -> Result<Condition, Fault> {
        let (operator, text) = (self.operator()?, self.value()?);
        let hops = first.split('.').count();
        if depth + hops > super::CHAIN_MAX {
            return Err(Fault::too_deep());
        }
        let (head, tail) = first.split_once('.').map_or((first, None), |(head, tail)| (head, Some(tail)));
        let Some((param, kinds)) = reference(kind, head, self.budget)? else {
            return Err(wrong("a name before a dot is no reference parameter"));
        };
        let rest = tail.map_or(last.to_owned(), |tail| format!("{tail}.{last}"));
        let mut targets = Vec::new();
        for target in kinds {
            self.budget.condition()?;
            let found = match rest.rsplit_once('.') {
                Some((first, last)) => {
                    // Read again for each type: the operator and the value are put back.
                    self.at -= 2;
                    self.followed(target, first, last, depth + 1)
                }
                None => self.compare(target, &rest, &operator, &text),
            };
            targets.extend(Fault::unless_costly(found)?.ok().map(|condition| (target, condition)));
        }
        match targets.is_empty() {
            true => Err(wrong("nothing that it refers to has the parameter and value named")),
            false => Ok(Condition::Refers { param, targets }),
        }
    }

    fn compared(&mut self, kind: ResourceType, code: &str) -> Result<Condition, Fault> {
        let (operator, text) = (self.operator()?, self.value()?);
        self.compare(kind, code, &operator, &text)
    }

    fn operator(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word.to_ascii_lowercase()),
            _ => Err(wrong("behind a parameter stands an operator, such as eq")),
        }
    }

    fn value(&mut self) -> Result<(String, bool), Fault> {
        match self.next() {
            Some(Token::Word(word)) => Ok((word, false)),
            Some(Token::Quoted(text)) => Ok((text, true)),
            _ => Err(wrong("behind an operator stands a value")),
        }
    }

    fn compare(
        &mut self,
        kind: ResourceType,
        code: &str,
        operator: &str,
        (text, is_quoted): &(String, bool),
    ) -> Result<Condition, Fault> {
        // An expression that is not understood is refused whole: leaving out a part of it would change its meaning.
        let refused = |fault: Fault| match fault {
            Fault::Ignored(code, why) | Fault::Wrong(code, why) => Fault::Wrong(code, why),
        };
        let text = if *is_quoted { escaped(text) } else { text.clone() };
        let param = self.budget.find(kind, code)?.filter(|param| param.supported);
        let param = param.ok_or_else(|| wrong(&format!("{kind} has no parameter of a name in it")))?;
        let own = param.is_id() || param.is_last_updated();
        let named = |modifier: &str| format!("{code}:{modifier}");
        let name = match (operator, param.kind) {
            ("pr", _) if own => return Err(wrong("every resource has it")),
            ("pr", _) => match text.as_str() {
                "true" => return of_kind(kind, &named("missing"), "false", 0, self.budget).map_err(refused),
                _ => return of_kind(kind, &named("missing"), "true", 0, self.budget).map_err(refused),
            },
            ("eq" | "co" | "sw" | "ew", SearchType::String) => return self.text(param, operator, &text),
            ("ne", SearchType::String) => return Ok(Condition::Not(Box::new(self.text(param, "eq", &text)?))),
            ("eq", SearchType::Token | SearchType::Reference | SearchType::Uri) | ("re", SearchType::Reference) => {
                code.to_owned()
            }
            ("ne", SearchType::Token | SearchType::Reference | SearchType::Uri) => {
                let equal = of_kind(kind, code, &text, 0, self.budget).map_err(refused)?;
                return Ok(Condition::Not(Box::new(equal)));
            }
            ("sw", SearchType::Uri) => named("below"),
            ("ss", SearchType::Token | SearchType::Uri) => named("below"),
            ("sb", SearchType::Token | SearchType::Uri) => named("above"),
            ("in", SearchType::Token) => named("in"),
            ("eq" | "ne" | "gt" | "lt" | "ge" | "le" | "sa" | "eb" | "ap", SearchType::Date)
            | ("eq" | "ne" | "gt" | "lt" | "ge" | "le" | "sa" | "eb" | "ap", SearchType::Number)
            | ("eq" | "ne" | "gt" | "lt" | "ge" | "le" | "sa" | "eb" | "ap", SearchType::Quantity) => {
                return of_kind(kind, code, &format!("{operator}{text}"), 0, self.budget).map_err(refused);
            }
            ("po", SearchType::Date) => {
                let mut found = of_kind(kind, code, &format!("ap{text}"), 0, self.budget).map_err(refused)?;
                if let Condition::Is(Filter { values, .. }) = &mut found {
                    for value in values {
                        if let Wanted::Date { prefix, .. } = value {
                            *prefix = Prefix::Overlaps;
                        }
                    }
                }
                return Ok(found);
            }
            _ => {
                let text = format!("an operator in it is not defined for a {}, or not supported", param.kind.name());
                return Err(Fault::Wrong(Code::NotSupported, text));
            }
        };
        of_kind(kind, &name, &text, 0, self.budget).map_err(refused)
    }

    fn text(&mut self, param: Param, operator: &str, text: &str) -> Result<Condition, Fault> {
        self.budget.condition()?;
        self.budget.values(1)?;
        let modifier = match operator {
            "co" => Modifier::Contains,
            "sw" => Modifier::None,
            "ew" => Modifier::Ends,
            _ => Modifier::Whole,
        };
        let text = value::unescape(text);
        let wanted = Wanted::Text { normal: fold(&text), exact: exact(text.into()) };
        Ok(Condition::Is(Filter { param, modifier, values: vec![wanted] }))
    }
}

fn one_or(mut found: Vec<Condition>, all: fn(Vec<Condition>) -> Condition) -> Condition {
    match found.pop() {
        Some(only) if found.is_empty() => only,
        Some(last) => {
            found.push(last);
            all(found)
        }
        None => all(found),
    }
}

/// A reference parameter with the types it may lead to: `subject`, `subject:Patient`.
fn reference(kind: ResourceType, name: &str, budget: &Budget<'_>) -> Result<Option<(Param, Vec<ResourceType>)>, Fault> {
    let (code, only) = name.split_once(':').map_or((name, None), |(code, only)| (code, Some(only)));
    let found = budget.find(kind, code)?.filter(|param| param.supported && param.kind == SearchType::Reference);
    let Some(param) = found else { return Ok(None) };
    let Some(only) = only else { return Ok(Some((param, param.targets.to_vec()))) };
    let only = ResourceType::parse(only).filter(|kind| param.targets.contains(kind));
    Ok(only.map(|only| (param, vec![only])))
}
