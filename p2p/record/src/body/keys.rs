//! `keys`: opens an epoch, commits to its secret, and seals the control keys before it under the new one.
//! The wraps for members are frames of their own. Called by `body` and `state`; built by `node`.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::OpId;
use crate::keys::{KeyItem, Level, Secret};
use crate::seal;

/// Most epochs one epoch supersedes.
pub const PREVIOUS_MAX: usize = 64;

/// The body of a keys op (rule 4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Commits to the epoch's secret.
    pub commitment: [u8; 32],
    /// The epochs it takes the place of, each with its control key sealed under the new control key.
    pub previous: Vec<(OpId, Vec<u8>)>,
}

fn nonce(epoch: &OpId) -> [u8; 12] {
    let hash = blake3::Hasher::new_derive_key("chartwell 1 control chain nonce").update(epoch.bytes()).finalize();
    hash.as_bytes()[..12].try_into().expect("a hash has 32 bytes")
}

impl Keys {
    /// A body for an epoch with `control` key that supersedes `previous`.
    pub fn new(commitment: [u8; 32], control: &Secret, previous: &[(OpId, Secret)]) -> Self {
        let previous = previous
            .iter()
            .map(|(epoch, secret)| (*epoch, seal::seal(control, &nonce(epoch), epoch.bytes(), &secret[..])))
            .collect();
        Self { commitment, previous }
    }

    /// The control keys of the superseded epochs, for who holds the new one.
    pub fn open_previous(&self, control: &Secret) -> Vec<KeyItem> {
        let open = |(epoch, sealed): &(OpId, Vec<u8>)| {
            let secret = seal::open(control, &nonce(epoch), epoch.bytes(), sealed)?;
            let secret = <[u8; 32]>::try_from(secret).ok()?;
            Some(KeyItem { epoch: *epoch, level: Level::Control, secret: secret.into() })
        };
        self.previous.iter().filter_map(open).collect()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(&self.commitment).array(self.previous.len());
        for (epoch, sealed) in &self.previous {
            w.array(2).bytes(epoch.bytes()).bytes(sealed);
        }
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.6");
        r.array(2)?;
        let commitment = r.exact()?;
        let len = r.len(PREVIOUS_MAX)?;
        if len == 0 {
            return refuse("4.6", "an epoch that follows none");
        }
        let mut previous = Vec::with_capacity(len);
        for _ in 0..len {
            r.array(2)?;
            previous.push((OpId(r.exact()?), r.bytes(48)?.to_vec()));
        }
        let body = Self { commitment, previous };
        r.end(&body.encode())?;
        Ok(body)
    }
}
