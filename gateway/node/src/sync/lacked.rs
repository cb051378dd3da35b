//! What a peer lacks of a record's lanes, by the heads it told: of a lane that forked, all that `previous` does not reach from
//! those of its heads that are here. Also the heads that are told. Called by `sync` and its `give`.
//!
//! Source: `docs/PROTOCOL.md` rule 7.6.

use net::limits::BRANCHES_MAX;
use record::{Head, Header, Lane, OpId, RecordId};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use store::StoreError;
use store::db::Reader;

/// Ids that are looked up at once.
pub(super) const IDS_AT_ONCE: usize = 500;
/// Places of a forked lane that are looked at first: mostly a peer lacks the last few ops.
const PLACES_FIRST: u64 = 32;
/// Most places looked at in one go.
const PLACES_MAX: u64 = 4096;
/// Most ops of a forked lane that are remembered as lacked, the earliest: several messages full; what is left comes with the next.
const LACKED_MAX: usize = 65_536;

/// What somebody lacks of one lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OfLane {
    /// Every op from this place on.
    From(u64),
    /// These.
    These(HashSet<OpId>),
}

/// What somebody lacks of a record.
#[derive(Debug, Default)]
pub(super) struct Lacked {
    lanes: HashMap<Lane, OfLane>,
    /// Ops before which nothing is lacked in their branch.
    first: Vec<OpId>,
}

impl Lacked {
    /// Whether an op is among it.
    pub(super) fn has(&self, header: &Header, id: &OpId) -> bool {
        match self.lanes.get(&header.lane) {
            Some(OfLane::From(place)) => header.seq >= *place,
            Some(OfLane::These(ops)) => ops.contains(id),
            None => false,
        }
    }

    /// The place in the log just before the first op that is lacked; past the last where none is.
    pub(super) async fn before(&self, reader: &mut Reader<'_>, record: &RecordId) -> Result<i64, StoreError> {
        let mut first = reader.first_position(&self.first).await?.unwrap_or(i64::MAX);
        for (lane, lacked) in &self.lanes {
            if let OfLane::From(place) = lacked {
                let at = reader.lane_at(record, lane, *place).await?;
                first = at.iter().map(|stored| stored.position).fold(first, i64::min);
            }
        }
        Ok(if first == i64::MAX { i64::MAX } else { first - 1 })
    }
}

/// The heads that are told of a record: of a lane that forked the ends of its longest branches, in one order everywhere.
pub(crate) fn told(ends: BTreeMap<Lane, Vec<Head>>) -> Vec<Head> {
    let mut told = Vec::with_capacity(ends.len());
    for mut heads in ends.into_values() {
        heads.sort_by_key(|head| std::cmp::Reverse((head.seq, head.id)));
        told.extend(heads.into_iter().take(BRANCHES_MAX));
    }
    told
}

/// What somebody lacks who told that it holds `have`.
pub(super) async fn lacked(reader: &mut Reader<'_>, record: &RecordId, have: &[Head]) -> Result<Lacked, StoreError> {
    let mut theirs = HashMap::<Lane, Vec<Head>>::new();
    for head in have {
        theirs.entry(head.lane).or_default().push(*head);
    }
    let (mut lacked, mut open) = (Lacked::default(), Vec::new());
    for (lane, ends) in reader.ends(record).await? {
        let theirs = theirs.remove(&lane).unwrap_or_default();
        if theirs.is_empty() {
            lacked.lanes.insert(lane, OfLane::From(0));
        } else if !ends.iter().all(|end| theirs.contains(end)) {
            open.push((lane, ends, theirs));
        }
    }
    let named = open.iter().flat_map(|(_, _, theirs)| theirs).map(|head| head.id).collect::<Vec<_>>();
    let mut here = HashSet::new();
    for ids in named.chunks(IDS_AT_ONCE) {
        here.extend(reader.lamports(ids).await?.into_iter().map(|(id, _)| id));
    }
    for (lane, ends, theirs) in open {
        let (known, unknown) = theirs.into_iter().partition::<Vec<_>, _>(|head| here.contains(&head.id));
        let is_one = ends.len() == 1;
        let ends = not_followed(ends, &unknown);
        let of_lane = match known.iter().map(|head| head.seq).max() {
            _ if ends.is_empty() => continue,
            None => OfLane::From(0),
            Some(last) if is_one => OfLane::From(last + 1),
            Some(_) => {
                let (ops, first) = beyond(reader, record, (&ends, &known), LACKED_MAX).await?;
                lacked.first.extend(first);
                OfLane::These(ops)
            }
        };
        lacked.lanes.insert(lane, of_lane);
    }
    Ok(lacked)
}

