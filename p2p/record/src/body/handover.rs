//! A `keys` op that hands an identity over to its announced key, and draws a line under the old one. Plain, so that
//! whoever holds the header can verify what the new key signs. Called by `body`, `op` and `state`; built by `node`.

use super::revoke::{read_heads, write_heads};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::Head;
use crate::identity::{CARD_BYTES_MAX, Card};

/// The body of a keys op signed by the announced key (rule 4.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The author's card, with the key that signs this op as its last.
    pub card: Card,
    /// Per lane of the author's, the last op that the keys before signed and that is kept. The control lane needs no
    /// mention: what `previous` reaches from this op is kept.
    pub retains: Vec<Head>,
}

impl Handover {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).uint(1).bytes(&self.card.encode());
        write_heads(&mut w, &self.retains);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.12");
        r.array(3)?;
        if r.uint()? != 1 {
            return refuse("4.12", "an unknown keys op");
        }
        let card = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
        if card.handed.is_empty() {
            return refuse("4.12", "a handover to the first key");
        }
        let body = Self { card, retains: read_heads(&mut r)? };
        r.end(&body.encode())?;
        Ok(body)
    }
}
