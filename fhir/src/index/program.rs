//! The compiled expressions of a type as one tree of members, walked once per resource. Called by [`super::values`].

use super::convert::{self, Datatype};
use super::{Entry, Value};
use crate::json::Node;
use crate::params::{ParamId, SearchType};
use crate::reference::{self, Parts};
use crate::table::{Path, Step, TABLE};
use crate::types::ResourceType;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What follows after some steps; branch 0 is the resource.
#[derive(Default)]
struct Branch {
    members: Vec<(&'static str, usize)>,
    conditions: Vec<(Step, usize)>,
    ends: Vec<End>,
}

/// A parameter whose values are here.
pub(super) struct End {
    pub param: ParamId,
    pub kind: SearchType,
    pub datatype: Datatype,
    pub system: Option<&'static str>,
}

/// Per resource type.
static PROGRAMS: LazyLock<Vec<Vec<Branch>>> = LazyLock::new(|| {
    let mut programs: Vec<Vec<Branch>> = TABLE.resources.iter().map(|_| vec![Branch::default()]).collect();
    for (number, row) in TABLE.params.iter().enumerate() {
        if matches!(row.code, "_id" | "_lastUpdated") {
            continue;
        }
        let param = ParamId(u16::try_from(number).expect("below 65,536 parameters"));
        for base in &row.bases {
            let program = &mut programs[usize::from(base.resource.number())];
            for path in &base.paths {
                add(program, path, param, row.kind);
            }
        }
    }
    programs
});

fn add(program: &mut Vec<Branch>, path: &Path, param: ParamId, kind: SearchType) {
    let Some(datatype) = Datatype::of(TABLE.kind(path.kind).name) else { return };
    let mut at = 0;
    for step in &path.steps {
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
    program[at].ends.push(End { param, kind, datatype, system: path.system });
}

pub(super) fn run(root: Node<'_>, kind: ResourceType) -> Vec<Entry> {
    let mut walk = Walk { program: &PROGRAMS[usize::from(kind.number())], entries: Vec::with_capacity(32) };
    walk.at(0, root, 0);
    walk.entries
}

struct Walk {
    program: &'static [Branch],
    entries: Vec<Entry>,
}

impl Walk {
    /// As deep as the longest expression at most: branches end.
    fn at(&mut self, branch: usize, node: Node<'_>, item: usize) {
        let branch = &self.program[branch];
        for end in &branch.ends {
            convert::value(end, node, &mut self.entries);
        }
        for (condition, child) in &branch.conditions {
            if *condition == Step::Deceased {
                self.deceased(*child, node);
            } else if holds(*condition, node, item) {
                self.at(*child, node, item);
            }
        }
        if branch.members.is_empty() {
            return;
        }
        for (name, value) in node.members() {
            let Some((_, child)) = branch.members.iter().find(|(known, _)| *known == name) else { continue };
            for (item, value) in value.each().enumerate().filter(|(_, value)| !value.is_null()) {
                self.at(*child, value, item);
            }
        }
    }

    /// `Patient.deceased.exists() and Patient.deceased != false`
    fn deceased(&mut self, branch: usize, patient: Node<'_>) {
        let boolean = patient.get("deceasedBoolean").and_then(Node::boolean).unwrap_or(false);
        let deceased = boolean || patient.get("deceasedDateTime").is_some();
        for end in &self.program[branch].ends {
            self.entries.push(Entry { param: end.param, value: convert::boolean(deceased) });
        }
    }
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
    entries.extend(value.map(|value| Entry { param: end.param, value }));
}
