//! The clock and the randomness of this node: the only file here that asks the machine for either. Called by
//! every file that needs one.

use record::Entropy;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970 UTC.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Milliseconds since 1970 UTC.
pub fn now_ms() -> u64 {
    now_us() as u64 / 1000
}

/// Fresh bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness, or nothing here may go on");
    bytes
}

/// A fresh stream of randomness.
pub fn entropy() -> Entropy {
    Entropy::new(random())
}

/// A fresh id for a resource or a task: 20 base32 characters, 100 random bits.
pub fn fresh_id() -> String {
    record::id::base32(&random::<13>())[..20].to_owned()
}
