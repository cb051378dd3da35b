//! The header of an op: who, where in which line, after what, under which grant. Frames and bodies are
//! elsewhere. Called by `op`, `state`, and by whoever looks at a chain.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::{IdentityId, Lane, LaneKind, OpId, RecordId};

/// The one format version there is.
pub const FORMAT_VERSION: u64 = 1;
/// Which form of it, until the format is frozen: ops of another one do not read, or read as something else.
pub const FORMAT_REVISION: u64 = 2;
/// Most control heads an op may cite; one per author of the record is the most there are.
pub const CONTROL_HEADS_MAX: usize = 64;
/// Most heads of other data lanes an op may cite; lanes cited by its ancestors need no mention.
pub const DATA_HEADS_MAX: usize = 64;
/// Longest encoded header: the fixed part and all heads.
pub const HEADER_BYTES_MAX: usize = 512 + 34 * (CONTROL_HEADS_MAX + DATA_HEADS_MAX);

/// What an op does (rule 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Opens a record.
    Genesis = 0,
    /// Writes resources.
    Change = 1,
    /// A request for access, written by the patient's node.
    Request = 2,
    /// Lets identities in.
    Grant = 3,
    /// Takes grants back and draws the line under what is kept.
    Revoke = 4,
    /// Takes what lies beyond a line back in.
    Accept = 5,
    /// Hands a custodial record to its patient.
    Claim = 6,
    /// Admits and suspends the patient's devices; with it the phrase speaks.
    Device = 7,
    /// Signed reads.
    Access = 8,
    /// Opens an epoch, or hands an identity over to its next key.
    Keys = 9,
    /// Closes the record: it goes on in another.
    Moved = 10,
    /// Names a record that only the authority knows of.
    Link = 11,
    /// Heads, and a root over what they reach.
    Checkpoint = 12,
    /// Takes frames away; their entries stay.
    Erase = 13,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Kind; 14] = [
        Kind::Genesis,
        Kind::Change,
        Kind::Request,
        Kind::Grant,
        Kind::Revoke,
        Kind::Accept,
        Kind::Claim,
        Kind::Device,
        Kind::Access,
        Kind::Keys,
        Kind::Moved,
        Kind::Link,
        Kind::Checkpoint,
        Kind::Erase,
    ];

    fn from_number(number: u64) -> Result<Self, CodecError> {
        Ok(match number {
            0 => Kind::Genesis,
            1 => Kind::Change,
            2 => Kind::Request,
            3 => Kind::Grant,
            4 => Kind::Revoke,
            5 => Kind::Accept,
            6 => Kind::Claim,
            7 => Kind::Device,
            8 => Kind::Access,
            9 => Kind::Keys,
            10 => Kind::Moved,
            11 => Kind::Link,
            12 => Kind::Checkpoint,
            13 => Kind::Erase,
            _ => return refuse("2.4", "an unknown kind"),
        })
    }

    /// The lane ops of this kind stand in.
    pub fn lane(self) -> LaneKind {
        match self {
            Kind::Change => LaneKind::Change,
            Kind::Access => LaneKind::Audit,
            _ => LaneKind::Control,
        }
    }
}

/// Names a grant: the control op that gives it and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId {
    /// The `grant` or `claim` op.
    pub op: OpId,
    /// Counted from 0.
    pub index: u32,
}

impl GrantId {
    /// The text form: op id, a dot, the index.
    pub fn text(&self) -> String {
        format!("{}.{}", self.op, self.index)
    }

    /// Reads [`GrantId::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let (op, index) = text.split_once('.')?;
        Some(Self { op: op.parse().ok()?, index: index.parse().ok()? })
    }
}

/// What an op acts under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// The author is the record's authority itself: its custodian, or the patient's first device.
    Genesis,
    /// A device of the authority, by the `device` op that admitted it; the root, by the op that announced it.
    Device(OpId),
    /// A grant to the author.
    Grant(GrantId),
}

/// The signed header (rule 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Zero in a genesis.
    pub record: RecordId,
    /// The line.
    pub lane: Lane,
    /// Which of the author's keys signed, counted from 0.
    pub key_number: u64,
    /// Place in the lane, counted from 0.
    pub seq: u64,
    /// The lane's op before; none at 0.
    pub previous: Option<OpId>,
    /// Heads of the control lanes the author had seen.
    pub control_heads: Vec<OpId>,
    /// Heads of other data lanes the author had seen.
    pub data_heads: Vec<OpId>,
    /// One more than the greatest among previous and cited ops.
    pub lamport: u64,
    /// The author's clock, milliseconds since 1970; decides nothing.
    pub wall_ms: u64,
    /// What the op does.
    pub kind: Kind,
    /// What it acts under.
    pub authority: Authority,
    /// BLAKE3 of the encoded frame list.
    pub entries_root: [u8; 32],
}

