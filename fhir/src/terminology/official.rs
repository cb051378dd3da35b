//! The official code systems and value sets of R4, from the file that `fhir/definitions/src/terminology.rs` writes. The file
//! is opened at the first question; a system or set is read at the first question about it.

use super::concepts::Concepts;
use super::split;
use crate::table::read::Reader;
use std::sync::{LazyLock, OnceLock};

static BYTES: &[u8] = include_bytes!("../../definitions/terminology.bin");

static FILE: LazyLock<File> = LazyLock::new(|| File::read(Reader::new(BYTES)));

/// Of the format.
const VERSION: usize = 2;

/// The release whose sets these are; a set of `terminology.hl7.org` has a version of its own beside it.
const RELEASE: &str = "4.0.1";

/// (system, code)
type Pair = (&'static str, &'static str);

struct File {
    /// What systems and sets are read with.
    reader: Reader,
    /// Sorted by url.
    systems: Vec<System>,
    /// Sorted by url.
    sets: Vec<Set>,
}

struct System {
    url: &'static str,
    is_cased: bool,
    /// None where its codes are not all here.
    at: Option<usize>,
    concepts: OnceLock<Concepts<&'static str>>,
}

struct Set {
    url: &'static str,
    version: &'static str,
    at: usize,
    codes: OnceLock<Vec<Pair>>,
}

/// The codes of an official value set, with their systems; its url may carry the version 4.0.1 or the set's own.
///
/// None if R4 has no such set, or if it cannot be enumerated: those of SNOMED CT, LOINC, UCUM and other code systems that
/// R4 does not define.
#[must_use]
pub fn codes_in(url: &str) -> Option<&'static [(&'static str, &'static str)]> {
    let (url, version) = split(url);
    let place = FILE.sets.binary_search_by(|set| set.url.cmp(url)).ok()?;
    let set = &FILE.sets[place];
    if version.is_some_and(|version| version != RELEASE && version != set.version) {
        return None;
    }
    Some(set.codes.get_or_init(|| {
        let runs = FILE.reader.at(set.at).list(|reader| {
            let system = reader.text();
            reader.list(|reader| (system, reader.text()))
        });
        runs.concat()
    }))
}

/// A code of an official code system and all codes it subsumes; nothing if it is no code of the system. None when the system
/// is not one that R4 defines completely.
#[must_use]
pub fn below(system: &str, code: &str) -> Option<Vec<&'static str>> {
    let concepts = concepts(system)?;
    Some(concepts.below(code).into_iter().map(|place| concepts.codes()[place]).collect())
}

/// A code of an official code system and all codes that subsume it; otherwise as [`below`].
#[must_use]
pub fn above(system: &str, code: &str) -> Option<Vec<&'static str>> {
    let concepts = concepts(system)?;
    Some(concepts.above(code).into_iter().map(|place| concepts.codes()[place]).collect())
}

/// The unit system, which R4 names as one whose case matters and does not define.
const UCUM: &str = "http://unitsofmeasure.org";

/// Whether a code system is known to tell codes apart by case: the definitions say so, or it is UCUM.
#[must_use]
pub fn is_cased(system: &str) -> bool {
    let (system, _) = split(system);
    let place = FILE.systems.binary_search_by(|known| known.url.cmp(system));
    system == UCUM || place.is_ok_and(|place| FILE.systems[place].is_cased)
}

/// A code system's codes, by its url without version.
pub(super) fn concepts(url: &str) -> Option<&'static Concepts<&'static str>> {
    let place = FILE.systems.binary_search_by(|system| system.url.cmp(url)).ok()?;
    let system = &FILE.systems[place];
    let at = system.at?;
    Some(system.concepts.get_or_init(|| {
        let rows = FILE.reader.at(at).list(|reader| {
            let code = reader.text();
            (code, reader.list(|reader| u32::from(reader.small())))
        });
        let (codes, parents) = rows.into_iter().unzip();
        Concepts::new(codes, parents)
    }))
}

impl File {
    fn read(mut reader: Reader) -> Self {
        reader.head(*b"CWT4", VERSION);
        let systems = reader.list(|reader| {
            let (url, is_cased) = (reader.text(), reader.small() == 1);
            System { url, is_cased, at: reader.skip_some(), concepts: OnceLock::new() }
        });
        let sets = reader.list(|reader| Set {
            url: reader.text(),
            version: reader.text(),
            at: reader.skip(),
            codes: OnceLock::new(),
        });
        reader.end();
        Self { reader, systems, sets }
    }
}
