//! What whole-system tests share: the one binary, its processes, HTTP, the patient's page. Called by `tests/system`.
