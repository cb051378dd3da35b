//! The codes of a stored value set, by what it includes and excludes, in bounded time: what is not decided here, or would
//! be too much, is an error that says so. Spec: <https://hl7.org/fhir/R4/valueset.html#compositions>.

use super::concepts::Concepts;
use super::value_set::{Content, Filter, Part};
use super::{CodeSystem, Known, ValueSet, official, split};
use crate::outcome::{Code, Issue, Outcome};
use std::collections::HashSet;
use std::sync::Arc;

/// Most codes of an expansion; a search compares with each of them.
pub const EXPANSION_MAX: usize = 10_000;

/// How deep value sets may include value sets; the official ones go two deep.
pub const VALUE_SET_DEPTH_MAX: usize = 8;

/// Most codes looked at while one value set is expanded; a fraction of a second.
const STEPS_MAX: usize = 1_000_000;

/// (system, code)
type Pair = (String, String);

impl ValueSet {
    /// All codes of the set with their systems, each once, in the order of the definition.
    ///
    /// `find` gives stored value sets and code systems by their canonical url, as [`Self::needs`] writes it; what it does
    /// not find is looked for among the official ones.
    ///
    /// # Errors
    /// `too-costly` beyond [`EXPANSION_MAX`] codes or what leads to more work than that; `not-supported` for a code system
    /// that is not known here or not complete and for a filter that cannot be decided; `not-found` for a value set that is
    /// not known; `processing` for sets that include each other or nest deeper than [`VALUE_SET_DEPTH_MAX`].
    pub fn expand(&self, find: &dyn Fn(&str) -> Option<Arc<Known>>) -> Result<Vec<Pair>, Outcome> {
        let mut expansion = Expansion { find, steps: 0, open: Vec::new() };
        expansion.set(self)
    }
}

struct Expansion<'a> {
    find: &'a dyn Fn(&str) -> Option<Arc<Known>>,
    steps: usize,
    /// Urls of the sets that are being expanded.
    open: Vec<String>,
}

impl Expansion<'_> {
    fn set(&mut self, set: &ValueSet) -> Result<Vec<Pair>, Outcome> {
        if self.open.iter().any(|url| url == set.url()) {
            return Err(refused(Code::Processing, format!("the value set {} includes itself", set.url())));
        }
        if self.open.len() >= VALUE_SET_DEPTH_MAX {
            let reason = format!("value sets include each other more than {VALUE_SET_DEPTH_MAX} deep");
            return Err(refused(Code::Processing, reason));
        }
        let (include, exclude) = match &set.content {
            Content::Compose { include, exclude } => (include, exclude),
            Content::Expansion { whole: false, .. } => {
                let reason = format!("the value set {} holds a part of its expansion only", set.url());
                return Err(refused(Code::Incomplete, reason));
            }
            Content::Expansion { codes, .. } => {
                self.step(codes.len())?;
                let mut found = Found::default();
                codes.iter().try_for_each(|pair| found.add(pair.clone()))?;
                return Ok(found.codes);
            }
        };
        self.open.push(set.url().to_owned());
        let mut out = HashSet::new();
        for part in exclude {
            out.extend(self.part(part)?);
        }
        let mut found = Found::default();
        for part in include {
            self.part(part)?.into_iter().filter(|pair| !out.contains(pair)).try_for_each(|pair| found.add(pair))?;
        }
        self.open.pop();
        Ok(found.codes)
    }

    /// What the system and all value sets of one part have in common.
    fn part(&mut self, part: &Part) -> Result<Vec<Pair>, Outcome> {
        self.step(1)?;
        let mut common = match &part.system {
            Some(system) => Some(self.of_system(system, part)?),
            None => None,
        };
        for url in &part.value_sets {
            let codes = self.of_set(url)?;
            common = Some(match common {
                None => codes,
                Some(before) => {
                    let codes: HashSet<Pair> = codes.into_iter().collect();
                    before.into_iter().filter(|pair| codes.contains(pair)).collect()
                }
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn of_set(&mut self, url: &str) -> Result<Vec<Pair>, Outcome> {
        if let Some(known) = (self.find)(url)
            && let Known::ValueSet(set) = &*known
        {
            return self.set(set);
        }
        let Some(codes) = official::codes_in(url) else {
            return Err(refused(Code::NotFound, format!("the value set {url} is not known, or has no end")));
        };
        self.step(codes.len())?;
        Ok(codes.iter().map(|(system, code)| ((*system).to_owned(), (*code).to_owned())).collect())
    }

    fn of_system(&mut self, system: &str, part: &Part) -> Result<Vec<Pair>, Outcome> {
        let (url, _) = split(system);
        let pair = |code: &str| (url.to_owned(), code.to_owned());
        if !part.codes.is_empty() {
            self.step(part.codes.len())?;
            return Ok(part.codes.iter().map(|code| pair(code)).collect());
        }
        let stored = (self.find)(system);
        if let Some(Known::CodeSystem(stored)) = stored.as_deref() {
            if !stored.is_complete() {
                let reason = format!("the code system {url} is stored without all of its codes");
                return Err(refused(Code::NotSupported, reason));
            }
            let codes = self.filtered(stored.concepts(), Some(stored), &part.filters)?;
            return Ok(codes.into_iter().map(pair).collect());
        }
        let Some(concepts) = official::concepts(url) else {
            return Err(refused(Code::NotSupported, format!("the codes of the code system {url} are not known here")));
        };
        let codes = self.filtered(concepts, None, &part.filters)?;
        Ok(codes.into_iter().map(pair).collect())
    }

    fn filtered<'a, S: AsRef<str>>(
        &mut self,
        concepts: &'a Concepts<S>,
        stored: Option<&CodeSystem>,
        filters: &[Filter],
    ) -> Result<Vec<&'a str>, Outcome> {
        let count = concepts.codes().len();
        self.step(count.saturating_mul(filters.len() + 1))?;
        let mut kept = vec![true; count];
        for filter in filters {
            let holds = fulfilling(concepts, stored, filter)?;
            kept.iter_mut().zip(holds).for_each(|(kept, holds)| *kept &= holds);
        }
        Ok(concepts.codes().iter().zip(kept).filter(|(_, kept)| *kept).map(|(code, _)| code.as_ref()).collect())
    }

    fn step(&mut self, count: usize) -> Result<(), Outcome> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > STEPS_MAX {
            let reason = format!("the value set looks at more than {STEPS_MAX} codes");
            return Err(refused(Code::TooCostly, reason));
        }
        Ok(())
    }
}

