//! Entry points for fuzzing: what reads bytes a stranger chose. Called by fuzz targets and tests only.

use crate::wire;

/// Decodes a message; what decodes must encode to the same bytes.
pub fn message(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        assert_eq!(&wire::encode(&message)[4..], bytes, "one message has one form");
    }
}
