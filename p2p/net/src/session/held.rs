//! What a peer is known to hold of a record: the heads it told, and heads of what it stored without telling them. Not here:
//! which ops follow from that (the log knows), when anything is sent (`give`).

use crate::{
    Outgoing,
    limits::{BRANCHES_MAX, HEADS_MAX, UNTOLD_MAX},
};
use record::{Head, Lane, OpId};
use std::collections::{HashMap, HashSet};

/// What a peer holds of one record.
#[derive(Default, Debug)]
pub(super) struct Held {
    /// The heads it last told; unknown until it answers, and after it said "later".
    told: Option<Vec<Head>>,
    /// Heads of what it stored in this session and does not tell: the lane forked, and it tells others of it.
    untold: Vec<Head>,
    /// Lanes that were sent one way or the other in this session, and those it told, at most [`HEADS_MAX`] of these. Of others an
    /// answer may say what it likes: it is not kept beyond the next, and is no reason to send more.
    lanes: HashSet<Lane>,
}

impl Held {
    /// Whether the peer has said what it holds.
    pub(super) fn is_known(&self) -> bool {
        self.told.is_some()
    }

    /// It sent ops that end in `sent`, each with whether its lane has forked; all the heads it is known to tell then.
    pub(super) fn sent(&mut self, sent: Vec<(Head, bool)>) -> Option<&[Head]> {
        self.lanes.extend(sent.iter().map(|(head, _)| head.lane));
        let told = self.told.as_mut()?;
        merge(told, sent);
        Some(told)
    }

    /// All heads it holds, as far as known.
    pub(super) fn all(&self) -> Option<Vec<Head>> {
        let told = self.told.as_ref()?;
        Some(told.iter().chain(&self.untold).copied().collect())
    }

    /// It said anew what it holds.
    pub(super) fn told(&mut self, heads: Vec<Head>) {
        if heads.is_empty() {
            self.untold.clear();
        }
        for head in &heads {
            if self.lanes.len() < HEADS_MAX {
                self.lanes.insert(head.lane);
            }
        }
        self.told = Some(heads);
    }

    /// It answered a batch that ended in `batch`: stored, or not now. Returns whether it makes sense to send more: what changes
    /// nothing of what it holds it does not want, and it says so when that changes.
    pub(super) fn answered(&mut self, acked: Option<Vec<Head>>, batch: Vec<Head>) -> bool {
        let Some(mut heads) = acked else {
            self.told = None;
            return true;
        };
        self.lanes.extend(batch.iter().map(|head| head.lane));
        let named = heads.iter().copied().collect::<HashSet<_>>();
        let mut of_lanes = HashMap::<Lane, usize>::new();
        heads.iter().for_each(|head| *of_lanes.entry(head.lane).or_default() += 1);
        let untold = batch.into_iter().filter(|head| !named.contains(head)).collect::<Vec<_>>();
        let before = self.untold.len();
        if untold.is_empty() {
            // Up to here it tells all it holds, but of lanes with more branches than are told.
            self.untold.retain(|head| of_lanes.get(&head.lane).is_some_and(|count| *count >= BRANCHES_MAX));
        }
        for head in untold {
            // None is forgotten for another one: what was sent once would be sent again, and so on for ever.
            if self.untold.len() < UNTOLD_MAX && !self.untold.contains(&head) {
                self.untold.push(head);
            }
        }
        let before_told = self.told.take().unwrap_or_default();
        let shared = |heads: &[Head]| {
            let heads = heads.iter().filter(|head| self.lanes.contains(&head.lane));
            heads.copied().collect::<HashSet<_>>()
        };
        let held = shared(&before_told);
        // Who is not in any more is told of the lanes it sent ops of: of the others what was told before still holds.
        let rest = before_told.iter().filter(|told| held.contains(told) && !of_lanes.contains_key(&told.lane));
        heads.extend(rest.take(HEADS_MAX));
        let progress = self.untold.len() > before || shared(&heads) != held;
        self.told = Some(heads);
        progress
    }
}

/// The ends of a batch: heads that no other op of it follows.
pub(super) fn ends(batch: &[Outgoing]) -> Vec<Head> {
    let followed = batch.iter().filter_map(|op| op.previous).collect::<HashSet<OpId>>();
    batch.iter().map(|op| op.head).filter(|head| !followed.contains(&head.id)).collect()
}

