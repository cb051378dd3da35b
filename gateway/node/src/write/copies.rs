//! Copies of directory resources: a record carries the current version of every Practitioner, Organization and the like
//! that its resources name, once per version, so that whoever reads it needs nothing else. Called by `sign`.

use super::sign::NO_KEY;
use crate::author::current_key;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::prepare::{Prepared, content};
use fhir::ResourceType;
use record::Class;
use record::draft::DraftFrame;
use record::entry::{FrameKind, handle};
use record::frame::{Method, Packer};
use record::keys::Level;
use std::collections::HashMap;
use std::sync::Arc;

/// Directory resources written in this very write, by type and id: their positions and contents.
pub(super) type Fresh = HashMap<(u16, String), (i64, Arc<Prepared>)>;

impl Batch {
    /// A copy of a directory resource for a record that does not carry its current version yet.
    pub(super) async fn copy(
        &mut self,
        context: &Context,
        kind: ResourceType,
        id: &str,
        fresh: &Fresh,
    ) -> Result<Option<(i64, DraftFrame)>, NodeError> {
        let (position, json, class) = match fresh.get(&(kind.number(), id.to_owned())) {
            Some((position, prepared)) => (*position, prepared.json.clone(), prepared.class),
            None => {
                let Some(position) = self.directory_position(kind.number(), id).await? else { return Ok(None) };
                if self.copy_of(&context.record, kind.number(), id).await? == Some(position) {
                    return Ok(None);
                }
                let Some(current) = self.current(kind.number(), id).await? else { return Ok(None) };
                let json = self.stored_json(&current).await?;
                let Ok(parsed) = fhir::parse::resource(json.clone()) else { return Ok(None) };
                (position, json, self.node.class_of(parsed.doc(), kind))
            }
        };
        if class.is_sensitive() {
            // A directory resource that is itself labelled stays at home: the copy would carry it further.
            return Ok(None);
        }
        let origin = self.node.identity.id();
        let level = Level::Type(Class::DIRECTORY, kind.name().to_owned());
        let (key_name, key) = current_key(context, &level).ok_or(NO_KEY)?;
        let content = content(origin, kind, id, Method::Copy, position as u64, json);
        let frame = DraftFrame::Resource {
            kind: FrameKind::Put,
            resolves: false,
            resource_type: kind.name().to_owned(),
            class: Class::DIRECTORY,
            handle: handle(&context.handle_key, &origin, kind.name(), id),
            key_name,
            key,
            packed: Packer::default().pack(&content.encode()),
        };
        Ok(Some((position, frame)))
    }
}
