//! What the walk over a resource looks for: members, conditions, and the parameters whose values are where they end.
//! Built once for all types from the table. Called by `program`.

use crate::index::convert::Datatype;
use crate::params::{self, ParamId, SearchType};
use crate::table::{self, Path, Step, TABLE};
use std::sync::LazyLock;

/// What follows after some steps; branch 0 is the resource.
#[derive(Default)]
pub(super) struct Branch {
    pub members: Vec<(&'static str, usize)>,
    pub conditions: Vec<(Step, usize)>,
    /// Those that make the same values of a node are neighbours.
    pub ends: Vec<End>,
    pub parts: Vec<Part>,
    pub anchors: Vec<Anchor>,
}

/// A parameter whose values are here.
pub(in crate::index) struct End {
    pub param: ParamId,
    pub kind: SearchType,
    pub datatype: Datatype,
    pub system: Option<&'static str>,
    pub of_type: Option<ParamId>,
    /// Codes are as they are written, though nobody says that case counts: the values in use are listed from the index.
    pub as_written: bool,
}

impl End {
    /// Whether both make the same values of a node.
    pub fn is_like(&self, other: &Self) -> bool {
        let order = |end: &Self| (end.kind, end.datatype, end.system, end.of_type.is_some(), end.as_written);
        order(self) == order(other)
    }
}

/// A component of a composite whose values are here, if the element of the anchor has all components.
pub(super) struct Part {
    pub anchor: usize,
    pub end: End,
}

/// A composite whose elements are here.
pub(super) struct Anchor {
    /// One for each place a composite's elements are.
    pub number: usize,
    pub composite: ParamId,
    pub components: Vec<ParamId>,
    /// Branches that start at the resource instead.
    pub outside: Vec<usize>,
}

/// Per resource type.
pub(super) static PROGRAMS: LazyLock<Vec<Vec<Branch>>> = LazyLock::new(|| {
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
    let as_written = params::is_written(TABLE.params[usize::from(param.0)].code);
    Some(End { param, kind, datatype, system: path.system, of_type, as_written })
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