impl Header {
    /// The one encoding; its BLAKE3 is the op's id.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(15).uint(FORMAT_VERSION).bytes(self.record.bytes()).bytes(self.lane.author.bytes());
        w.uint(self.key_number).uint(self.lane.kind as u64).uint(self.lane.instance).uint(self.seq);
        w.bytes(self.previous.as_ref().map_or(&[][..], |id| id.bytes()));
        for heads in [&self.control_heads, &self.data_heads] {
            w.array(heads.len());
            for id in heads {
                w.bytes(id.bytes());
            }
        }
        w.uint(self.lamport).uint(self.wall_ms).uint(self.kind as u64);
        match self.authority {
            Authority::Genesis => w.array(1).uint(0),
            Authority::Device(op) => w.array(2).uint(1).bytes(op.bytes()),
            Authority::Grant(grant) => w.array(3).uint(2).bytes(grant.op.bytes()).uint(u64::from(grant.index)),
        };
        w.bytes(&self.entries_root);
        w.finish()
    }

    /// Reads a header strictly.
    ///
    /// # Errors
    /// The rule broken: 2.1 shape, 2.2 version, 2.3 lanes and sequence, 2.4 kind, 2.5 heads.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > HEADER_BYTES_MAX {
            return refuse("2.1", "a header over its limit");
        }
        let mut r = Reader::new(bytes, "2.1");
        r.array(15)?;
        if r.uint()? != FORMAT_VERSION {
            return refuse("2.2", "an unknown format version");
        }
        let record = RecordId(r.exact()?);
        let author = IdentityId(r.exact()?);
        let key_number = r.uint()?;
        let Some(lane_kind) = LaneKind::from_number(r.uint()?) else {
            return refuse("2.3", "an unknown lane");
        };
        let lane = Lane { author, kind: lane_kind, instance: r.uint()? };
        let seq = r.uint()?;
        let previous = match r.bytes(32)? {
            [] => None,
            id => Some(OpId::from_slice(id).ok_or(CodecError { rule: "2.3", what: "previous is not an id" })?),
        };
        let control_heads = read_heads(&mut r, CONTROL_HEADS_MAX)?;
        let data_heads = read_heads(&mut r, DATA_HEADS_MAX)?;
        let (lamport, wall_ms) = (r.uint()?, r.uint()?);
        let kind = Kind::from_number(r.uint()?)?;
        let authority = match r.len(3)? {
            1 if r.uint()? == 0 => Authority::Genesis,
            2 if r.uint()? == 1 => Authority::Device(OpId(r.exact()?)),
            3 if r.uint()? == 2 => {
                let op = OpId(r.exact()?);
                let index = u32::try_from(r.uint()?).or(refuse("2.6", "a grant index over its limit"))?;
                Authority::Grant(GrantId { op, index })
            }
            _ => return refuse("2.6", "an unknown authority word"),
        };
        let entries_root = r.exact()?;
        let header = Self {
            record,
            lane,
            key_number,
            seq,
            previous,
            control_heads,
            data_heads,
            lamport,
            wall_ms,
            kind,
            authority,
            entries_root,
        };
        r.end(&header.encode())?;
        header.check_shape()?;
        Ok(header)
    }

    fn check_shape(&self) -> Result<(), CodecError> {
        if self.kind.lane() != self.lane.kind {
            return refuse("2.3", "a kind in a lane that does not carry it");
        }
        if self.lane.kind == LaneKind::Control && self.lane.instance != 0 {
            return refuse("2.3", "a second control lane");
        }
        if (self.seq == 0) != self.previous.is_none() {
            return refuse("2.3", "previous is there exactly from sequence number 1");
        }
        if self.lane.kind == LaneKind::Control && !self.data_heads.is_empty() {
            return refuse("2.5", "a control op cites control ops only");
        }
        for heads in [&self.control_heads, &self.data_heads] {
            if !heads.is_sorted_by(|a, b| a < b) {
                return refuse("2.5", "heads are sorted and named once");
            }
        }
        let genesis = self.kind == Kind::Genesis;
        if genesis != (self.record.0 == [0; 32]) {
            return refuse("2.2", "only a genesis has no record id");
        }
        if genesis && (self.seq != 0 || !self.control_heads.is_empty() || self.authority != Authority::Genesis) {
            return refuse("2.2", "a genesis is the first op of its record");
        }
        Ok(())
    }

    /// The id of an op with these header bytes.
    pub fn id_of(bytes: &[u8]) -> OpId {
        OpId(*blake3::hash(bytes).as_bytes())
    }

    /// Every op this one stands on.
    pub fn cited(&self) -> impl Iterator<Item = &OpId> {
        self.previous.iter().chain(&self.control_heads).chain(&self.data_heads)
    }
}

fn read_heads(r: &mut Reader<'_>, max: usize) -> Result<Vec<OpId>, CodecError> {
    let len = r.len(max)?;
    (0..len).map(|_| r.exact().map(OpId)).collect()
}
