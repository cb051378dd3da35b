//! Who knew whom among some changes of a record: all those from a Lamport number on, since nothing before it stands on what came
//! after. Unlike the graph of `state`, which keeps for each op what it reaches, this one keeps what each cites and looks when it is
//! asked: anybody may open lanes without end, and what it costs must not grow with their square. Called by `node`, to bring versions
//! of a resource together.

use crate::header::Header;
use crate::id::{Lane, OpId};
use std::collections::{HashMap, HashSet};

/// Most changes that are looked at for one answer; beyond it nobody knew: both versions are shown to a person then.
pub const STEPS_MAX: usize = 100_000;

struct Node {
    lane: Lane,
    seq: u64,
    lamport: u64,
    /// The places of what it cites, as far as that was taken: of its own lane first.
    cited: Vec<usize>,
}

/// Changes with what each cites.
#[derive(Default)]
pub struct Ancestry {
    places: HashMap<OpId, usize>,
    nodes: Vec<Node>,
    /// Lanes that are more than one chain: there a place says nothing of another.
    forked: HashSet<Lane>,
    taken: HashSet<(Lane, u64)>,
}

impl Ancestry {
    /// Among changes of which these lanes are more than one chain; others that turn out to be are found out.
    #[must_use]
    pub fn with_forked(lanes: impl IntoIterator<Item = Lane>) -> Self {
        Self { forked: lanes.into_iter().collect(), ..Self::default() }
    }

    /// Takes a change; those it cites, as far as they are asked about, were taken before.
    pub fn take(&mut self, id: OpId, header: &Header) {
        if self.places.contains_key(&id) {
            return;
        }
        let cited = header.previous.iter().chain(&header.data_heads).filter_map(|id| self.places.get(id).copied());
        let (lane, seq, cited) = (header.lane, header.seq, cited.collect());
        if !self.taken.insert((lane, seq)) {
            self.forked.insert(lane);
        }
        self.places.insert(id, self.nodes.len());
        self.nodes.push(Node { lane, seq, lamport: header.lamport, cited });
    }

    /// Whether `later` had `earlier` in its past, as far as both were taken.
    pub fn knows(&self, later: &OpId, earlier: &OpId) -> bool {
        let (Some(earlier), Some(later)) = (self.places.get(earlier), self.places.get(later)) else { return false };
        let wanted = &self.nodes[*earlier];
        let chain = !self.forked.contains(&wanted.lane);
        let (mut seen, mut open) = (HashSet::from([*later]), vec![*later]);
        while let Some(at) = open.pop() {
            let node = &self.nodes[at];
            if at == *earlier {
                return earlier != later;
            }
            if chain && node.lane == wanted.lane && node.seq > wanted.seq {
                return true;
            }
            // What has no greater Lamport number cannot stand on it.
            let above = |place: &&usize| *place == earlier || self.nodes[**place].lamport > wanted.lamport;
            for place in node.cited.iter().filter(above) {
                if seen.len() >= STEPS_MAX {
                    return false;
                }
                if seen.insert(*place) {
                    open.push(*place);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Authority, Kind};
    use crate::id::{IdentityId, LaneKind, RecordId};
    use crate::state::graph::Graph;
    use proptest::prelude::*;

    fn lane(instance: u64) -> Lane {
        Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance }
    }

    fn id(at: usize) -> OpId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&at.to_le_bytes());
        OpId(id)
    }

    fn header(lane: Lane, seq: u64, previous: Option<OpId>, data_heads: Vec<OpId>, lamport: u64) -> Header {
        Header {
            record: RecordId([0; 32]),
            lane,
            key_number: 0,
            seq,
            previous,
            control_heads: Vec::new(),
            data_heads,
            lamport,
            wall_ms: 0,
            kind: Kind::Change,
            authority: Authority::Genesis,
            entries_root: [0; 32],
        }
    }

    proptest! {
        /// As the graph has it that keeps everything; forks too, and from a Lamport number on.
        #[test]
        fn who_knew_whom_is_what_the_graph_says(
            ops in prop::collection::vec((0..4_u64, any::<bool>(), prop::collection::vec(0..40_usize, 0..3)), 1..40),
            from in 0..6_u64,
        ) {
            let (mut graph, mut all, mut made) = (Graph::default(), Ancestry::default(), Vec::<Header>::new());
            for (instance, forks, cited) in ops {
                let of_lane = |header: &&Header| header.lane == lane(instance);
                let last = made.iter().filter(of_lane).map(|header| header.seq).max();
                let seq = match last {
                    Some(last) if forks => last,
                    Some(last) => last + 1,
                    None => 0,
                };
                let before = made.iter().position(|header| header.lane == lane(instance) && header.seq + 1 == seq);
                let cited = cited.into_iter().filter(|at| *at < made.len()).collect::<Vec<_>>();
                let greatest = before.iter().chain(&cited).map(|at| made[*at].lamport).max().unwrap_or(0);
                let heads = cited.iter().map(|at| id(*at)).collect();
                let header = header(lane(instance), seq, before.map(id), heads, greatest + 1);
                graph.take(id(made.len()), &header);
                made.push(header);
            }
            let mut order = (0..made.len()).filter(|at| made[*at].lamport >= from).collect::<Vec<_>>();
            order.sort_by_key(|at| (made[*at].lamport, *at));
            let forked = graph.forks().iter().map(|(one, _)| {
                made[usize::from_le_bytes(one.0[..8].try_into().unwrap())].lane
            });
            let mut part = Ancestry::with_forked(forked.collect::<Vec<_>>());
            for (at, header) in made.iter().enumerate() {
                all.take(id(at), header);
            }
            for at in &order {
                part.take(id(*at), &made[*at]);
            }
            for (earlier, later) in order.iter().flat_map(|one| order.iter().map(move |other| (*one, *other))) {
                let places = [earlier, later].map(|at| graph.place(&id(at)).unwrap());
                let knows = graph.before(places[0], places[1]);
                prop_assert_eq!(all.knows(&id(later), &id(earlier)), knows, "{} {}", earlier, later);
                prop_assert_eq!(part.knows(&id(later), &id(earlier)), knows, "{} {} from {}", earlier, later, from);
            }
        }
    }

    #[test]
    fn very_many_lanes_cost_no_more_than_their_ops() {
        let (mut ancestry, count) = (Ancestry::default(), 60_000_usize);
        for at in 0..count {
            let heads = at.checked_sub(1).map(id).into_iter().collect();
            ancestry.take(id(at), &header(lane(at as u64), 0, None, heads, at as u64 + 1));
        }
        assert!(ancestry.knows(&id(count - 1), &id(0)));
        assert!(!ancestry.knows(&id(0), &id(count - 1)));
    }
}
