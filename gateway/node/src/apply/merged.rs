//! Which versions of a resource stand beside each other, and what is said of it: of one record, as rule 6.19 has it, from the ops
//! that are here. A version that only adds to a chain is seen at once; where edits may have happened beside each other, all versions
//! of the resource are gone through in the order they came. Called by `index`, and by `foreign` after a rebuild; read by `conflicts`.
//!
//! Where what is said changes without a new version, the current one gets another versionId and lastUpdated, in a row of its own
//! (decision 0037).

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::placed::Placed;
use record::{Ancestry, Header, Lane, Op, OpId, RecordId};
use std::collections::{BTreeSet, HashMap};
use store::db::Reader;
use store::versions::{By, StoredVersion, Version};

/// Most versions of a resource that are held against each other; older ones are known to all of them.
const VERSIONS_MAX: i64 = 200;
/// Most changes that stay read within a transaction, of all records together; a rebuild goes through every record there is.
const CHANGES_KEPT_MAX: usize = 200_000;
/// Marks the place in the journal of what is said anew of a resource because of a frame.
const AGAIN_PLACE: u32 = 1 << 31;

/// What a new version means for its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It goes on from what is current, or stands before it: the resource is tagged as of it, or not.
    Plain(bool),
    /// All versions have to be looked at.
    Unclear,
}

/// A version as it is held against the others.
struct Known {
    stored: StoredVersion,
    placed: Placed,
}

impl Known {
    /// The last versions of a resource in a record, in the order they came, with the rows by which they were said anew.
    async fn all(reader: &mut Reader<'_>, record: &RecordId, kind: u16, id: &str) -> Result<Vec<Self>, NodeError> {
        let stored = reader.siblings(record, kind, id, VERSIONS_MAX).await?;
        Ok(stored.into_iter().rev().filter_map(|stored| Some(Self { placed: Placed::of(&stored)?, stored })).collect())
    }

    fn order(&self) -> (u64, OpId, u32) {
        (self.stored.lamport, self.stored.op, self.stored.place)
    }
}

/// Changes of a record from a Lamport number on: who knew whom, and when each was signed by its author's clock.
pub(crate) struct Changes {
    from: u64,
    ancestry: Ancestry,
    signed: HashMap<OpId, u64>,
}

impl Changes {
    async fn from(reader: &mut Reader<'_>, record: &RecordId, lamport: u64) -> Result<Self, NodeError> {
        let forked = reader.branches(record).await?.into_iter().map(|branch| branch.head.lane);
        let mut changes = Self { from: lamport, ancestry: Ancestry::with_forked(forked), signed: HashMap::new() };
        for (id, header) in reader.changes_from(record, lamport).await? {
            changes.came(id, &header);
        }
        Ok(changes)
    }

    /// One more came.
    pub(crate) fn came(&mut self, id: OpId, header: &Header) {
        self.ancestry.take(id, header);
        self.signed.insert(id, header.wall_ms);
    }
}

/// What is said of a resource after one more version: which is current, whether it is tagged, and how often that was said anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    current: usize,
    tagged: bool,
    again: usize,
}

impl Batch {
    /// What a version means that comes in beside the current one of its resource.
    pub(super) async fn meaning(
        &mut self,
        context: &Context,
        op: &Op,
        resolves: bool,
        before: Option<&StoredVersion>,
        current: bool,
    ) -> Result<Meaning, NodeError> {
        let Some(before) = before.filter(|before| before.record == context.record) else {
            return Ok(Meaning::Plain(false));
        };
        let Some(placed) = Placed::of(before) else { return Ok(Meaning::Plain(false)) };
        let header = op.header();
        if before.op == op.id() {
            return Ok(Meaning::Plain(placed.tagged));
        }
        if !current {
            let older = placed.lane == header.lane && header.seq < placed.seq && !placed.tagged;
            let plain = older && !self.has_forked(&context.record, &header.lane).await?;
            return Ok(if plain { Meaning::Plain(false) } else { Meaning::Unclear });
        }
        if (placed.tagged && resolves) || !self.knows(context.record, header, before, &placed).await? {
            return Ok(Meaning::Unclear);
        }
        // It stands on the last of them alone, unless it names the conflict.
        Ok(Meaning::Plain(placed.tagged))
    }

    /// Whether a lane is more than one chain.
    async fn has_forked(&mut self, record: &RecordId, lane: &Lane) -> Result<bool, NodeError> {
        Ok(self.branches(record).await?.iter().any(|branch| branch.head.lane == *lane))
    }

    /// Whether an op of this header has the op of a version in its past.
    async fn knows(
        &mut self,
        record: RecordId,
        header: &Header,
        before: &StoredVersion,
        placed: &Placed,
    ) -> Result<bool, NodeError> {
        let cited = header.previous.iter().chain(&header.data_heads).copied().collect::<Vec<_>>();
        if cited.contains(&before.op) {
            return Ok(true);
        }
        if !self.has_forked(&record, &placed.lane).await? {
            if placed.lane == header.lane {
                return Ok(placed.seq < header.seq);
            }
            if !cited.is_empty() {
                let last = self.reader().await?.last_of_lane(&record, &placed.lane, &cited).await?;
                if last.is_some_and(|last| last >= placed.seq) {
                    return Ok(true);
                }
            }
        }
        let id = Header::id_of(&header.encode());
        let known = self.known_changes(&record, before.lamport).await?;
        let knows = known.ancestry.knows(&id, &before.op);
        self.keep_changes(record, known);
        Ok(knows)
    }

