//! Search parameters of the table and how they are written. The format is in `table.rs`.

use super::{Table, list, number, optional};

/// One search parameter.
#[derive(Default)]
pub struct Param {
    /// Id of the SearchParameter.
    pub id: String,
    /// Name in a query; of one that no query names, the name of its owner and what it is of it.
    pub code: String,
    /// Canonical url.
    pub url: String,
    /// Place in `search::KINDS`.
    pub kind: usize,
    /// Numbers of the resources a reference may name.
    pub targets: Vec<usize>,
    /// What it reads, per resource; nothing for one that no query names.
    pub bases: Vec<Base>,
    /// Numbers of a composite's components.
    pub components: Vec<usize>,
    /// Number of the parameter that holds identifiers by their type.
    pub of_type: Option<usize>,
}

/// What a parameter reads in one resource type.
#[derive(Default)]
pub struct Base {
    /// Number of the resource.
    pub resource: usize,
    /// Whether values are indexed.
    pub supported: bool,
    /// Where the values are.
    pub paths: Vec<Path>,
    /// Where a composite's elements are.
    pub anchors: Vec<Anchor>,
}

/// Steps to the elements of a composite, and what is read of each.
#[derive(Clone, PartialEq)]
pub struct Anchor {
    /// From the resource.
    pub steps: Vec<Step>,
    /// Every component has at least one.
    pub parts: Vec<Part>,
}

/// Where the values of one component are.
#[derive(Clone, PartialEq)]
pub struct Part {
    /// Place of the component.
    pub component: usize,
    /// The path starts at the resource.
    pub outside: bool,
    /// From the element or the resource.
    pub path: Path,
}

/// Steps to values of one type.
#[derive(Clone, PartialEq)]
pub struct Path {
    /// From the resource.
    pub steps: Vec<Step>,
    /// Number of the type found there.
    pub kind: usize,
    /// System of a bare code.
    pub system: Option<String>,
}

/// One step of a path.
#[derive(Clone, PartialEq)]
pub enum Step {
    /// Into a member, item by item.
    Member(String),
    /// Only where a member has this text.
    Where(String, String),
    /// Only references to this resource.
    RefersTo(usize),
    /// Only this item.
    Item(usize),
    /// `Patient.deceased.exists() and Patient.deceased != false`.
    Deceased,
}

impl Table {
    pub(super) fn write_params(&mut self, body: &mut Vec<u8>) {
        let params = std::mem::take(&mut self.params);
        list(body, &params, |body, param| {
            number(body, self.string(&param.id));
            number(body, self.string(&param.code));
            number(body, self.string(&param.url));
            number(body, param.kind);
            list(body, &param.targets, |body, &target| number(body, target));
            list(body, &param.bases, |body, base| self.write_base(body, base));
            list(body, &param.components, |body, &component| number(body, component));
            optional(body, param.of_type);
        });
        self.params = params;
    }

    fn write_base(&mut self, body: &mut Vec<u8>, base: &Base) {
        number(body, base.resource);
        number(body, usize::from(base.supported));
        list(body, &base.paths, |body, path| self.write_path(body, path));
        list(body, &base.anchors, |body, anchor| {
            self.write_steps(body, &anchor.steps);
            list(body, &anchor.parts, |body, part| {
                number(body, part.component);
                number(body, usize::from(part.outside));
                self.write_path(body, &part.path);
            });
        });
    }

    fn write_path(&mut self, body: &mut Vec<u8>, path: &Path) {
        self.write_steps(body, &path.steps);
        number(body, path.kind);
        let system = path.system.as_ref().map(|system| self.string(system));
        optional(body, system);
    }

    fn write_steps(&mut self, body: &mut Vec<u8>, steps: &[Step]) {
        list(body, steps, |body, step| match step {
            Step::Member(name) => {
                number(body, 0);
                number(body, self.string(name));
            }
            Step::Where(name, value) => {
                number(body, 1);
                number(body, self.string(name));
                number(body, self.string(value));
            }
            Step::RefersTo(resource) => {
                number(body, 2);
                number(body, *resource);
            }
            Step::Item(item) => {
                number(body, 3);
                number(body, *item);
            }
            Step::Deceased => number(body, 4),
        });
    }
}
