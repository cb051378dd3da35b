//! What two nodes say to each other, without a network between them: who goes first, in what order and how often is the
//! test's to say, and nothing waits.

use net::{Log, limits::BATCH_BYTES_MAX};
use node::Node;
use record::{Head, RecordId};

/// Longest exchange of two nodes about one record, batches each way; more is talk without an end.
const BATCHES_MAX: usize = 64;

/// Gives `to` what it lacks of a record, as a session does, and returns how many ops were carried until nothing more was.
pub async fn give(from: &Node, to: &Node, record: RecordId) -> usize {
    let (log, other) = (from.port(), to.port());
    let (me, them) = (from.identity().id(), to.identity().id());
    let mut told = other.heads(me, record).await;
    let mut untold = Vec::<Head>::new();
    let mut carried = 0;
    for _ in 0..BATCHES_MAX {
        let have = [told.clone(), untold.clone()].concat();
        let suffix = log.suffix(them, record, &have, BATCH_BYTES_MAX).await;
        if suffix.ops.is_empty() {
            return carried;
        }
        carried += suffix.ops.len();
        let heads = suffix.ops.iter().map(|op| op.head).collect::<Vec<_>>();
        let ops = suffix.ops.into_iter().map(|op| op.bytes).collect();
        let applied = other.apply(me, record, ops).await.unwrap();
        log.acknowledged(them, record, &applied.held).await;
        untold.extend(heads.into_iter().filter(|head| !applied.held.contains(head)));
        told.retain(|head| !applied.held.iter().any(|other| other.lane == head.lane));
        told.extend(applied.held);
    }
    panic!("an exchange did not end after {carried} ops");
}

/// Both give what the other lacks until neither has anything to say; returns how many ops were carried.
pub async fn meet(one: &Node, other: &Node, record: RecordId) -> usize {
    let mut carried = 0;
    for _ in 0..BATCHES_MAX {
        let round = give(one, other, record).await + give(other, one, record).await;
        if round == 0 {
            return carried;
        }
        carried += round;
    }
    panic!("two nodes did not fall silent after {carried} ops");
}
