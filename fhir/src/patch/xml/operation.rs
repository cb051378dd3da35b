//! `add`, `replace` and `remove` of an XML Patch: read from its document, and made as one edit of the resource's XML.
//! Called by [`super::change()`]. Spec: <https://www.rfc-editor.org/rfc/rfc5261>.

use super::select::{Selector, Target};
use super::tree::{self, Child, Space, Tree};
use crate::edit;
use crate::outcome::Code;
use crate::patch::{OPERATIONS_MAX, Refused};
use std::ops::Range;

/// One operation.
pub(super) struct Operation<'a> {
    pub place: String,
    patch: &'a Tree<'a>,
    element: usize,
    selector: Selector,
    verb: Verb,
}

enum Verb {
    Add(Position),
    /// `add` with `type="@name"`
    AddAttribute(String),
    Replace,
    Remove,
}

#[derive(Clone, Copy)]
enum Position {
    Prepend,
    Append,
    Before,
    After,
}

/// The operations of a patch document.
pub(super) fn read<'a>(patch: &'a Tree<'a>) -> Result<Vec<Operation<'a>>, Refused> {
    let bad = |sentence: &str| Refused::document(Code::Structure, "diff", sentence);
    if !matches!(patch.elements[0].name(), "diff" | "patch") {
        return Err(bad("an XML Patch must be a diff element"));
    }
    let text = |child: &Child| matches!(child, Child::Text(range) if !patch.text[range.clone()].trim().is_empty());
    if patch.elements[0].children.iter().any(text) {
        return Err(bad("text may not stand between operations"));
    }
    let mut operations = Vec::new();
    for element in patch.inside(0) {
        if operations.len() >= OPERATIONS_MAX {
            return Err(Refused::document(Code::TooLong, "diff", "a patch may have at most 1,000 operations"));
        }
        operations.push(operation(patch, element, operations.len())?);
    }
    if operations.is_empty() {
        return Err(bad("the XML Patch has no operations"));
    }
    Ok(operations)
}

fn operation<'a>(patch: &'a Tree<'a>, element: usize, index: usize) -> Result<Operation<'a>, Refused> {
    let node = &patch.elements[element];
    let place = format!("diff.{}[{index}]", node.name());
    let bad = |sentence: &str| Refused::document(Code::Structure, &place, sentence);
    let verb = match node.name() {
        "add" => match (node.attribute("type").as_deref(), node.attribute("pos").as_deref()) {
            (None, None | Some("append")) => Verb::Add(Position::Append),
            (None, Some("prepend")) => Verb::Add(Position::Prepend),
            (None, Some("before")) => Verb::Add(Position::Before),
            (None, Some("after")) => Verb::Add(Position::After),
            (None, Some(_)) => return Err(bad("pos must be one of prepend, append, before and after")),
            (Some(kind), _) => match kind.strip_prefix('@').filter(|name| crate::xml::names::is_name(name)) {
                Some(name) => Verb::AddAttribute(name.to_owned()),
                None => return Err(bad("type must name an attribute, as @id: FHIR needs no other namespaces")),
            },
        },
        "replace" => Verb::Replace,
        "remove" => Verb::Remove,
        _ => return Err(bad("the operations of an XML Patch are add, replace and remove")),
    };
    let selector = node.attribute("sel").ok_or_else(|| bad("an operation needs the attribute sel"))?;
    let selector = Selector::parse(&selector, &node.prefixes).map_err(bad)?;
    Ok(Operation { place, patch, element, selector, verb })
}

