//! What happened in a record, op by op, as a person reads it: written, granted, taken back, looked at. Called by
//! `patient`.

use crate::context::{Context, open_body, open_sealed_body};
use crate::error::NodeError;
use crate::node::Node;
use crate::opening::{open_resource, placed};
use record::body::Body;
use record::body::access::{Access, Agent};
use record::body::device::Device;
use record::body::request::Request;
use record::entry::{FrameKind, wrap_handle};
use record::frame::{Content, Method};
use record::state::{Judgement, Quarantine};
use record::{Kind, LaneKind, Op, RecordId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use store::db::Reader;
use store::ops::StoredOp;

/// Most moments of one page.
pub const MOMENTS_MAX: usize = 200;

/// What kind of moment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentKind {
    /// Resources were written.
    Written,
    /// Resources were deleted.
    Deleted,
    /// Written by somebody who was not let in any more; not part of the record.
    Quarantined,
    /// Somebody was let in.
    Grant,
    /// A grant was taken back.
    Revoke,
    /// Somebody asked.
    Request,
    /// A request was refused.
    Refusal,
    /// The record became the patient's.
    Claim,
    /// The record was opened.
    Opened,
    /// The locks were changed.
    Keys,
    /// A device of the patient's was let in or stopped, or the words were made good for this record.
    Device,
    /// Somebody looked.
    Read,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When, by the clock of who did it, milliseconds since 1970.
    pub at_ms: u64,
    /// Which identity, and whom it names as acting.
    pub who: String,
    /// Whether that identity is this node's own. A name proves nothing: anybody may take it.
    pub mine: bool,
    /// What, in words; FHIR types are named as FHIR does.
    pub what: String,
    /// Purpose of use; empty for none.
    pub why: String,
    /// Why, in the words of who acted: given in emergencies.
    pub reason: String,
    /// What kind it is.
    pub kind: MomentKind,
    /// Its place in the record's log here.
    pub position: i64,
    /// The resource, where it was one alone: type and id.
    pub resource: Option<(String, String)>,
    /// How many resources of each type it is about.
    pub counts: Vec<(String, u64)>,
}

