//! What a peer is known to hold of a record: the heads it told, and heads of what it stored without telling them. Not here:
//! which ops follow from that (the log knows), when anything is sent (`give`).

use crate::{
    Outgoing,
    limits::{BRANCHES_MAX, UNTOLD_MAX},
};
use record::{Head, OpId};
use std::collections::{BTreeSet, HashSet};

/// What a peer holds of one record.
#[derive(Default, Debug)]
pub(super) struct Held {
    /// The heads it last told; unknown until it answers, and after it said "later".
    told: Option<Vec<Head>>,
    /// Heads of what it stored in this session and does not tell: the lane forked, and it tells others of it.
    untold: Vec<Head>,
}

impl Held {
    /// Whether the peer has said what it holds.
    pub(super) fn is_known(&self) -> bool {
        self.told.is_some()
    }

    /// The heads it told.
    pub(super) fn heads_mut(&mut self) -> Option<&mut Vec<Head>> {
        self.told.as_mut()
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
        self.told = Some(heads);
    }

    /// It answered a batch that ended in `batch`: stored, or not now. Returns whether it makes sense to send more: what changes
    /// nothing of what it holds it does not want, and it says so when that changes.
    pub(super) fn answered(&mut self, acked: Option<Vec<Head>>, batch: Vec<Head>) -> bool {
        let Some(mut heads) = acked else {
            self.told = None;
            return true;
        };
        let untold = batch.into_iter().filter(|head| !heads.contains(head)).collect::<Vec<_>>();
        let before = self.untold.len();
        if untold.is_empty() {
            // Up to here it tells all it holds, but of lanes with more branches than are told.
            let of_lane = |lane| heads.iter().filter(|head| head.lane == lane).count();
            self.untold.retain(|head| of_lane(head.lane) >= BRANCHES_MAX);
        }
        for head in untold {
            // None is forgotten for another one: what was sent once would be sent again, and so on for ever.
            if self.untold.len() < UNTOLD_MAX && !self.untold.contains(&head) {
                self.untold.push(head);
            }
        }
        // Who is not in any more is told of the lanes it sent ops of: of the others what was told before still holds.
        let before_told = self.told.take().unwrap_or_default();
        let rest = before_told.iter().filter(|told| !heads.iter().any(|head| head.lane == told.lane));
        let rest = rest.copied().collect::<Vec<_>>();
        heads.extend(rest);
        let known = |heads: &[Head]| heads.iter().map(|head| (head.lane, head.seq, head.id)).collect::<BTreeSet<_>>();
        let progress = self.untold.len() > before || known(&heads) != known(&before_told);
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
pub(super) fn merge(heads: &mut Vec<Head>, more: Vec<(Head, bool)>) {
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
