//! The official definitions, read once from the table that `fhir/definitions` generated.
//!
//! The format is described in `fhir/definitions/src/table.rs`; strings stay in the binary and are named by slices.
//! Used by every module that needs definitions; nothing outside this crate sees it.

use crate::params::SearchType;
use crate::primitive::Primitive;
use crate::types::ResourceType;
use std::sync::LazyLock;

static BYTES: &[u8] = include_bytes!("../definitions/r4.bin");

/// All definitions; opening takes about a millisecond, once.
pub(crate) static TABLE: LazyLock<Table> =
    LazyLock::new(|| Reader { bytes: BYTES, at: 0, strings: Vec::new() }.table());

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
    pub bases: Vec<Base>,
}

pub(crate) struct Base {
    pub resource: ResourceType,
    pub supported: bool,
    pub paths: Vec<Path>,
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

/// The table is ours and tested, so a fault in it may panic: at first use, on every machine alike.
struct Reader {
    bytes: &'static [u8],
    at: usize,
    strings: Vec<&'static str>,
}

impl Reader {
    fn table(mut self) -> Table {
        assert_eq!(&self.bytes[..4], b"CWR4", "r4.bin is the table");
        self.at = 4;
        assert_eq!(self.number(), 3, "r4.bin has the format of this reader");
        self.strings = self.list(|reader| {
            let length = reader.number();
            let bytes = &reader.bytes[reader.at..reader.at + length];
            reader.at += length;
            std::str::from_utf8(bytes).expect("the generator writes UTF-8")
        });
        let types = self.list(Self::a_type);
        let resources = self.list(Self::small);
        let sets =
            self.list(|reader| Set { url: reader.text(), codes: reader.list(|reader| (reader.text(), reader.text())) });
        let params = self.list(Self::param);
        let compartment = resources.iter().map(|_| self.list(Self::text)).collect();
        let home = resources.iter().map(|_| self.optional().map(|place| self.strings[place])).collect();
        let rules = self.list(Self::rule);
        assert_eq!(self.at, self.bytes.len(), "r4.bin ends where its table ends");
        let element = types.iter().position(|kind| kind.name == "Element").expect("R4 has Element");
        let element = u16::try_from(element).expect("below 65,536 types");
        Table { types, resources, sets, params, compartment, home, element, rules }
    }

    fn a_type(&mut self) -> Type {
        let name = self.text();
        let kind = self.number();
        let primitive = self.number();
        let kind = match kind {
            0 => TypeKind::Primitive(Primitive::ALL[primitive]),
            1 => TypeKind::Complex,
            2 => TypeKind::Resource,
            _ => TypeKind::AnyResource,
        };
        let role = match name {
            "Reference" => Role::Reference,
            "Extension" => Role::Extension,
            "Bundle" => Role::Bundle,
            _ => Role::None,
        };
        let elements = self.list(Self::element);
        let keys = self.list(|reader| Key {
            name: reader.text(),
            element: reader.small(),
            kind: reader.small(),
            list: reader.number() == 1,
        });
        Type { name, kind, role, elements, keys }
    }

    fn element(&mut self) -> Element {
        let name = self.text();
        let min = u32::from(self.small());
        let max = match self.small() {
            0 => u32::MAX,
            max => u32::from(max),
        };
        let flags = self.number();
        let set = self.optional().map(|place| u16::try_from(place).expect("below 65,536 sets"));
        Element { name, min, max, choice: flags & 1 != 0, summary: flags & 2 != 0, set }
    }

    fn rule(&mut self) -> Rule {
        Rule {
            owner: self.small(),
            element: self.optional().map(|place| u16::try_from(place).expect("below 65,536 elements")),
            warning: self.number() == 1,
            key: self.text(),
            human: self.text(),
            expression: self.text(),
        }
    }

    fn param(&mut self) -> ParamRow {
        self.number(); // the id orders the rows and is not needed after
        let code = self.text();
        let url = self.text();
        let kind = SearchType::ALL[self.number()];
        let targets = self.list(|reader| ResourceType::of_table(reader.small()));
        let bases = self.list(|reader| Base {
            resource: ResourceType::of_table(reader.small()),
            supported: reader.number() == 1,
            paths: reader.list(|reader| Path {
                steps: reader.list(Self::step),
                kind: reader.small(),
                system: reader.optional().map(|place| reader.strings[place]),
            }),
        });
        ParamRow { code, url, kind, targets, bases }
    }

    fn step(&mut self) -> Step {
        match self.number() {
            0 => Step::Member(self.text()),
            1 => Step::Where(self.text(), self.text()),
            2 => Step::RefersTo(ResourceType::of_table(self.small())),
            3 => Step::Item(self.number()),
            _ => Step::Deceased,
        }
    }

    fn text(&mut self) -> &'static str {
        let place = self.number();
        self.strings[place]
    }

    fn optional(&mut self) -> Option<usize> {
        self.number().checked_sub(1)
    }

    fn small(&mut self) -> u16 {
        u16::try_from(self.number()).expect("the generator writes it below 65,536")
    }

    fn number(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number();
        (0..count).map(|_| read(self)).collect()
    }
}
