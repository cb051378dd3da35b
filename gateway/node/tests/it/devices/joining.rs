//! A further device joins: by a code and six digits, with everything and as good as the first; nobody else comes in that way.

use super::{house, join, open_grants};
use crate::common::{
    Database, Place, caller, count, create, databases, is_clean, kind, let_in, pair, search,
    stays_the_same_after_reindex, until,
};
use crate::world::observation;
use node::devices::{DeviceState, JoinState, OfferState};
use node::{NodeError, Role};

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
async fn every_device_reads_who_looked_since_it_is_in() {
    let house = house(Database::Sqlite).await;
    join(&house.first.node, &house.second.node, "Phone").await;
    until("A knows of the phone", || async {
        house.a.node.record_log(house.record(), 100).await.unwrap().lines.iter().any(|line| line.kind == "device")
    })
    .await;
    let shown = search(&house.a.node, "Observation", "").await;
    let event = node::access::Event {
        caller: Some(&caller()),
        interaction: "search",
        kind: Some(kind("Observation")),
        id: "",
        query: "",
        status: 200,
        request: "r-1",
        patient: "",
        read: &shown.matches.iter().collect::<Vec<_>>(),
    };
    house.a.node.audit(event).await;
    for place in [&house.first, &house.second] {
        until("each device shows who looked", || async {
            let (moments, _) = place.node.accesses(house.record(), None, 50).await.unwrap();
            moments.iter().any(|moment| moment.who.contains("Hospital A") && moment.why == "TREAT")
        })
        .await;
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
        let third = Place::connected(Role::Patient, "Somebody", database).await;
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
