//! What fuzzers and property tests drive: every reader of outside bytes, which may refuse but never panic, and takes nothing
//! that it would not write in the same way.

use crate::address::Address;
use crate::archive;
use crate::body::Body;
use crate::cbor::CodecError;
use crate::entry;
use crate::fork::Proof;
use crate::frame::{Content, Packer, unpack};
use crate::header::{Header, Kind};
use crate::id::OpId;
use crate::identity::Card;
use crate::keys::{decode_items, encode_items};
use crate::op::Parcel;
use crate::phrase::Phrase;
use crate::scope::Scopes;
use crate::state::{Control, State};

fn one<T>(bytes: &[u8], read: Result<T, CodecError>, write: impl Fn(&T) -> Vec<u8>) {
    if let Ok(value) = read {
        assert_eq!(write(&value), bytes, "one value has one form");
    }
}

/// Headers.
pub fn header(bytes: &[u8]) {
    one(bytes, Header::decode(bytes), Header::encode);
}

/// Frame lists.
pub fn entries(bytes: &[u8]) {
    one(bytes, entry::decode(bytes), |entries| entry::encode(entries));
}

/// Bodies of every kind.
pub fn body(bytes: &[u8]) {
    for kind in Kind::ALL {
        one(bytes, Body::decode(kind, bytes), Body::encode);
    }
}

/// Ops as they travel.
pub fn parcel(bytes: &[u8]) {
    one(bytes, Parcel::decode(bytes), |parcel| Parcel::encode(&parcel.op, &parcel.frames));
}

/// Cards.
pub fn card(bytes: &[u8]) {
    one(bytes, Card::decode(bytes), Card::encode);
}

/// Resource frames, packed and unpacked.
pub fn content(bytes: &[u8]) {
    one(bytes, Content::decode(bytes), Content::encode);
    let _ = unpack(bytes);
    assert_eq!(unpack(&Packer::default().pack(bytes)).as_deref(), Ok(bytes), "what is packed unpacks");
}

/// Wraps, once opened.
pub fn wrap(bytes: &[u8]) {
    // Zero stands for the op itself: with it as that op, what was read is written as it was.
    one(bytes, decode_items(bytes, OpId([0; 32])), |items| encode_items(items).to_vec());
}

/// Proofs of a fork.
pub fn proof(bytes: &[u8]) {
    one(bytes, Proof::decode(bytes), Proof::encode);
}

/// Archives: fed whole and byte by byte, they say the same; what is taken to its end is written again as it was.
pub fn archive(bytes: &[u8]) {
    let read = |step: usize| {
        let (mut reader, mut parts) = (archive::Reader::default(), Vec::new());
        for chunk in bytes.chunks(step.max(1)) {
            reader.feed(chunk)?;
            while let Some(part) = reader.part()? {
                parts.push(part);
            }
        }
        reader.finish()?;
        Ok::<_, archive::ArchiveError>((reader.record(), parts))
    };
    let whole = read(bytes.len());
    assert_eq!(read(977).ok(), whole.as_ref().ok().cloned(), "how it is fed decides nothing");
    let Ok((Some(record), parts)) = whole else { return };
    let (mut cards, mut keys, mut ops) = (Vec::new(), None, Vec::new());
    for part in parts {
        match part {
            archive::Part::Cards(found) => cards = found,
            archive::Part::Keys(found) => keys = Some(found),
            archive::Part::Op(op, frames) => ops.push((op, frames)),
            archive::Part::End(count) => assert_eq!(count, ops.len() as u64, "every op is counted"),
        }
    }
    let begun = archive::Writer::new(record, cards, keys.as_ref());
    let (mut writer, mut again) = begun.expect("what was read can be written");
    for (op, frames) in &ops {
        again.extend(writer.op(op, frames).expect("what was read can be written"));
    }
    again.extend(writer.finish());
    assert_eq!(again, bytes, "one archive has one form");
}

/// Texts that people and tokens bring: addresses, scopes, phrases.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (Address::parse(text), Phrase::parse(text));
    let scopes = Scopes::parse(text);
    assert!(scopes.within(&scopes), "a scope is within itself");
    assert_eq!(Scopes::parse(&scopes.to_string()), scopes, "a scope reads back");
}

/// Headers and bodies one after the other, parted by their lengths (two bytes each), folded whatever they say.
pub fn fold(bytes: &[u8]) {
    let (mut rest, mut ops) = (bytes, Vec::new());
    let mut part = || {
        let (length, tail) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (part, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some(part)
    };
    while let (Some(header), Some(body)) = (part(), part()) {
        let Ok(read) = Header::decode(header) else { continue };
        let body = Body::decode(read.kind, body).ok();
        ops.push(Control { id: Header::id_of(header), header: read, body });
    }
    let whole = State::fold(&ops);
    let mut grown = State::default();
    for op in ops.into_iter().rev() {
        grown.add(op);
    }
    assert_eq!(whole.control_heads(), grown.control_heads(), "the same ops are the same state");
    assert_eq!(whole.epochs(), grown.epochs());
}