    /// The changes of a record from a Lamport number on, read once in a transaction; whoever took them puts them back.
    async fn known_changes(&mut self, record: &RecordId, lamport: u64) -> Result<Changes, NodeError> {
        match self.changes.remove(record).filter(|known| known.from <= lamport) {
            Some(known) => Ok(known),
            None => Changes::from(&mut self.reader().await?, record, lamport).await,
        }
    }

    fn keep_changes(&mut self, record: RecordId, changes: Changes) {
        if self.changes.values().map(|kept| kept.signed.len()).sum::<usize>() > CHANGES_KEPT_MAX {
            self.changes.clear();
        }
        self.changes.insert(record, changes);
    }

    /// Remembers a resource whose versions have to be held against each other before the job ends.
    pub(super) fn note_unclear(&mut self, record: RecordId, kind: u16, id: &str) {
        self.unclear.insert((record, kind, id.to_owned()));
    }

    pub(super) fn is_unclear(&self, record: RecordId, kind: u16, id: &str) -> bool {
        !self.unclear.is_empty() && self.unclear.contains(&(record, kind, id.to_owned()))
    }

    /// Holds against each other what was found to need it, each resource once however many versions came.
    pub(crate) async fn settle_unclear(&mut self) -> Result<(), NodeError> {
        for (record, kind, id) in std::mem::take(&mut self.unclear) {
            self.bring_together(&record, kind, &id).await?;
        }
        Ok(())
    }

    /// Goes through all versions of a resource in a record, and has its rows say what is to be said of them.
    async fn bring_together(&mut self, record: &RecordId, kind: u16, id: &str) -> Result<(), NodeError> {
        let known = Known::all(&mut self.reader().await?, record, kind, id).await?;
        let (again, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| one.placed.again);
        let was_current = again.iter().chain(&known).any(|one| one.stored.current);
        let old = again.iter().map(|one| one.stored.position).collect::<Vec<_>>();
        let Some(least) = known.iter().map(|one| one.stored.lamport).min() else {
            return Ok(self.tx().await?.remove_versions(&old).await?);
        };
        let changes = self.known_changes(record, least).await?;
        let mut returned = Vec::with_capacity(known.len());
        for one in &known {
            returned.push(one.stored.own && self.is_returned(&one.stored.op).await?);
        }
        // Of more versions than are looked at, what was said of the oldest of these stands until somebody ends it.
        let seed = known.len() as i64 >= VERSIONS_MAX && known[0].placed.tagged;
        let said =
            told(&known, &changes.ancestry, seed, |now, then| follows(&known, &returned, &changes.signed, now, then));
        self.keep_changes(*record, changes);
        self.tx().await?.remove_versions(&old).await?;
        self.forget_ahead();
        for (at, one) in known.iter().enumerate() {
            let tagged = said[at].current == at && said[at].tagged;
            if one.placed.tagged != tagged {
                let seal = Placed { tagged, ..one.placed.clone() }.encode(&one.stored.origin);
                self.tx().await?.set_seal(one.stored.position, &seal).await?;
            }
        }
        let mut last = None;
        for at in 1..said.len() {
            if said[at].again > 0 && said[at] != said[at - 1] && said[at].current != at {
                last = Some(self.say_again(&known[said[at].current], &known[at].stored, said[at]).await?);
            }
        }
        // Where another record says what is current, this one only keeps what it knows.
        if was_current && let Some(now) = said.last() {
            self.make_current(&known[now.current].stored, last.filter(|_| now.again > 0)).await?;
        }
        Ok(())
    }

    /// Adds the row by which a version is said anew because of another one, not yet current; returns its versionId.
    async fn say_again(&mut self, base: &Known, cause: &StoredVersion, said: Said) -> Result<String, NodeError> {
        let place = cause.place | AGAIN_PLACE;
        let (position, last_updated) = match self.reader().await?.journaled(&cause.op, place).await? {
            Some(found) => found,
            None => {
                let found = (self.positions(1)?, self.last_updated);
                self.tx().await?.journal(&[(cause.op, place, found.0, found.1)]).await?;
                found
            }
        };
        let StoredVersion { kind, id, version, op, record, origin, class, method, lamport, .. } = base.stored.clone();
        let version = format!("{version}-{}", said.again + 1);
        let seal = Placed { tagged: said.tagged, again: true, ..base.placed.clone() }.encode(&origin);
        let row = Version {
            position,
            kind,
            id,
            version: version.clone(),
            op,
            place: base.stored.place,
            record,
            origin,
            by: by(base.stored.own, base.placed.lane.author != origin),
            class,
            method,
            current: false,
            lamport,
            last_updated,
            seal,
            json: Vec::new(),
            index: Vec::new(),
        };
        self.add_version(row, None);
        Ok(version)
    }

