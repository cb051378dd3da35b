//! Homes: which record a write goes into. A local Patient's home is the patient's record while a grant there covers the
//! write, otherwise the hospital's own custodial record. Grants decide only what reaches others: no write is ever
//! refused for want of one. Called by `write`.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::prepare::Prepared;
use fhir::ResourceType;
use fhir::home::Main;
use fhir::reference::Parts;
use record::body::genesis::Purpose;
use record::keys::Level;
use record::scope::{Interactions, Permit};
use record::state::Given;
use record::{Authority, Class};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::homes::Home;
use store::search::{Filter, Match, ParamTable, Search};

/// Where a resource goes, and what this node acts under there.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) context: Arc<Context>,
    pub(crate) authority: Authority,
}

/// Patients and resources of the transaction itself, which the database does not know yet.
#[derive(Default)]
pub(crate) struct Together {
    /// Local Patients created or updated here.
    pub(crate) patients: Vec<String>,
    /// Which of them have an identifier, by [`identifier_target`].
    pub(crate) identifiers: HashMap<String, BTreeSet<String>>,
    /// Main patients of the other resources here, by `Type/id`.
    pub(crate) subjects: HashMap<String, Vec<String>>,
}

/// Whom a resource is about.
enum Subject {
    Patient(String),
    /// Nobody, or several.
    Nobody,
    /// Somebody who is not here yet: when one of these appears, it is asked anew.
    Unknown(Vec<String>),
}

/// What a resource waits for that names its patient by an identifier.
pub(crate) fn identifier_target(system: &str, value: &str) -> String {
    format!("{system}|{value}")
}

impl Batch {
    /// The home of a resource, and what it waits for there, if it is in the house record for want of that.
    pub(crate) async fn home(
        &mut self,
        resource: &Prepared,
        together: &Together,
    ) -> Result<(Place, Vec<String>), NodeError> {
        match self.subject(resource.kind, &resource.id, &resource.main, together).await? {
            Subject::Patient(patient) => Ok((self.home_of_patient(&patient, resource).await?, Vec::new())),
            Subject::Nobody => Ok((self.house().await?, Vec::new())),
            Subject::Unknown(targets) => Ok((self.house().await?, targets)),
        }
    }

    pub(crate) async fn house(&mut self) -> Result<Place, NodeError> {
        let house = self.node.house()?;
        Ok(Place { context: self.known(&house).await?, authority: Authority::Genesis })
    }

    /// What a resource in the house record waits for; empty for one that is at home there.
    pub(crate) async fn waits_for(
        &mut self,
        kind: ResourceType,
        id: &str,
        main: &Main,
    ) -> Result<Vec<String>, NodeError> {
        match self.subject(kind, id, main, &Together::default()).await? {
            Subject::Unknown(targets) => Ok(targets),
            Subject::Patient(_) | Subject::Nobody => Ok(Vec::new()),
        }
    }

    /// The one local Patient the resource is about.
    async fn subject(
        &mut self,
        kind: ResourceType,
        id: &str,
        main: &Main,
        together: &Together,
    ) -> Result<Subject, NodeError> {
        if kind.name() == "Patient" {
            return Ok(Subject::Patient(id.to_owned()));
        }
        let texts = match main {
            Main::None => return Ok(Subject::Nobody),
            Main::Identifier(system, value) => {
                let found = self.patient_by_identifier(system, value, together).await?;
                return Ok(
                    found.map_or_else(|| Subject::Unknown(vec![identifier_target(system, value)]), Subject::Patient)
                );
            }
            Main::Patients(texts) => texts,
        };
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for text in texts {
            let Parts::Relative { kind, id, .. } = fhir::reference::parse(text) else { continue };
            let target = format!("{}/{id}", kind.name());
            let known = match together.subjects.get(&target) {
                Some(subjects) => subjects.clone(),
                None if kind.name() == "Patient" => vec![id.to_owned()],
                None => self.subject_of_stored(kind, id).await?.into_iter().collect(),
            };
            if known.is_empty() {
                unknown.push(target);
            }
            found.extend(known);
        }
        found.sort();
        found.dedup();
        let [patient] = &found[..] else {
            return Ok(if found.is_empty() && !unknown.is_empty() {
                Subject::Unknown(unknown)
            } else {
                Subject::Nobody
            });
        };
        if together.patients.contains(patient) || !self.homes(patient).await?.is_empty() {
            return Ok(Subject::Patient(patient.clone()));
        }
        Ok(Subject::Unknown(vec![format!("Patient/{patient}")]))
    }

