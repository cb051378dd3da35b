//! Bytes from outside: what is decoded encodes to the same, and nothing that is not exactly right is taken.

use crate::world::{CUSTODIAN, World};
use proptest::prelude::*;
use record::address::Address;
use record::body::Body;
use record::frame::{Content, Packer, unpack};
use record::scope::Scopes;
use record::{Authority, Card, Header, Kind, Op, Parcel};

fn parcels() -> Vec<Vec<u8>> {
    let mut world = World::new([4; 32], 3);
    world.change(CUSTODIAN, Authority::Genesis, "Observation", "o1");
    world.claim();
    world.ops.iter().map(|said| Parcel::encode(&said.op, &vec![None; said.op.entries().len()])).collect()
}

#[test]
fn no_byte_of_a_header_may_change_and_none_may_follow() {
    for bytes in parcels() {
        let op = Parcel::decode(&bytes).unwrap().op;
        let header = op.header_bytes().to_vec();
        assert_eq!(Header::decode(&header).as_ref(), Ok(op.header()));
        assert!(Header::decode(&[&header[..], &[0]].concat()).is_err());
        assert!(Header::decode(&header[..header.len() - 1]).is_err());
        let world = World::new([4; 32], 3);
        let card = world.actors[CUSTODIAN].identity.card();
        let verified = |header: Vec<u8>| {
            let op = Op::decode(header, *op.signature(), op.entries_bytes().to_vec()).ok()?;
            record::verify(op, card).ok()
        };
        assert!(verified(header.clone()).is_some());
        for at in 0..header.len() {
            let mut bad = header.clone();
            bad[at] ^= 1;
            assert!(verified(bad).is_none(), "byte {at}");
        }
    }
}

#[test]
fn a_number_that_could_be_shorter_is_refused() {
    // The header's array head 0x8f and version 0x01; then the version as two bytes.
    let header = Parcel::decode(&parcels()[0]).unwrap().op.header_bytes().to_vec();
    assert_eq!(header[..2], [0x8f, 0x01]);
    let longer = [&[0x8f, 0x18, 0x01], &header[2..]].concat();
    assert_eq!(Header::decode(&longer).unwrap_err().rule, "2.1");
    let unknown = [&[0x8f, 0x02], &header[2..]].concat();
    assert_eq!(Header::decode(&unknown).unwrap_err().rule, "2.2");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_refused_or_is_the_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(header) = Header::decode(&bytes) { prop_assert_eq!(header.encode(), bytes.clone()); }
        if let Ok(card) = Card::decode(&bytes) { prop_assert_eq!(card.encode(), bytes.clone()); }
        if let Ok(content) = Content::decode(&bytes) { prop_assert_eq!(content.encode(), bytes.clone()); }
        for kind in [Kind::Genesis, Kind::Change, Kind::Request, Kind::Grant, Kind::Revoke, Kind::Claim, Kind::Access, Kind::Keys] {
            if let Ok(body) = Body::decode(kind, &bytes) { prop_assert_eq!(body.encode(), bytes.clone()); }
        }
        let _ = Parcel::decode(&bytes);
        let _ = unpack(&bytes);
    }

    #[test]
    fn a_parcel_with_one_flipped_bit_never_panics(which in 0..3_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = parcels()[which].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(parcel) = Parcel::decode(&bytes) {
            prop_assert_eq!(Parcel::encode(&parcel.op, &parcel.frames), bytes);
        }
    }

    #[test]
    fn content_unpacks_to_itself(content in prop::collection::vec(any::<u8>(), 0..4000)) {
        prop_assert_eq!(unpack(&Packer::default().pack(&content)), Ok(content));
    }

    #[test]
    fn texts_from_people_never_panic(text in "\\PC{0,200}") {
        let _ = Address::parse(&text);
        let scopes = Scopes::parse(&text);
        prop_assert!(scopes.within(&scopes));
    }
}
