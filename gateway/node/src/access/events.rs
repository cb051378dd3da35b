//! AuditEvents asked for: by whoever reads the whole log, and by a patient's app, which is told of its patient alone. Called by
//! `search` and `read`.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use crate::search::{Found, PAGE_DEFAULT, PAGE_MAX, Page};
use fhir::query::{Condition, Modifier, Prefix, Query, Wanted};
use fhir::{Code, Issue, ResourceType};
use record::scope::Interactions;
use store::audit::{AuditQuery, AuditRow};
use store::db::Reader;

/// The place in the log that an AuditEvent's id names; none for one that was written here as a resource.
pub(crate) fn position_of(kind: ResourceType, id: &str) -> Option<i64> {
    let digits = id.strip_prefix("audit-").filter(|_| kind.name() == "AuditEvent")?;
    digits.parse().ok()
}

/// The patient whose part of the log a token reads; none for the whole of it.
fn whose(caller: &Caller, interaction: Interactions) -> Result<Option<String>, NodeError> {
    let kind = ResourceType::parse("AuditEvent").ok_or(NodeError::Internal("no AuditEvent type"))?;
    match (caller.permit(kind, interaction), &caller.patient) {
        (Ok(()), _) => Ok(None),
        (Err(_), Some(patient)) if caller.permits_for(kind, interaction, patient) => Ok(Some(patient.clone())),
        (Err(refused), _) => Err(refused),
    }
}

/// The event of a row. A patient is not told what was asked for in the same look: it may name others.
fn shown(whose: &Option<String>, row: AuditRow) -> Option<Served> {
    match whose {
        None => crate::derived::audit::event(&row),
        Some(_) => {
            let resource_id = if row.resource_type == "Patient" { String::new() } else { row.resource_id };
            crate::derived::audit::event(&AuditRow { query: String::new(), resource_id, ..row })
        }
    }
}

impl Node {
    /// One AuditEvent.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`], [`NodeError::NotFound`].
    pub(crate) async fn audit_event(&self, caller: &Caller, position: i64) -> Result<Served, NodeError> {
        let patient = whose(caller, Interactions::READ)?;
        let asked = AuditQuery { position: Some(position), patient: patient.clone(), ..AuditQuery::default() };
        let row = Reader::from(&self.store).audit(&asked, 1).await?.pop();
        let event = row.and_then(|row| shown(&patient, row));
        event.ok_or_else(|| NodeError::NotFound(format!("AuditEvent/audit-{position}")))
    }

    /// AuditEvents that match a query. They are found by date, patient, action, agent, entity-name and `_id`.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`].
    pub(crate) async fn search_audit(
        &self,
        caller: &Caller,
        query: Query,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        let whose = whose(caller, Interactions::SEARCH)?;
        let mut issues = query.unknown.clone();
        let mut asked = AuditQuery { before: page.and_then(|page| page.before), ..AuditQuery::default() };
        for condition in &query.conditions {
            let Condition::Is(filter) = condition else {
                issues.push(not_applied("a chain"));
                continue;
            };
            if filter.modifier != Modifier::None {
                issues.push(not_applied(filter.param.code));
                continue;
            }
            match (filter.param.code, filter.values.first()) {
                ("_id", Some(Wanted::Token { code: Some(id), .. })) => {
                    asked.position = Some(id.strip_prefix("audit-").and_then(|id| id.parse().ok()).unwrap_or(-1));
                }
                ("patient", Some(Wanted::Reference { id: Some(id), .. })) => asked.patient = Some(id.clone()),
                ("date" | "_lastUpdated", Some(Wanted::Date { prefix, low, high })) => match prefix {
                    Prefix::Equal => (asked.from, asked.until) = (Some(*low), Some(*high + 1)),
                    Prefix::Greater | Prefix::StartsAfter => asked.from = Some(*high + 1),
                    Prefix::GreaterEqual => asked.from = Some(*low),
                    Prefix::Less | Prefix::EndsBefore => asked.until = Some(*low),
                    Prefix::LessEqual => asked.until = Some(*high + 1),
                    _ => issues.push(not_applied(filter.param.code)),
                },
                ("agent-name", Some(Wanted::Text { exact, .. })) => asked.agent = Some(exact.clone()),
                ("action", Some(Wanted::Token { code: Some(code), .. })) => {
                    asked.interactions = crate::derived::audit::interactions_of(code);
                }
                (code, _) => issues.push(not_applied(code)),
            }
        }
        if let Some(own) = &whose {
            // Another patient's are for this token as if there were none.
            if asked.patient.as_ref().is_some_and(|asked| asked != own) {
                asked.position = Some(-1);
            }
            asked.patient = Some(own.clone());
        }
        let mut reader = Reader::from(&self.store);
        let total = Some(reader.audit_count(&asked).await?);
        if query.count_only() {
            return Ok(Found { total, matches: Vec::new(), includes: Vec::new(), next: None, issues });
        }
        let most = query.count.map_or(PAGE_DEFAULT, |count| (count as usize).clamp(1, PAGE_MAX));
        let mut rows = reader.audit(&asked, most as i64 + 1).await?;
        let more = rows.len() > most;
        rows.truncate(most);
        let before = rows.last().map(|row| row.position);
        let next = more.then_some(Page { snapshot: i64::MAX, before, ..Page::default() });
        let matches = rows.into_iter().filter_map(|row| shown(&whose, row)).collect();
        Ok(Found { total, matches, includes: Vec::new(), next, issues })
    }
}

fn not_applied(code: &str) -> Issue {
    Issue::warning(Code::NotSupported, format!("{code} is not supported for AuditEvent and was not applied"))
}
