//! The one decision on what a token may do: nothing of a type, everything of it, or what a filter finds. Scopes with
//! parameters and scopes for one patient become filters that narrow a statement before it runs, so that counts, pages and
//! errors tell nothing of what lies beyond. Called by everything here that reads or writes for a caller.
//!
//! `permit/guard.rs` holds writes against it, `permit/version.rs` versions that no index leads to.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>

mod guard;
mod version;

pub(crate) use guard::Guards;
pub(crate) use version::holds;

use crate::binary::is_binary;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use fhir::ResourceType;
use fhir::query::{Condition, Contained};
use record::scope::{Context, Interactions, Scope, Scopes};
use std::collections::{BTreeSet, HashMap};
use store::reach::Sight;
use store::search::{Filter, Match, ParamTable, Search};

/// How far a token reaches in a type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reach {
    /// Everything there that grants let this node see.
    Whole,
    /// What all of these find.
    Where(Vec<Filter>),
}

/// How far a token reaches in the types that a search leads to.
pub(crate) struct Reaches<'c> {
    caller: &'c Caller,
    /// Only those that it does not read whole.
    narrowed: HashMap<ResourceType, Vec<Filter>>,
}

impl Reaches<'_> {
    /// The filters that narrow a type; none for one that is searched whole.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] for a type that may not be searched.
    pub(crate) fn of(&self, kind: ResourceType) -> Result<&[Filter], NodeError> {
        match self.narrowed.get(&kind) {
            Some(filters) => Ok(filters),
            None => self.caller.permit(kind, Interactions::SEARCH).map(|()| &[][..]),
        }
    }
}

/// The statement that finds those of `ids` that `filters` let through.
pub(crate) fn among(kind: ResourceType, ids: &[String], filters: &[Filter], sight: Sight) -> Search {
    let filters = std::iter::once(Filter::Ids(ids.to_vec())).chain(filters.iter().cloned());
    Search::all(kind.number(), filters.collect(), sight)
}

impl Node {
    /// How far the token reaches in a type.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] where it permits nothing of the kind.
    pub(crate) async fn reach(
        &self,
        caller: &Caller,
        kind: ResourceType,
        interaction: Interactions,
    ) -> Result<Reach, NodeError> {
        let refused = match caller.permit(kind, interaction) {
            Ok(()) => return Ok(Reach::Whole),
            Err(refused) => refused,
        };
        if is_listed_whole(kind, interaction) {
            return Err(refused);
        }
        let mut any = Vec::new();
        for (scope, subject) in caller.scopes_for(kind, interaction) {
            let Some(mut filters) = within_patient(kind, interaction, subject) else { continue };
            if let Some(parameters) = &scope.parameters {
                let Some(found) = Box::pin(self.parameters_of(kind, parameters)).await? else { continue };
                filters.extend(found);
            }
            match filters.is_empty() {
                true => return Ok(Reach::Whole),
                false => any.push(Filter::All(filters)),
            }
        }
        match (any.pop(), any.is_empty()) {
            (None, _) => Err(refused),
            (Some(Filter::All(only)), true) => Ok(Reach::Where(only)),
            (Some(last), _) => {
                any.push(last);
                Ok(Reach::Where(vec![Filter::Any(any)]))
            }
        }
    }

