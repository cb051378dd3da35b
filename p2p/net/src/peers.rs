//! The table of peers: whom we keep, who is connected, whose session lives, and what to do next. Pure but
//! for the clock it is given: it decides, `host` acts. Not here: what a session does.

use crate::{
    PeerKey, PeerStatus,
    backoff::Backoff,
    limits::{ADDRESSES_MAX, CUT, GOOD_SESSION, KEPT_MAX, OTHERS_TURN, REDIAL_FIRST, REDIAL_MAX, SESSIONS_MAX},
    session::{End, Link},
};
use libp2p::{Multiaddr, PeerId};
use record::IdentityId;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// What the host is to do now.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Dial a kept peer.
    Dial(PeerId, Vec<Multiaddr>),
    /// Open a session over a connection that is there.
    Open(PeerId),
    /// Close every connection.
    Disconnect(PeerId),
}

/// A session that was greeted.
pub(crate) struct Live {
    pub(crate) link: Arc<Link>,
    generation: u64,
    since: Instant,
}

/// One peer, by its transport key.
#[derive(Default)]
struct Peer {
    kept: bool,
    addresses: Vec<Multiaddr>,
    connections: u32,
    dialing: bool,
    dial_at: Option<Instant>,
    opening: bool,
    open_at: Option<Instant>,
    disconnect: bool,
    cut_until: Option<Instant>,
    backoff: Backoff,
    live: Option<Live>,
    identity: Option<IdentityId>,
    changed: Option<SystemTime>,
    problem: Option<String>,
}

/// All peers we keep or are connected to.
pub(crate) struct Peers {
    own: PeerId,
    map: HashMap<PeerId, Peer>,
    generation: u64,
}

impl Peers {
    pub(crate) fn new(own: PeerId) -> Self {
        Self { own, map: HashMap::new(), generation: 0 }
    }

    /// Keeps `peer` connected from now on; tries at once. False if too many are kept.
    pub(crate) fn keep(&mut self, id: PeerId, mut addresses: Vec<Multiaddr>, now: Instant) -> bool {
        let kept = self.map.values().filter(|peer| peer.kept).count();
        let peer = self.map.entry(id).or_default();
        if !peer.kept && kept >= KEPT_MAX {
            return false;
        }
        addresses.truncate(ADDRESSES_MAX);
        if peer.addresses != addresses {
            // A dial to the old ones may take long to fail; the new ones do not wait for it.
            peer.backoff.reset();
            peer.dialing = false;
        }
        peer.kept = true;
        peer.addresses = addresses;
        if peer.connections == 0 {
            peer.dial_at = Some(now);
        } else if peer.live.is_none() {
            peer.open_at = Some(now);
        }
        true
    }

