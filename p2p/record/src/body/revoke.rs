//! `revoke`: takes grants back and draws the line: per lane, the last op it keeps. Called by `body` and
//! `state`; built by `node`.

use super::grant::{read_grant_id, write_grant_id};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::header::GrantId;
use crate::id::{Head, IdentityId, Lane, LaneKind, OpId};

/// Most grants or identities one revoke names.
pub const TARGETS_MAX: usize = 1024;
/// Most lanes a line is drawn through.
pub const RETAINS_MAX: usize = 16_384;

/// The body of a revoke op (rule 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// Grants taken back.
    pub grants: Vec<GrantId>,
    /// Identities whose every grant without this op in its past is taken back.
    pub identities: Vec<IdentityId>,
    /// Per lane, the last op kept; a lane not named keeps nothing.
    pub retains: Vec<Head>,
}

pub(crate) fn write_heads(w: &mut Writer, heads: &[Head]) {
    w.array(heads.len());
    for head in heads {
        w.array(5).bytes(head.lane.author.bytes()).uint(head.lane.kind as u64).uint(head.lane.instance);
        w.uint(head.seq).bytes(head.id.bytes());
    }
}

pub(crate) fn read_heads(r: &mut Reader<'_>) -> Result<Vec<Head>, CodecError> {
    let len = r.len(RETAINS_MAX)?;
    let mut heads = Vec::with_capacity(len.min(64));
    for _ in 0..len {
        r.array(5)?;
        let author = IdentityId(r.exact()?);
        let Some(kind) = LaneKind::from_number(r.uint()?) else {
            return refuse("4.4", "an unknown lane");
        };
        let lane = Lane { author, kind, instance: r.uint()? };
        heads.push(Head { lane, seq: r.uint()?, id: OpId(r.exact()?) });
    }
    Ok(heads)
}

impl Revoke {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).array(self.grants.len());
        for id in &self.grants {
            write_grant_id(&mut w, id);
        }
        w.array(self.identities.len());
        for id in &self.identities {
            w.bytes(id.bytes());
        }
        write_heads(&mut w, &self.retains);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.4");
        r.array(3)?;
        let len = r.len(TARGETS_MAX)?;
        let grants = (0..len).map(|_| read_grant_id(&mut r)).collect::<Result<Vec<_>, _>>()?;
        let len = r.len(TARGETS_MAX)?;
        let identities = (0..len).map(|_| r.exact().map(IdentityId)).collect::<Result<Vec<_>, _>>()?;
        let body = Self { grants, identities, retains: read_heads(&mut r)? };
        r.end(&body.encode())?;
        Ok(body)
    }
}
