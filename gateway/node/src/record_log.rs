//! A record's ops as they hang together: who wrote what kind when, what it stands on, and what became of it. No content is in
//! it. Called by `cli` for `record log` and `record list`.

use crate::context::{Context, counts};
use crate::error::NodeError;
use crate::node::Node;
use record::body::genesis::Purpose;
use record::{IdentityId, Kind, Lane, LaneKind, Op, OpId, RecordId};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::db::Reader;

/// Ops read at once.
const ROWS: i64 = 512;
/// Most ops of one log, the newest: each takes about a kilobyte with what it cites.
pub const LOG_OPS_MAX: usize = 50_000;

/// What became of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Counts,
    /// A control op without effect: its author had no authority for it.
    WithoutEffect,
    /// A change that is kept apart.
    Quarantined,
    /// It waits for ops that are not here.
    Held,
}

impl Standing {
    /// The word a log has for it.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Counts => "counts",
            Standing::WithoutEffect => "without effect",
            Standing::Quarantined => "quarantined",
            Standing::Held => "held",
        }
    }
}

/// One op.
#[derive(Clone, Debug)]
pub struct OpLine {
    /// Which.
    pub id: OpId,
    /// What it does, as `docs/PROTOCOL.md` names it.
    pub kind: &'static str,
    /// When, by its author's clock, milliseconds since 1970.
    pub wall_ms: u64,
    /// What its author is called here; its origin where it has no name.
    pub author: String,
    /// Its line.
    pub lane: Lane,
    /// Its place there.
    pub seq: u64,
    /// What it stands on, without what the op before it in its lane cites too.
    pub cited: Vec<OpId>,
    /// What became of it.
    pub standing: Standing,
    /// Another op has its place: its author signed two.
    pub forked: bool,
}

/// A record's ops, newest first.
#[derive(Clone, Debug)]
pub struct RecordLog {
    /// The record.
    pub record: RecordId,
    /// How many ops it has here.
    pub ops: u64,
    /// The newest of them, an op always before what it stands on.
    pub lines: Vec<OpLine>,
}

/// A record in one line.
#[derive(Clone, Debug)]
pub struct RecordLine {
    /// The record.
    pub record: RecordId,
    /// `custodial`, `house` or `patient`.
    pub purpose: &'static str,
    /// Who is in charge, by name.
    pub authority: String,
    /// What this node is in it: `authority`, `device`, `member`, `former member`, `imported` or `none`.
    pub role: &'static str,
    /// Ops that are here.
    pub ops: u64,
    /// Local Patients it is about.
    pub patients: Vec<String>,
}

/// The name of a kind.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    const NAMES: [&str; 14] = [
        "genesis",
        "change",
        "request",
        "grant",
        "revoke",
        "accept",
        "claim",
        "device",
        "access",
        "keys",
        "moved",
        "link",
        "checkpoint",
        "erase",
    ];
    NAMES.get(kind as usize).copied().unwrap_or("unknown")
}

/// What became of an op, as the state of its record has it.
pub(crate) async fn standing(reader: &mut Reader<'_>, context: &Context, op: &Op) -> Result<Standing, NodeError> {
    let id = op.id();
    if op.header().lane.kind != LaneKind::Control {
        let here = op.header().control_heads.iter().all(|head| context.state.lamport_of(head).is_some());
        return Ok(match (here, counts(reader, context, op).await?) {
            (false, _) => Standing::Held,
            (true, true) => Standing::Counts,
            (true, false) => Standing::Quarantined,
        });
    }
    Ok(match (context.state.lamport_of(&id), context.state.counts(&id)) {
        (Some(_), true) => Standing::Counts,
        (None, _) if !context.state.refused().contains(&id) => Standing::Held,
        _ => Standing::WithoutEffect,
    })
}

impl Node {
    /// The newest `most` ops of a record.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn record_log(&self, record: RecordId, most: usize) -> Result<RecordLog, NodeError> {
        let mut reader = Reader::from(&self.store);
        let context = self.context(&mut reader, &record).await?;
        let context = context.ok_or_else(|| NodeError::NotFound(format!("record {record}")))?;
        let (mut order, mut places, mut position) = (Vec::new(), HashMap::<(Lane, u64), u32>::new(), 0);
        loop {
            let rows = reader.ops_after(&record, position, ROWS).await?;
            let Some(last) = rows.last() else { break };
            position = last.position;
            for stored in &rows {
                let header = stored.op.header();
                *places.entry((header.lane, header.seq)).or_default() += 1;
                order.push((header.lamport, stored.op.id()));
            }
        }
        order.sort_unstable_by(|a, b| b.cmp(a));
        let ops = order.len() as u64;
        order.truncate(most.min(LOG_OPS_MAX));
        let (mut lines, mut names) = (Vec::with_capacity(order.len()), BTreeMap::new());
        for (_, id) in order {
            let Some(stored) = reader.op(&id).await? else { continue };
            let header = stored.op.header();
            let before = match &header.previous {
                Some(previous) => reader.op(previous).await?,
                None => None,
            };
            let known = before.iter().flat_map(|before| before.op.header().cited()).copied().collect::<HashSet<_>>();
            lines.push(OpLine {
                id,
                kind: kind_name(header.kind),
                wall_ms: header.wall_ms,
                author: self.called(&header.lane.author, &mut names).await?,
                lane: header.lane,
                seq: header.seq,
                cited: header.cited().filter(|cited| !known.contains(cited)).copied().collect(),
                standing: standing(&mut reader, &context, &stored.op).await?,
                forked: places.get(&(header.lane, header.seq)).is_some_and(|count| *count > 1),
            });
        }
        Ok(RecordLog { record, ops, lines })
    }

    /// What somebody is called here, asked once.
    pub(crate) async fn called(
        &self,
        who: &IdentityId,
        names: &mut BTreeMap<IdentityId, String>,
    ) -> Result<String, NodeError> {
        if let Some(name) = names.get(who) {
            return Ok(name.clone());
        }
        let name = self.name_of(who).await?;
        names.insert(*who, name.clone());
        Ok(name)
    }

    /// Every record here.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn record_list(&self) -> Result<Vec<RecordLine>, NodeError> {
        let (me, mut reader, mut lines) = (self.identity().id(), Reader::from(&self.store), Vec::new());
        let mut known = reader.records().await?;
        known.sort_by_key(|known| known.record);
        for known in known {
            let record = known.record;
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            let state = &context.state;
            let role = if known.authority == me && state.is_member(&me) {
                "authority"
            } else if state.word_of(&me).is_some() {
                "device"
            } else if state.is_member(&me) {
                "member"
            } else if state.last_word_to(&me).is_some() {
                "former member"
            } else if self.is_kept(&record, state).await? {
                "imported"
            } else {
                "none"
            };
            lines.push(RecordLine {
                record,
                purpose: match state.purpose() {
                    Some(Purpose::House) => "house",
                    Some(Purpose::Patient) => "patient",
                    _ if state.claim().is_some() => "patient",
                    _ => "custodial",
                },
                authority: self.name_of(&known.authority).await?,
                role,
                ops: reader.op_count(&record).await? as u64,
                patients: reader.homes_of(&record).await?.into_iter().map(|home| home.patient).collect(),
            });
        }
        Ok(lines)
    }
}
