//! What belongs to a page comes with it, by the words of the search page. <https://hl7.org/fhir/R4/search.html#include>

use super::naive::Naive;
use super::parameters::{self, Parameter};
use super::world::{Dice, Resource, World};
use crate::common::{Database, Place, caller, databases, kind};
use node::Role;
use std::collections::BTreeSet;

const QUESTIONS: usize = 60;

/// One `_include` or `_revinclude`.
struct Include {
    reverse: bool,
    iterate: bool,
    /// Type and parameter; without a parameter all of them, without a type those of all types.
    source: Option<&'static str>,
    code: Option<&'static str>,
    target: Option<&'static str>,
}

impl Include {
    fn random(dice: &mut Dice) -> Self {
        let kinds = parameters::kinds();
        let all = kinds.iter().flat_map(|kind| parameters::of(kind)).filter(|one| one.class == "reference");
        let all = all.collect::<Vec<Parameter>>();
        let one = &all[dice.below(all.len())];
        let (reverse, iterate) = (dice.chance(40), dice.chance(40));
        let (source, code) = match dice.below(10) {
            0 => (None, None),
            1 => (Some(one.kind), None),
            _ => (Some(one.kind), Some(one.code)),
        };
        let target = (code.is_some() && dice.chance(40)).then(|| dice.pick(&one.targets));
        Self { reverse, iterate, source, code, target }
    }

    fn pair(&self) -> (String, String) {
        let name = if self.reverse { "_revinclude" } else { "_include" };
        let colon = if self.iterate { ":iterate" } else { "" };
        let parts = match (self.source, self.code, self.target) {
            (None, ..) => "*".to_owned(),
            (Some(source), None, _) => format!("{source}:*"),
            (Some(source), Some(code), None) => format!("{source}:{code}"),
            (Some(source), Some(code), Some(target)) => format!("{source}:{code}:{target}"),
        };
        (format!("{name}{colon}"), parts)
    }

    /// What `from` refers to by it.
    fn leads<'w>(&self, naive: &Naive<'w>, from: &'w Resource) -> Vec<&'w Resource> {
        if self.source.is_some_and(|source| source != from.kind) {
            return Vec::new();
        }
        let of = parameters::of(from.kind).into_iter().filter(|one| one.class == "reference");
        let of = of.filter(|one| self.code.is_none_or(|code| code == one.code));
        // What is contained is there already.
        let is_whole = |found: &&Resource| naive.world.resources.iter().any(|one| std::ptr::eq(one, *found));
        of.flat_map(|one| naive.targets(from, one.code, self.target)).filter(is_whole).collect()
    }

    fn brings<'w>(&self, naive: &Naive<'w>, round: &[&'w Resource]) -> Vec<&'w Resource> {
        if !self.reverse {
            return round.iter().flat_map(|from| self.leads(naive, from)).collect();
        }
        let is_there = |target: &Resource| round.iter().any(|one| std::ptr::eq(*one, target));
        let all = naive.world.resources.iter();
        all.filter(|from| self.leads(naive, from).into_iter().any(is_there)).collect()
    }
}

fn included<'w>(naive: &Naive<'w>, matches: &[&'w Resource], includes: &[Include]) -> BTreeSet<(&'w str, &'w str)> {
    let name = |one: &&'w Resource| (one.kind, one.id.as_str());
    let mut seen = matches.iter().map(name).collect::<BTreeSet<_>>();
    let (mut found, mut round, mut is_first) = (BTreeSet::new(), matches.to_vec(), true);
    while !round.is_empty() {
        let active = includes.iter().filter(|include| is_first || include.iterate);
        let mut next = active.flat_map(|include| include.brings(naive, &round)).collect::<Vec<_>>();
        next.retain(|one| seen.insert(name(one)));
        found.extend(next.iter().map(name));
        (round, is_first) = (next, false);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_brings_what_it_includes() {
    for database in databases() {
        a_page_brings_what_it_includes_on(database).await;
    }
}

async fn a_page_brings_what_it_includes_on(database: Database) {
    let place = Place::new(Role::Gateway, "A", database).await;
    let mut dice = Dice(5);
    let world = World::fill(&place.node, &mut dice).await;
    let naive = Naive { world: &world, now: 0 };
    let mut brought = 0;
    for _ in 0..QUESTIONS {
        let name =
            dice.pick(&["Patient", "Observation", "Encounter", "MedicationRequest", "Provenance", "Organization"]);
        let includes = (0..=dice.below(3)).map(|_| Include::random(&mut dice)).collect::<Vec<_>>();
        let mut pairs = includes.iter().map(Include::pair).collect::<Vec<_>>();
        pairs.push(("_count".to_owned(), "4".to_owned()));
        let mut page = None;
        loop {
            let query = place.node.query(kind(name), &pairs).await.unwrap();
            assert_eq!(query.unknown, [], "{pairs:?}");
            let answer = place.node.search(&caller(), query, page).await.unwrap();
            let matches = answer.matches.iter().map(|served| world.find(name, &served.id).unwrap()).collect::<Vec<_>>();
            let wanted = included(&naive, &matches, &includes);
            let found = answer.includes.iter().map(|served| (served.kind.name(), served.id.as_str()));
            assert_eq!(found.clone().count(), wanted.len(), "each once: {name} {pairs:?}");
            assert_eq!(found.collect::<BTreeSet<_>>(), wanted, "{name} {pairs:?}");
            brought += wanted.len();
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
    }
    assert!(brought > QUESTIONS, "too little to say anything: {brought}");
}
