//! Frames that a peer asks for one by one: each op is read once for a question, however often and in whatever order it is named,
//! and a question costs no more than is said here, also where nothing comes of it. Called by `sync`; what may be had is in `give`.

use super::Port;
use super::give::{Looked, May, is_open_to};
use crate::context::Context;
use net::FrameId;
use record::{IdentityId, OpId};
use std::collections::{HashMap, HashSet};
use store::StoreError;
use store::db::Reader;

/// Bytes that are read for one question beside those that are sent: of ops, of wraps, and of frames whose parameters say no. Who
/// asks begins elsewhere the next time.
const READ_BYTES_MAX: usize = 32 << 20;

/// Ops whose own keys are opened for one question.
const OPENED_MAX: usize = 256;

/// What a question has cost, and found.
#[derive(Default)]
struct Answer {
    found: Vec<(FrameId, Vec<u8>)>,
    sent: usize,
    read: usize,
    opened: usize,
}

impl Port {
    /// The frames of those asked for that `who`, a member, may have, as far as they fit; the first always does.
    pub(super) async fn frames_for(
        &self,
        context: &Context,
        who: &IdentityId,
        asked: &[FrameId],
        bytes_max: usize,
    ) -> Result<Vec<(FrameId, Vec<u8>)>, StoreError> {
        let mut answer = Answer::default();
        for (op, places) in by_op(asked) {
            let goes_on = self.frames_of(context, who, (op, &places), bytes_max, &mut answer).await?;
            if !goes_on || answer.read > READ_BYTES_MAX {
                break;
            }
        }
        Ok(answer.found)
    }

    /// Adds those of one op; `false` where no more fits.
    async fn frames_of(
        &self,
        context: &Context,
        who: &IdentityId,
        (id, places): (OpId, &[u32]),
        bytes_max: usize,
        answer: &mut Answer,
    ) -> Result<bool, StoreError> {
        let mut reader = Reader::from(&self.0.store);
        let Some(stored) = reader.op(&id).await? else { return Ok(true) };
        let op = &stored.op;
        answer.read += op.header_bytes().len() + op.entries_bytes().len();
        if op.record() != context.record {
            return Ok(true);
        }
        let mut looked = Looked::at(op);
        let entries = places.iter().filter_map(|place| Some((*place, op.entries().get(*place as usize)?)));
        // What is refused by its entry alone is not read.
        let asked = entries.map(|(place, entry)| (place, entry, looked.may(context, who, entry)));
        let asked = asked.filter(|(_, _, may)| *may != May::Not).collect::<Vec<_>>();
        let opens = asked.iter().filter(|(_, entry, may)| looked.must_open(entry, *may));
        let wraps = self.0.wraps_of(op, opens.map(|(_, entry, _)| *entry));
        if !wraps.is_empty() && answer.opened < OPENED_MAX {
            answer.opened += 1;
            let mut frames = Vec::new();
            for place in wraps {
                frames.extend(reader.frame(&id, place).await?.map(|frame| (place, frame)));
            }
            answer.read += frames.iter().map(|(_, frame)| frame.len()).sum::<usize>();
            looked.open(&self.0, context, &frames);
        }
        for (place, entry, may) in asked {
            if answer.read > READ_BYTES_MAX {
                return Ok(false);
            }
            let Some(frame) = reader.frame(&id, place).await? else { continue };
            if may == May::Look && !is_open_to(context, who, &looked, (place, entry), &frame) {
                answer.read += frame.len();
                continue;
            }
            if !answer.found.is_empty() && answer.sent + frame.len() > bytes_max {
                return Ok(false);
            }
            answer.sent += frame.len();
            answer.found.push((FrameId { op: id, index: place }, frame));
        }
        Ok(true)
    }
}

/// Each op once with the places asked for, each once, in the order in which they were named first.
fn by_op(asked: &[FrameId]) -> Vec<(OpId, Vec<u32>)> {
    let (mut ops, mut at, mut seen) = (Vec::<(OpId, Vec<u32>)>::new(), HashMap::new(), HashSet::new());
    for id in asked.iter().filter(|id| seen.insert((id.op, id.index))) {
        let place = *at.entry(id.op).or_insert_with(|| {
            ops.push((id.op, Vec::new()));
            ops.len() - 1
        });
        ops[place].1.push(id.index);
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_op_is_looked_at_once_for_a_question() {
        let id = |op: u8, index: u32| FrameId { op: OpId([op; 32]), index };
        let check = |asked: &[FrameId], expected: &[(u8, &[u32])]| {
            let expected = expected.iter().map(|(op, places)| (OpId([*op; 32]), places.to_vec()));
            assert_eq!(by_op(asked), expected.collect::<Vec<_>>(), "{asked:?}");
        };
        check(&[], &[]);
        check(&[id(1, 0); 1024], &[(1, &[0])]);
        check(&[id(2, 3), id(1, 0), id(2, 1), id(2, 3), id(1, 0)], &[(2, &[3, 1]), (1, &[0])]);
        check(&[id(1, u32::MAX), id(1, 0)], &[(1, &[u32::MAX, 0])]);
    }
}