    /// What a scope's parameters ask; `None` for what this server does not know, which grants nothing.
    async fn parameters_of(&self, kind: ResourceType, parameters: &str) -> Result<Option<Vec<Filter>>, NodeError> {
        let query = match self.query(kind, &crate::search::pairs(parameters)).await {
            Ok(query) => query,
            Err(NodeError::Invalid(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let plain = query.includes.is_empty() && query.revincludes.is_empty() && query.sort.is_empty();
        if !query.unknown.is_empty() || query.conditions.is_empty() || query.contained != Contained::False || !plain {
            return Ok(None);
        }
        // What a scope names is followed to wherever it leads: the scope is the operator's word, not the caller's.
        let whole = Caller { scopes: Scopes::parse("system/*.rs"), ..Caller::nobody() };
        match self.filters(&whole, &query.conditions, BTreeSet::new()).await {
            Ok(filters) => Ok(Some(filters)),
            Err(NodeError::Invalid(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How far the token reaches in the types that conditions lead to.
    pub(crate) async fn reaches<'c>(
        &self,
        caller: &'c Caller,
        conditions: &[Condition],
    ) -> Result<Reaches<'c>, NodeError> {
        let mut reaches = Reaches { caller, narrowed: HashMap::new() };
        if caller.is_plain() {
            return Ok(reaches);
        }
        let mut kinds = BTreeSet::new();
        conditions.iter().for_each(|condition| gather(condition, &mut kinds));
        for kind in kinds {
            match self.reach(caller, kind, Interactions::SEARCH).await {
                Ok(Reach::Where(filters)) => drop(reaches.narrowed.insert(kind, filters)),
                Ok(Reach::Whole) | Err(NodeError::Forbidden(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reaches)
    }
}

/// Types whose rows are asked by conditions. As deep as the condition, which has a limit.
fn gather(condition: &Condition, kinds: &mut BTreeSet<ResourceType>) {
    match condition {
        Condition::Is(_) => {}
        Condition::Refers { targets, .. } => {
            for (kind, inner) in targets {
                kinds.insert(*kind);
                gather(inner, kinds);
            }
        }
        Condition::Referred { source, condition, .. } => {
            kinds.insert(*source);
            gather(condition, kinds);
        }
        Condition::Not(inner) => gather(inner, kinds),
        Condition::All(inner) | Condition::Any(inner) => inner.iter().for_each(|inner| gather(inner, kinds)),
    }
}

/// A list of Binaries is for tokens that read every type: no index says what they are about.
fn is_listed_whole(kind: ResourceType, interaction: Interactions) -> bool {
    is_binary(kind) && interaction == Interactions::SEARCH
}

/// What narrows a type to one patient; `None` where nothing of it is the patient's. Without a subject nothing narrows.
///
/// Directory resources are nobody's, and read by whoever reads what names them.
fn within_patient(kind: ResourceType, interaction: Interactions, subject: Option<&str>) -> Option<Vec<Filter>> {
    let Some(id) = subject else { return Some(Vec::new()) };
    if kind.name() == "Patient" {
        return Some(vec![Filter::Ids(vec![id.to_owned()])]);
    }
    let reads = interaction == Interactions::READ || interaction == Interactions::SEARCH;
    let any = vec![Match::References(vec![format!("Patient/{id}")])];
    let refers = |param: &fhir::params::Param| Filter::Param {
        param: param.id.0,
        table: ParamTable::Reference,
        any: any.clone(),
        not: false,
    };
    if !reads {
        // Written is what lies in the patient's record: a Patient who is named beside its subject has no say in it.
        let main = fhir::home::element(kind)?;
        let named = [main, "patient", "subject"].into_iter().find_map(|code| fhir::params::find(kind, code));
        return named.filter(|param| param.supported).map(|param| vec![refers(&param)]);
    }
    if fhir::home::is_directory(kind) {
        return Some(Vec::new());
    }
    if is_binary(kind) && interaction == Interactions::READ {
        // No index says whose it is: `version` asks what it stands with.
        return Some(vec![Filter::Ids(Vec::new())]);
    }
    let params = fhir::compartment::patient_params(kind).iter().filter_map(|code| fhir::params::find(kind, code));
    let within = params.map(|param| refers(&param)).collect::<Vec<_>>();
    (!within.is_empty()).then(|| vec![Filter::Any(within)])
}

impl Caller {
    /// Whether the token may do something of the kind with some resource of a type.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`], naming the scope that is missing.
    pub fn may(&self, kind: ResourceType, interaction: Interactions) -> Result<(), NodeError> {
        match self.scopes_for(kind, interaction).next() {
            Some(_) if !is_listed_whole(kind, interaction) => Ok(()),
            _ => self.permit(kind, interaction),
        }
    }

    /// Whether the token permits `interaction` on everything of a type that is one patient's.
    pub(crate) fn permits_for(&self, kind: ResourceType, interaction: Interactions, patient: &str) -> bool {
        self.scopes_for(kind, interaction)
            .any(|(scope, subject)| scope.parameters.is_none() && subject.is_none_or(|subject| subject == patient))
    }

    /// Whether every scope of the token is for whole types.
    fn is_plain(&self) -> bool {
        self.patient_scopes.known.is_empty() && self.scopes.known.iter().all(|scope| scope.parameters.is_none())
    }

    /// Scopes that speak of an interaction on a type, with the one patient of whom they speak.
    pub(crate) fn scopes_for(
        &self,
        kind: ResourceType,
        interaction: Interactions,
    ) -> impl Iterator<Item = (&Scope, Option<&str>)> {
        let covers = move |scope: &&Scope| scope.covers_type(kind.name()) && scope.interactions.contains(interaction);
        let whole = self.scopes.known.iter().filter(|scope| scope.context != Context::Patient);
        let patient = self.patient.as_deref();
        let of_patient = self.patient_scopes.known.iter().filter(move |_| patient.is_some());
        whole
            .filter(covers)
            .map(|scope| (scope, None))
            .chain(of_patient.filter(covers).map(move |scope| (scope, patient)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: &str, patient_scopes: &str) -> Caller {
        let (scopes, patient_scopes) = (Scopes::parse(scopes), Scopes::parse(patient_scopes));
        Caller { scopes, patient_scopes, patient: Some("p1".to_owned()), ..Caller::nobody() }
    }

    fn kind(name: &str) -> ResourceType {
        ResourceType::parse(name).expect("a type of R4")
    }

    #[test]
    fn a_scope_for_one_patient_speaks_of_what_is_the_patients() {
        let check = |name: &str, interaction, expected: Option<usize>| {
            let found = within_patient(kind(name), interaction, Some("p1"));
            assert_eq!(found.map(|filters| filters.len()), expected, "{name}.{interaction}");
        };
        check("Patient", Interactions::READ, Some(1));
        check("Observation", Interactions::SEARCH, Some(1));
        check("Observation", Interactions::CREATE, Some(1));
        check("Practitioner", Interactions::READ, Some(0));
        check("Practitioner", Interactions::UPDATE, None);
        check("ValueSet", Interactions::READ, None);
        check("Binary", Interactions::READ, Some(1));
        check("Binary", Interactions::SEARCH, None);
        assert_eq!(within_patient(kind("ValueSet"), Interactions::READ, None), Some(Vec::new()));
    }

    #[test]
    fn what_a_token_may_do_at_all_and_for_one_patient() {
        let observation = kind("Observation");
        let check = |scopes: &str, patient_scopes: &str, may: bool, mine: bool, others: bool| {
            let caller = caller(scopes, patient_scopes);
            assert_eq!(caller.may(observation, Interactions::READ).is_ok(), may, "{scopes} {patient_scopes}");
            assert_eq!(caller.permits_for(observation, Interactions::READ, "p1"), mine, "{scopes} {patient_scopes}");
            assert_eq!(caller.permits_for(observation, Interactions::READ, "p2"), others, "{scopes} {patient_scopes}");
        };
        check("system/*.rs", "", true, true, true);
        check("system/Observation.rs?category=laboratory", "", true, false, false);
        check("", "patient/*.rs", true, true, false);
        check("", "patient/Observation.s", false, false, false);
        check("", "patient/Observation.r?category=laboratory", true, false, false);
        // A scope for one patient among those for everything is no scope for everything.
        check("patient/*.rs", "", false, false, false);
        let nobody = Caller { patient: None, ..caller("", "patient/*.rs") };
        assert!(nobody.may(observation, Interactions::READ).is_err(), "without a patient it speaks of nobody");
    }
}
