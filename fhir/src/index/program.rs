//! The compiled expressions of a type as one tree of members, walked once per resource. Called by [`super::values`].

use super::convert::{self, Datatype};
use super::{Entry, Value};
use crate::json::Node;
use crate::params::{ParamId, SearchType};
use crate::reference::{self, Parts};
use crate::table::{self, Path, Step, TABLE};
use crate::types::ResourceType;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// What follows after some steps; branch 0 is the resource.
#[derive(Default)]
struct Branch {
    members: Vec<(&'static str, usize)>,
    conditions: Vec<(Step, usize)>,
    /// Those that make the same values of a node are neighbours.
    ends: Vec<End>,
    parts: Vec<Part>,
    anchors: Vec<Anchor>,
}

/// A parameter whose values are here.
pub(super) struct End {
    pub param: ParamId,
    pub kind: SearchType,
    pub datatype: Datatype,
    pub system: Option<&'static str>,
    pub of_type: Option<ParamId>,
}

impl End {
    /// Whether both make the same values of a node.
    fn is_like(&self, other: &Self) -> bool {
        let order = |end: &Self| (end.kind, end.datatype, end.system, end.of_type.is_some());
        order(self) == order(other)
    }
}

/// A component of a composite whose values are here, if the element of the anchor has all components.
struct Part {
    anchor: usize,
    end: End,
}

/// A composite whose elements are here.
struct Anchor {
    /// One for each place a composite's elements are.
    number: usize,
    composite: ParamId,
    components: Vec<ParamId>,
    /// Branches that start at the resource instead.
    outside: Vec<usize>,
}

/// Per resource type.
static PROGRAMS: LazyLock<Vec<Vec<Branch>>> = LazyLock::new(|| {
    let mut programs: Vec<Vec<Branch>> = TABLE.resources.iter().map(|_| vec![Branch::default()]).collect();
    let mut anchors = 0;
    for (number, row) in TABLE.params.iter().enumerate() {
        if matches!(row.code, "_id" | "_lastUpdated") {
            continue;
        }
        let param = ParamId(u16::try_from(number).expect("below 65,536 parameters"));
        for base in &row.bases {
            let program = &mut programs[usize::from(base.resource.number())];
            for path in &base.paths {
                let Some(end) = end(path, param, row.kind, row.of_type) else { continue };
                let at = branch(program, 0, &path.steps);
                program[at].ends.push(end);
            }
            for anchor in &base.anchors {
                add_anchor(program, anchors, param, &row.components, anchor);
                anchors += 1;
            }
        }
    }
    for branch in programs.iter_mut().flatten() {
        branch.ends.sort_by_key(|end| (end.kind as u8, end.datatype as u8, end.system));
    }
    programs
});

fn end(path: &Path, param: ParamId, kind: SearchType, of_type: Option<ParamId>) -> Option<End> {
    let datatype = Datatype::of(TABLE.kind(path.kind).name)?;
    let of_type = of_type.filter(|_| datatype == Datatype::Identifier);
    Some(End { param, kind, datatype, system: path.system, of_type })
}

fn add_anchor(
    program: &mut Vec<Branch>,
    number: usize,
    composite: ParamId,
    components: &[ParamId],
    row: &table::Anchor,
) {
    let at = branch(program, 0, &row.steps);
    let mut outside = Vec::new();
    for part in &row.parts {
        let param = components[part.component];
        let kind = TABLE.params[usize::from(param.0)].kind;
        let Some(end) = end(&part.path, param, kind, None) else { continue };
        let from = if part.outside {
            outside.push(program.len());
            program.push(Branch::default());
            program.len() - 1
        } else {
            at
        };
        let at = branch(program, from, &part.path.steps);
        program[at].parts.push(Part { anchor: number, end });
    }
    program[at].anchors.push(Anchor { number, composite, components: components.to_vec(), outside });
}

/// The branch after these steps.
fn branch(program: &mut Vec<Branch>, from: usize, steps: &[Step]) -> usize {
    let mut at = from;
    for step in steps {
        let new = program.len();
        let branch = &mut program[at];
        let found = match step {
            Step::Member(name) => branch.members.iter().find(|(known, _)| known == name).map(|(_, child)| *child),
            condition => branch.conditions.iter().find(|(known, _)| known == condition).map(|(_, child)| *child),
        };
        if let Some(known) = found {
            at = known;
            continue;
        }
        match step {
            Step::Member(name) => branch.members.push((name, new)),
            condition => branch.conditions.push((*condition, new)),
        }
        program.push(Branch::default());
        at = new;
    }
    at
}

pub(super) fn run(root: Node<'_>, kind: ResourceType) -> Vec<Entry> {
    let program = &PROGRAMS[usize::from(kind.number())];
    let mut walk = Walk { program, root, entries: Vec::with_capacity(32), noted: Vec::new(), groups: Vec::new() };
    walk.at(0, root, 0);
    walk.entries
}

struct Walk<'a> {
    program: &'static [Branch],
    root: Node<'a>,
    entries: Vec<Entry>,
    /// Parts of composites whose element is not yet walked to its end. They are converted only if the element has all
    /// components: most Observations have one kind of value, and five composites want another.
    noted: Vec<(&'static Part, Node<'a>)>,
    /// The last group of each composite.
    groups: Vec<(ParamId, u16)>,
}

impl<'a> Walk<'a> {
    /// As deep as the longest expression at most: branches end.
    fn at(&mut self, branch: usize, node: Node<'a>, item: usize) {
        let branch = &self.program[branch];
        let before = self.noted.len();
        self.ends(&branch.ends, node);
        self.noted.extend(branch.parts.iter().map(|part| (part, node)));
        for (condition, child) in &branch.conditions {
            if *condition == Step::Deceased {
                self.deceased(*child, node);
            } else if holds(*condition, node, item) {
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
        }
    }

    fn ends(&mut self, ends: &'static [End], node: Node<'a>) {
        let mut last: Option<(&End, Range<usize>)> = None;
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
            last = Some((end, from..self.entries.len()));
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
            convert::value(&part.end, *node, &mut self.entries);
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

/// The next group of a composite; none after 65,535, which no resource of 16 MB of components reaches by accident.
fn next_group(groups: &mut Vec<(ParamId, u16)>, composite: ParamId) -> Option<u16> {
    if let Some((_, last)) = groups.iter_mut().find(|(known, _)| *known == composite) {
        *last = last.checked_add(1)?;
        return Some(*last);
    }
    groups.push((composite, 1));
    Some(1)
}

fn holds(condition: Step, node: Node<'_>, item: usize) -> bool {
    match condition {
        Step::Where(name, value) => node.get(name).and_then(Node::text).is_some_and(|text| text == value),
        Step::Item(wanted) => item == wanted,
        Step::RefersTo(kind) => refers_to(node) == Some(kind),
        Step::Member(_) | Step::Deceased => false,
    }
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