/// Adds heads somebody evidently holds to those it told, each with whether its lane has forked: there an op beside another
/// says nothing of it. Of one lane no more are kept than are told.
fn merge(heads: &mut Vec<Head>, more: Vec<(Head, bool)>) {
    for (head, forked) in more {
        let of_lane = |known: &&Head| known.lane == head.lane;
        if heads.contains(&head) || (!forked && heads.iter().filter(of_lane).any(|known| known.seq >= head.seq)) {
            continue;
        }
        if !forked {
            heads.retain(|known| known.lane != head.lane);
        }
        heads.push(head);
        if heads.iter().filter(of_lane).count() > BRANCHES_MAX {
            let least = (0..heads.len()).filter(|at| heads[*at].lane == head.lane).min_by_key(|at| heads[*at].seq);
            least.map(|least| heads.remove(least));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{IdentityId, Lane, LaneKind};

    fn head(instance: u64, seq: u64, id: u8) -> Head {
        let lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance };
        Head { lane, seq, id: OpId([id; 32]) }
    }

    #[test]
    fn a_later_head_replaces_an_earlier_one_unless_the_lane_forked() {
        for (more, expected) in [
            (vec![(head(1, 5, 2), false)], vec![head(1, 5, 2)]),
            (vec![(head(1, 3, 2), false)], vec![head(1, 4, 1)]),
            (vec![(head(1, 3, 2), true)], vec![head(1, 4, 1), head(1, 3, 2)]),
            (vec![(head(1, 4, 1), true)], vec![head(1, 4, 1)]),
            (vec![(head(2, 0, 2), false)], vec![head(1, 4, 1), head(2, 0, 2)]),
        ] {
            let mut heads = vec![head(1, 4, 1)];
            merge(&mut heads, more);
            assert_eq!(heads, expected);
        }
        let mut heads = Vec::new();
        merge(&mut heads, (0..100).map(|n| (head(1, u64::from(n), n), true)).collect());
        assert_eq!((heads.len(), heads[0].seq), (BRANCHES_MAX, 100 - BRANCHES_MAX as u64));
    }

    #[test]
    fn the_end_of_every_branch_is_the_end_of_a_batch() {
        let op = |seq: u64, id: u8, previous: u8| Outgoing {
            head: head(1, seq, id),
            previous: (previous != 0).then_some(OpId([previous; 32])),
            bytes: Vec::new(),
        };
        let batch = [op(0, 1, 0), op(1, 2, 1), op(1, 3, 1), op(2, 4, 2)];
        assert_eq!(ends(&batch), [head(1, 1, 3), head(1, 2, 4)]);
    }

    /// What is stored and not told is sent once, however often somebody looks, and then it is quiet.
    #[test]
    fn what_a_peer_stored_and_does_not_tell_is_remembered() {
        let (mut held, told) = (Held::default(), vec![head(1, 9, 9)]);
        held.told(told.clone());
        assert!(held.answered(Some(told.clone()), vec![head(1, 4, 1)]), "what leads to a branch it does not have");
        assert!(!held.answered(Some(told.clone()), vec![head(1, 4, 1)]));
        assert_eq!(held.all(), Some(vec![head(1, 9, 9), head(1, 4, 1)]));
        let both = vec![head(1, 9, 9), head(1, 6, 2)];
        assert!(held.answered(Some(both.clone()), vec![head(1, 6, 2)]));
        assert_eq!(held.all(), Some(both.clone()), "it tells all it has");
        assert!(!held.answered(Some(both), vec![head(1, 6, 2)]));
        assert!(held.answered(None, Vec::new()));
        assert_eq!(held.all(), None);
    }

    /// Whoever is not in any more and does not know it yet sent its lanes in turn, without an end: each answer named one of them.
    #[test]
    fn lanes_that_an_answer_does_not_name_are_held_still() {
        let mut held = Held::default();
        held.told(Vec::new());
        let lane = |instance: u64| vec![head(instance, 4, 1)];
        assert!(held.answered(Some(lane(1)), lane(1)));
        assert!(held.answered(Some(lane(2)), lane(2)));
        assert!(!held.answered(Some(lane(1)), lane(1)));
        assert_eq!(held.all().map(|heads| heads.len()), Some(2));
    }

    /// Each answer of a hostile peer names as many lanes as fit that nobody ever wrote, and never the same.
    #[test]
    fn lanes_that_somebody_invents_are_forgotten_and_keep_nobody_busy() {
        let mut held = Held::default();
        held.told(vec![head(1, 4, 1)]);
        let invented = |round: u64| (0..HEADS_MAX as u64).map(move |n| head(10 + round * HEADS_MAX as u64 + n, 0, 3));
        assert!(held.answered(Some(vec![head(1, 4, 1), head(2, 0, 2)]), vec![head(2, 0, 2)]), "what was sent is there");
        for round in 0..5 {
            let acked = [head(1, 4, 1)].into_iter().chain(invented(round).skip(1)).collect::<Vec<_>>();
            assert!(!held.answered(Some(acked), vec![head(2, 0, 2)]) || round == 0, "round {round}");
            assert!(held.all().is_some_and(|heads| heads.len() <= HEADS_MAX + 2), "round {round}");
            assert_eq!(held.lanes.len(), 2);
        }
        assert!(
            held.all().is_some_and(|heads| heads.contains(&head(2, 0, 2))),
            "what was told of a lane that was sent"
        );
        // What it tells of itself is bounded too, for as long as the session lasts.
        for round in 5..8 {
            held.told(invented(round).collect());
            assert!(held.lanes.len() <= HEADS_MAX);
        }
    }

    #[test]
    fn a_lane_with_more_branches_than_are_told_is_not_sent_for_ever() {
        let told = (0..BRANCHES_MAX as u8).map(|n| head(1, 9, n)).collect::<Vec<_>>();
        let (mut held, mut rounds) = (Held::default(), 0);
        held.told(told.clone());
        let all = (0..3000_u64).map(|n| head(1, n, 200)).collect::<Vec<_>>();
        loop {
            let have = held.all().unwrap();
            let batch = all.iter().filter(|head| !have.contains(head)).take(100).copied().collect::<Vec<_>>();
            rounds += 1;
            if !held.answered(Some(told.clone()), batch) {
                break;
            }
        }
        assert_eq!(rounds, UNTOLD_MAX.div_ceil(100) + 1);
        assert!(held.untold.len() <= UNTOLD_MAX);
    }
}
