//! Reads the table's bytes, and those of `terminology.bin`, which are written alike. Called once by each.

use super::{Anchor, Base, Element, Key, ParamRow, Part, Path, Role, Rule, Set, Step, Table, Type, TypeKind};
use crate::params::{ParamId, SearchType};
use crate::primitive::Primitive;
use crate::types::ResourceType;
use std::sync::Arc;

/// Of the format of `r4.bin`.
const VERSION: usize = 4;

/// The table is ours and tested, so a fault in it may panic: at first use, on every machine alike.
pub(crate) struct Reader {
    bytes: &'static [u8],
    at: usize,
    strings: Arc<[&'static str]>,
}

impl Reader {
    pub fn new(bytes: &'static [u8]) -> Self {
        Self { bytes, at: 0, strings: Arc::default() }
    }

    pub fn table(mut self) -> Table {
        self.head(*b"CWR4", VERSION);
        let types = self.list(Self::a_type);
        let resources = self.list(Self::small);
        let sets =
            self.list(|reader| Set { url: reader.text(), codes: reader.list(|reader| (reader.text(), reader.text())) });
        let params = self.list(Self::param);
        let compartment = resources.iter().map(|_| self.list(Self::text)).collect();
        let home = resources.iter().map(|_| self.optional().map(|place| self.strings[place])).collect();
        let rules = self.list(Self::rule);
        self.end();
        let element = types.iter().position(|kind| kind.name == "Element").expect("R4 has Element");
        let element = u16::try_from(element).expect("below 65,536 types");
        Table { types, resources, sets, params, compartment, home, element, rules }
    }

    /// Mark, version and strings, which every such file begins with.
    pub fn head(&mut self, mark: [u8; 4], version: usize) {
        assert_eq!(self.bytes[..4], mark, "it is the file that is wanted");
        self.at = 4;
        assert_eq!(self.number(), version, "it has the format of this reader");
        let strings = self.list(|reader| {
            let length = reader.number();
            let bytes = &reader.bytes[reader.at..reader.at + length];
            reader.at += length;
            std::str::from_utf8(bytes).expect("the generator writes UTF-8")
        });
        self.strings = strings.into();
    }

    /// A reader of the same file at another place.
    pub fn at(&self, at: usize) -> Self {
        Self { bytes: self.bytes, at, strings: Arc::clone(&self.strings) }
    }

    /// Passes over a part that begins with its length in bytes; the place where the part is.
    pub fn skip(&mut self) -> usize {
        let length = self.number();
        let at = self.at;
        self.at += length;
        at
    }

    /// As [`Self::skip`]; none for a part that is empty.
    pub fn skip_some(&mut self) -> Option<usize> {
        let begin = self.at;
        let at = self.skip();
        (self.bytes[begin] != 0).then_some(at)
    }

    /// Checks that all was read.
    pub fn end(&self) {
        assert_eq!(self.at, self.bytes.len(), "the file ends where its last list ends");
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
            paths: reader.list(Self::path),
            anchors: reader.list(Self::anchor),
        });
        let components = self.list(|reader| ParamId(reader.small()));
        let of_type = self.optional().map(|place| ParamId(u16::try_from(place).expect("below 65,536 parameters")));
        ParamRow { code, url, kind, targets, bases, components, of_type }
    }

    fn anchor(&mut self) -> Anchor {
        let steps = self.list(Self::step);
        let parts =
            self.list(|reader| Part { component: reader.number(), outside: reader.number() == 1, path: reader.path() });
        Anchor { steps, parts }
    }

    fn path(&mut self) -> Path {
        let (steps, kind) = (self.list(Self::step), self.small());
        Path { steps, kind, system: self.optional().map(|place| self.strings[place]) }
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

    pub fn text(&mut self) -> &'static str {
        let place = self.number();
        self.strings[place]
    }

    pub fn optional(&mut self) -> Option<usize> {
        self.number().checked_sub(1)
    }

    pub fn small(&mut self) -> u16 {
        u16::try_from(self.number()).expect("the generator writes it below 65,536")
    }

    pub fn number(&mut self) -> usize {
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

    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number();
        (0..count).map(|_| read(self)).collect()
    }
}
