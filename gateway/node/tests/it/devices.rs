//! A patient with more than one device, and with words on paper: the root is announced, a second device is let in and acts, a
//! lost one is stopped, two decide beside each other.

use crate::common::{
    Database, Place, asking, caller, count, create, databases, is_clean, let_in, pair, stays_the_same_after_reindex,
    until,
};
use node::devices::{DeviceState, JoinState, OfferState};
use node::grants::{Approval, GrantState};
use node::phrase::PhraseView;
use node::{NodeError, Role};
use record::draft::WRAP_INFO;
use record::entry::{FrameKind, wrap_handle};
use record::{Identity, Kind, Phrase, RecordId};
use serde_json::json;
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
    let a = Place::new(Role::Gateway, "Hospital A", database).await;
    let b = Place::new(Role::Gateway, "Hospital B", database).await;
    let first = Place::new(Role::Patient, "Clara's computer", database).await;
    let second = Place::new(Role::Patient, "Clara's phone", database).await;
    for place in [&a, &b, &first, &second] {
        place.connect().await;
    }
    let patient = json!({"resourceType":"Patient","name":[{"family":"Kreiger","given":["Clara"]}]});
    let at_a = create(&a.node, patient.clone()).await.id;
    let at_b = create(&b.node, patient).await.id;
    create(&a.node, observation(&at_a, "height")).await;
    let address = pair(&a.node, &first.node, &at_a).await;
    until("the first device has what A wrote", || async { count(&first.node, "Observation", "").await == 1 }).await;
    House { a, b, first, second, at_a, at_b, address }
}

