//! The compiled expressions of a type as one tree of members, walked once per resource. The tree is built by
//! `program/tree.rs`. Called by [`super::values`].

mod tree;

use super::{CONTAINED_MAX, Entry, Value, convert};
use crate::json::Node;
use crate::params::ParamId;
use crate::reference::{self, Parts};
use crate::table::Step;
use crate::types::ResourceType;
use std::borrow::Cow;
use std::ops::Range;
use tree::{Anchor, Branch, PROGRAMS, Part};

pub(super) use tree::End;

/// How many nodes are looked through for one that was read already; an element has few.
const READ_MAX: usize = 16;

/// The entries of the resource at `root`; `outer` is the one that contains it, or itself.
pub(super) fn run<'a>(root: Node<'a>, outer: Node<'a>, kind: ResourceType) -> Vec<Entry> {
    let program = &PROGRAMS[usize::from(kind.number())];
    let mut walk = Walk {
        program,
        root,
        outer,
        entries: Vec::with_capacity(32),
        noted: Vec::new(),
        read: Vec::new(),
        groups: Vec::new(),
    };
    walk.at(0, root, 0);
    walk.entries
}

struct Walk<'a> {
    program: &'static [Branch],
    root: Node<'a>,
    outer: Node<'a>,
    entries: Vec<Entry>,
    /// Parts of composites whose element is not yet walked to its end. They are converted only if the element has all
    /// components: most Observations have one kind of value, and five composites want another.
    noted: Vec<(&'static Part, Node<'a>)>,
    /// Where nodes that are noted have entries by parameters of their own: copies cost half of what reading them does.
    read: Vec<(Node<'a>, &'static End, Range<usize>)>,
    /// The last group of each composite.
    groups: Vec<(ParamId, u16)>,
}

impl<'a> Walk<'a> {
    /// As deep as the longest expression at most: branches end.
    fn at(&mut self, branch: usize, node: Node<'a>, item: usize) {
        let branch = &self.program[branch];
        let (before, read_before) = (self.noted.len(), self.read.len());
        self.ends(&branch.ends, node, !branch.parts.is_empty());
        self.noted.extend(branch.parts.iter().map(|part| (part, node)));
        for (condition, child) in &branch.conditions {
            if *condition == Step::Deceased {
                self.deceased(*child, node);
            } else if holds(*condition, node, item, self.outer) {
                self.at(*child, node, item);
            }
        }
        if !branch.members.is_empty() {
            for (name, value) in node.members() {
                let Some((_, child)) = branch.members.iter().find(|(known, _)| *known == name) else { continue };
                for (item, value) in value.each().enumerate().filter(|(_, value)| !value.is_null()) {
                    self.at(*child, value, item);
                }
            }
        }
        if !branch.anchors.is_empty() {
            for anchor in &branch.anchors {
                self.close(anchor, before);
            }
            let mut place = 0;
            self.noted.retain(|(part, _)| {
                place += 1;
                place <= before || !branch.anchors.iter().any(|anchor| anchor.number == part.anchor)
            });
            self.read.truncate(read_before);
        }
    }