    /// Keeps `peer` no longer and ends what there is with it.
    pub(crate) fn forget(&mut self, id: PeerId) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.kept = false;
        peer.disconnect = peer.connections > 0;
        if let Some(live) = &peer.live {
            live.link.end(End::Forgotten);
        }
        self.tidy(id);
    }

    /// A connection to `peer` was made, by either side.
    pub(crate) fn connected(&mut self, id: PeerId, now: Instant) {
        let smaller = self.own < id;
        let peer = self.map.entry(id).or_default();
        peer.connections += 1;
        peer.dialing = false;
        if peer.cut_until.is_some_and(|until| until > now) {
            peer.disconnect = true;
        } else if peer.live.is_none() && !peer.opening {
            // The smaller peer id opens, so that two who dial each other have one session; the other does
            // only if nothing came, and only if it means to stay.
            peer.open_at = if smaller { Some(now) } else { peer.kept.then(|| now + OTHERS_TURN) };
        }
    }

    /// A connection to `peer` ended; `left` remain.
    pub(crate) fn disconnected(&mut self, id: PeerId, left: u32, now: Instant) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.connections = left;
        if left == 0 {
            peer.disconnect = false;
            peer.open_at = None;
            if peer.live.as_ref().is_some_and(|live| now.duration_since(live.since) >= GOOD_SESSION) {
                peer.backoff.reset();
            }
            let delay = peer.backoff.next(REDIAL_FIRST, REDIAL_MAX);
            peer.dial_at = Some(now + delay);
            if let Some(live) = &peer.live {
                live.link.end(End::Closed("the connection closed".into()));
            }
        }
        self.tidy(id);
    }

    /// Dialling `peer` failed.
    pub(crate) fn dial_failed(&mut self, id: PeerId, problem: String, now: Instant) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.dialing = false;
        peer.problem = Some(problem);
        let delay = peer.backoff.next(REDIAL_FIRST, REDIAL_MAX);
        peer.dial_at = Some(now + delay);
        self.tidy(id);
    }

    /// A session we opened or were offered did not get through its greeting. `ours` if we opened it.
    pub(crate) fn not_greeted(&mut self, id: PeerId, ours: bool, end: &End, now: Instant) {
        let smaller = self.own < id;
        let Some(peer) = self.map.get_mut(&id) else { return };
        if peer.live.is_none() {
            peer.problem = Some(end.to_string());
        }
        if ours {
            peer.opening = false;
        }
        if ours && peer.kept && peer.live.is_none() {
            let delay = peer.backoff.next(REDIAL_FIRST, REDIAL_MAX);
            peer.open_at = Some(now + delay + if smaller { Duration::ZERO } else { OTHERS_TURN });
        }
        Self::punish(peer, end, now);
        self.tidy(id);
    }

    /// A session was greeted: it is the peer's session now, an older one ends.
    ///
    /// Returns its generation, or `None` if there are too many sessions.
    pub(crate) fn up(
        &mut self,
        id: PeerId,
        ours: bool,
        identity: IdentityId,
        link: &Arc<Link>,
        now: Instant,
    ) -> Option<u64> {
        let sessions = self.map.values().filter(|peer| peer.live.is_some()).count();
        let peer = self.map.entry(id).or_default();
        if sessions >= SESSIONS_MAX && peer.live.is_none() {
            return None;
        }
        self.generation += 1;
        if ours {
            peer.opening = false;
        }
        peer.open_at = None;
        peer.identity = Some(identity);
        peer.problem = None;
        let live = Live { link: link.clone(), generation: self.generation, since: now };
        match peer.live.replace(live) {
            Some(old) => old.link.end(End::Replaced),
            None => peer.changed = Some(SystemTime::now()),
        }
        Some(self.generation)
    }

    /// A session ended. An older one than the peer's present one says nothing about the peer.
    pub(crate) fn down(&mut self, id: PeerId, generation: u64, end: &End, now: Instant) {
        let smaller = self.own < id;
        let Some(peer) = self.map.get_mut(&id) else { return };
        Self::punish(peer, end, now);
        let Some(live) = peer.live.take_if(|live| live.generation == generation) else { return };
        peer.changed = Some(SystemTime::now());
        peer.problem = Some(end.to_string());
        if now.duration_since(live.since) >= GOOD_SESSION {
            peer.backoff.reset();
        }
        if peer.connections > 0 && !peer.opening {
            let delay = peer.backoff.next(REDIAL_FIRST, REDIAL_MAX);
            peer.open_at = if smaller { Some(now + delay) } else { peer.kept.then(|| now + delay + OTHERS_TURN) };
        }
        self.tidy(id);
    }

    /// What is to be done now, and when to look again.
    pub(crate) fn plan(&mut self, now: Instant) -> (Vec<Action>, Option<Instant>) {
        let mut actions = Vec::new();
        let mut next: Option<Instant> = None;
        let mut later = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        for (id, peer) in &mut self.map {
            if std::mem::take(&mut peer.disconnect) {
                actions.push(Action::Disconnect(*id));
                continue;
            }
            if let Some(until) = peer.cut_until {
                if until > now {
                    later(until);
                    continue;
                }
                peer.cut_until = None;
            }
            if peer.kept && peer.connections == 0 && !peer.dialing {
                match peer.dial_at {
                    Some(at) if at > now => later(at),
                    _ => {
                        peer.dialing = true;
                        actions.push(Action::Dial(*id, peer.addresses.clone()));
                    }
                }
            }
            if peer.connections > 0 && peer.live.is_none() && !peer.opening {
                match peer.open_at {
                    Some(at) if at > now => later(at),
                    Some(_) => {
                        peer.open_at = None;
                        peer.opening = true;
                        actions.push(Action::Open(*id));
                    }
                    None => {}
                }
            }
        }
        self.map.retain(|_, peer| !peer.idle());
        (actions, next)
    }

    /// Whether `peer` is not spoken to at present.
    pub(crate) fn is_cut(&self, id: &PeerId, now: Instant) -> bool {
        self.map.get(id).and_then(|peer| peer.cut_until).is_some_and(|until| until > now)
    }

    /// Whether `peer` has a session.
    pub(crate) fn is_live(&self, id: &PeerId) -> bool {
        self.map.get(id).is_some_and(|peer| peer.live.is_some())
    }

    /// Every session.
    pub(crate) fn lives(&self) -> impl Iterator<Item = &Live> {
        self.map.values().filter_map(|peer| peer.live.as_ref())
    }

    /// Every peer as others may see it, in the order of their ids.
    pub(crate) fn statuses(&self) -> Vec<PeerStatus> {
        let status = |(id, peer): (&PeerId, &Peer)| {
            Some(PeerStatus {
                peer: PeerKey::of_peer(id).ok()?,
                identity: peer.identity,
                connected: peer.live.is_some(),
                kept: peer.kept,
                addresses: peer.addresses.iter().map(ToString::to_string).collect(),
                since: peer.changed,
                problem: peer.problem.clone(),
            })
        };
        let mut all: Vec<_> = self.map.iter().filter_map(status).collect();
        all.sort_by_key(|status| status.peer);
        all
    }

    fn punish(peer: &mut Peer, end: &End, now: Instant) {
        match end {
            End::Fault(_) => {
                peer.cut_until = Some(now + CUT);
                peer.disconnect = peer.connections > 0;
            }
            // The connection is likely dead too: a new one is found sooner than a timeout.
            End::Silent | End::Stalled => peer.disconnect = peer.connections > 0,
            _ => {}
        }
    }

    fn tidy(&mut self, id: PeerId) {
        if self.map.get(&id).is_some_and(Peer::idle) {
            self.map.remove(&id);
        }
    }
}

