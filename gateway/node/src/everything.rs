//! Everything about one patient: the Patient, what is in its compartment, and the directory resources these refer to, as
//! far as the caller may see, in pages over a snapshot. Called by `server`.
//!
//! Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>, <https://hl7.org/fhir/R4/compartmentdefinition.html>

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use crate::search::{Found, INCLUDES_MAX, PAGE_DEFAULT, PAGE_MAX, Page};
use fhir::params::SearchType;
use fhir::{Code, Issue, ResourceType};
use record::scope::Interactions;
use std::collections::{BTreeMap, BTreeSet};
use store::compartment::Compartment;
use store::db::Reader;

/// The date parameters that say when care was given, in any type; others say when a record was made.
const CARE_DATES: [&str; 24] = [
    "authored",
    "authored-on",
    "authoredon",
    "created",
    "date",
    "effective",
    "effective-time",
    "event-date",
    "issued",
    "occurrence",
    "occurrence-date",
    "onset-date",
    "performed",
    "period",
    "planned-date",
    "prepared",
    "recorded-date",
    "sent",
    "service-date",
    "start-date",
    "started",
    "timing",
    "whenhandedover",
    "whenprepared",
];

/// Which part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Care from this microsecond on.
    pub start: Option<i64>,
    /// Care up to this microsecond.
    pub end: Option<i64>,
    /// Last updated from this microsecond on.
    pub since: Option<i64>,
    /// Only these types; none for all.
    pub kinds: Vec<ResourceType>,
    /// How many on a page.
    pub count: Option<usize>,
    /// With the directory resources that are referred to.
    pub directory: bool,
}

/// What was on the pages before: their resources stand at `from` or are newer, and so do their directory resources.
struct Earlier<'a> {
    asked: &'a Compartment,
    from: Option<i64>,
    /// The Patient, where it came first.
    subject: Option<i64>,
}

impl Node {
    /// One page of everything about a Patient; the Patient comes first.
    ///
    /// # Errors
    /// Those of [`Node::read`] for the Patient.
    pub async fn everything(
        &self,
        caller: &Caller,
        id: &str,
        wanted: &Wanted,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        let patient = ResourceType::parse("Patient").ok_or(NodeError::Internal("no type is named Patient"))?;
        let subject = self.read(caller, patient, id).await?;
        let subject_position = self.find_current(patient.number(), id).await?.map(|found| found.position);
        let (asked, issues) = self.asked(caller, patient, id, wanted, page).await?;
        let with_subject = (wanted.kinds.is_empty() || wanted.kinds.contains(&patient))
            && wanted.since.is_none_or(|since| subject.last_updated >= since);
        let mut reader = Reader::from(&self.store);
        let total = reader.compartment_count(&asked).await? + i64::from(with_subject);
        let most = wanted.count.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let first = page.is_none() && with_subject;
        let room = most - usize::from(first);
        let before = page.and_then(|page| page.before);
        let mut rows = reader.compartment(&asked, before, room as i64 + 1).await?;
        let next = (rows.len() > room).then(|| Page {
            snapshot: asked.snapshot,
            // A page of one may hold the Patient alone: the next begins at the top.
            before: if room == 0 { None } else { Some(rows[room - 1].position) },
            ..Page::default()
        });
        rows.truncate(room);
        let mut positions = rows.iter().map(|row| row.position).collect::<Vec<_>>();
        let mut matches = Vec::with_capacity(most);
        if first {
            positions.extend(subject_position);
            matches.push(subject);
        }
        for row in rows {
            matches.extend(self.serve(row).await?);
        }
        let mut found = Found { total: Some(total), matches, includes: Vec::new(), next, issues };
        if wanted.directory && wanted.kinds.is_empty() {
            let subject = subject_position.filter(|_| with_subject && !first);
            let earlier = page.map(|page| Earlier { asked: &asked, from: page.before, subject });
            found.includes = self.directory(caller, &positions, earlier, &mut found.issues).await?;
        }
        Ok(found)
    }

