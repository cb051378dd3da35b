//! What the small directory of the tests knows, and how it can be odd or hostile. Used by `authority`, set by the tests.

use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What it does otherwise than it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whim {
    #[default]
    None,
    /// It takes the challenge as answered, and leaves the order open.
    Hold,
    /// It takes no order, and says so at length.
    NoOrders,
    /// It sees no proof, whatever it saw.
    NoProof,
    /// It offers another challenge alone.
    NoChallenge,
    /// It wants a proof for a name that nobody asked for.
    OtherName,
    /// It wants a proof a hundred times.
    ManyNames,
    /// It issues for another name.
    OtherCertificate,
    /// It issues for another key.
    OtherKey,
    /// It takes each first nonce for a bad one.
    BadNonce,
    /// It asks to come back in half an eternity.
    Later,
    /// It issues nothing but text.
    Text,
    /// Its directory is this.
    Directory(&'static str),
    /// Its directory is elsewhere.
    Redirect,
    /// Its directory is endless.
    Endless,
    /// It answers all with an error and no words.
    Broken,
    /// Its nonces come from another host.
    OtherHost,
    /// Where its nonces come from is no URL.
    NoUrl,
}

/// What it did and does.
pub(super) struct State {
    pub(super) whim: Whim,
    /// Where the names are served.
    pub(super) gateway: Option<SocketAddr>,
    /// How long a certificate was good for before it is issued, and is afterwards.
    pub(super) validity: [Duration; 2],
    /// What it was asked.
    pub(super) asked: Vec<String>,
    /// Accounts: the public key and what was said to make it.
    pub(super) accounts: Vec<(Vec<u8>, Value)>,
    /// Challenges it saw the answer of.
    pub(super) proven: Vec<String>,
    pub(super) nonces: HashSet<String>,
    pub(super) orders: Vec<Order>,
}

pub(super) struct Order {
    pub(super) names: Vec<String>,
    pub(super) proven: HashSet<String>,
    pub(super) chain: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            whim: Whim::None,
            gateway: None,
            validity: [Duration::from_secs(3600), Duration::from_secs(90 * 86_400)],
            asked: Vec::new(),
            accounts: Vec::new(),
            proven: Vec::new(),
            nonces: HashSet::new(),
            orders: Vec::new(),
        }
    }
}
