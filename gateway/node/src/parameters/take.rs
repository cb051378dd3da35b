//! Takes definitions up: the SearchParameters of this node's own that are active, as they are now. What is new or finds
//! something else than before gets a number of its own and is to be indexed; what is gone is to be removed. Called by `job`
//! and `reindex`.

use super::{DEFINITION, Note, Registry, read};
use crate::batch::Batch;
use crate::error::NodeError;
use fhir::index::custom::Custom;
use fhir::json::{Doc, Node as Json};
use fhir::params::{STORED_END, STORED_MIN};
use fhir::{Code, Issue, ResourceType};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::parameters::{Parameter, State};
use store::versions::Walk;

/// Most stored parameters that are indexed. Each is evaluated on every resource of its types that is written.
pub const PARAMETERS_MAX: usize = 512;

/// Most SearchParameters that are looked at, whatever their status.
pub const DEFINITIONS_MAX: usize = 10_000;

/// Most that are told of as refused; a job keeps what it tells beside how far it is.
const NOTES_MAX: usize = 1_000;

/// SearchParameters read at once.
const ROWS: i64 = 200;

/// The fact under which the number that was given last is kept.
const LAST_NUMBER: &str = "search-parameter-number";

/// A definition that may be taken up.
struct Candidate {
    id: String,
    json: Vec<u8>,
    doc: Doc,
}

impl Batch {
    /// Brings what is in force in line with the SearchParameters that are stored. Tells which of them are refused.
    pub(crate) async fn take_up(&mut self) -> Result<Vec<Note>, NodeError> {
        let mut stored = self.reader().await?.parameters().await?;
        stored.retain(|parameter| parameter.state != State::Removing);
        let mut notes = Vec::new();
        let mut candidates = self.candidates(&mut notes).await?;
        // Whoever has a name keeps it; else the older resource has it.
        candidates.sort_by_key(|one| !stored.iter().any(|parameter| parameter.id == one.id));
        let accepted = accept(candidates, &mut notes);
        notes.truncate(NOTES_MAX);
        let mut changed = false;
        for (id, json, custom) in accepted {
            let before = stored.iter().position(|parameter| parameter.id == id).map(|at| stored.swap_remove(at));
            let parameter = match before {
                Some(before) if before.definition == json => continue,
                Some(before) if finds_the_same(&before, &custom) => Parameter { definition: json, ..before },
                before => {
                    self.end(before).await?;
                    let number = self.fresh_number().await?;
                    Parameter { number, id, definition: json, state: State::Indexing, failed: 0 }
                }
            };
            self.tx().await?.put_parameter(&parameter).await?;
            changed = true;
        }
        changed |= !stored.is_empty();
        for gone in stored {
            self.end(Some(gone)).await?;
        }
        if changed {
            self.renew_registry().await?;
        }
        Ok(notes)
    }

