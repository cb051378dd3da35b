//! Nodes of a test: a network and its log in memory, started and stopped and waited for.

use crate::memory::Memory;
use net::{Config, Handle};
use record::RecordId;
use std::{sync::Arc, time::Duration};

/// The record most tests share.
pub const RECORD: RecordId = RecordId([9; 32]);
/// Loopback addresses, one per transport.
pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
/// Longer than any state takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A node; its number is its transport key and its identity.
pub struct Node {
    pub number: u8,
    pub log: Arc<Memory>,
    pub net: Handle,
}

/// A node that listens on `listen`.
pub async fn node(number: u8, listen: &str) -> Node {
    start(number, listen, Arc::new(Memory::new(number))).await
}

/// A node with a log of its own, as after a restart.
pub async fn start(number: u8, listen: &str, log: Arc<Memory>) -> Node {
    let config = Config { listen: vec![listen.to_owned()], ..Config::new([number; 32]) };
    let net = net::start(config, log.clone()).await.unwrap();
    Node { number, log, net }
}

impl Node {
    /// Both keep `RECORD`, and each knows that the other may have it.
    pub fn share_with(&self, other: &Node) {
        self.log.share(RECORD, other.log.me);
        other.log.share(RECORD, self.log.me);
    }

    pub fn write(&self, count: usize, bytes: usize) {
        self.log.write(RECORD, count, bytes);
        self.net.moved(RECORD);
    }

    /// Stays connected to `other`.
    pub fn keep(&self, other: &Node) {
        self.net.keep(other.net.listening());
    }

    /// Waits until the peer with this number is as described in our table.
    pub async fn sees(&self, other: &Node, what: &str, is: impl Fn(&net::PeerStatus) -> bool) {
        let mut watch = self.net.watch();
        let found = async {
            while !self.net.peers().iter().any(|peer| peer.peer == other.net.own() && is(peer)) {
                watch.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(DEADLINE, found).await.is_err() {
            panic!("{} does not see {}: {what}; it sees {:#?}", self.number, other.number, self.net.peers());
        }
    }

    /// Waits until the log is as described.
    pub async fn holds(&self, what: &str, is: impl Fn(&Memory) -> bool) {
        let mut changed = self.log.changed.subscribe();
        let found = async {
            while !is(&self.log) {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(DEADLINE, found).await.is_err() {
            panic!("{} does not hold: {what}; it holds {} ops", self.number, self.log.count(RECORD));
        }
    }
}

/// Waits until both hold `count` ops of `RECORD`, the same, and each knows it of the other.
pub async fn converged(one: &Node, two: &Node, count: usize) {
    for node in [one, two] {
        node.holds(&format!("{count} ops"), |log| log.count(RECORD) == count).await;
    }
    for (node, other) in [(one, two), (two, one)] {
        let all = other.log.all(RECORD);
        node.holds("that the other has them", |log| {
            let state = log.state.lock().unwrap();
            let acknowledged = state.records[&RECORD].acknowledged.get(&other.log.me);
            acknowledged.is_some_and(|heads| {
                heads.len() == all.len() && heads.iter().all(|head| all[&head.lane].len() as u64 == head.seq + 1)
            })
        })
        .await;
    }
    assert_eq!(one.log.all(RECORD), two.log.all(RECORD));
}
