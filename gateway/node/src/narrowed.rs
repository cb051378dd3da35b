//! Grants whose scopes have parameters, `patient/Observation.rs?category=laboratory`: which resources they reach. Keys cannot say
//! it (rule 6.21), so whoever serves a frame looks into it, and whoever received one does before it is shown. Called by `sync`,
//! by `apply` for what is indexed, and by `requests` and `grants` for what may be asked and given.

use crate::batch::Batch;
use crate::context::Context;
use crate::opening::open_resource;
use crate::permit::holds;
use fhir::ResourceType;
use fhir::json::Doc;
use fhir::params::SearchType;
use record::keys::Keyring;
use record::scope::{Interactions, Scope};
use record::state::Given;
use record::{Class, Entry, IdentityId, Op, State};
use store::search::{Filter, Match, ParamTable};
use store::versions::IndexRow;
use store::within::{ANYBODY, Found, Held};

/// Most parameters of one scope, and most values of one: a page has to say them.
const PARAMETERS_MAX: usize = 8;

const READS: [Interactions; 2] = [Interactions::READ, Interactions::SEARCH];

/// Why a scope's parameters grant nothing, for whoever asks for them; nothing where they can be evaluated.
pub(crate) fn fault(scope: &Scope) -> Option<String> {
    asked(scope, scope.parameters.as_deref()?).err()
}

/// What a scope's parameters ask, or why they grant nothing: they narrow what is read, are token parameters of the type without
/// modifiers, and have plain values.
fn asked(scope: &Scope, parameters: &str) -> Result<Vec<Filter>, String> {
    let Some(kind) = scope.resource_type.as_deref().and_then(ResourceType::parse) else {
        return Err(format!("{scope} names no type whose parameters these could be"));
    };
    if !READS[0].and(READS[1]).contains(scope.interactions) {
        return Err(format!("{scope}: parameters narrow what is read (r, s), not what is written"));
    }
    parse(kind, parameters).map_err(|why| format!("{scope}: {why}"))
}

/// What parameters ask: all of these, each by one of its values.
fn parse(kind: ResourceType, parameters: &str) -> Result<Vec<Filter>, String> {
    let pairs = crate::search::pairs(parameters);
    if pairs.is_empty() || pairs.len() > PARAMETERS_MAX {
        return Err(format!("one to {PARAMETERS_MAX} parameters are understood"));
    }
    pairs.iter().map(|(name, values)| filter(kind, name, values)).collect()
}

fn filter(kind: ResourceType, name: &str, values: &str) -> Result<Filter, String> {
    let known = fhir::params::find(kind, name);
    let token = known.filter(|param| param.supported && param.kind == SearchType::Token && !param.is_id());
    let Some(param) = token else {
        return Err(format!("{name} is no token parameter of {}; a grant's parameters are such", kind.name()));
    };
    let values = values.split(',').collect::<Vec<_>>();
    if values.len() > PARAMETERS_MAX || values.iter().any(|value| value.is_empty() || value.contains(['\\', '$'])) {
        return Err(format!("{name} has one to {PARAMETERS_MAX} plain values: code, system|code or |code"));
    }
    let any = values.into_iter().map(token_match).collect();
    Ok(Filter::Param { param: param.id.0, table: ParamTable::Token, any, not: false })
}

fn token_match(value: &str) -> Match {
    match value.split_once('|') {
        None => Match::Token { code: Some(value.to_owned()), system: None },
        Some((system, code)) => {
            Match::Token { code: (!code.is_empty()).then(|| code.to_owned()), system: Some(system.to_owned()) }
        }
    }
}

/// Whether a grant, and all that took the place of the same one beside it (rule 6.11), reach a resource with these index rows.
fn reaches(state: &State, given: &Given, class: Class, kind: ResourceType, rows: &[IndexRow]) -> bool {
    let one = |given: &Given| {
        let reads = |scope: &&Scope| {
            scope.covers_type(kind.name()) && READS.iter().any(|one| scope.interactions.contains(*one))
        };
        given.grant.classes.contains(&class)
            && given.scopes.known.iter().filter(reads).any(|scope| match scope.parameters.as_deref() {
                None => true,
                Some(parameters) => asked(scope, parameters)
                    .is_ok_and(|filters| filters.iter().all(|filter| holds(filter, "", rows) == Some(true))),
            })
    };
    one(given) && state.beside(given).all(one)
}

/// Whether a grant reads something of a class and type, but only where its parameters say.
pub(crate) fn is_narrowed(state: &State, given: &Given, class: Class, kind: &str) -> bool {
    let covers =
        |(in_class, of): &(Class, Option<String>)| *in_class == class && of.as_deref().is_none_or(|of| of == kind);
    given.scopes.known.iter().any(|scope| scope.parameters.is_some())
        && state.reads(given).iter().any(covers)
        && !state.open_reads(given).iter().any(covers)
}

