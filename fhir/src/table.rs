//! The official definitions, read once from the table that `fhir/definitions` generated.
//!
//! The format is described in `fhir/definitions/src/table.rs`, the reader is `table/read.rs`; strings stay in the binary
//! and are named by slices.
//! Used by every module that needs definitions; nothing outside this crate sees it.

pub(crate) mod read;

use crate::params::{ParamId, SearchType};
use crate::primitive::Primitive;
use crate::types::ResourceType;
use std::sync::LazyLock;

static BYTES: &[u8] = include_bytes!("../definitions/r4.bin");

/// All definitions; opening takes about a millisecond, once.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(|| read::Reader::new(BYTES).table());

pub(crate) struct Table {
    pub types: Vec<Type>,
    /// Types of the resources, by resource number.
    pub resources: Vec<u16>,
    pub sets: Vec<Set>,
    pub params: Vec<ParamRow>,
    /// Parameter codes of the patient compartment, by resource number.
    pub compartment: Vec<Vec<&'static str>>,
    /// The main patient element, by resource number.
    pub home: Vec<Option<&'static str>>,
    /// The type of `_given` beside `given`.
    pub element: u16,
    pub rules: Vec<Rule>,
}

/// A FHIRPath invariant of a type, or of one of its elements.
pub(crate) struct Rule {
    pub owner: u16,
    pub element: Option<u16>,
    pub warning: bool,
    pub key: &'static str,
    pub human: &'static str,
    pub expression: &'static str,
}

pub(crate) struct Type {
    pub name: &'static str,
    pub kind: TypeKind,
    pub role: Role,
    pub elements: Vec<Element>,
    /// Sorted by name.
    pub keys: Vec<Key>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeKind {
    Primitive(Primitive),
    Complex,
    Resource,
    AnyResource,
}

/// Types with rules of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    Reference,
    Extension,
    Bundle,
}

pub(crate) struct Element {
    pub name: &'static str,
    pub min: u32,
    /// `u32::MAX` for no end.
    pub max: u32,
    pub choice: bool,
    /// Part of `_summary=true`.
    pub summary: bool,
    pub set: Option<u16>,
}

pub(crate) struct Key {
    pub name: &'static str,
    pub element: u16,
    pub kind: u16,
    pub list: bool,
}

pub(crate) struct Set {
    pub url: &'static str,
    /// (system, code), sorted by code; empty when any code is accepted.
    pub codes: Vec<(&'static str, &'static str)>,
}

pub(crate) struct ParamRow {
    pub code: &'static str,
    pub url: &'static str,
    pub kind: SearchType,
    pub targets: Vec<ResourceType>,
    /// None for parameters that no query names.
    pub bases: Vec<Base>,
    /// Of a composite.
    pub components: Vec<ParamId>,
    pub of_type: Option<ParamId>,
}

pub(crate) struct Base {
    pub resource: ResourceType,
    pub supported: bool,
    pub paths: Vec<Path>,
    pub anchors: Vec<Anchor>,
}

/// The elements of a composite, and what its components read of each.
pub(crate) struct Anchor {
    pub steps: Vec<Step>,
    pub parts: Vec<Part>,
}

pub(crate) struct Part {
    /// Place among the composite's components.
    pub component: usize,
    /// The path starts at the resource and not at the element.
    pub outside: bool,
    pub path: Path,
}

pub(crate) struct Path {
    pub steps: Vec<Step>,
    pub kind: u16,
    pub system: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Member(&'static str),
    Where(&'static str, &'static str),
    RefersTo(ResourceType),
    Item(usize),
    Deceased,
}

impl Table {
    pub fn kind(&self, number: u16) -> &Type {
        &self.types[usize::from(number)]
    }

    pub fn resource(&self, number: u16) -> &Type {
        self.kind(self.resources[usize::from(number)])
    }
}

impl Type {
    pub fn key(&self, name: &str) -> Option<&Key> {
        let place = self.keys.binary_search_by(|key| key.name.cmp(name)).ok()?;
        Some(&self.keys[place])
    }
}
