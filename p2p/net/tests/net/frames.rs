//! Frames a node lacks and may open are asked for and filled in.

use crate::{
    memory::op,
    world::{RECORD, TCP, converged, node},
};
use net::FrameId;
use record::{IdentityId, Lane, LaneKind};

fn frames(count: u32) -> Vec<FrameId> {
    let lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance: 1 };
    let id = crate::memory::id(&op(lane, 0, 10));
    (0..count).map(|index| FrameId { op: id, index }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wanted_frames_come_even_if_they_fill_many_messages() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.share_with(&two);
    one.write(1, 10);
    let all = frames(1500);
    one.log.with(|state| {
        let held = state.records.get_mut(&RECORD).unwrap();
        held.frames = all.iter().map(|id| (*id, vec![id.index as u8; 5000])).collect();
    });
    two.log.with(|state| state.records.get_mut(&RECORD).unwrap().wanted = all.iter().copied().collect());
    one.keep(&two);
    converged(&one, &two, 1).await;
    two.holds("all frames", |log| {
        let state = log.state.lock().unwrap();
        let held = &state.records[&RECORD];
        held.wanted.is_empty() && held.frames.len() == 1500
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_comes_later_is_had_when_the_record_moves() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.share_with(&two);
    one.write(1, 10);
    let id = frames(1)[0];
    two.log.with(|state| state.records.get_mut(&RECORD).unwrap().wanted.insert(id));
    one.keep(&two);
    one.holds("that it was asked in vain", |log| log.calls("frames") > 0).await;
    converged(&one, &two, 1).await;
    one.log.with(|state| state.records.get_mut(&RECORD).unwrap().frames.insert(id, vec![7]));
    one.net.moved(RECORD);
    let filled = |log: &crate::memory::Memory| log.state.lock().unwrap().records[&RECORD].frames.contains_key(&id);
    two.holds("the frame", filled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_wanted_later_is_asked_for_when_the_record_moves_here() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.share_with(&two);
    one.write(1, 10);
    let id = frames(1)[0];
    one.log.with(|state| state.records.get_mut(&RECORD).unwrap().frames.insert(id, vec![7]));
    one.keep(&two);
    converged(&one, &two, 1).await;
    two.log.with(|state| state.records.get_mut(&RECORD).unwrap().wanted.insert(id));
    two.net.moved(RECORD);
    two.holds("the frame", |log| log.state.lock().unwrap().records[&RECORD].frames.contains_key(&id)).await;
}