fn rows_of(json: Vec<u8>, kind: ResourceType) -> Option<Vec<IndexRow>> {
    let doc = Doc::parse(json).ok()?;
    Some(crate::index::made(fhir::index::values(&doc, kind), ""))
}

/// Whether a grant with parameters lets its holder have a frame; what cannot be opened here, and a deletion, is not given.
pub(crate) fn may_have(context: &Context, given: &Given, op: &Op, place: u32, frame: &[u8], own: &Keyring) -> bool {
    let Some(entry) = op.entries().get(place as usize) else { return false };
    if !is_narrowed(&context.state, given, entry.class, &entry.resource_type) {
        return false;
    }
    let Some(kind) = ResourceType::parse(&entry.resource_type) else { return false };
    let Ok(Some(content)) = open_resource(op, place, entry, frame, context, own) else { return false };
    let rows = rows_of(content.json, kind);
    rows.is_some_and(|rows| reaches(&context.state, given, entry.class, kind, &rows))
}

/// Grants of `me` that reach some of a class and type and not all of it.
fn narrowing<'c>(
    context: &'c Context,
    me: &'c IdentityId,
    entry: &'c Entry,
) -> impl Iterator<Item = &'c Given> + use<'c> {
    let open = |given: &&Given| given.holder == *me && given.revoked_by.is_none() && given.replaced_by.is_none();
    let narrowed = |given: &&Given| is_narrowed(&context.state, given, entry.class, &entry.resource_type);
    context.state.grants().filter(open).filter(narrowed)
}

fn held(context: &Context, op: &Op, entry: &Entry, origin: IdentityId, found: Found) -> Held {
    Held { record: context.record, handle: entry.handle, origin, lamport: op.header().lamport, op: op.id(), found }
}

impl Batch {
    /// Remembers which of one's grants with parameters reach a version of another's. Of a resource that one reached before and
    /// does not reach now, no older version is shown in its place.
    pub(crate) fn note_within(
        &mut self,
        context: &Context,
        op: &Op,
        (entry, origin): (&Entry, IdentityId),
        position: i64,
        rows: &[IndexRow],
    ) {
        let Some(kind) = ResourceType::parse(&entry.resource_type) else { return };
        let me = self.node.identity.id();
        let mut narrowing = narrowing(context, &me, entry).peekable();
        if narrowing.peek().is_none() {
            return;
        }
        let rows = rows.iter().filter(|row| row.contained.is_none()).cloned().collect::<Vec<_>>();
        for given in narrowing {
            let grant = given.id.text();
            let found = match reaches(&context.state, given, entry.class, kind, &rows) {
                true => Found::Within(grant, position),
                false => Found::Beyond(grant),
            };
            self.add_held(held(context, op, entry, origin, found));
        }
    }

    /// A frame that grants with parameters could reach is not here, or ends its resource: that is hidden, never shown as it was
    /// before.
    pub(crate) fn note_withheld(&mut self, context: &Context, op: &Op, entry: &Entry) {
        let me = self.node.identity.id();
        if narrowing(context, &me, entry).next().is_some() {
            // Whose it is stands in the frame; who may change others' may have changed anybody's.
            let origin = match context.state.is_shared(op.header()) {
                true => ANYBODY,
                false => op.header().lane.author,
            };
            self.add_held(held(context, op, entry, origin, Found::Withheld));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_plain_tokens_that_narrow_reading() {
        let check = |scope: &str, expected: Option<&str>| {
            let found = fault(&Scope::parse(scope).expect("a scope"));
            assert_eq!(found.is_none(), expected.is_none(), "{scope}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{scope}");
        };
        check("patient/Observation.rs", None);
        check("patient/Observation.rs?category=laboratory", None);
        check(
            "patient/Observation.s?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            None,
        );
        check("patient/Observation.rs?category=laboratory,vital-signs&status=final", None);
        check("patient/Observation.rs?category=", Some("plain values"));
        check("patient/Observation.rs?category=a\\,b", Some("plain values"));
        check("patient/Observation.rs?category:not=a", Some("no token parameter"));
        check("patient/Observation.rs?date=gt2020", Some("no token parameter"));
        check("patient/Observation.rs?_id=x", Some("no token parameter"));
        check("patient/Observation.rs?subject.name=x", Some("no token parameter"));
        check("patient/Observation.rs?nothing=x", Some("no token parameter"));
        check("patient/*.rs?category=laboratory", Some("names no type"));
        check("patient/Observation.cr?category=laboratory", Some("not what is written"));
    }
}
