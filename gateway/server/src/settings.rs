//! What the operator decides about the HTTP side, and its limits. Made by `cli`.

use crate::quota::Rate;
pub use crate::smart::external::is_safe;
use std::time::Duration;

/// How the server presents itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clients see before `/fhir`, without a slash at its end: `https://fhir.example.org`. It is what `Location`,
    /// `next` and discovery say behind a proxy.
    pub base_url: String,
    /// A conditional delete takes everything that matches, not only a single match.
    pub conditional_delete_multiple: bool,
    /// Origins whose scripts may call, such as `https://app.example.org`; none but the server's own without.
    pub cors_origins: Vec<String>,
    /// Who issues the tokens instead of this server, which then has no endpoints for them.
    pub issuer: Option<Issuer>,
    /// Where people log in instead of here.
    pub login: Option<Login>,
    /// Its limits.
    pub limits: Limits,
}

/// An OpenID provider that people log in at.
#[derive(Clone)]
pub struct Login {
    /// Its URL, as its tokens name it: [`is_safe`] says whether it can be one.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// This server's secret there.
    pub secret: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Login({})", self.issuer)
    }
}

/// An issuer of tokens elsewhere.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its URL, as its tokens name it: [`is_safe`] says whether it can be one.
    pub url: String,
    /// What its tokens must be for.
    pub audience: String,
}

impl Settings {
    /// Settings with the usual limits.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            conditional_delete_multiple: false,
            cors_origins: Vec::new(),
            issuer: None,
            login: None,
            limits: Limits::default(),
        }
    }
}

/// What one request, and all of them together, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, before and after it is inflated.
    pub body_bytes_max: usize,
    /// Longest time a body may take to arrive.
    pub body_time_max: Duration,
    /// Most requests worked on at once; health and metrics are not counted.
    pub requests_max: usize,
    /// Most requests of one client worked on at once.
    pub client_requests_max: usize,
    /// How many requests of one client come in time.
    pub client_rate: Rate,
    /// Longest time a request waits for its turn.
    pub queue_time_max: Duration,
    /// Longest time a request is worked on.
    pub request_time_max: Duration,
    /// Most bytes that the reads of one Bundle answer together.
    pub bundle_reads_bytes_max: usize,
}

/// The largest Synthea transaction is some 20 MiB; three times that leaves room and is still bounded.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Beyond this, waiting requests only make each other slower: the database has far fewer connections.
pub const REQUESTS_MAX: usize = 512;

/// Half of all: one client that asks without end leaves room for the others.
pub const CLIENT_REQUESTS_MAX: usize = REQUESTS_MAX / 2;

/// A busy EHR of a large hospital asks some hundred times a second; a load begins with all it has.
pub const CLIENT_RATE: Rate = Rate { per_second: 1_000, burst: 5_000 };

/// As much as a body may bring in: a hundred entries that each ask for a page of a thousand would not fit the memory.
pub const BUNDLE_READS_BYTES_MAX: usize = BODY_BYTES_MAX;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            // 64 MiB in a minute is a line of 9 Mbit/s.
            body_time_max: Duration::from_secs(60),
            requests_max: REQUESTS_MAX,
            client_requests_max: CLIENT_REQUESTS_MAX,
            client_rate: CLIENT_RATE,
            queue_time_max: Duration::from_secs(5),
            // A transaction of 10,000 entries takes seconds; a client's own patience ends about here.
            request_time_max: Duration::from_secs(120),
            bundle_reads_bytes_max: BUNDLE_READS_BYTES_MAX,
        }
    }
}