/// The ends of a lane that none of the heads which are not here can follow. A head further on may: whoever told it sends what
/// leads there, and then it is known. One at a place that is taken here does not: the lane forked somewhere below.
fn not_followed(mut ends: Vec<Head>, unknown: &[Head]) -> Vec<Head> {
    ends.retain(|end| unknown.iter().all(|head| head.seq <= end.seq));
    ends
}

/// The ops of a forked lane that `previous` reaches from its ends and not from the known heads, and those before which
/// nothing is lacked: all, or the earliest of very many. Walked from the end of the lane, and no further than something is lacked.
async fn beyond(
    reader: &mut Reader<'_>,
    record: &RecordId,
    (ends, known): (&[Head], &[Head]),
    most: usize,
) -> Result<(HashSet<OpId>, Vec<OpId>), StoreError> {
    let (mut lacked, mut first) = (HashSet::new(), Vec::new());
    let Some(mut to) = ends.iter().map(|end| end.seq).max() else { return Ok((lacked, first)) };
    let lane = ends[0].lane;
    // What is looked at next of each walk: an op, and of what is lacked the op that follows it.
    let (mut held, mut open) = (Vec::<OpId>::new(), Vec::<(OpId, Option<OpId>)>::new());
    let (mut places, mut pages) = (PLACES_FIRST, VecDeque::<Vec<OpId>>::new());
    loop {
        let from = to.saturating_sub(places - 1);
        let within = |head: &&Head| (from..=to).contains(&head.seq);
        held.extend(known.iter().filter(within).map(|head| head.id));
        open.extend(ends.iter().filter(within).map(|end| (end.id, None)));
        let page = reader.lane_between(record, &lane, (from, to)).await?.into_iter().collect::<HashMap<_, _>>();
        let (mut reached, mut below) = (HashSet::new(), Vec::new());
        for id in held.drain(..) {
            let mut at = Some(id);
            while let Some(id) = at {
                match page.get(&id) {
                    None => below.push(id),
                    Some(_) if !reached.insert(id) => {}
                    Some(previous) => {
                        at = *previous;
                        continue;
                    }
                }
                break;
            }
        }
        held = below;
        let (mut further, mut of_page) = (Vec::new(), Vec::new());
        for (id, after) in open.drain(..) {
            let (mut at, mut after) = (Some(id), after);
            while let Some(id) = at {
                match page.get(&id) {
                    None => further.push((id, after)),
                    Some(_) if reached.contains(&id) => first.extend(after),
                    Some(_) if !lacked.insert(id) => {}
                    Some(previous) => {
                        of_page.push(id);
                        (at, after) = (*previous, Some(id));
                        continue;
                    }
                }
                break;
            }
            if at.is_none() {
                first.extend(after);
            }
        }
        open = further;
        // Only whole pages from the end of the lane are left for later: of what stays all that leads to it stays.
        pages.push_back(of_page);
        while lacked.len() > most && pages.len() > 1 {
            for last in pages.pop_front().unwrap_or_default() {
                lacked.remove(&last);
            }
        }
        let more = !open.is_empty() || ends.iter().any(|end| end.seq < from);
        match from.checked_sub(1) {
            Some(next) if more => to = next,
            _ => return Ok((lacked, first)),
        }
        places = (places * 2).min(PLACES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::draft::{Draft, DraftFrame};
    use record::{Authority, Entropy, Identity, IdentityId, Kind, LaneKind, Verified};

    const LANE: Lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance: 1 };

    fn head(seq: u64, id: u16) -> Head {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        Head { lane: LANE, seq, id: OpId(bytes) }
    }

    #[test]
    fn the_ends_of_the_longest_branches_are_told() {
        let ends = (0..40).map(|n| head(u64::from(n % 20), n)).collect::<Vec<_>>();
        let told = told([(LANE, ends)].into());
        assert_eq!(told.len(), BRANCHES_MAX);
        assert!(told.is_sorted_by_key(|head| std::cmp::Reverse((head.seq, head.id))));
        assert_eq!(told[0], head(19, 39));
    }

    #[test]
    fn a_head_further_on_may_follow_what_is_here_and_one_beside_it_does_not() {
        for (unknown, expected) in [
            (&[][..], &[5, 3][..]),
            (&[head(6, 3)], &[]),
            (&[head(5, 3)], &[5]),
            (&[head(4, 3)], &[5]),
            (&[head(3, 3), head(0, 4)], &[5, 3]),
            (&[head(2, 3), head(9, 4)], &[]),
        ] {
            let ends = not_followed(vec![head(5, 1), head(3, 2)], unknown);
            assert_eq!(ends.iter().map(|end| end.seq).collect::<Vec<_>>(), expected, "{unknown:?}");
        }
    }

    /// A lane with a stem and a branch of each length beside it, in a store of its own.
    async fn forked(stem: u64, branches: &[u64]) -> (tempfile::TempDir, store::Store, Vec<Vec<Verified>>) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("node.db").display());
        let store = store::Store::open(&url).await.expect("a fresh store opens");
        let mut entropy = Entropy::new([1; 32]);
        let author = Identity::generate(&mut entropy);
        let lane = Lane { author: author.id(), ..LANE };
        let mut line = |before: Option<&Verified>, mark: u64, count: u64| {
            let mut line = Vec::<Verified>::new();
            for _ in 0..count {
                let previous = line.last().or(before).map(|op| (op.id(), op.header().seq, op.header().lamport));
                let draft = Draft {
                    record: RecordId([7; 32]),
                    lane,
                    seq: previous.map_or(0, |(_, seq, _)| seq + 1),
                    previous: previous.map(|(id, _, _)| id),
                    control_heads: vec![OpId([3; 32])],
                    data_heads: Vec::new(),
                    lamport: previous.map_or(2, |(_, _, lamport)| lamport + 1),
                    wall_ms: mark,
                    kind: Kind::Change,
                    authority: Authority::Genesis,
                    frames: Vec::<DraftFrame>::new(),
                };
                line.push(draft.sign(&author, &mut entropy).expect("it signs").0);
            }
            line
        };
        let mut lines = vec![line(None, 0, stem)];
        for (mark, count) in (1..).zip(branches) {
            let branch = line(lines[0].last(), mark, *count);
            lines.push(branch);
        }
        let mut tx = store.begin().await.expect("a transaction");
        for (position, op) in (1..).zip(lines.iter().flatten()) {
            let op = store::ops::NewOp { op, frames: Vec::new(), position, last_updated: 1 };
            tx.append(vec![op]).await.expect("it is stored");
        }
        tx.commit().await.expect("it commits");
        (folder, store, lines)
    }

    #[tokio::test]
    async fn what_the_known_heads_do_not_reach_is_lacked_however_little_is_remembered() {
        let (_folder, store, lines) = forked(100, &[300, 50, 1]).await;
        let ends = lines[1..].iter().filter_map(|line| Some(line.last()?.head())).collect::<Vec<_>>();
        let [stem, long, short, one] = &lines[..] else { unreachable!("four lines") };
        let before = lines.iter().flatten().map(|op| (op.id(), op.header().previous)).collect::<HashMap<_, _>>();
        let reach = |heads: &[Head]| {
            let mut reached = HashSet::new();
            for head in heads {
                let mut at = Some(head.id);
                while let Some(id) = at.filter(|id| reached.insert(*id)) {
                    at = before[&id];
                }
            }
            reached
        };
        let all = reach(&ends);
        for known in [
            vec![stem[0].head()],
            vec![stem[99].head()],
            vec![long[299].head()],
            vec![long[20].head()],
            vec![short[49].head()],
            vec![one[0].head(), long[298].head()],
            vec![long[0].head(), short[0].head()],
            vec![long[299].head(), short[49].head()],
        ] {
            let expected = all.difference(&reach(&known)).copied().collect::<HashSet<_>>();
            let mut reader = Reader::from(&store);
            for most in [usize::MAX, 200, 10] {
                let found = beyond(&mut reader, &RecordId([7; 32]), (&ends, &known), most).await.expect("it is read");
                let (lacked, first) = found;
                match most {
                    usize::MAX => assert_eq!(lacked, expected, "{known:?}"),
                    _ => assert!(!lacked.is_empty() && lacked.is_subset(&expected), "{known:?} {most}"),
                }
                for id in &lacked {
                    let leads = before[id].filter(|id| expected.contains(id));
                    assert!(leads.is_none_or(|before| lacked.contains(&before)), "all that leads to it is there");
                    assert!(leads.is_some() || first.contains(id), "the first of a branch is named");
                }
            }
        }
    }
}
