//! What a patient is shown of requests, grants and records, with scopes in words. Called by `patient`.

use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use fhir::ResourceType;
use record::address::Address;
use record::body::request::Request;
use record::scope::{Interactions, Scope, Scopes};
use record::{Class, IdentityId, RecordId};
use std::collections::BTreeSet;
use store::db::Reader;

/// A record of this patient's.
#[derive(Clone, Debug)]
pub struct RecordView {
    /// The record.
    pub record: RecordId,
    /// The patient's name as the record has it, or "Your record".
    pub title: String,
    /// Who opened it.
    pub custodian: String,
    /// What to give to a hospital that shall ask: `chartwell:...?at=...`.
    pub address: String,
    /// Current resources in it.
    pub resources: u64,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Waiting for the patient.
    Open,
    /// Let in.
    Approved,
    /// Not let in.
    Refused,
}

/// A request for access.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Its op.
    pub id: String,
    /// The record.
    pub record: RecordId,
    /// What the asker calls itself.
    pub name: String,
    /// The asker's identity, 16 characters.
    pub origin: String,
    /// SMART scopes.
    pub scope: String,
    /// The scopes one by one, in words.
    pub lines: Vec<ScopeLine>,
    /// Purpose of use.
    pub purpose: String,
    /// In the asker's words.
    pub reason: String,
    /// From when, milliseconds since 1970.
    pub start_ms: u64,
    /// Until when; zero for no end.
    pub end_ms: u64,
    /// When it came.
    pub asked_ms: u64,
    /// Where it stands.
    pub state: RequestState,
}

/// One scope in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeLine {
    /// The SMART scope.
    pub scope: String,
    /// What may be done, in words, without the type.
    pub words: String,
    /// The FHIR type; none for every type.
    pub resource_type: Option<String>,
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Open now, or from its start on.
    Open,
    /// Its time is over.
    Ended,
    /// Taken back.
    Revoked,
    /// Another took its place.
    Replaced,
}

/// A grant.
#[derive(Clone, Debug)]
pub struct GrantView {
    /// Its name.
    pub id: String,
    /// The record.
    pub record: RecordId,
    /// Its holder.
    pub name: String,
    /// The holder's identity, 16 characters.
    pub origin: String,
    /// SMART scopes.
    pub scope: String,
    /// The scopes one by one, in words.
    pub lines: Vec<ScopeLine>,
    /// Names of the classes it reaches.
    pub classes: Vec<String>,
    /// Purpose of use.
    pub purpose: String,
    /// From when, milliseconds since 1970.
    pub start_ms: u64,
    /// Until when; zero for no end.
    pub end_ms: u64,
    /// When it was given.
    pub given_ms: u64,
    /// Where it stands.
    pub state: GrantState,
    /// Its holder has received it; once taken back: has received that.
    pub delivered: bool,
    /// Of a witness that it is open for: what to give to whoever helps in an emergency, `chartwell:...?at=...`.
    pub emergency: Option<String>,
    /// The name of the witness that passed it on; empty for none.
    pub through: String,
    /// It may change what others wrote.
    pub shared: bool,
}

/// Scopes one by one, in words.
pub fn scope_lines(scope: &str) -> Vec<ScopeLine> {
    Scopes::parse(scope).known.iter().map(line).collect()
}