impl Operation<'_> {
    /// What it counts as on a text of so many bytes: a tree takes a few times longer than an index of JSON, and each
    /// condition may look at every element.
    pub(super) fn cost(&self, bytes: usize) -> usize {
        bytes.saturating_mul(4 + self.selector.conditions())
    }

    /// The text with this change.
    pub(super) fn apply(&self, text: &str) -> Result<String, Refused> {
        let tree = Tree::read(text).map_err(|rule| self.failed(rule))?;
        let target = self.selector.find(&tree).map_err(|rule| self.failed(rule))?;
        let (range, new) = match (&self.verb, target) {
            (Verb::Add(position), Target::Element(element)) => self.add(&tree, element, *position)?,
            (Verb::AddAttribute(name), Target::Element(element)) => {
                if tree.elements[element].attribute(name).is_some() {
                    return Err(self.failed("the element has this attribute already"));
                }
                start_tag(&tree, element, name, Some(&self.text()?))
            }
            (Verb::Add(_) | Verb::AddAttribute(_), _) => return Err(self.bad("add needs a selector of an element")),
            (Verb::Replace, Target::Element(element)) => {
                let content: Vec<usize> = self.patch.inside(self.element).collect();
                let [new] = content[..] else { return Err(self.bad("an element is replaced by one element")) };
                let mut out = String::new();
                self.patch
                    .write(new, around(&tree, tree.elements[element].parent), &mut out)
                    .map_err(|rule| self.bad(rule))?;
                (tree.elements[element].tag.at..tree.elements[element].end, out)
            }
            (Verb::Replace, Target::Attribute(element, name)) => start_tag(&tree, element, &name, Some(&self.text()?)),
            (Verb::Replace, Target::Text(_, range)) => {
                let mut out = String::new();
                crate::xml::escape(&mut out, &self.text()?);
                (range, out)
            }
            (Verb::Remove, Target::Element(0)) => return Err(self.failed("the outermost element cannot be removed")),
            (Verb::Remove, Target::Element(element)) => {
                (tree.elements[element].tag.at..tree.elements[element].end, String::new())
            }
            (Verb::Remove, Target::Attribute(element, name)) => start_tag(&tree, element, &name, None),
            (Verb::Remove, Target::Text(_, range)) => (range, String::new()),
        };
        let changed = edit::replace(text.as_bytes(), &[(range, new.into_bytes())]);
        if changed.len() > crate::json::BYTES_MAX {
            return Err(self.failed("the resource becomes too long"));
        }
        String::from_utf8(changed).map_err(|_| self.failed("the result is no text"))
    }

    fn add(&self, tree: &Tree<'_>, element: usize, position: Position) -> Result<(Range<usize>, String), Refused> {
        let node = &tree.elements[element];
        let inside = matches!(position, Position::Prepend | Position::Append);
        if !inside && node.parent.is_none() {
            return Err(self.failed("nothing can stand beside the outermost element"));
        }
        let space = if inside { node.space } else { around(tree, node.parent) };
        let mut new = String::new();
        for child in &self.patch.elements[self.element].children {
            match child {
                Child::Element(child) => self.patch.write(*child, space, &mut new).map_err(|rule| self.bad(rule))?,
                // Blanks between elements are the patch's layout, not content; in a narrative they are content.
                Child::Text(range) => {
                    let text = &self.patch.text[range.clone()];
                    if space == Space::Xhtml || !text.trim().is_empty() {
                        new.push_str(text);
                    }
                }
            }
        }
        if new.is_empty() {
            return Err(self.bad("add needs something to add"));
        }
        if inside && node.tag.empty {
            return Ok((node.tag.at..node.end, format!("<{}>{new}</{}>", node.tag.content.trim_end(), node.tag.name)));
        }
        let at = match position {
            Position::Prepend => node.inner.start,
            Position::Append => node.inner.end,
            Position::Before => node.tag.at,
            Position::After => node.end,
        };
        Ok((at..at, new))
    }

    fn text(&self) -> Result<String, Refused> {
        self.patch.plain_text(self.element).map_err(|rule| self.bad(rule))
    }

    fn bad(&self, sentence: &str) -> Refused {
        Refused::document(Code::Structure, &self.place, sentence)
    }

    fn failed(&self, sentence: &str) -> Refused {
        Refused::not_applicable(Code::NotFound, &self.place, sentence)
    }
}

/// The namespace of what stands around.
fn around(tree: &Tree<'_>, parent: Option<usize>) -> Space {
    parent.map_or(Space::Other, |parent| tree.elements[parent].space)
}

/// The start tag with an attribute set, or without it.
fn start_tag(tree: &Tree<'_>, element: usize, name: &str, value: Option<&str>) -> (Range<usize>, String) {
    let node = &tree.elements[element];
    let mut new = format!("<{}", node.tag.name);
    let mut written = false;
    for attribute in node.tag.attributes().filter_map(Result::ok) {
        if attribute.key.0 != name {
            new.push_str(&format!(" {}=\"{}\"", attribute.key.0, attribute.value.replace('"', "&quot;")));
        } else if let Some(value) = value {
            tree::attribute(&mut new, name, value);
            written = true;
        }
    }
    if let Some(value) = value.filter(|_| !written) {
        tree::attribute(&mut new, name, value);
    }
    new.push_str(if node.tag.empty { "/>" } else { ">" });
    (node.tag.at..node.inner.start, new)
}
