//! Randomness as an argument: a stream drawn from one seed, so that this crate never asks the machine.
//! Called by whoever makes identities, records, epochs and wraps; the seed comes from the caller's edge.

use rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;

/// A cryptographic stream over a 32-byte seed (BLAKE3 in extendable-output mode).
pub struct Entropy(blake3::OutputReader);

impl Entropy {
    /// Opens the stream of `seed`, which must be fresh from the operating system outside tests.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(blake3::Hasher::new_derive_key("chartwell 1 entropy").update(&seed).finalize_xof())
    }

    /// The next `N` bytes.
    pub fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill(&mut out);
        out
    }
}

impl TryRng for Entropy {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw()))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}
