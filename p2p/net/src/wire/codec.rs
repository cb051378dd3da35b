//! Strict bytes of a [`Message`]: one kind byte, fields in order, lengths as u32 big-endian, nothing left
//! over. Every list is bounded by a named limit and by the bytes that are there, so a decoder allocates no
//! more than it was sent. Called by `pipe` and `fuzz`.

use super::Message;
use crate::{
    FrameId,
    limits::{
        ASK_BYTES_MAX, BATCH_OPS_MAX, BRANCHES_MAX, FRAMES_MAX, HEADS_MAX, HELLO_BYTES_MAX, MESSAGE_BYTES_MAX,
        REASON_BYTES_MAX, TOPIC_BYTES_MAX,
    },
};
use record::{Head, IdentityId, Lane, LaneKind, OpId, RecordId};
use std::collections::HashMap;

/// Bytes that are no message; the peer is not one of ours, or lies.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DecodeError {
    #[error("the message ends early")]
    Short,
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    #[error("{0} is no kind of message")]
    Kind(u8),
    #[error("{what} has {found}, at most {max} are read")]
    Limit { what: &'static str, found: usize, max: usize },
    #[error("{0} is not what it should be")]
    Value(&'static str),
}

const HEAD_BYTES: usize = 81;
const FRAME_ID_BYTES: usize = 36;

/// Bytes `ops` take in a message.
pub(crate) fn ops_bytes(op: &[u8]) -> usize {
    4 + op.len()
}

/// Bytes a frame takes in a message.
pub(crate) fn frames_bytes(frame: &[u8]) -> usize {
    FRAME_ID_BYTES + 4 + frame.len()
}

/// The message as it travels: its length as u32 big-endian, then its bytes.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&[0; 4]);
    write(&mut out, message);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

fn write(out: &mut Vec<u8>, message: &Message) {
    match message {
        Message::Hello(body) => {
            out.push(0);
            put(out, body);
        }
        Message::Welcome => out.push(1),
        Message::Bye { refused, reason } => {
            out.extend_from_slice(&[2, u8::from(*refused)]);
            put(out, reason.as_bytes());
        }
        Message::Heads { record, heads, answer } => {
            out.push(3);
            out.extend_from_slice(record.bytes());
            out.push(u8::from(*answer));
            put_heads(out, heads);
        }
        Message::Ops { record, ops } => {
            out.push(4);
            out.extend_from_slice(record.bytes());
            put_count(out, ops.len());
            ops.iter().for_each(|op| put(out, op));
        }
        Message::Ack { record, heads } => {
            out.push(5);
            out.extend_from_slice(record.bytes());
            put_heads(out, heads);
        }
        Message::Later { record } => {
            out.push(6);
            out.extend_from_slice(record.bytes());
        }
        Message::Want { record, frames } => {
            out.push(7);
            out.extend_from_slice(record.bytes());
            put_count(out, frames.len());
            frames.iter().for_each(|frame| put_frame_id(out, frame));
        }
        Message::Frames { record, frames } => {
            out.push(8);
            out.extend_from_slice(record.bytes());
            put_count(out, frames.len());
            for (id, bytes) in frames {
                put_frame_id(out, id);
                put(out, bytes);
            }
        }
        Message::Hint { record } => {
            out.push(9);
            out.extend_from_slice(record.bytes());
        }
        Message::Ping => out.push(10),
        Message::Ask { topic, body } => {
            out.push(11);
            put(out, topic.as_bytes());
            put(out, body);
        }
        Message::Answer(body) => {
            out.push(12);
            put(out, body);
        }
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // Callers stay under the limits, which are far below u32.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_frame_id(out: &mut Vec<u8>, id: &FrameId) {
    out.extend_from_slice(id.op.bytes());
    out.extend_from_slice(&id.index.to_be_bytes());
}

fn put_heads(out: &mut Vec<u8>, heads: &[Head]) {
    put_count(out, heads.len());
    for head in heads {
        out.extend_from_slice(head.lane.author.bytes());
        out.push(head.lane.kind as u8);
        out.extend_from_slice(&head.lane.instance.to_be_bytes());
        out.extend_from_slice(&head.seq.to_be_bytes());
        out.extend_from_slice(head.id.bytes());
    }
}

/// Reads exactly one message (without its length prefix).
pub(crate) fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let mut input = Input(bytes);
    let message = match input.byte()? {
        0 => Message::Hello(input.bytes("greeting", HELLO_BYTES_MAX)?.to_vec()),
        1 => Message::Welcome,
        2 => Message::Bye { refused: input.flag()?, reason: input.text("reason", REASON_BYTES_MAX)? },
        3 => {
            let (record, answer) = (input.record()?, input.flag()?);
            Message::Heads { record, answer, heads: input.heads()? }
        }
        4 => {
            let record = input.record()?;
            let count = input.count("ops", BATCH_OPS_MAX, 4)?;
            let ops = (0..count).map(|_| input.bytes("op", MESSAGE_BYTES_MAX).map(<[u8]>::to_vec));
            Message::Ops { record, ops: ops.collect::<Result<_, _>>()? }
        }
        5 => Message::Ack { record: input.record()?, heads: input.heads()? },
        6 => Message::Later { record: input.record()? },
        7 => {
            let record = input.record()?;
            let count = input.count("frames", FRAMES_MAX, FRAME_ID_BYTES)?;
            let frames = (0..count).map(|_| input.frame_id());
            Message::Want { record, frames: frames.collect::<Result<_, _>>()? }
        }
        8 => {
            let record = input.record()?;
            let count = input.count("frames", FRAMES_MAX, FRAME_ID_BYTES + 4)?;
            let frames = (0..count).map(|_| Ok((input.frame_id()?, input.bytes("frame", MESSAGE_BYTES_MAX)?.to_vec())));
            Message::Frames { record, frames: frames.collect::<Result<_, _>>()? }
        }
        9 => Message::Hint { record: input.record()? },
        10 => Message::Ping,
        11 => Message::Ask {
            topic: input.text("topic", TOPIC_BYTES_MAX)?,
            body: input.bytes("question", ASK_BYTES_MAX)?.to_vec(),
        },
        12 => Message::Answer(input.bytes("answer", ASK_BYTES_MAX)?.to_vec()),
        kind => return Err(DecodeError::Kind(kind)),
    };
    match input.0.len() {
        0 => Ok(message),
        left => Err(DecodeError::Trailing(left)),
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value("a flag")),
        }
    }

    fn number(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| DecodeError::Value("a length"))
    }

    fn count(&mut self, what: &'static str, max: usize, bytes_each: usize) -> Result<usize, DecodeError> {
        let found = self.number()?;
        if found > max {
            return Err(DecodeError::Limit { what, found, max });
        }
        if found.saturating_mul(bytes_each) > self.0.len() {
            return Err(DecodeError::Short);
        }
        Ok(found)
    }

    fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
        let count = self.count(what, max, 1)?;
        self.take(count)
    }

    fn text(&mut self, what: &'static str, max: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(what, max)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Value(what))
    }

    fn record(&mut self) -> Result<RecordId, DecodeError> {
        Ok(RecordId(self.array()?))
    }

    fn frame_id(&mut self) -> Result<FrameId, DecodeError> {
        Ok(FrameId { op: OpId(self.array()?), index: u32::from_be_bytes(self.array()?) })
    }

    fn heads(&mut self) -> Result<Vec<Head>, DecodeError> {
        let count = self.count("heads", HEADS_MAX, HEAD_BYTES)?;
        let mut of_lane = HashMap::<Lane, usize>::new();
        (0..count)
            .map(|_| {
                let author = IdentityId(self.array()?);
                let kind = LaneKind::from_number(u64::from(self.byte()?)).ok_or(DecodeError::Value("a lane"))?;
                let lane = Lane { author, kind, instance: u64::from_be_bytes(self.array()?) };
                let found = of_lane.entry(lane).or_default();
                *found += 1;
                if *found > BRANCHES_MAX {
                    return Err(DecodeError::Limit { what: "a lane's heads", found: *found, max: BRANCHES_MAX });
                }
                Ok(Head { lane, seq: u64::from_be_bytes(self.array()?), id: OpId(self.array()?) })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Message> {
        let record = RecordId([3; 32]);
        let lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Audit, instance: 9 };
        let heads = vec![Head { lane, seq: 4, id: OpId([2; 32]) }; 3];
        let frame = FrameId { op: OpId([5; 32]), index: 6 };
        vec![
            Message::Hello(vec![1, 2]),
            Message::Welcome,
            Message::Bye { refused: true, reason: "no".into() },
            Message::Heads { record, heads: heads.clone(), answer: true },
            Message::Ops { record, ops: vec![vec![], vec![7; 9]] },
            Message::Ack { record, heads },
            Message::Later { record },
            Message::Want { record, frames: vec![frame; 2] },
            Message::Frames { record, frames: vec![(frame, vec![8; 3])] },
            Message::Hint { record },
            Message::Ping,
            Message::Ask { topic: "pair".into(), body: vec![1] },
            Message::Answer(vec![]),
        ]
    }

    #[test]
    fn a_message_reads_back_and_nothing_shorter_or_longer_does() {
        for message in samples() {
            let bytes = encode(&message);
            let (length, body) = bytes.split_at(4);
            assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, body.len());
            assert_eq!(decode(body).as_ref(), Ok(&message));
            for end in 0..body.len() {
                assert_eq!(decode(&body[..end]), Err(DecodeError::Short), "{message:?} cut at {end}");
            }
            assert_eq!(decode(&[body, &[0]].concat()), Err(DecodeError::Trailing(1)), "{message:?}");
        }
    }

    #[test]
    fn a_lane_has_a_few_heads_and_no_more() {
        let lane = Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance: 9 };
        let heads = |count: usize| vec![Head { lane, seq: 4, id: OpId([2; 32]) }; count];
        for (count, refused) in [(BRANCHES_MAX, false), (BRANCHES_MAX + 1, true)] {
            let other = Head { lane: Lane { instance: 10, ..lane }, seq: 0, id: OpId([3; 32]) };
            let heads = [vec![other], heads(count)].concat();
            let bytes = encode(&Message::Ack { record: RecordId([3; 32]), heads });
            let limit = DecodeError::Limit { what: "a lane's heads", found: count, max: BRANCHES_MAX };
            assert_eq!(decode(&bytes[4..]).err(), refused.then_some(limit));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_before_it_is_allocated() {
        let with = |kind: u8, rest: &[u8]| [&[kind][..], rest].concat();
        let record = [0u8; 32];
        let huge = u32::MAX.to_be_bytes();
        for (bytes, expected) in [
            (with(13, &[]), DecodeError::Kind(13)),
            (with(2, &[2]), DecodeError::Value("a flag")),
            (with(2, &[0, 0, 0, 0, 1, 0xff]), DecodeError::Value("reason")),
            (with(0, &huge), DecodeError::Limit { what: "greeting", found: 0xffff_ffff, max: HELLO_BYTES_MAX }),
            (
                with(4, &[&record[..], &huge].concat()),
                DecodeError::Limit { what: "ops", found: 0xffff_ffff, max: BATCH_OPS_MAX },
            ),
            (with(5, &[&record[..], &[0, 0, 0x7f, 0]].concat()), DecodeError::Short),
            (with(5, &[&record[..], &[0, 0, 0, 1], &[0; 32], &[3], &[0; 48]].concat()), DecodeError::Value("a lane")),
        ] {
            assert_eq!(decode(&bytes), Err(expected));
        }
    }
}