    /// Has reads answer a version, or the last row in which it was said anew.
    async fn make_current(&mut self, base: &StoredVersion, again: Option<String>) -> Result<(), NodeError> {
        let version = again.as_ref().unwrap_or(&base.version);
        let now = self.reader().await?.version(base.kind, &base.id, version).await?;
        let now = now.ok_or(NodeError::Internal("a version that was just there"))?;
        let first = self.first_position();
        if let Some(current) = self.current(base.kind, &base.id).await?.filter(|one| one.position != now.position) {
            self.tx().await?.retire(&[current.position], first).await?;
        }
        self.tx().await?.uncover(base.kind, &base.id).await?;
        self.promote_version(&now).await?;
        // Conditionals match what this node wrote last of its own.
        if now.origin == self.node.identity.id()
            && !now.own
            && let Some(own) = self.reader().await?.last_own(base.kind, &base.id).await?
        {
            self.promote_version(&own).await?;
            self.tx().await?.cover(own.position, first).await?;
        }
        Ok(())
    }
}

/// Who wrote a version: this node or not, of its author's resource or as an edit of another's.
pub(super) fn by(own: bool, edits: bool) -> By {
    match (own, edits) {
        (false, _) => By::Others,
        (true, false) => By::Own,
        (true, true) => By::Edit,
    }
}

/// The versions of a resource that stand beside each other in a record, the current one last.
pub(crate) async fn beside(
    reader: &mut Reader<'_>,
    record: &RecordId,
    kind: u16,
    id: &str,
) -> Result<Vec<StoredVersion>, NodeError> {
    let mut known = Known::all(reader, record, kind, id).await?;
    known.retain(|one| !one.placed.again);
    let Some(least) = known.iter().map(|one| one.stored.lamport).min() else { return Ok(Vec::new()) };
    let changes = Changes::from(reader, record, least).await?;
    known.sort_by_key(Known::order);
    let open = open(&known, (0..known.len()).collect(), &changes.ancestry).into_iter().collect::<BTreeSet<_>>();
    let known = known.into_iter().enumerate().filter(|(at, _)| open.contains(at));
    Ok(known.map(|(_, one)| one.stored).collect())
}

/// Which of the versions in this order nobody has brought together.
fn open(known: &[Known], mut order: Vec<usize>, ancestry: &Ancestry) -> Vec<usize> {
    // Of several frames of one op the last says what is.
    order.dedup_by(|later, earlier| {
        let same = known[*later].stored.op == known[*earlier].stored.op;
        if same {
            *earlier = *later;
        }
        same
    });
    let resolves = order.iter().map(|at| known[*at].placed.resolves).collect::<Vec<_>>();
    let op = |at: usize| &known[order[at]].stored.op;
    let open = record::merge::open(&resolves, |earlier, later| ancestry.knows(op(later), op(earlier)));
    open.into_iter().map(|at| order[at]).collect()
}

/// Whether the version at `now`, which came later, takes the place of the one at `then`: of two of one's own the one written last,
/// what came back after a restore where it was signed; of any others the later in the order of 6.5.
fn follows(known: &[Known], returned: &[bool], signed: &HashMap<OpId, u64>, now: usize, then: usize) -> bool {
    let (a, b) = (&known[now], &known[then]);
    if !(a.stored.own && b.stored.own) {
        return b.order() < a.order();
    }
    let when = |one: &Known| (signed.get(&one.stored.op).copied().unwrap_or(0), one.order());
    !returned[now] || when(b) < when(a)
}

/// What is said of a resource after each of its versions, in the order they came; `older` ones that are not among them may stand beside
/// each other.
fn told(known: &[Known], ancestry: &Ancestry, mut older: bool, follows: impl Fn(usize, usize) -> bool) -> Vec<Said> {
    let (mut order, mut stands, mut said) = (Vec::<usize>::new(), Vec::new(), Vec::<Said>::new());
    for (at, one) in known.iter().enumerate() {
        let behind = order.partition_point(|other| known[*other].order() < one.order());
        let goes_on = order.last().is_none_or(|last| known[*last].stored.op != one.stored.op);
        order.insert(behind, at);
        // Mostly it comes last, and all before it is as it was.
        match goes_on && behind + 1 == order.len() {
            true => {
                let knows = |other: usize| ancestry.knows(&one.stored.op, &known[other].stored.op);
                record::merge::stand(&mut stands, at, one.placed.resolves, knows);
            }
            false => stands = open(known, order.clone(), ancestry),
        }
        older &= !one.placed.resolves;
        let tagged = older || stands.len() > 1;
        let before = said.last().copied();
        let next = match before {
            Some(before) if !follows(at, before.current) => match before.tagged == tagged {
                true => before,
                false => Said { tagged, again: before.again + 1, ..before },
            },
            _ => Said { current: at, tagged, again: 0 },
        };
        said.push(next);
    }
    said
}
