//! A patient with more than one device, and with words on paper: the house they live in, the root that is announced, and the words.
//! How one joins is in `joining`, how it is stopped in `suspension`, and what two decide at once in `beside`.

mod beside;
mod joining;
mod suspension;

use crate::common::{Database, Place, count, create, databases, let_in, stays_the_same_after_reindex, until};
use crate::world::{World, observation};
use node::devices::{JoinState, OfferState};
use node::grants::GrantState;
use node::phrase::PhraseView;
use node::{NodeError, Role};
use record::draft::WRAP_INFO;
use record::entry::{FrameKind, wrap_handle};
use record::{Identity, Kind, Phrase, RecordId};
use store::db::Reader;
use zeroize::Zeroizing;

/// A hospital that knows the patient first, another one, and two devices of the patient's, of which one has the record.
pub struct House {
    pub a: Place,
    pub b: Place,
    pub first: Place,
    pub second: Place,
    pub at_a: String,
    pub at_b: String,
    pub address: String,
}

pub async fn house(database: Database) -> House {
    let world = World::open(database).await;
    let second = Place::connected(Role::Patient, "Clara's phone", database).await;
    create(&world.a.node, observation(&world.at_a, "height")).await;
    let World { a, b, p: first, at_a, at_b, address } = world.handed_over().await;
    until("the first device has what A wrote", || async { count(&first.node, "Observation", "").await == 1 }).await;
    House { a, b, first, second, at_a, at_b, address }
}

/// Lets `new` in by a code that `first` makes; both compare the digits.
pub async fn join(first: &node::Node, new: &node::Node, name: &str) {
    let offer = first.offer_device().await.unwrap();
    let code = first.offer(&offer).await.unwrap().unwrap().code;
    let joining = new.join_device(&code).await.unwrap();
    let state = async || new.join(&joining).await.unwrap().unwrap();
    until("the new device has digits", || async { state().await.state == JoinState::Digits }).await;
    let shown = first.offer(&offer).await.unwrap().unwrap();
    assert_eq!((shown.state, &shown.digits), (OfferState::Digits, &state().await.digits));
    first.confirm_offer(&offer, &shown.digits, name).await.unwrap();
    assert_eq!(first.offer(&offer).await.unwrap().unwrap().state, OfferState::WaitingForDevice);
    new.confirm_join(&joining).await.unwrap();
    until("the new device is in", || async { state().await.state == JoinState::Done }).await;
    assert_eq!(first.offer(&offer).await.unwrap().unwrap().state, OfferState::Done);
}

/// The words of a place, as its page shows them.
pub async fn words_of(place: &Place) -> String {
    match place.node.phrase().await.unwrap() {
        PhraseView::Here(words) => words.iter().map(|word| word.to_string()).collect::<Vec<_>>().join(" "),
        _ => panic!("there are words until they are noted"),
    }
}

async fn phone_address(house: &House) -> String {
    house.second.node.records().await.unwrap().remove(0).address
}

/// Every grant to a hospital that is open, as a device sees it.
async fn open_grants(node: &node::Node, name: &str) -> Vec<node::grants::GrantView> {
    let grants = node.grants().await.unwrap();
    grants.into_iter().filter(|grant| grant.name == name && grant.state == GrantState::Open).collect()
}

impl House {
    fn record(&self) -> RecordId {
        record::address::Address::parse(&self.address).unwrap().record
    }
}

/// The kinds of the control ops of a place that bring keys for `who`, which they open.
pub async fn sealed_to(place: &Place, record: RecordId, who: &Identity) -> Vec<Kind> {
    let store = place.store().await;
    let (mut reader, mut kinds) = (Reader::from(&store), Vec::new());
    for stored in reader.control_ops(&record).await.unwrap() {
        let handle = wrap_handle(&stored.op.header().record, &who.id());
        for (at, frame) in reader.frames(&stored.op.id()).await.unwrap() {
            let entry = &stored.op.entries()[at as usize];
            if entry.kind == FrameKind::Wrap && entry.handle == handle && who.open(WRAP_INFO, &frame).is_some() {
                kinds.push(stored.op.header().kind);
            }
        }
    }
    store.close().await;
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_becomes_the_patients_is_sealed_to_its_root_too() {
    for database in databases() {
        let mut house = house(database).await;
        let (root, record) = (Phrase::parse(&words_of(&house.first).await).unwrap().root(), house.record());
        // The announcement brings what was before, each epoch after it is sealed to the root.
        assert_eq!(sealed_to(&house.first, record, &root).await, [Kind::Device, Kind::Keys]);
        let_in(&house.b.node, &house.first.node, &house.at_b, &house.address, "patient/Observation.rs").await;
        let grant = open_grants(&house.first.node, "Hospital B").await.remove(0);
        house.first.node.revoke(&grant.id).await.unwrap();
        let all = [Kind::Device, Kind::Keys, Kind::Keys];
        assert_eq!(sealed_to(&house.first, record, &root).await, all);
        // A hospital holds what is sealed to the root, so that whoever has the words gets it there.
        until("A has it too", || async { sealed_to(&house.a, record, &root).await == all }).await;
        let peers = house.first.node.peers().await.unwrap();
        assert!(peers.iter().all(|peer| peer.name.starts_with("Hospital")), "the root is no peer: {peers:?}");
        // Nothing is announced twice.
        house.first.restart(true).await;
        assert_eq!(sealed_to(&house.first, record, &root).await, all);
        stays_the_same_after_reindex(&house.first.node).await;
        stays_the_same_after_reindex(&house.a.node).await;
    }
}

#[tokio::test]
async fn the_words_stay_until_three_of_them_are_typed_back() {
    let place = Place::new(Role::Patient, "Clara", Database::Sqlite).await;
    let words = words_of(&place).await;
    let words = words.split(' ').collect::<Vec<_>>();
    let typed = |places: &[usize]| {
        places.iter().map(|at| (*at, Zeroizing::new(words[(at + 23) % 24].to_uppercase()))).collect::<Vec<_>>()
    };
    let mut wrong = typed(&[1, 2, 3]);
    wrong[2].1 = Zeroizing::new("zebra".to_owned());
    for bad in [typed(&[]), typed(&[1, 2]), typed(&[1, 1, 1]), typed(&[0, 1, 2]), typed(&[1, 2, 25]), wrong] {
        assert!(matches!(place.node.note_phrase(&bad).await, Err(NodeError::Unprocessable(_))));
        assert!(place.node.needs_words().await.unwrap());
    }
    place.node.note_phrase(&typed(&[24, 3, 11])).await.unwrap();
    assert!(matches!(place.node.phrase().await.unwrap(), PhraseView::Noted(_)));
    assert!(!place.node.needs_words().await.unwrap());
    let file = std::fs::read_to_string(place.dir.path().join("identity.json")).unwrap();
    assert!(!words.iter().any(|word| file.contains(&format!("{word} "))), "the words are gone");
    let hospital = Place::new(Role::Gateway, "Hospital", Database::Sqlite).await;
    assert!(matches!(hospital.node.phrase().await.unwrap(), PhraseView::None));
}
