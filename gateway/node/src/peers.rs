//! Peers: the network started, and how far behind everyone is. Called by `cli` and `patient`.

use crate::error::NodeError;
use crate::identity_file::write_private;
use crate::node::{Node, Role};
use crate::sync::Port;
use record::{Head, IdentityId, OpId, RecordId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use store::db::Reader;

/// A peer as people are shown it.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// What it calls itself.
    pub name: String,
    /// Its identity, 16 characters.
    pub origin: String,
    /// Whether a session is open.
    pub connected: bool,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Ops of shared records it has not acknowledged.
    pub behind: u64,
    /// Since when it is connected, milliseconds since 1970.
    pub seen_ms: Option<u64>,
}

impl Node {
    /// Starts the network: listens, connects to `peers` and to everyone records are shared with.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for an address that is none or is taken.
    pub async fn start_net(&self, listen: Vec<String>, peers: Vec<String>) -> Result<Vec<String>, NodeError> {
        let mut config = net::Config::new(self.transport_secret()?);
        if !listen.is_empty() {
            config.listen = listen;
        }
        self.heard.begin();
        let handle = net::start(config, Arc::new(Port(self.clone()))).await;
        let handle = handle.map_err(|error| NodeError::Unprocessable(error.to_string()))?;
        handle.keep(peers);
        let me = self.identity().id();
        let mut partners = Vec::new();
        let mut reader = Reader::from(&self.store);
        for known in reader.shared_records(&me).await? {
            if let Some(context) = self.context(&mut reader, &known.record).await? {
                partners.extend(context.state.members().into_iter().map(|card| card.id()));
            }
        }
        for known in reader.identities().await? {
            if known.id != me && partners.contains(&known.id) && !known.addresses.is_empty() {
                handle.keep(known.addresses.split_whitespace().map(str::to_owned).collect());
            }
        }
        let listening = handle.listening();
        drop(self.net.set(handle));
        match self.role {
            Role::Gateway => self.follow_requests(),
            Role::Patient => {
                self.resume_pairings().await?;
                self.resume_joins().await?;
            }
        }
        Ok(listening)
    }

    /// The transport key of this process's data folder.
    fn transport_secret(&self) -> Result<[u8; 32], NodeError> {
        let path = self.data.join("transport.key");
        if let Some(secret) = std::fs::read(&path).ok().and_then(|bytes| bytes.try_into().ok()) {
            return Ok(secret);
        }
        let secret = crate::clock::random::<32>();
        write_private(&path, &secret)
            .or(Err(NodeError::Unprocessable(format!("{} cannot be written", path.display()))))?;
        Ok(secret)
    }

    /// Everyone records are shared with, and how far behind each is.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn peers(&self) -> Result<Vec<PeerView>, NodeError> {
        let me = self.identity().id();
        let mut behind = HashMap::<IdentityId, u64>::new();
        let mut reader = Reader::from(&self.store);
        for known in reader.shared_records(&me).await? {
            let Some(context) = self.context(&mut reader, &known.record).await? else { continue };
            let ends = reader.ends(&known.record).await?;
            for card in context.state.members() {
                let who = card.id();
                // The root is a member, and is nowhere.
                if who == me || context.state.root().is_some_and(|root| root.id() == who) {
                    continue;
                }
                let lacks = behind.entry(who).or_default();
                if context.state.is_member(&who) {
                    let acks = reader.acknowledged(&who, &known.record).await?;
                    let theirs = ends.iter().filter(|(lane, _)| lane.author != who);
                    *lacks += theirs.map(|(_, ends)| lag(ends, &acks)).sum::<u64>();
                }
            }
        }
        let status = self.net.get().map(net::Handle::peers).unwrap_or_default();
        let mut views = Vec::new();
        for (who, behind) in behind {
            let live = status.iter().find(|peer| peer.identity == Some(who) && peer.connected);
            let known = reader.identity(&who).await?;
            let addresses = known.as_ref().map(|known| known.addresses.split_whitespace().map(str::to_owned).collect());
            views.push(PeerView {
                name: known.map(|known| known.name).unwrap_or_default(),
                origin: who.origin(),
                connected: live.is_some(),
                addresses: addresses.unwrap_or_default(),
                behind,
                seen_ms: live
                    .and_then(|peer| peer.since)
                    .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
                    .map(|at| at.as_millis() as u64),
            });
        }
        views.sort_by(|a, b| (&a.name, &a.origin).cmp(&(&b.name, &b.origin)));
        Ok(views)
    }

    /// What an identity calls itself.
    pub(crate) async fn name_of(&self, who: &IdentityId) -> Result<String, NodeError> {
        if *who == self.identity().id() {
            return Ok(self.name().to_owned());
        }
        let known = Reader::from(&self.store).identity(who).await?;
        Ok(known.map(|known| known.name).filter(|name| !name.is_empty()).unwrap_or_else(|| who.origin()))
    }

    /// Whether `who` has acknowledged a control op.
    pub(crate) async fn has_received(
        &self,
        reader: &mut Reader<'_>,
        who: &IdentityId,
        record: &RecordId,
        op: &OpId,
    ) -> Result<bool, NodeError> {
        let Some(stored) = reader.op(op).await? else { return Ok(false) };
        let (lane, seq) = (stored.op.header().lane, stored.op.header().seq);
        let acks = reader.acknowledged(who, record).await?;
        let later = acks.iter().filter(|ack| ack.lane == lane && ack.seq >= seq).collect::<Vec<_>>();
        if later.is_empty() || !reader.is_forked(record, &lane).await? {
            return Ok(!later.is_empty());
        }
        for ack in later {
            if crate::context::reached(reader, record, &ack.id, seq).await?.contains(op) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How many ops of a lane somebody has not acknowledged: of one that forked at least one for each branch.
fn lag(ends: &[Head], acks: &[Head]) -> u64 {
    let Some(lane) = ends.first().map(|end| end.lane) else { return 0 };
    let acks = acks.iter().filter(|ack| ack.lane == lane).collect::<Vec<_>>();
    let seen = acks.iter().map(|ack| ack.seq + 1).max().unwrap_or(0);
    let forked = ends.len() > 1;
    let lacks = |end: &&Head| acks.iter().all(|ack| ack.id != end.id);
    ends.iter().filter(lacks).map(|end| (end.seq + 1).saturating_sub(seen).max(u64::from(forked))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Lane, LaneKind};

    #[test]
    fn each_branch_that_was_not_acknowledged_is_lag() {
        let lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance: 1 };
        let head = |seq: u64, id: u8| Head { lane, seq, id: OpId([id; 32]) };
        for (ends, acks, expected) in [
            (vec![head(4, 1)], vec![], 5),
            (vec![head(4, 1)], vec![head(2, 2)], 2),
            (vec![head(4, 1)], vec![head(7, 2)], 0),
            (vec![head(4, 1), head(3, 2)], vec![head(4, 1), head(3, 2)], 0),
            (vec![head(4, 1), head(3, 2)], vec![head(4, 1)], 1),
            (vec![head(4, 1), head(3, 2)], vec![head(3, 2)], 1),
            (vec![head(4, 1), head(3, 2)], vec![], 9),
        ] {
            assert_eq!(lag(&ends, &acks), expected, "{ends:?} {acks:?}");
        }
    }
}