    /// The Patient whose record a stored resource lives in.
    async fn subject_of_stored(&mut self, kind: ResourceType, id: &str) -> Result<Option<String>, NodeError> {
        let Some(version) = self.current(kind.number(), id).await? else { return Ok(None) };
        let homes = self.homes_of(&version.record).await?;
        Ok(homes.into_iter().next().map(|home| home.patient))
    }

    async fn patient_by_identifier(
        &mut self,
        system: &str,
        value: &str,
        together: &Together,
    ) -> Result<Option<String>, NodeError> {
        let Some(patient) = ResourceType::parse("Patient") else { return Ok(None) };
        let Some(param) = fhir::params::find(patient, "identifier") else { return Ok(None) };
        let one = Match::Token { code: Some(value.to_owned()), system: Some(system.to_owned()) };
        let search = Search::own(
            patient.number(),
            vec![Filter::Param { param: param.id.0, table: ParamTable::Token, any: vec![one], not: false }],
        );
        let found = self.reader().await?.search(&search, 2).await?.0;
        let mut ids = together.identifiers.get(&identifier_target(system, value)).cloned().unwrap_or_default();
        ids.extend(found.into_iter().map(|found| found.id));
        Ok(if ids.len() == 1 { ids.pop_first() } else { None })
    }

    /// The home of a local Patient for a write of this kind and class, opened when first needed.
    pub(crate) async fn home_of_patient(&mut self, patient: &str, resource: &Prepared) -> Result<Place, NodeError> {
        let me = self.node.identity.id();
        let mut custodial = None;
        for home in self.homes(patient).await? {
            let Some(context) = self.context(&home.record).await? else { continue };
            if context.speaks(&me) {
                custodial = Some(context);
            } else if let Some(authority) = covering_grant(&context, &me, resource, false) {
                return Ok(Place { context, authority });
            }
        }
        let context = match custodial {
            Some(context) => context,
            None => {
                let context = self.open_record(Purpose::Custodial).await?;
                self.set_home(Home { patient: patient.to_owned(), record: context.record, bound: false });
                context
            }
        };
        Ok(Place { context, authority: Authority::Genesis })
    }
}

/// The grant under which `me` may write this resource there, if its key is held too; with `shared` one for what is another's.
pub(crate) fn covering_grant(
    context: &Context,
    me: &record::IdentityId,
    resource: &Prepared,
    shared: bool,
) -> Option<Authority> {
    let needed = match resource.method {
        record::frame::Method::Create => Interactions::CREATE,
        record::frame::Method::Update => Interactions::UPDATE,
        record::frame::Method::Delete => Interactions::DELETE,
        record::frame::Method::Copy | record::frame::Method::Moved => return None,
    };
    if !may_seal(context, resource.class, resource.kind.name()) {
        return None;
    }
    let now = crate::clock::now_ms();
    let covers = |given: &Given| {
        (given.grant.shared || !shared)
            && given.grant.classes.contains(&resource.class)
            && resource.class != Class::DIRECTORY
            && given.scopes.permits(resource.kind.name(), needed) == Permit::Yes
    };
    // Where two narrowed one grant beside each other, only what both permit is permitted (rule 6.11).
    let beside = |given: &Given| given.beside.iter().filter_map(|id| context.state.grant(id)).all(covers);
    let given = context.state.live_grants(me, now).find(|given| covers(given) && beside(given))?;
    Some(Authority::Grant(given.id))
}

/// Whether what is written now can be sealed: under the key of the type, or one of the op's own (rule 5.8).
fn may_seal(context: &Context, class: Class, kind: &str) -> bool {
    let epochs = context.state.epochs();
    let write = Level::Write(class, kind.to_owned());
    context.keys.key(&epochs, &Level::Type(class, kind.to_owned())).is_some()
        || (!epochs.is_empty() && epochs.iter().all(|epoch| context.keys.key(&[*epoch], &write).is_some()))
}