    async fn asked(
        &self,
        caller: &Caller,
        patient: ResourceType,
        id: &str,
        wanted: &Wanted,
        page: Option<Page>,
    ) -> Result<(Compartment, Vec<Issue>), NodeError> {
        let (mut members, mut care_params, mut issues) = (Vec::new(), Vec::new(), Vec::new());
        for kind in ResourceType::all() {
            let named = wanted.kinds.contains(&kind);
            if !named && !wanted.kinds.is_empty() {
                continue;
            }
            let permits = |what| caller.permits_for(kind, what, id);
            if !permits(Interactions::READ) || !permits(Interactions::SEARCH) {
                if named {
                    let text = format!("the token may not read and search {}; none are shown", kind.name());
                    issues.push(Issue::warning(Code::Suppressed, text));
                }
                continue;
            }
            for code in fhir::compartment::patient_params(kind) {
                members.extend(fhir::params::find(kind, code).map(|param| (kind.number(), param.id.0)));
            }
            let dates = fhir::params::of(kind).filter(|param| {
                param.kind == SearchType::Date && CARE_DATES.contains(&param.code) && !param.is_last_updated()
            });
            care_params.extend(dates.map(|param| (kind.number(), param.id.0)));
        }
        let snapshot = self.snapshot(page).await?;
        let care = (wanted.start.is_some() || wanted.end.is_some())
            .then(|| (wanted.start.unwrap_or(i64::MIN), wanted.end.unwrap_or(i64::MAX)));
        let asked = Compartment {
            patient_kind: patient.number(),
            patient: id.to_owned(),
            members,
            since: wanted.since,
            care,
            care_params,
            sight: self.sight(caller),
            snapshot,
        };
        Ok((asked, issues))
    }

    /// The directory resources that these versions refer to, but not those that came with an earlier page.
    async fn directory(
        &self,
        caller: &Caller,
        positions: &[i64],
        earlier: Option<Earlier<'_>>,
        issues: &mut Vec<Issue>,
    ) -> Result<Vec<Served>, NodeError> {
        let mut reader = Reader::from(&self.store);
        let targets = reader.targets(positions, None).await?.into_iter();
        let mut targets = targets.filter(|target| directory(caller, target)).collect::<BTreeSet<_>>();
        if let Some(Earlier { asked, from, subject }) = earlier {
            let candidates = targets.iter().cloned().collect::<Vec<_>>();
            let mut came = reader.targets(&Vec::from_iter(subject), None).await?;
            // A first page may have held the Patient alone.
            if let Some(from) = from {
                came.extend(reader.compartment_refers(asked, from, &candidates).await?);
            }
            let came = came.into_iter().collect::<BTreeSet<_>>();
            targets.retain(|target| !came.contains(target));
        }
        let mut by_kind = BTreeMap::<ResourceType, Vec<String>>::new();
        for (kind, id) in targets.iter().filter_map(|target| target.split_once('/')) {
            let Some(kind) = ResourceType::parse(kind) else { continue };
            by_kind.entry(kind).or_default().push(id.to_owned());
        }
        let mut served = Vec::new();
        for (kind, ids) in by_kind {
            let mut rows = self.visible_to(caller, kind, &ids).await?;
            rows.sort_by(|one, other| one.id.cmp(&other.id));
            for row in rows {
                if served.len() >= INCLUDES_MAX {
                    let text = format!("more than {INCLUDES_MAX} resources are referred to; the others are left out");
                    issues.push(Issue::warning(Code::TooCostly, text));
                    return Ok(served);
                }
                served.extend(self.serve(row).await?);
            }
        }
        Ok(served)
    }
}

/// Whether a target is a directory resource of a type that the token may read.
fn directory(caller: &Caller, target: &str) -> bool {
    let kind = target.split_once('/').and_then(|(kind, _)| ResourceType::parse(kind));
    kind.is_some_and(|kind| fhir::home::is_directory(kind) && caller.may(kind, Interactions::READ).is_ok())
}