    /// The definitions that are active, the oldest first.
    async fn candidates(&mut self, notes: &mut Vec<Note>) -> Result<Vec<Candidate>, NodeError> {
        let kind = ResourceType::parse(DEFINITION).ok_or(NodeError::Internal("no type is named SearchParameter"))?;
        let mut walk = Walk { own_of: Some(kind.number()), after: 0, last: i64::MAX };
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let versions = self.reader().await?.walk(walk, ROWS).await?;
            let Some(last) = versions.last() else { return Ok(found) };
            walk.after = last.position;
            for version in versions {
                looked_at += 1;
                let json = self.stored_json(&version).await?;
                let Ok(doc) = Doc::parse(json.clone()) else { continue };
                let refuse = |code: Code, text: &str| {
                    Note::refused(&version.id, &Issue::error(code, text).at(format!("{DEFINITION}.status")))
                };
                if looked_at > DEFINITIONS_MAX {
                    let text = format!("of more than {DEFINITIONS_MAX} definitions only the oldest are looked at");
                    notes.push(refuse(Code::TooCostly, &text));
                    return Ok(found);
                }
                match status(&doc).as_deref() {
                    Some("active") => {}
                    Some("retired") => continue,
                    _ => {
                        let text = "only an active definition is searched by";
                        notes.push(refuse(Code::BusinessRule, text));
                        continue;
                    }
                }
                found.push(Candidate { id: version.id, json, doc });
            }
        }
    }

    /// Nothing is indexed by it any more.
    async fn end(&mut self, parameter: Option<Parameter>) -> Result<(), NodeError> {
        let Some(parameter) = parameter else { return Ok(()) };
        Ok(self.tx().await?.put_parameter(&Parameter { state: State::Removing, ..parameter }).await?)
    }

    /// A number that no rows have. Numbers go round: a process that has not learnt of a change yet asks for rows that are
    /// gone, not for those of another parameter.
    async fn fresh_number(&mut self) -> Result<u16, NodeError> {
        let taken = self.reader().await?.parameters().await?;
        let taken = taken.into_iter().map(|parameter| parameter.number).collect::<BTreeSet<_>>();
        let before = self.tx().await?.set_meta(LAST_NUMBER, &(STORED_END - 1).to_le_bytes()).await?;
        let before = before.try_into().map_or(STORED_END - 1, u16::from_le_bytes);
        let round = (before + 1..STORED_END).chain(STORED_MIN..=before);
        let number = round.into_iter().find(|number| !taken.contains(number));
        let number = number.ok_or(NodeError::Internal("more stored parameters than numbers"))?;
        self.tx().await?.put_meta(LAST_NUMBER, &number.to_le_bytes()).await?;
        Ok(number)
    }

    /// Tells every process that what is in force has changed, and goes on with it.
    pub(super) async fn renew_registry(&mut self) -> Result<(), NodeError> {
        let drawn = i64::from_le_bytes(crate::clock::random());
        self.tx().await?.parameters_changed(drawn).await?;
        let registry = Registry::load(&mut self.reader().await?, drawn).await?;
        self.set_registry(Arc::new(registry));
        Ok(())
    }
}

/// Those that can be searched by: their id, JSON and meaning.
fn accept(candidates: Vec<Candidate>, notes: &mut Vec<Note>) -> Vec<(String, Vec<u8>, Custom)> {
    let (mut accepted, mut names) = (Vec::new(), HashMap::<(ResourceType, &'static str), String>::new());
    for Candidate { id, json, doc } in candidates {
        let custom = match Custom::read(&doc) {
            Ok(custom) => custom,
            Err(outcome) => {
                notes.extend(outcome.issues.iter().map(|issue| Note::refused(&id, issue)));
                continue;
            }
        };
        let mut refuse = |code: Code, text: String, member: &str| {
            notes.push(Note::refused(&id, &Issue::error(code, text).at(format!("{DEFINITION}.{member}"))));
        };
        let other = custom.bases().iter().find_map(|base| Some((base, names.get(&(*base, custom.code()))?)));
        if let Some((base, other)) = other {
            let text = format!("{DEFINITION}/{other} has this code for {base} already");
            refuse(Code::Duplicate, text, "code");
        } else if let [only] = custom.bases()
            && only.name() == "AuditEvent"
        {
            let text = "AuditEvents are searched in the audit log, which has no stored parameters".to_owned();
            refuse(Code::NotSupported, text, "base");
        } else if accepted.len() == PARAMETERS_MAX {
            refuse(Code::TooCostly, format!("at most {PARAMETERS_MAX} stored parameters are searched by"), "code");
        } else {
            names.extend(custom.bases().iter().map(|base| ((*base, custom.code()), id.clone())));
            accepted.push((id, json, custom));
        }
    }
    accepted
}

fn status(doc: &Doc) -> Option<String> {
    doc.root().get("status").and_then(Json::text).map(std::borrow::Cow::into_owned)
}

/// Whether the rows that are there, or being made, are those of the new definition too.
fn finds_the_same(before: &Parameter, custom: &Custom) -> bool {
    read(before.definition.clone()).is_ok_and(|before| before.finds_the_same(custom))
}
