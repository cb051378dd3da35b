//! The table and its format. `fhir/src/table.rs` reads exactly what `Table::write` writes.
//!
//! All numbers are unsigned LEB128. `text` is an index into the strings; `text?` and `set?` are 0 for none,
//! else one more than the index. Lists are a count and that many items.
//!
//! ```text
//! file     "CWR4" version=4 strings types resources sets params compartment home rules
//! strings  [length bytes]
//! types    [name kind primitive [element] [key]]     kind: 0 primitive 1 complex 2 resource 3 any resource
//! element  name min max flags set?                   max: 0 is without end; flags: 1 choice, 2 in summaries
//! key      name element type list                    sorted by name, in bytes
//! resources [type]                                   sorted by name; the place is the resource's number
//! sets     [url [system code]]                       sorted by code
//! params   [id code url kind [target] [base] [component] of-type?]
//!                                                    sorted by id; the place is the parameter's number. After the
//!                                                    official ones come those that no query names: components of
//!                                                    composites, and the `:of-type` of identifiers
//! component, of-type  param
//! base     resource supported [path] [anchor]
//! path     [step] type system?
//! anchor   [step] [part]                             one element of a composite's base expression
//! part     component outside path                    component: place among the parameter's; outside: 1 when the
//!                                                    path starts at the resource and not at the element
//! step     0 member text | 1 where text text | 2 refers-to resource | 3 item number | 4 deceased
//! compartment  per resource [text]                   parameter codes
//! home         per resource text?                    the main patient element, dots between members
//! rules    [type element? warning key human expression]  FHIRPath invariants of a type or of one of its elements
//! ```

mod params;

pub use params::{Anchor, Base, Param, Part, Path, Step};
use std::collections::HashMap;

/// Of the format; the reader refuses another.
const VERSION: usize = 4;

/// Everything that is written, in the order of writing.
#[derive(Default)]
pub struct Table {
    strings: Vec<String>,
    known: HashMap<String, usize>,
    /// Types; a type's place is its number.
    pub types: Vec<Type>,
    /// Types of the concrete resources, sorted by name.
    pub resources: Vec<usize>,
    /// Value sets of required bindings.
    pub sets: Vec<Set>,
    /// Search parameters, sorted by id.
    pub params: Vec<Param>,
    /// Per resource, parameter codes of the patient compartment.
    pub compartment: Vec<Vec<usize>>,
    /// Per resource, the main patient element.
    pub home: Vec<Option<usize>>,
    /// Invariants.
    pub rules: Vec<Rule>,
}

/// A FHIRPath invariant.
pub struct Rule {
    /// Number of the type it stands on, or whose element it stands on.
    pub owner: usize,
    /// Place of the element.
    pub element: Option<usize>,
    /// Such as `per-1`.
    pub key: String,
    /// Breaking it is no error.
    pub warning: bool,
    /// The rule in words.
    pub human: String,
    /// The rule in FHIRPath.
    pub expression: String,
}

/// A datatype, resource or backbone element.
#[derive(Default)]
pub struct Type {
    /// Name or, for nested types, the path.
    pub name: String,
    /// 0 primitive, 1 complex, 2 resource, 3 any resource.
    pub kind: usize,
    /// Which primitive, by `structures::PRIMITIVES`.
    pub primitive: usize,
    /// Elements in the order of the definition.
    pub elements: Vec<Element>,
    /// JSON members, sorted by name.
    pub keys: Vec<Key>,
}

/// One element of a type.
pub struct Element {
    /// Without `[x]`.
    pub name: String,
    /// Least count.
    pub min: usize,
    /// Greatest count, 0 for no end.
    pub max: usize,
    /// One of several types.
    pub choice: bool,
    /// Part of `_summary=true`.
    pub summary: bool,
    /// Place of the value set it must be in.
    pub set: Option<usize>,
}

/// One JSON member a type may have.
pub struct Key {
    /// Member name.
    pub name: String,
    /// Place of the element in the type.
    pub element: usize,
    /// Number of the type.
    pub kind: usize,
    /// The JSON value is an array.
    pub list: bool,
}

/// The codes of an enumerable value set.
pub struct Set {
    /// Canonical url.
    pub url: String,
    /// (system, code), sorted by code.
    pub codes: Vec<(String, String)>,
}

impl Table {
    /// The number of a type by its name.
    pub fn type_number(&self, name: &str) -> Option<usize> {
        self.types.iter().position(|kind| kind.name == name)
    }

    /// The number of a resource by its name.
    pub fn resource_number(&self, name: &str) -> Option<usize> {
        self.resources.iter().position(|&number| self.types[number].name == name)
    }

    /// The number of a string.
    pub fn string(&mut self, text: &str) -> usize {
        if let Some(&number) = self.known.get(text) {
            return number;
        }
        let number = self.strings.len();
        self.strings.push(text.to_owned());
        self.known.insert(text.to_owned(), number);
        number
    }

    /// The table's bytes; equal input gives equal bytes.
    pub fn write(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        self.write_types(&mut body);
        self.write_sets(&mut body);
        self.write_params(&mut body);
        for codes in &self.compartment {
            list(&mut body, codes, |body, &code| number(body, code));
        }
        for element in &self.home {
            optional(&mut body, *element);
        }
        self.write_rules(&mut body);
        let mut bytes = b"CWR4".to_vec();
        number(&mut bytes, VERSION);
        list(&mut bytes, &self.strings, |bytes, text| {
            number(bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        });
        bytes.extend_from_slice(&body);
        bytes
    }

    fn write_types(&mut self, body: &mut Vec<u8>) {
        let types = std::mem::take(&mut self.types);
        list(body, &types, |body, kind| {
            number(body, self.string(&kind.name));
            number(body, kind.kind);
            number(body, kind.primitive);
            list(body, &kind.elements, |body, element| {
                number(body, self.string(&element.name));
                number(body, element.min);
                number(body, element.max);
                number(body, usize::from(element.choice) | usize::from(element.summary) << 1);
                optional(body, element.set);
            });
            list(body, &kind.keys, |body, key| {
                number(body, self.string(&key.name));
                number(body, key.element);
                number(body, key.kind);
                number(body, usize::from(key.list));
            });
        });
        self.types = types;
        list(body, &self.resources, |body, &kind| number(body, kind));
    }

    fn write_sets(&mut self, body: &mut Vec<u8>) {
        let sets = std::mem::take(&mut self.sets);
        list(body, &sets, |body, set| {
            number(body, self.string(&set.url));
            list(body, &set.codes, |body, (system, code)| {
                number(body, self.string(system));
                number(body, self.string(code));
            });
        });
        self.sets = sets;
    }

    fn write_rules(&mut self, body: &mut Vec<u8>) {
        let rules = std::mem::take(&mut self.rules);
        list(body, &rules, |body, rule| {
            number(body, rule.owner);
            optional(body, rule.element);
            number(body, usize::from(rule.warning));
            for text in [&rule.key, &rule.human, &rule.expression] {
                number(body, self.string(text));
            }
        });
        self.rules = rules;
    }
}

/// A count and that many items.
pub fn list<T>(bytes: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    number(bytes, items.len());
    for item in items {
        write(bytes, item);
    }
}

fn optional(bytes: &mut Vec<u8>, value: Option<usize>) {
    number(bytes, value.map_or(0, |value| value + 1));
}

/// Unsigned LEB128.
pub fn number(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("below 0x80"));
}
