//! The selectors of an XML Patch: the small part of XPath that names one place. Called by `operation`.

use super::tree::{Child, Space, Tree};

/// Most steps and conditions of a selector; each is compared with every element of a level.
const STEPS_MAX: usize = 64;

/// A path from the document.
pub(super) struct Selector {
    steps: Vec<Step>,
    end: End,
}

/// What a selector ends at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Element,
    Attribute(String),
    /// Which of the texts, from 1; all of one element are meant where there is one.
    Text(Option<usize>),
}

struct Step {
    name: Name,
    conditions: Vec<Condition>,
}

/// An element's name; none for `*`.
struct Name(Option<(Space, String)>);

enum Condition {
    /// `[2]`
    Place(usize),
    /// `[f:system/@value='a']`
    Attribute(Vec<Name>, String, String),
}

/// The one place a selector names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Element(usize),
    Attribute(usize, String),
    Text(usize, std::ops::Range<usize>),
}

const SYNTAX: &str = "the selector is no path of elements with [2], [@a='b'] or [f:c/@a='b'] that ends at an element, an attribute or text()";

impl Selector {
    /// Reads a selector; prefixes are those of the operation.
    pub(super) fn parse(text: &str, prefixes: &[(&str, Space)]) -> Result<Self, &'static str> {
        let mut parser = Parser { rest: text.trim(), prefixes };
        parser.eat("/");
        let mut selector = Self { steps: Vec::new(), end: End::Element };
        loop {
            if parser.eat("@") {
                selector.end = End::Attribute(parser.name()?.to_owned());
            } else if parser.eat("text()") {
                selector.end = End::Text(if parser.eat("[") { Some(parser.number()?) } else { None });
            } else {
                let name = parser.element()?;
                let conditions = parser.conditions()?;
                selector.steps.push(Step { name, conditions });
                if selector.steps.len() > STEPS_MAX {
                    return Err("the selector has more than 64 steps");
                }
                if parser.eat("/") {
                    continue;
                }
            }
            let complete = parser.rest.is_empty() && !selector.steps.is_empty();
            return if complete { Ok(selector) } else { Err(SYNTAX) };
        }
    }

    /// How many conditions it has.
    pub(super) fn conditions(&self) -> usize {
        self.steps.iter().map(|step| step.conditions.len()).sum()
    }

    /// The one place it names; a sentence if there is none or several.
    pub(super) fn find(&self, tree: &Tree<'_>) -> Result<Target, &'static str> {
        let mut found = Vec::new();
        for (depth, step) in self.steps.iter().enumerate() {
            found = if depth == 0 {
                step.of(tree, std::iter::once(0))
            } else {
                found.iter().flat_map(|&parent| step.of(tree, tree.inside(parent))).collect()
            };
        }
        let [element] = found[..] else {
            return Err(if found.is_empty() {
                "the selector finds nothing"
            } else {
                "the selector finds several places"
            });
        };
        match &self.end {
            End::Element => Ok(Target::Element(element)),
            End::Attribute(name) => match tree.elements[element].attribute(name) {
                Some(_) => Ok(Target::Attribute(element, name.clone())),
                None => Err("the element has no such attribute"),
            },
            End::Text(place) => {
                let mut texts = tree.elements[element].children.iter().filter_map(|child| match child {
                    Child::Text(range) => Some(range.clone()),
                    Child::Element(_) => None,
                });
                let (first, others) = (texts.nth(place.unwrap_or(1) - 1), texts.next().is_some());
                match first {
                    Some(_) if place.is_none() && others => Err("the selector finds several texts"),
                    Some(range) => Ok(Target::Text(element, range)),
                    None => Err("the selector finds nothing"),
                }
            }
        }
    }
}

impl Step {
    fn of(&self, tree: &Tree<'_>, elements: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut found: Vec<usize> = elements.filter(|&element| self.name.is(tree, element)).collect();
        for condition in &self.conditions {
            match condition {
                Condition::Place(place) => {
                    let one = found.get(place - 1).copied();
                    found = one.into_iter().collect();
                }
                Condition::Attribute(path, attribute, value) => {
                    found.retain(|&element| {
                        let mut ends = vec![element];
                        for name in path {
                            let inside = ends.iter().flat_map(|&end| tree.inside(end));
                            ends = inside.filter(|&element| name.is(tree, element)).collect();
                        }
                        ends.iter()
                            .any(|&end| tree.elements[end].attribute(attribute).is_some_and(|found| found == *value))
                    });
                }
            }
        }
        found
    }
}

impl Name {
    fn is(&self, tree: &Tree<'_>, element: usize) -> bool {
        let element = &tree.elements[element];
        self.0.as_ref().is_none_or(|(space, name)| element.space == *space && element.name() == name)
    }
}

struct Parser<'a> {
    rest: &'a str,
    prefixes: &'a [(&'a str, Space)],
}

impl<'a> Parser<'a> {
    fn eat(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Result<&'a str, &'static str> {
        let end = self.rest.find(|character: char| !(character.is_alphanumeric() || "_-.".contains(character)));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if name.is_empty() {
            return Err(SYNTAX);
        }
        self.rest = rest;
        Ok(name)
    }

    fn element(&mut self) -> Result<Name, &'static str> {
        if self.eat("*") {
            return Ok(Name(None));
        }
        let first = self.name()?;
        let (prefix, name) = if self.eat(":") { (first, self.name()?) } else { ("", first) };
        let known = self.prefixes.iter().find(|(known, _)| *known == prefix).map(|(_, space)| *space);
        let space = match (known, prefix) {
            (Some(space), _) => space,
            (None, "f" | "fhir") => Space::Fhir,
            (None, "h" | "xhtml") => Space::Xhtml,
            (None, "") => Space::Other,
            (None, _) => return Err("the selector has a prefix that is not declared"),
        };
        Ok(Name(Some((space, name.to_owned()))))
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, &'static str> {
        let mut conditions = Vec::new();
        while self.eat("[") {
            if conditions.len() >= STEPS_MAX {
                return Err("the selector has more than 64 conditions");
            }
            self.rest = self.rest.trim_start();
            if self.rest.starts_with(|character: char| character.is_ascii_digit()) {
                conditions.push(Condition::Place(self.number()?));
                continue;
            }
            let mut path = Vec::new();
            while !self.eat("@") {
                path.push(self.element()?);
                if path.len() > STEPS_MAX || !self.eat("/") {
                    return Err(SYNTAX);
                }
            }
            let attribute = self.name()?.to_owned();
            self.rest = self.rest.trim_start();
            if !self.eat("=") {
                return Err(SYNTAX);
            }
            self.rest = self.rest.trim_start();
            let quote = self.rest.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or(SYNTAX)?;
            let (value, rest) = self.rest[1..].split_once(quote).ok_or(SYNTAX)?;
            self.rest = rest.trim_start();
            if !self.eat("]") {
                return Err(SYNTAX);
            }
            conditions.push(Condition::Attribute(path, attribute, value.to_owned()));
        }
        Ok(conditions)
    }

    /// A place from 1, with the bracket after it.
    fn number(&mut self) -> Result<usize, &'static str> {
        let end = self.rest.find(']').ok_or(SYNTAX)?;
        let number = self.rest[..end].trim().parse().ok().filter(|number| *number > 0).ok_or(SYNTAX)?;
        self.rest = &self.rest[end + 1..];
        Ok(number)
    }
}