pub fn observation(subject: &str, words: &str) -> serde_json::Value {
    json!({"resourceType":"Observation","status":"final","code":{"text":words},
        "subject":{"reference":format!("Patient/{subject}")}})
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

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_has_everything_and_what_it_decides_holds() {
    for database in databases() {
        let mut house = house(database).await;
        assert!(matches!(house.second.node.offer_device().await, Err(NodeError::Unprocessable(_))), "nothing to share");
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the second device has it all", || async { count(&house.second.node, "Observation", "").await == 1 })
            .await;
        for place in [&house.first, &house.second] {
            let devices = place.node.devices().await.unwrap();
            assert_eq!(devices.iter().map(|device| device.state).collect::<Vec<_>>(), [DeviceState::In; 2]);
            assert!(devices[0].this && devices.iter().any(|device| device.name == "Phone"), "{devices:?}");
            assert_eq!(place.node.stopped().await.unwrap(), None);
        }
        // A hospital is let in by the second device, which the first never hears of before.
        let address = house.second.node.records().await.unwrap().remove(0).address;
        assert_ne!(address, house.address, "it is asked where it is");
        let_in(&house.b.node, &house.second.node, &house.at_b, &address, "patient/Observation.rs").await;
        until("B sees what A wrote", || async { count(&house.b.node, "Observation", "").await == 1 }).await;
        until("the first device knows", || async { open_grants(&house.first.node, "Hospital B").await.len() == 1 })
            .await;
        assert_eq!(house.first.node.requests().await.unwrap().len(), 1, "one request is shown once");
        create(&house.a.node, observation(&house.at_a, "weight")).await;
        until("both devices have it", || async {
            count(&house.first.node, "Observation", "").await == 2
                && count(&house.second.node, "Observation", "").await == 2
        })
        .await;
        // And taken back by the first.
        until("the first shows the grant", || async { open_grants(&house.first.node, "Hospital B").await.len() == 1 })
            .await;
        let grant = open_grants(&house.first.node, "Hospital B").await.remove(0);
        house.first.node.revoke(&grant.id).await.unwrap();
        until("B sees nothing more", || async { count(&house.b.node, "Observation", "").await == 0 }).await;
        until("the second device knows", || async { open_grants(&house.second.node, "Hospital B").await.is_empty() })
            .await;
        house.second.restart(true).await;
        create(&house.a.node, observation(&house.at_a, "pulse")).await;
        until("it goes on after a restart", || async { count(&house.second.node, "Observation", "").await == 3 }).await;
        for place in [&house.a, &house.b, &house.first, &house.second] {
            stays_the_same_after_reindex(&place.node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_digits_a_second_taker_and_a_used_code_let_nobody_in() {
    for database in databases() {
        let house = house(database).await;
        let (first, second) = (&house.first.node, &house.second.node);
        let offer = first.offer_device().await.unwrap();
        let code = first.offer(&offer).await.unwrap().unwrap().code;
        assert!(matches!(first.confirm_offer(&offer, "", "").await, Err(NodeError::Unprocessable(_))), "too early");
        let joining = second.join_device(&code).await.unwrap();
        let state = async || second.join(&joining).await.unwrap().unwrap();
        until("digits", || async { state().await.state == JoinState::Digits }).await;
        // A third one that has the code ends it for both.
        let third = Place::new(Role::Patient, "Somebody", database).await;
        third.connect().await;
        let other = third.node.join_device(&code).await.unwrap();
        until("two are too many", || async {
            first.offer(&offer).await.unwrap().unwrap().state == OfferState::Ended
                && third.node.join(&other).await.unwrap().unwrap().state == JoinState::Ended
                && state().await.state == JoinState::Ended
        })
        .await;
        assert!(second.confirm_join(&joining).await.is_err());
        // Other digits than were shown.
        let offer = first.offer_device().await.unwrap();
        let code = first.offer(&offer).await.unwrap().unwrap().code;
        let joining = second.join_device(&code).await.unwrap();
        let state = async || second.join(&joining).await.unwrap().unwrap();
        until("digits", || async { state().await.state == JoinState::Digits }).await;
        second.confirm_join(&joining).await.unwrap();
        let digits = state().await.digits;
        let wrong = if digits == "000000" { "000001" } else { "000000" };
        assert!(matches!(first.confirm_offer(&offer, wrong, "").await, Err(NodeError::Unprocessable(_))));
        until("the new device is told", || async { state().await.state == JoinState::Ended }).await;
        assert!(first.confirm_offer(&offer, &digits, "").await.is_err(), "right ones come too late");
        for text in ["", "chartwell-device:", "chartwell-invite:aaaa?at=/ip4/1.2.3.4/tcp/1", "chartwell:aaaa"] {
            assert!(matches!(second.join_device(text).await, Err(NodeError::Unprocessable(_))), "{text}");
        }
        // A device that joins itself.
        let offer = first.offer_device().await.unwrap();
        let code = first.offer(&offer).await.unwrap().unwrap().code;
        let own = first.join_device(&code).await.unwrap();
        until("it cannot", || async { first.join(&own).await.unwrap().unwrap().state == JoinState::Ended }).await;
        first.stop_offer(&offer).await.unwrap();
        assert_eq!(first.devices().await.unwrap().len(), 1);
        assert!(second.records().await.unwrap().is_empty());
        is_clean(first).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_device_gets_nothing_new_and_what_it_writes_is_not_applied() {
    for database in databases() {
        let mut house = house(database).await;
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the second device has it all", || async { count(&house.second.node, "Observation", "").await == 1 })
            .await;
        let devices = house.first.node.devices().await.unwrap();
        let itself = house.first.node.suspend(&devices[0].id).await;
        assert!(matches!(itself, Err(NodeError::Unprocessable(_))), "{itself:?}");
        assert!(matches!(house.first.node.suspend("nobody").await, Err(NodeError::NotFound(_))));
        let phone = devices.into_iter().find(|device| !device.this).unwrap();
        let address = house.second.node.records().await.unwrap().remove(0).address;
        // B asks the phone, which is cut off then: it decides without knowing that it was suspended.
        let ask = asking(&address, "patient/Observation.rs", "TREAT", "care");
        house.b.node.request_access(&caller(), &house.at_b, ask).await.unwrap();
        until("the request is on the phone", || async { house.second.node.requests().await.unwrap().len() == 1 }).await;
        let request = house.second.node.requests().await.unwrap().remove(0);
        let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
        let approval = Approval { scopes, end_ms: request.end_ms, ..Approval::default() };
        house.second.restart(false).await;
        house.first.node.suspend(&phone.id).await.unwrap();
        assert!(
            matches!(house.first.node.suspend(&phone.id).await, Err(NodeError::Unprocessable(_))),
            "once is enough"
        );
        house.second.node.approve(&request.id, approval.clone()).await.unwrap();
        create(&house.a.node, observation(&house.at_a, "after the loss")).await;
        until("the first has it", || async { count(&house.first.node, "Observation", "").await == 2 }).await;
        house.second.connect().await;
        until("the phone learns of it", || async {
            house.second.node.stopped().await.unwrap() == Some(DeviceState::Suspended)
        })
        .await;
        // It shows what it had, and changes nothing.
        assert_eq!(count(&house.second.node, "Observation", "").await, 1);
        assert_eq!(house.second.node.records().await.unwrap().len(), 1);
        for refused in [
            house.second.node.approve(&request.id, approval).await.err(),
            house.second.node.refuse(&request.id).await.err(),
            house.second.node.offer_device().await.err(),
            house.second.node.suspend(&house.first.node.identity().id().to_string()).await.err(),
        ] {
            assert!(matches!(refused, Some(NodeError::Forbidden(_) | NodeError::Unprocessable(_))), "{refused:?}");
        }
        // What it gave reaches nobody, though its op came.
        until("its word came and does not count", || async {
            let log = house.first.node.record_log(house.record(), 100).await.unwrap();
            log.lines
                .iter()
                .any(|line| line.kind == "grant" && line.standing == node::record_log::Standing::WithoutEffect)
        })
        .await;
        assert!(open_grants(&house.first.node, "Hospital B").await.is_empty());
        let (moments, _) = house.first.node.timeline(house.record(), None, 100).await.unwrap();
        let said = |words: &str| moments.iter().any(|moment| moment.what.contains(words));
        assert!(said("let the device Phone in") && said("suspended the device"), "{moments:#?}");
        assert!(said("let Hospital B in: patient/Observation.rs; it has no effect"), "{moments:#?}");
        create(&house.a.node, observation(&house.at_a, "later still")).await;
        until("the first has it", || async { count(&house.first.node, "Observation", "").await == 3 }).await;
        assert_eq!(count(&house.second.node, "Observation", "").await, 1);
        assert_eq!(count(&house.b.node, "Observation", "").await, 0);
        // A code does not let it back in: only the words do.
        let offer = house.first.node.offer_device().await.unwrap();
        let code = house.first.node.offer(&offer).await.unwrap().unwrap().code;
        let joining = house.second.node.join_device(&code).await.unwrap();
        let state = async || house.second.node.join(&joining).await.unwrap().unwrap();
        until("digits", || async { state().await.state == JoinState::Digits }).await;
        house.first.node.confirm_offer(&offer, &state().await.digits, "").await.unwrap();
        drop(house.second.node.confirm_join(&joining).await);
        until("it ends in words", || async { state().await.state == JoinState::Ended }).await;
        for place in [&house.a, &house.first, &house.second] {
            stays_the_same_after_reindex(&place.node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_devices_decide_beside_each_other_holds_and_everyone_let_in_has_the_keys() {
    for database in databases() {
        let mut house = house(database).await;
        let c = Place::new(Role::Gateway, "Hospital C", database).await;
        c.connect().await;
        let at_c = create(&c.node, json!({"resourceType":"Patient","name":[{"family":"Kreiger"}]})).await.id;
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the second device has it all", || async { count(&house.second.node, "Observation", "").await == 1 })
            .await;
        let_in(&c.node, &house.first.node, &at_c, &house.address, "patient/Observation.rs").await;
        until("the phone knows of C", || async { open_grants(&house.second.node, "Hospital C").await.len() == 1 })
            .await;
        // B asks the first device.
        let ask = asking(&house.address, "patient/Observation.rs", "TREAT", "care");
        house.b.node.request_access(&caller(), &house.at_b, ask).await.unwrap();
        let waiting = async |node: &node::Node| {
            let requests = node.requests().await.unwrap();
            requests.into_iter().filter(|request| request.name == "Hospital B").collect::<Vec<_>>()
        };
        until("B's request is on both", || async {
            waiting(&house.first.node).await.len() == 1 && waiting(&house.second.node).await.len() == 1
        })
        .await;
        // Neither hears of the other: the first lets B in, the phone shuts C out and changes the locks without B.
        house.first.restart(false).await;
        house.second.restart(false).await;
        let request = waiting(&house.first.node).await.remove(0);
        let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
        let approval = Approval { scopes, end_ms: request.end_ms, ..Approval::default() };
        house.first.node.approve(&request.id, approval).await.unwrap();
        let grant = open_grants(&house.second.node, "Hospital C").await.remove(0);
        house.second.node.revoke(&grant.id).await.unwrap();
        house.first.connect().await;
        house.second.connect().await;
        until("both are told of both", || async {
            open_grants(&house.second.node, "Hospital B").await.len() == 1
                && open_grants(&house.first.node, "Hospital C").await.is_empty()
        })
        .await;
        create(&house.a.node, observation(&house.at_a, "after both")).await;
        until("B reads under the new locks", || async { count(&house.b.node, "Observation", "").await == 2 }).await;
        until("both devices read it", || async {
            count(&house.first.node, "Observation", "").await == 2
                && count(&house.second.node, "Observation", "").await == 2
        })
        .await;
        until("C is out", || async { count(&c.node, "Observation", "").await == 0 }).await;
        // Both change the locks at once: what is written then stands under both, and opens for whoever is in.
        let at_a = open_grants(&house.second.node, "Hospital A").await;
        let of_a = at_a.into_iter().find(|grant| grant.scope.ends_with("rs")).unwrap();
        house.first.restart(false).await;
        house.second.restart(false).await;
        let narrow = |grant: &node::grants::GrantView, scope: &str| Approval {
            scopes: vec![scope.into()],
            end_ms: grant.end_ms,
            ..Approval::default()
        };
        let of_b = open_grants(&house.first.node, "Hospital B").await.remove(0);
        house.first.node.narrow(&of_b.id, narrow(&of_b, "patient/Observation.r")).await.unwrap();
        house.second.node.narrow(&of_a.id, narrow(&of_a, "patient/Observation.rs")).await.unwrap();
        house.first.connect().await;
        house.second.connect().await;
        until("both are told of both again", || async {
            let of_b = open_grants(&house.second.node, "Hospital B").await;
            let of_a = open_grants(&house.first.node, "Hospital A").await;
            of_b.len() == 1
                && of_b[0].scope.ends_with(".r")
                && of_a.iter().any(|grant| grant.scope == "patient/Observation.rs")
        })
        .await;
        create(&house.a.node, observation(&house.at_a, "under both locks")).await;
        until("B reads what stands under both locks", || async { count(&house.b.node, "Observation", "").await == 3 })
            .await;
        until("and so do both devices", || async {
            count(&house.first.node, "Observation", "").await == 3
                && count(&house.second.node, "Observation", "").await == 3
        })
        .await;
        // Nobody comes in this time, so that nothing is mended: both epochs stay in force, and one key is made of both.
        let_in(&c.node, &house.first.node, &at_c, &house.address, "patient/Observation.rs").await;
        until("the phone knows of C", || async { open_grants(&house.second.node, "Hospital C").await.len() == 1 })
            .await;
        house.first.restart(false).await;
        house.second.restart(false).await;
        let of_b = open_grants(&house.first.node, "Hospital B").await.remove(0);
        house.first.node.revoke(&of_b.id).await.unwrap();
        let of_c = open_grants(&house.second.node, "Hospital C").await.remove(0);
        house.second.node.revoke(&of_c.id).await.unwrap();
        house.first.connect().await;
        house.second.connect().await;
        until("A stands on both", || async {
            let log = house.a.node.record_log(house.record(), 100).await.unwrap();
            let cited = log.lines.iter().flat_map(|line| line.cited.iter().copied()).collect::<Vec<_>>();
            let heads = log.lines.iter().filter(|line| line.lane.kind == record::LaneKind::Control);
            heads.filter(|line| !cited.contains(&line.id) && line.kind == "keys").count() == 2
        })
        .await;
        create(&house.a.node, observation(&house.at_a, "under two epochs")).await;
        until("both devices open what stands under both", || async {
            count(&house.first.node, "Observation", "").await == 4
                && count(&house.second.node, "Observation", "").await == 4
        })
        .await;
        let_in(&c.node, &house.second.node, &at_c, &phone_address(&house).await, "patient/Observation.rs").await;
        until("who is let in then opens it too", || async { count(&c.node, "Observation", "").await == 4 }).await;
        for place in [&house.a, &house.b, &house.first, &house.second, &c] {
            stays_the_same_after_reindex(&place.node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_comes_later_is_had_by_the_other_devices_too() {
    for database in databases() {
        let house = house(database).await;
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the second device has it all", || async { count(&house.second.node, "Observation", "").await == 1 })
            .await;
        // Hospital B hands its record to the phone: the computer is let in at once.
        create(&house.b.node, observation(&house.at_b, "at B")).await;
        pair(&house.b.node, &house.second.node, &house.at_b).await;
        until("the first device has the new record", || async {
            count(&house.first.node, "Observation", "").await == 2
                && house.first.node.records().await.unwrap().len() == 2
        })
        .await;
        let devices = house.first.node.devices().await.unwrap();
        assert_eq!(devices.iter().map(|device| device.state).collect::<Vec<_>>(), [DeviceState::In; 2], "{devices:?}");
        create(&house.b.node, observation(&house.at_b, "at B again")).await;
        until("and what comes later", || async { count(&house.first.node, "Observation", "").await == 3 }).await;
        // Whoever is suspended is so in both.
        let phone = devices.into_iter().find(|device| !device.this).unwrap();
        house.first.node.suspend(&phone.id).await.unwrap();
        until("the phone is out of both", || async {
            house.second.node.stopped().await.unwrap() == Some(DeviceState::Suspended)
        })
        .await;
        stays_the_same_after_reindex(&house.first.node).await;
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
