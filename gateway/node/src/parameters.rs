//! Search parameters that were stored as SearchParameter resources: which of them the index has rows for. What is in force
//! stands in the database and changes by `$reindex` alone; each process remembers it, and every transaction sees by the
//! log's clock whether what it remembers is still in force. Called by whoever indexes.
//!
//! `parameters/naming.rs` is what searches may name, `parameters/take.rs` takes definitions up, `parameters/job.rs` goes
//! through what is there, `parameters/fill.rs` makes its rows.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

mod fill;
mod job;
mod naming;
mod notes;
mod take;

use crate::error::NodeError;
use crate::node::Node;
use fhir::index::Entry;
use fhir::index::custom::Custom;
use fhir::json::Doc;
use fhir::params::{ParamId, STORED_MIN};
use fhir::{Outcome, ResourceType};
pub use job::{JOBS_KEPT, Job};
pub(crate) use job::{Worker, run};
pub use notes::Note;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use store::db::Reader;
use store::parameters::State;
pub use take::{DEFINITIONS_MAX, PARAMETERS_MAX};

/// The type of resources that define parameters.
const DEFINITION: &str = "SearchParameter";

/// What this process remembers.
#[derive(Default)]
pub(crate) struct Parameters {
    registry: Mutex<Arc<Registry>>,
    names: Mutex<Option<naming::Names>>,
    pub(crate) worker: Worker,
}

/// The stored parameters that what is written has rows of.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// The number in the log's clock that was drawn for it.
    pub(crate) drawn: i64,
    known: Vec<Known>,
    /// Places in `known`.
    of_kind: HashMap<ResourceType, Vec<usize>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) number: u16,
    /// The id of its SearchParameter.
    pub(crate) id: String,
    pub(crate) custom: Custom,
    /// Everything has its rows.
    pub(crate) is_searched: bool,
}

impl Registry {
    /// Reads what is in force.
    async fn load(reader: &mut Reader<'_>, drawn: i64) -> Result<Self, NodeError> {
        let mut registry = Self { drawn, ..Self::default() };
        for stored in reader.parameters().await? {
            if stored.state == State::Removing {
                continue;
            }
            let custom = match read(stored.definition) {
                Ok(custom) => custom,
                // A newer build may know more, or have a parameter of this name from the specification.
                Err(outcome) => {
                    tracing::warn!(id = stored.id, %outcome, "a SearchParameter that was indexed is not searched by this build");
                    continue;
                }
            };
            for base in custom.bases() {
                registry.of_kind.entry(*base).or_default().push(registry.known.len());
            }
            let is_searched = stored.state == State::Searched;
            registry.known.push(Known { number: stored.number, id: stored.id, custom, is_searched });
        }
        Ok(registry)
    }

    pub(crate) fn known(&self) -> &[Known] {
        &self.known
    }

    fn of(&self, kind: ResourceType) -> impl Iterator<Item = &Known> {
        self.of_kind.get(&kind).into_iter().flatten().map(|at| &self.known[*at])
    }

    /// What a resource can be found by beyond R4's own parameters. One whose expression fails on it finds nothing there.
    pub(crate) fn entries(&self, doc: &Doc, kind: ResourceType) -> Vec<Entry> {
        let values = |known: &Known| known.custom.values(doc, kind).unwrap_or_default();
        self.of(kind).flat_map(|known| entries_of(known.number, values(known))).collect()
    }

    /// Whether each of these parameters, as far as they are stored ones, can be searched by.
    pub(crate) fn searches(&self, params: &BTreeSet<u16>) -> bool {
        let searched = |number: u16| self.known.iter().any(|known| known.number == number && known.is_searched);
        params.iter().filter_map(|param| number_of(*param)).all(searched)
    }
}

/// What a definition means that was taken up.
fn read(definition: Vec<u8>) -> Result<Custom, Outcome> {
    Custom::read(&Doc::parse(definition)?)
}

fn entries_of(number: u16, values: Vec<fhir::index::Value>) -> impl Iterator<Item = Entry> {
    values.into_iter().map(move |value| Entry { param: ParamId(number), group: 0, value })
}

/// The stored parameter that a row is of; none for R4's own.
pub(crate) fn number_of(param: u16) -> Option<u16> {
    let number = param & !crate::index::CANONICAL;
    (number >= STORED_MIN).then_some(number)
}

/// Whether resources of this type define parameters.
pub(crate) fn is_definition(kind: u16) -> bool {
    ResourceType::from_number(kind).is_some_and(|kind| kind.name() == DEFINITION)
}

impl Node {
    /// What this process last saw in force. A transaction looks whether it still is.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.parameters.registry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in force where the log's clock has this number.
    pub(crate) async fn registry_of(&self, reader: &mut Reader<'_>, drawn: i64) -> Result<Arc<Registry>, NodeError> {
        let remembered = self.registry();
        if remembered.drawn == drawn {
            return Ok(remembered);
        }
        let registry = Arc::new(Registry::load(reader, drawn).await?);
        *self.parameters.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry.clone();
        Ok(registry)
    }

    /// Reads what is in force anew; rows that were prepared before are then found out and made again.
    pub(crate) async fn load_registry(&self) -> Result<Arc<Registry>, NodeError> {
        let drawn = self.store.parameters_mark(0).await?.drawn;
        self.registry_of(&mut Reader::from(&self.store), drawn).await
    }
}
