//! `accept`: takes quarantined ops back in, each in its old place. Called by `body` and `state`; built by `node`.

use super::revoke::{read_heads, write_heads};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::{Head, OpId};

/// Most ops one accept names singly.
pub const OPS_MAX: usize = 4096;

/// The body of an accept op (rule 4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Ops that count from here on, whatever kept them apart.
    pub ops: Vec<OpId>,
    /// Per lane, the op up to which it counts beyond the lines this op has in its past.
    pub heads: Vec<Head>,
}

impl Accept {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).array(self.ops.len());
        for op in &self.ops {
            w.bytes(op.bytes());
        }
        write_heads(&mut w, &self.heads);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.10");
        r.array(2)?;
        let len = r.len(OPS_MAX)?;
        let ops = (0..len).map(|_| r.exact().map(OpId)).collect::<Result<Vec<_>, _>>()?;
        let body = Self { ops, heads: read_heads(&mut r)? };
        if body.ops.is_empty() && body.heads.is_empty() {
            return refuse("4.10", "an accept that names nothing");
        }
        r.end(&body.encode())?;
        Ok(body)
    }
}