impl Peer {
    fn idle(&self) -> bool {
        !self.kept
            && self.connections == 0
            && self.live.is_none()
            && !self.opening
            && !self.dialing
            && self.cut_until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (PeerId, PeerId) {
        let mut ids = [PeerId::random(), PeerId::random()];
        ids.sort();
        (ids[0], ids[1])
    }

    #[tokio::test]
    async fn the_smaller_peer_opens_at_once_and_the_other_only_later() {
        let (small, large) = two();
        let now = Instant::now();
        let mut peers = Peers::new(small);
        peers.connected(large, now);
        assert_eq!(peers.plan(now).0, [Action::Open(large)]);

        let mut peers = Peers::new(large);
        peers.connected(small, now);
        assert_eq!(peers.plan(now + OTHERS_TURN), (vec![], None), "not kept: it waits to be greeted");
        assert!(peers.keep(small, vec![], now));
        assert_eq!(peers.plan(now + OTHERS_TURN).0, [Action::Open(small)]);
    }

    #[tokio::test]
    async fn a_kept_peer_is_dialled_again_later_and_later_until_forgotten() {
        let (own, other) = two();
        let mut now = Instant::now();
        let mut peers = Peers::new(own);
        peers.keep(other, vec![], now);
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(peers.plan(now), (vec![Action::Dial(other, vec![])], None));
            peers.dial_failed(other, "refused".into(), now);
            let (actions, next) = peers.plan(now);
            assert_eq!(actions, []);
            waits.push(next.unwrap() - now);
            now = next.unwrap();
        }
        assert!(waits[0] <= REDIAL_FIRST * 5 / 4 && waits[8] >= REDIAL_MAX * 3 / 4, "{waits:?}");
        peers.forget(other);
        assert_eq!(peers.plan(now + REDIAL_MAX), (vec![], None));
        assert!(peers.statuses().is_empty());
    }

    #[tokio::test]
    async fn a_liar_is_disconnected_and_not_spoken_to_for_a_while() {
        let (own, other) = two();
        let now = Instant::now();
        let mut peers = Peers::new(own);
        peers.keep(other, vec![], now);
        peers.connected(other, now);
        peers.plan(now);
        peers.not_greeted(other, true, &End::Fault("lied".into()), now);
        assert_eq!(peers.plan(now).0, [Action::Disconnect(other)]);
        peers.disconnected(other, 0, now);
        assert!(peers.is_cut(&other, now));
        assert_eq!(peers.plan(now + CUT / 2), (vec![], Some(now + CUT)));
        assert_eq!(peers.plan(now + CUT).0, [Action::Dial(other, vec![])]);
    }
}
