//! Edits beside each other on the patient's side: what they are, and one of them kept. Called by `patient`; a hospital ends them by
//! `If-Match` on the tagged version.

use crate::conflict::TAG;
use crate::error::NodeError;
use crate::node::Node;
use crate::placed::{author_of, is_tagged};
use crate::prepare::{Foreign, Prepared};
use crate::write::{Asked, Step};
use fhir::ResourceType;
use record::RecordId;
use record::body::access::Agent;
use record::frame::{Method, Packer};
use std::sync::Arc;
use store::db::Reader;
use store::versions::StoredVersion;

/// Most resources of one record that are shown.
const SHOWN_MAX: i64 = 100;

/// A resource that was edited in several places at once.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// Its type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// The versionId of what is served now.
    pub version: String,
    /// What stands beside each other; the last is what everybody sees now.
    pub sides: Vec<Side>,
}

/// One of several edits.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its versionId.
    pub version: String,
    /// What its author is called.
    pub name: String,
    /// Its author's identity, 16 characters.
    pub origin: String,
    /// When it came here, milliseconds since 1970.
    pub at_ms: u64,
    /// The resource as it has it, as readable JSON; none where it deletes it, or does not open here.
    pub text: Option<String>,
    /// It deletes the resource.
    pub deleted: bool,
}

impl Node {
    /// What was edited in several places at once in this patient's records.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, NodeError> {
        let mut conflicts = Vec::new();
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            for tagged in reader.tagged(&record, (TAG.system, TAG.code), SHOWN_MAX).await? {
                let Some(kind) = ResourceType::from_number(tagged.kind) else { continue };
                let mut sides = Vec::new();
                for side in crate::apply::beside(&mut reader, &record, tagged.kind, &tagged.id).await? {
                    sides.push(self.side(&mut reader, side).await?);
                }
                let (resource_type, id, version) = (kind.name().to_owned(), tagged.id, tagged.version);
                conflicts.push(Conflict { resource_type, id, version, sides });
            }
        }
        Ok(conflicts)
    }

    /// How many of them there are, up to a limit for each record.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn conflict_count(&self) -> Result<u64, NodeError> {
        let (mut count, mut reader) = (0, Reader::from(&self.store));
        for record in self.own_records().await? {
            count += reader.tagged(&record, (TAG.system, TAG.code), SHOWN_MAX).await?.len() as u64;
        }
        Ok(count)
    }

    async fn side(&self, reader: &mut Reader<'_>, side: StoredVersion) -> Result<Side, NodeError> {
        let author = author_of(&side);
        let (name, at_ms) = (self.name_of(&author).await?, u64::try_from(side.last_updated / 1000).unwrap_or(0));
        let (version, deleted) = (side.version.clone(), side.is_deleted());
        let whole = reader.version(side.kind, &side.id, &version).await?;
        let served = match whole.filter(|_| !deleted) {
            Some(whole) => self.serve(whole).await?,
            None => None,
        };
        let value = served.and_then(|served| serde_json::from_slice::<serde_json::Value>(&served.json).ok());
        let text = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
        Ok(Side { version, name, origin: author.origin(), at_ms, text, deleted })
    }

    /// Keeps one of several edits: it is written once more, by this device and for everybody, and ends all of them.
    ///
    /// `shown` is the versionId of what was served when the patient decided.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], [`NodeError::Unprocessable`] where something came in between or it cannot be kept.
    pub async fn keep(&self, kind: &str, id: &str, shown: &str, version: &str) -> Result<(), NodeError> {
        let missing = || NodeError::NotFound("the entry".to_owned());
        let kind = ResourceType::parse(kind).ok_or_else(missing)?;
        let mut reader = Reader::from(&self.store);
        let current = reader.current(kind.number(), id).await?.filter(is_tagged).ok_or_else(missing)?;
        if current.version != shown {
            return Err(NodeError::Unprocessable("something came in between: look at the entry again".to_owned()));
        }
        let sides = crate::apply::beside(&mut reader, &current.record, kind.number(), id).await?;
        if !sides.iter().any(|side| side.version == version) {
            return Err(missing());
        }
        let kept = reader.version(kind.number(), id, version).await?.ok_or_else(missing)?;
        let prepared = Arc::new(self.kept(kind, &kept, &current.record).await?);
        let step = Step { prepared, if_match: Some(shown.to_owned()), if_none_exist: None, planned: None };
        let agent = Agent { who: String::new(), client: "patient".to_owned(), purpose: "PATRQT".to_owned() };
        self.write_for_patient(Asked::from(step), agent).await
    }

    /// A version once more, under the name and in the class that it has.
    async fn kept(&self, kind: ResourceType, kept: &StoredVersion, record: &RecordId) -> Result<Prepared, NodeError> {
        let closed = || NodeError::Unprocessable("this version does not open here".to_owned());
        let context = self.context(&mut Reader::from(&self.store), record).await?.ok_or_else(closed)?;
        let content = self.open_version(kept, &context.keys).and_then(Result::ok).ok_or_else(closed)?;
        let foreign = Some(Foreign { origin: content.origin, id: content.id.clone(), record: *record });
        let mut packer = Packer::default();
        if kept.is_deleted() {
            return Ok(Prepared::delete(content.origin, kind, &kept.id, &mut packer).of(foreign, &mut packer));
        }
        // What its author called its own is named as everybody else knows it: this device is the author now.
        let parsed = fhir::parse::resource(self.shown(&context, kept, content)).map_err(|_| closed())?;
        let prepared = Prepared::put(self, &parsed, &kept.id, Method::Update, &mut packer)?;
        Ok(Prepared { class: kept.class, ..prepared }.of(foreign, &mut packer))
    }
}
