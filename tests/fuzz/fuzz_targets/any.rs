//! The libFuzzer binary: one reader, named by `CHARTWELL_FUZZ`.
#![no_main]

use fuzz::{Target, find};
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("CHARTWELL_FUZZ").unwrap_or_default();
    find(&name).unwrap_or_else(|| panic!("CHARTWELL_FUZZ names no reader: {name:?}"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (*TARGET)(bytes));