impl Node {
    /// What was done in a record, newest first, from before `before`.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn timeline(
        &self,
        record: RecordId,
        before: Option<i64>,
        count: usize,
    ) -> Result<(Vec<Moment>, Option<i64>), NodeError> {
        self.moments(record, before, count, false).await
    }

    /// Who looked at a record, newest first, from before `before`.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn accesses(
        &self,
        record: RecordId,
        before: Option<i64>,
        count: usize,
    ) -> Result<(Vec<Moment>, Option<i64>), NodeError> {
        self.moments(record, before, count, true).await
    }

    /// Who looked at a record for an emergency since `since_ms`, newest first, among the last [`MOMENTS_MAX`] looks.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn emergencies(&self, record: RecordId, since_ms: u64) -> Result<Vec<Moment>, NodeError> {
        let (mut moments, _) = self.moments(record, None, MOMENTS_MAX, true).await?;
        moments.retain(|moment| moment.at_ms >= since_ms && crate::purpose::is_emergency(&moment.why));
        Ok(moments)
    }

    async fn moments(
        &self,
        record: RecordId,
        before: Option<i64>,
        count: usize,
        reads: bool,
    ) -> Result<(Vec<Moment>, Option<i64>), NodeError> {
        let most = count.clamp(1, MOMENTS_MAX);
        let mut reader = Reader::from(&self.store);
        let context = self.context(&mut reader, &record).await?;
        let context = context.ok_or_else(|| NodeError::NotFound("the record".to_owned()))?;
        let (mut moments, mut position) = (Vec::new(), before.unwrap_or(i64::MAX));
        loop {
            let rows = reader.ops_before(&record, position, 256).await?;
            let Some(last) = rows.last().map(|stored| stored.position) else { return Ok((moments, None)) };
            for stored in &rows {
                let audit = stored.op.header().lane.kind == LaneKind::Audit;
                if audit != reads {
                    continue;
                }
                if moments.len() == most {
                    return Ok((moments, Some(stored.position + 1)));
                }
                moments.extend(match audit {
                    true => self.read_moment(&mut reader, stored, &context).await?,
                    false => self.moment(&mut reader, stored, &context).await?,
                });
            }
            position = last;
        }
    }

    async fn moment(
        &self,
        reader: &mut Reader<'_>,
        stored: &StoredOp,
        context: &Arc<Context>,
    ) -> Result<Option<Moment>, NodeError> {
        let op = &stored.op;
        let author = self.name_of(&op.header().lane.author).await?;
        let frames = reader.frames(&op.id()).await?;
        let first = frames.iter().find(|(at, _)| *at == 0).map(|(_, frame)| frame.as_slice());
        let body = open_body(op, first, &context.keys);
        let plain = |kind, what: String| Moment {
            at_ms: op.header().wall_ms,
            who: author.clone(),
            mine: op.header().lane.author == self.identity().id(),
            what,
            why: String::new(),
            reason: String::new(),
            kind,
            position: stored.position,
            resource: None,
            counts: Vec::new(),
        };
        let control = op.header().lane.kind == LaneKind::Control;
        let void = control && !context.state.counts(&op.id());
        let mut moment = match (op.header().kind, body) {
            (Kind::Change, body) => {
                self.change_moment(op, body, &frames, context, plain(MomentKind::Written, String::new()))
            }
            (Kind::Genesis, _) => plain(MomentKind::Opened, "opened this record".to_owned()),
            (Kind::Claim, Some(Body::Claim(claim))) => {
                let patient = match claim.patient.id() == self.identity().id() {
                    true => "you".to_owned(),
                    false => self.name_of(&claim.patient.id()).await?,
                };
                plain(MomentKind::Claim, format!("handed this record over to {patient}"))
            }
            (Kind::Grant, Some(Body::Grant(grants))) => {
                let given = grants.grants.iter().map(|grant| format!("let {} in: {}", grant.name, grant.scope));
                let mut moment = plain(MomentKind::Grant, given.collect::<Vec<_>>().join("; "));
                moment.why = grants.grants.first().map(|grant| grant.purpose.clone()).unwrap_or_default();
                moment
            }
            (Kind::Revoke, Some(Body::Revoke(revoke))) => {
                let names =
                    revoke.grants.iter().filter_map(|id| context.state.grant(id)).map(|given| given.grant.name.clone());
                plain(
                    MomentKind::Revoke,
                    format!("took back what {} was allowed", names.collect::<Vec<_>>().join(", ")),
                )
            }
            (Kind::Request, Some(Body::Request(Request::Asked(asked)))) => {
                let mut moment = plain(MomentKind::Request, format!("asked for access: {}", asked.scope));
                (moment.who, moment.why, moment.mine) = (asked.name, asked.purpose, false);
                moment
            }
            (Kind::Request, Some(Body::Request(Request::Refused(_)))) => {
                plain(MomentKind::Refusal, "refused a request for access".to_owned())
            }
            (Kind::Keys, _) => plain(
                MomentKind::Keys,
                "changed the locks, so that only those let in can read what is written from here on".to_owned(),
            ),
            (Kind::Device, Some(Body::Device(device))) => {
                plain(MomentKind::Device, self.said_of_devices(&device).await?)
            }
            _ => return Ok(None),
        };
        // Signed by a device that had been stopped, or by nobody who may.
        if void {
            moment.what.push_str("; it has no effect");
        }
        Ok(Some(moment))
    }

    async fn said_of_devices(&self, said: &Device) -> Result<String, NodeError> {
        Ok(match said {
            Device::Admit { name, .. } => format!("let the device {name} in"),
            Device::Suspend { device, .. } => format!("suspended the device {}", self.name_of(device).await?),
            Device::Root(_) => "made this record recoverable with your words".to_owned(),
            Device::Remain { .. } => "said with your words which devices stay".to_owned(),
        })
    }

    fn change_moment(
        &self,
        op: &Op,
        body: Option<Body>,
        frames: &[(u32, Vec<u8>)],
        context: &Context,
        mut moment: Moment,
    ) -> Moment {
        if let Some(Body::Agent(agent)) = body {
            if !agent.who.is_empty() {
                moment.who = format!("{} ({})", moment.who, agent.who);
            }
            (moment.why, moment.reason) = purpose_of(&agent);
        }
        let put = op.entries().iter().filter(|entry| entry.kind == FrameKind::Put).map(|entry| entry.handle);
        let put = put.collect::<HashSet<_>>();
        let mut counts = BTreeMap::<String, u64>::new();
        let (mut deleted, mut opened) = (0_u64, None);
        let keys = self.own_keys(context, op, placed(frames));
        for (at, entry) in (0_u32..).zip(op.entries()).filter(|(_, entry)| entry.is_resource()) {
            let frame = frames.iter().find(|(place, _)| *place == at);
            let content =
                frame.and_then(|(_, frame)| open_resource(op, at, entry, frame, context, &keys).ok().flatten());
            // A copy, and a removal beside what is put again, say nothing new to a person.
            if content.as_ref().is_some_and(|content| content.method == Method::Copy)
                || (entry.kind == FrameKind::Delete && put.contains(&entry.handle))
            {
                continue;
            }
            *counts.entry(entry.resource_type.clone()).or_default() += 1;
            deleted += u64::from(entry.kind == FrameKind::Delete);
            opened = content;
        }
        let total = counts.values().sum::<u64>();
        if let (1, Some(content)) = (total, opened) {
            let id = crate::rewrite::served_id(&self.identity().id(), &content.origin, &content.id);
            moment.resource = Some((content.resource_type.clone(), id));
            moment.what = described(&content);
        } else {
            moment.what = format!("wrote {total} entries");
        }
        if deleted > 0 && deleted == total {
            moment.kind = MomentKind::Deleted;
            moment.what = moment.what.replacen("wrote", "deleted", 1);
        }
        match context.state.judge(&op.id(), op.header(), op.entries()) {
            Judgement::Counts => {}
            Judgement::Quarantined(why) => {
                moment.kind = MomentKind::Quarantined;
                moment.what = match why {
                    Quarantine::BeyondTheLine => format!("{} after access had ended; it is kept apart", moment.what),
                    Quarantine::NoAuthority | Quarantine::NotCovered => {
                        format!("{} without being allowed to; it is kept apart", moment.what)
                    }
                };
            }
        }
        moment.counts = counts.into_iter().collect();
        moment
    }

    async fn read_moment(
        &self,
        reader: &mut Reader<'_>,
        stored: &StoredOp,
        context: &Arc<Context>,
    ) -> Result<Option<Moment>, NodeError> {
        let op = &stored.op;
        let mine = wrap_handle(&op.header().record, &self.identity().id());
        let mut access = None;
        for (at, frame) in reader.frames(&op.id()).await? {
            let Some(entry) = op.entries().get(at as usize) else { continue };
            let body = match entry.kind {
                FrameKind::Wrap if entry.handle == mine => open_sealed_body(self.identity(), op, &frame),
                FrameKind::Body => open_body(op, Some(&frame), &context.keys),
                _ => None,
            };
            if let Some(Body::Access(found)) = body {
                access = Some(found);
            }
        }
        let author = self.name_of(&op.header().lane.author).await?;
        let Some(access) = access else { return Ok(None) };
        Ok(Some(looked(stored, author, access)))
    }

    /// The readable JSON of a resource of this patient's, for the page.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn resource(&self, kind: &str, id: &str) -> Result<Option<String>, NodeError> {
        let Some(kind) = fhir::ResourceType::parse(kind) else { return Ok(None) };
        let Some(version) = Reader::from(&self.store).current(kind.number(), id).await? else { return Ok(None) };
        if !self.is_reached(&version).await? || version.is_deleted() {
            return Ok(None);
        }
        let Some(served) = self.serve(version).await? else { return Ok(None) };
        let value = serde_json::from_slice::<serde_json::Value>(&served.json).ok();
        Ok(value.and_then(|value| serde_json::to_string_pretty(&value).ok()))
    }
}