    fn ends(&mut self, ends: &'static [End], node: Node<'a>, noted: bool) {
        let mut last: Option<(&'static End, Range<usize>)> = None;
        for end in ends {
            if let Some((known, range)) = last.clone().filter(|(known, _)| known.is_like(end)) {
                for place in range {
                    let Entry { param, value, .. } = &self.entries[place];
                    let param = if *param == known.param { Some(end.param) } else { end.of_type };
                    let value = value.clone();
                    self.entries.extend(param.map(|param| Entry { param, group: 0, value }));
                }
                continue;
            }
            let from = self.entries.len();
            convert::value(end, node, &mut self.entries);
            let range = from..self.entries.len();
            if noted {
                self.read.push((node, end, range.clone()));
            }
            last = Some((end, range));
        }
    }

    /// The entries of a composite's element, which is walked to its end.
    fn close(&mut self, anchor: &'static Anchor, before: usize) {
        for &branch in &anchor.outside {
            self.at(branch, self.root, 0);
        }
        let noted = self.noted.get(before..).unwrap_or_default();
        let parts = noted.iter().filter(|(part, _)| part.anchor == anchor.number);
        let complete = |has: &dyn Fn(ParamId) -> bool| anchor.components.iter().all(|component| has(*component));
        if !complete(&|component| parts.clone().any(|(part, _)| part.end.param == component)) {
            return;
        }
        let from = self.entries.len();
        for (part, node) in parts {
            let same =
                self.read.iter().rev().take(READ_MAX).find(|(at, end, _)| at.is_at(*node) && end.is_like(&part.end));
            let Some((_, end, range)) = same else {
                convert::value(&part.end, *node, &mut self.entries);
                continue;
            };
            for place in range.clone() {
                let Entry { param, value, .. } = &self.entries[place];
                if *param == end.param {
                    let entry = Entry { param: part.end.param, group: 0, value: value.clone() };
                    self.entries.push(entry);
                }
            }
        }
        // A Quantity without value was noted, but is no entry.
        let found = &self.entries[from..];
        let group = complete(&|component| found.iter().any(|entry| entry.param == component))
            .then(|| next_group(&mut self.groups, anchor.composite))
            .flatten();
        match group {
            Some(group) => self.entries[from..].iter_mut().for_each(|entry| entry.group = group),
            None => self.entries.truncate(from),
        }
    }

    /// `Patient.deceased.exists() and Patient.deceased != false`
    fn deceased(&mut self, branch: usize, patient: Node<'_>) {
        let boolean = patient.get("deceasedBoolean").and_then(Node::boolean).unwrap_or(false);
        let deceased = boolean || patient.get("deceasedDateTime").is_some();
        for end in &self.program[branch].ends {
            self.entries.push(Entry { param: end.param, group: 0, value: convert::boolean(deceased) });
        }
    }
}

/// Greatest group of a composite: databases keep it in 16 bits with a sign, and nobody has as many components by accident.
const GROUP_MAX: u16 = 32_767;

/// The next group of a composite; none after [`GROUP_MAX`].
fn next_group(groups: &mut Vec<(ParamId, u16)>, composite: ParamId) -> Option<u16> {
    if let Some((_, last)) = groups.iter_mut().find(|(known, _)| *known == composite) {
        *last = last.checked_add(1).filter(|next| *next <= GROUP_MAX)?;
        return Some(*last);
    }
    groups.push((composite, 1));
    Some(1)
}

fn holds(condition: Step, node: Node<'_>, item: usize, outer: Node<'_>) -> bool {
    match condition {
        Step::Where(name, value) => node.get(name).and_then(Node::text).is_some_and(|text| text == value),
        Step::Item(wanted) => item == wanted,
        Step::RefersTo(kind) => refers_within(node, outer).or_else(|| refers_to(node)) == Some(kind),
        Step::Member(_) | Step::Deceased => false,
    }
}

/// The type of the contained resource that a fragment names.
fn refers_within(reference: Node<'_>, outer: Node<'_>) -> Option<ResourceType> {
    let text = reference.get("reference").and_then(Node::text)?;
    let Parts::Fragment(id) = reference::parse(&text) else { return None };
    let mut within = outer.get("contained")?.items().take(CONTAINED_MAX);
    let named = within.find(|node| node.get("id").and_then(Node::text).is_some_and(|own| own == id))?;
    ResourceType::parse(&named.get("resourceType")?.text()?)
}

/// The type a Reference names, by its text or else by its `type`.
pub(super) fn refers_to(reference: Node<'_>) -> Option<ResourceType> {
    let text = reference.get("reference").and_then(Node::text);
    let by_text = text.and_then(|text| match reference::parse(&text) {
        Parts::Relative { kind, .. } | Parts::Absolute { kind, .. } | Parts::Conditional { kind, .. } => Some(kind),
        _ => None,
    });
    by_text.or_else(|| {
        let kind = reference.get("type").and_then(Node::text).unwrap_or(Cow::Borrowed(""));
        ResourceType::parse(kind.rsplit('/').next().unwrap_or(&kind))
    })
}

/// Pushes a value unless there is none.
pub(super) fn push(entries: &mut Vec<Entry>, end: &End, value: Option<Value>) {
    entries.extend(value.map(|value| Entry { param: end.param, group: 0, value }));
}
