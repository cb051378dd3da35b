//! All official code systems and value sets, for searches by `:in`, `:below` and `:above`. Called by `main` last.
//!
//! The reader is `fhir/src/terminology/official.rs`. Numbers, lists and strings are those of `table.rs`; a system and a set
//! are read when they are first asked for, so each says how many bytes it has.
//!
//! ```text
//! file     "CWT4" version=2 strings systems sets
//! systems  [url cased length code*]  sorted by url; cased 1 where the case of codes matters, else 0; of a system whose
//!                                 codes are not all here, length is 0
//! code*    [code [parent]]        sorted by code; parent is the place of a code of the system
//! sets     [url version length run*]  sorted by url; only such that can be enumerated
//! run*     [system [code]]
//! ```

use crate::load::{Official, text};
use crate::table::{list, number};
use crate::valuesets::{expand, parents_of};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of the format; the reader refuses another.
const VERSION: usize = 2;

/// The file's bytes, and the urls of the value sets that cannot be enumerated.
pub fn build(official: &Official) -> (Vec<u8>, Vec<String>) {
    let mut strings = Strings::default();
    let (mut systems, mut sets, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (url, definition) in &official.code_systems {
        let cased = definition.get("caseSensitive").and_then(serde_json::Value::as_bool) == Some(true);
        if text(definition, "content") == "complete" && is_of_r4(text(definition, "version")) {
            systems.push((url, cased, system(&parents_of(definition), &mut strings)));
        } else if cased {
            systems.push((url, cased, Vec::new()));
        }
    }
    for (url, definition) in &official.value_sets {
        let version = text(definition, "version");
        match expand(official, url, 0).filter(|codes| !codes.is_empty() && is_of_r4(version)) {
            Some(codes) => sets.push((url, version, set(codes, &mut strings))),
            None => left_out.push(url.clone()),
        }
    }
    let mut body = Vec::new();
    list(&mut body, &systems, |body, (url, cased, bytes)| {
        number(body, strings.number(url));
        number(body, usize::from(*cased));
        number(body, bytes.len());
        body.extend_from_slice(bytes);
    });
    list(&mut body, &sets, |body, (url, version, bytes)| {
        number(body, strings.number(url));
        number(body, strings.number(version));
        number(body, bytes.len());
        body.extend_from_slice(bytes);
    });
    let mut file = b"CWT4".to_vec();
    number(&mut file, VERSION);
    list(&mut file, &strings.all, |file, text| {
        number(file, text.len());
        file.extend_from_slice(text.as_bytes());
    });
    file.extend_from_slice(&body);
    (file, left_out)
}

/// The official files carry single definitions of R5.
fn is_of_r4(version: &str) -> bool {
    !version.starts_with('5')
}

fn system(concepts: &[(&str, Vec<&str>)], strings: &mut Strings) -> Vec<u8> {
    let mut codes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (code, parents) in concepts {
        codes.entry(code).or_default().extend(parents);
    }
    let places: HashMap<&str, usize> = codes.keys().enumerate().map(|(place, code)| (*code, place)).collect();
    let mut bytes = Vec::new();
    let codes: Vec<_> = codes.into_iter().collect();
    list(&mut bytes, &codes, |bytes, (code, parents)| {
        number(bytes, strings.number(code));
        let parents: Vec<usize> = parents.iter().filter_map(|parent| places.get(parent).copied()).collect();
        list(bytes, &parents, |bytes, &parent| number(bytes, parent));
    });
    bytes
}

fn set(codes: BTreeSet<(String, String)>, strings: &mut Strings) -> Vec<u8> {
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (system, code) in codes {
        runs.entry(system).or_default().push(code);
    }
    let runs: Vec<_> = runs.into_iter().collect();
    let mut bytes = Vec::new();
    list(&mut bytes, &runs, |bytes, (system, codes)| {
        number(bytes, strings.number(system));
        list(bytes, codes, |bytes, code| number(bytes, strings.number(code)));
    });
    bytes
}

#[derive(Default)]
struct Strings {
    all: Vec<String>,
    known: HashMap<String, usize>,
}

impl Strings {
    fn number(&mut self, text: &str) -> usize {
        if let Some(&number) = self.known.get(text) {
            return number;
        }
        self.all.push(text.to_owned());
        self.known.insert(text.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }
}