/// Which codes fulfil a filter, by place. Spec: <https://hl7.org/fhir/R4/valueset-filter-operator.html>.
fn fulfilling<S: AsRef<str>>(
    concepts: &Concepts<S>,
    stored: Option<&CodeSystem>,
    filter: &Filter,
) -> Result<Vec<bool>, Outcome> {
    let count = concepts.codes().len();
    let marked = |places: Vec<usize>, inside: bool| {
        let mut marks = vec![!inside; count];
        places.into_iter().for_each(|place| marks[place] = inside);
        marks
    };
    let value = filter.value.as_str();
    let listed: HashSet<&str> = value.split(',').map(str::trim).collect();
    let undecided = || {
        let reason = format!("the filter {} on {} cannot be decided here", filter.op, filter.property);
        refused(Code::NotSupported, reason)
    };
    let by_code = matches!(filter.property.as_str(), "concept" | "code");
    Ok(match (filter.op.as_str(), by_code) {
        ("is-a", true) => marked(concepts.below(value), true),
        ("descendent-of", true) => {
            let own = concepts.place(value);
            marked(concepts.below(value).into_iter().filter(|place| Some(*place) != own).collect(), true)
        }
        ("is-not-a", true) => marked(concepts.below(value), false),
        ("generalizes", true) => marked(concepts.above(value), true),
        ("=", true) => marked(concepts.place(value).into_iter().collect(), true),
        ("in", true) => concepts.codes().iter().map(|code| listed.contains(code.as_ref())).collect(),
        ("not-in", true) => concepts.codes().iter().map(|code| !listed.contains(code.as_ref())).collect(),
        ("=", false) if filter.property == "parent" => {
            (0..count).map(|place| concepts.is_child(place, value)).collect()
        }
        (op, false) => {
            let system = stored.ok_or_else(undecided)?;
            let any = |holds: &dyn Fn(&str) -> bool| -> Vec<bool> {
                (0..count).map(|place| system.property(place, &filter.property).any(holds)).collect()
            };
            match op {
                "exists" => {
                    let wanted = value == "true";
                    any(&|_| true).into_iter().map(|exists| exists == wanted).collect()
                }
                // A property that no code has may be one that is built in, such as display.
                _ if !system.has_property(&filter.property) => return Err(undecided()),
                "=" => any(&|own| own == value),
                "in" => any(&|own| listed.contains(own)),
                "not-in" => any(&|own| listed.contains(own)).into_iter().map(|inside| !inside).collect(),
                _ => return Err(undecided()),
            }
        }
        (_, true) => return Err(undecided()),
    })
}

#[derive(Default)]
struct Found {
    codes: Vec<Pair>,
    known: HashSet<Pair>,
}

impl Found {
    fn add(&mut self, pair: Pair) -> Result<(), Outcome> {
        if !self.known.insert(pair.clone()) {
            return Ok(());
        }
        if self.codes.len() >= EXPANSION_MAX {
            let reason = format!("the value set has more than {EXPANSION_MAX} codes");
            return Err(refused(Code::TooCostly, reason));
        }
        self.codes.push(pair);
        Ok(())
    }
}

fn refused(code: Code, reason: String) -> Outcome {
    Issue::error(code, reason).into()
}
