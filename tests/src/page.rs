//! The patient page, driven by tests.