fn purpose_of(agent: &Agent) -> (String, String) {
    let (code, reason) = crate::purpose::with_reason(&agent.purpose);
    (code.to_owned(), reason.to_owned())
}

fn looked(stored: &StoredOp, author: String, access: Access) -> Moment {
    let mut counts = BTreeMap::<String, u64>::new();
    for line in &access.lines {
        *counts.entry(line.resource_type.clone()).or_default() += line.count;
    }
    let what = access.lines.iter().map(|line| {
        let verb = match line.interaction.as_str() {
            "search" => "searched and was shown",
            "history" => "read the history of",
            "vread" => "read an earlier version of",
            _ => "read",
        };
        format!("{verb} {} {}", line.count, line.resource_type)
    });
    let (why, reason) = purpose_of(&access.agent);
    Moment {
        at_ms: access.to_ms,
        who: if access.agent.who.is_empty() { author } else { format!("{author} ({})", access.agent.who) },
        mine: false,
        what: what.collect::<Vec<_>>().join("; "),
        why,
        reason,
        kind: MomentKind::Read,
        position: stored.position,
        resource: None,
        counts: counts.into_iter().collect(),
    }
}

/// One resource in words: its type, and what it is called.
fn described(content: &Content) -> String {
    let name = fhir::json::Doc::parse(content.json.clone()).ok().and_then(|doc| {
        let root = doc.root();
        if content.resource_type == "Patient" {
            return crate::grants::person_name(&content.json);
        }
        ["code", "type", "medicationCodeableConcept", "vaccineCode", "category"].into_iter().find_map(|member| {
            let concept = root.get(member)?.each().next()?;
            let display = || concept.get("coding")?.items().next()?.get("display");
            Some(concept.get("text").or_else(display)?.text()?.into_owned())
        })
    });
    match name {
        Some(name) => format!("wrote {}: {}", content.resource_type, name.chars().take(120).collect::<String>()),
        None => format!("wrote {}", content.resource_type),
    }
}