fn line(scope: &Scope) -> ScopeLine {
    let verbs = [
        (Interactions::READ.and(Interactions::SEARCH), "read"),
        (Interactions::CREATE, "add"),
        (Interactions::UPDATE, "change its own"),
        (Interactions::DELETE, "delete its own"),
    ];
    let verbs = verbs.iter().filter(|(bits, _)| scope.interactions.any(*bits)).map(|(_, verb)| *verb);
    let verbs = verbs.collect::<Vec<_>>();
    let mut words = match &verbs[..] {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    if let Some(parameters) = &scope.parameters {
        words = format!("{words}, only where {parameters}");
    }
    ScopeLine { scope: scope.to_string(), words, resource_type: scope.resource_type.clone() }
}

impl Node {
    /// This patient's records.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn records(&self) -> Result<Vec<RecordView>, NodeError> {
        let mut views = Vec::new();
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            let versions = reader.record_versions(&record, i64::MAX, i64::MAX).await?;
            let current = versions.iter().filter(|version| version.current && !version.is_deleted());
            let patient = ResourceType::parse("Patient").map(ResourceType::number);
            let mut title = "Your record".to_owned();
            for version in current.clone().filter(|version| Some(version.kind) == patient) {
                if let Some(served) = self.serve(version.clone()).await? {
                    title = person_name(&served.json).unwrap_or(title);
                }
            }
            let custodian = match context.state.custodian() {
                Some(card) => self.name_of(&card.id()).await?,
                None => String::new(),
            };
            views.push(RecordView {
                record,
                title,
                custodian,
                address: self.address_of(&record),
                resources: current.count() as u64,
            });
        }
        Ok(views)
    }

    /// Where a witness of a record can be asked to open it; none as long as nothing is known of where it is.
    async fn emergency_address(
        &self,
        reader: &mut Reader<'_>,
        context: &Context,
        witness: &IdentityId,
    ) -> Result<Option<String>, NodeError> {
        let Some(known) = reader.identity(witness).await? else { return Ok(None) };
        let at = known.addresses.split_whitespace().take(record::address::MULTIADDRS_MAX).map(str::to_owned);
        let at = at.collect::<Vec<_>>();
        let Some(patient) = context.state.authority().filter(|_| !at.is_empty()) else { return Ok(None) };
        Ok(Some(Address { record: context.record, patient: patient.id(), at }.to_string()))
    }

    /// Where a record can be asked for.
    pub(crate) fn address_of(&self, record: &RecordId) -> String {
        let at = self.net.get().map(net::Handle::listening).unwrap_or_default();
        let at = at.into_iter().take(record::address::MULTIADDRS_MAX).collect();
        Address { record: *record, patient: self.identity().id(), at }.to_string()
    }

    /// Every request in this patient's records, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn requests(&self) -> Result<Vec<RequestView>, NodeError> {
        let mut views = Vec::new();
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            let mut seen = BTreeSet::new();
            for (id, asked_ms, request) in self.request_bodies(&mut reader, &context).await? {
                let Request::Asked(asked) = request else { continue };
                // Two devices that took the same request in beside each other wrote it twice.
                if !seen.insert((asked.from.id(), asked.request.clone())) {
                    continue;
                }
                let state = self.decision(&mut reader, &context, &id, &asked).await?;
                views.push(RequestView {
                    id: id.to_string(),
                    record,
                    name: asked.name.clone(),
                    origin: asked.from.id().origin(),
                    lines: scope_lines(&asked.scope),
                    scope: asked.scope,
                    purpose: asked.purpose,
                    reason: asked.reason,
                    start_ms: asked.start_ms,
                    end_ms: asked.end_ms,
                    asked_ms,
                    state: state.unwrap_or(RequestState::Open),
                });
            }
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.asked_ms));
        Ok(views)
    }

    /// Every grant in this patient's records, newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn grants(&self) -> Result<Vec<GrantView>, NodeError> {
        let now = crate::clock::now_ms();
        let mut views = Vec::new();
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            for given in context.state.grants() {
                let (start_ms, end_ms) = context.state.period(given);
                let over = match given.revoked_by {
                    // Closed because its time was over, not taken back.
                    Some(revoke) if end_ms != 0 => {
                        let closed = reader.op(&revoke).await?;
                        closed.is_some_and(|closed| closed.op.header().wall_ms >= end_ms)
                    }
                    _ => false,
                };
                let state = match given {
                    _ if over => GrantState::Ended,
                    // What was narrowed was replaced first, and taken back to draw the line.
                    _ if given.replaced_by.is_some() => GrantState::Replaced,
                    _ if given.revoked_by.is_some() => GrantState::Revoked,
                    _ if end_ms != 0 && end_ms <= now => GrantState::Ended,
                    _ => GrantState::Open,
                };
                let holder = given.grant.to.id();
                let word = given.revoked_by.unwrap_or(given.id.op);
                let delivered = self.has_received(&mut reader, &holder, &record, &word).await?;
                let witness = state == GrantState::Open && given.grant.delegate;
                let emergency = match witness && crate::purpose::is_emergency(&given.grant.purpose) {
                    true => self.emergency_address(&mut reader, &context, &holder).await?,
                    false => None,
                };
                let parent = given.parent.and_then(|parent| context.state.grant(&parent));
                let through = parent.map_or(String::new(), |parent| parent.grant.name.clone());
                views.push(GrantView {
                    id: given.id.text(),
                    record,
                    name: given.grant.name.clone(),
                    origin: holder.origin(),
                    lines: scope_lines(&given.grant.scope),
                    scope: given.grant.scope.clone(),
                    classes: given.grant.classes.iter().map(|class: &Class| class.name().to_owned()).collect(),
                    purpose: given.grant.purpose.clone(),
                    start_ms,
                    end_ms,
                    given_ms: given.given_ms,
                    state,
                    delivered,
                    emergency,
                    through,
                    shared: given.grant.shared,
                });
            }
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.given_ms));
        Ok(views)
    }
}

/// A person's name in a FHIR resource: text, or given names and family name.
pub(crate) fn person_name(json: &[u8]) -> Option<String> {
    let doc = fhir::json::Doc::parse(json.to_vec()).ok()?;
    let name = doc.root().get("name")?.items().next()?;
    if let Some(text) = name.get("text").and_then(|text| text.text()) {
        return Some(text.into_owned());
    }
    let given = name.get("given").into_iter().flat_map(|given| given.items());
    let parts = given.chain(name.get("family")).filter_map(|part| part.text().map(|text| text.into_owned()));
    let parts = parts.collect::<Vec<_>>();
    (!parts.is_empty()).then(|| parts.join(" "))
}
