//! All devices are lost and the words are on paper: they let a new device into the record, from a hospital that holds it, and
//! nobody else's words do.

use crate::common::{Place, count, create, databases, pair, stays_the_same_after_reindex, until};
use crate::devices::{House, house, join, words_of};
use crate::world::observation;
use node::devices::{DeviceState, JoinState};
use node::recover::{RecoverError, Recovery, card_text, parse_card};
use node::{NodeError, Role};
use record::Phrase;
use record::address::Address;

/// The address that stands beside the words.
async fn beside_the_words(house: &House) -> String {
    until("A's place is known", || async {
        let addresses = house.first.node.recovery_addresses().await.unwrap();
        addresses.iter().any(|address| !Address::parse(address).unwrap().at.is_empty())
    })
    .await;
    house.first.node.recovery_addresses().await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_alone_give_a_new_device_everything_and_take_the_lost_one_out() {
    for database in databases() {
        let mut house = house(database).await;
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the phone has it all", || async { count(&house.second.node, "Observation", "").await == 1 }).await;
        let (words, address) = (words_of(&house.first).await, beside_the_words(&house).await);
        // The computer is broken; the phone was stolen, and is online once all is done.
        house.first.node.close().await;
        house.second.restart(false).await;
        let new = Place::new(Role::Patient, "A new tablet", database).await;
        new.connect().await;
        let card = parse_card(&card_text(new.node.identity().card())).unwrap();
        let once = async |keep: &[String]| {
            let folder = tempfile::tempdir().unwrap();
            let recovery = Recovery::begin(&words, &address, folder.path()).await.unwrap();
            recovery.meet(&|_| {}).await.unwrap();
            let mut names = recovery.devices().await.unwrap().into_iter().filter(|device| device.is_in());
            let known = names.by_ref().map(|device| device.name).collect::<Vec<_>>();
            let written = recovery.admit(card.clone(), "Tablet", keep).await.unwrap();
            if written {
                recovery.deliver().await.unwrap();
            }
            recovery.close().await;
            (known, written)
        };
        let (known, written) = once(&[]).await;
        assert!(known.len() == 2 && known.iter().any(|name| name == "Phone") && written, "{known:?}");
        assert_eq!(once(&[]).await, (vec!["Tablet".to_owned()], false), "a second time changes nothing");
        // The new device takes the record from who holds it.
        let joining = new.node.join_device(&address).await.unwrap();
        assert_eq!(new.node.join(&joining).await.unwrap().unwrap().state, JoinState::Done);
        until("the new device has everything", || async { count(&new.node, "Observation", "").await == 1 }).await;
        create(&house.a.node, observation(&house.at_a, "after the loss")).await;
        until("and what comes now", || async { count(&new.node, "Observation", "").await == 2 }).await;
        let states = new.node.devices().await.unwrap().into_iter().map(|device| (device.name, device.state));
        let states = states.collect::<Vec<_>>();
        assert_eq!(states[0], ("Tablet".to_owned(), DeviceState::In));
        assert!(states.len() == 3 && states[1..].iter().all(|(_, state)| *state == DeviceState::Removed), "{states:?}");
        // The stolen phone gets nothing of it.
        house.second.connect().await;
        until("the phone learns that it is out", || async {
            house.second.node.stopped().await.unwrap() == Some(DeviceState::Removed)
        })
        .await;
        assert_eq!(count(&house.second.node, "Observation", "").await, 1);
        // The phone is found again: the words let it back in, and it gets what it missed.
        let folder = tempfile::tempdir().unwrap();
        let recovery = Recovery::begin(&words, &address, folder.path()).await.unwrap();
        recovery.meet(&|_| {}).await.unwrap();
        let phone = house.second.node.identity().card().clone();
        assert!(recovery.admit(phone, "Phone", &[new.node.identity().id().to_string()]).await.unwrap());
        recovery.deliver().await.unwrap();
        let stranger = [record::IdentityId([9; 32]).to_string()];
        assert!(recovery.admit(card.clone(), "Tablet", &stranger).await.is_err(), "who is no device does not stay");
        recovery.close().await;
        until("the phone is in again and has all", || async {
            house.second.node.stopped().await.unwrap().is_none()
                && count(&house.second.node, "Observation", "").await == 2
        })
        .await;
        until("the tablet knows", || async {
            let devices = new.node.devices().await.unwrap();
            devices.iter().filter(|device| device.is_in()).count() == 2
        })
        .await;
        // The new device decides as the others did.
        let grant = new.node.grants().await.unwrap().into_iter().find(|grant| grant.scope.ends_with("rs")).unwrap();
        new.node.revoke(&grant.id).await.unwrap();
        stays_the_same_after_reindex(&new.node).await;
        stays_the_same_after_reindex(&house.a.node).await;
    }
}

/// A device that was stopped in one record of two still stops a thief in the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_out_of_one_record_suspends_in_the_others() {
    for database in databases() {
        let house = house(database).await;
        join(&house.first.node, &house.second.node, "Phone").await;
        until("the phone has it all", || async { count(&house.second.node, "Observation", "").await == 1 }).await;
        create(&house.b.node, observation(&house.at_b, "at B")).await;
        pair(&house.b.node, &house.second.node, &house.at_b).await;
        until("both have both records", || async { count(&house.first.node, "Observation", "").await == 2 }).await;
        let (words, address) = (words_of(&house.first).await, beside_the_words(&house).await);
        // In the first record the words keep the phone and a tablet.
        let tablet = record::Identity::generate(&mut node::clock::entropy());
        let phone = house.second.node.identity().id();
        let folder = tempfile::tempdir().unwrap();
        let recovery = Recovery::begin(&words, &address, folder.path()).await.unwrap();
        recovery.meet(&|_| {}).await.unwrap();
        assert!(recovery.admit(tablet.card().clone(), "Tablet", &[phone.to_string()]).await.unwrap());
        recovery.deliver().await.unwrap();
        recovery.close().await;
        let records = house.first.node.records().await.unwrap().into_iter().map(|record| record.record);
        let own = Address::parse(&address).unwrap().record;
        let other = records.into_iter().find(|record| *record != own).unwrap();
        let said = async |record, what: &str| {
            let (moments, _) = house.first.node.timeline(record, None, 100).await.unwrap();
            moments.iter().any(|moment| moment.what.contains(what))
        };
        // The root, the phone, the tablet, and the words.
        until("the first device is out of its record", || async {
            let log = house.first.node.record_log(own, 100).await.unwrap();
            log.lines.iter().filter(|line| line.kind == "device").count() == 4
        })
        .await;
        let refused = house.first.node.suspend(&tablet.id().to_string()).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
        house.first.node.suspend(&phone.to_string()).await.unwrap();
        assert!(said(other, "suspended the device").await && !said(own, "suspended the device").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_and_addresses_get_nothing_and_say_why() {
    for database in databases() {
        let house = house(database).await;
        let (words, address) = (words_of(&house.first).await, beside_the_words(&house).await);
        let other = Phrase::generate(&mut record::Entropy::new([5; 32]));
        let other = other.words().collect::<Vec<_>>().join(" ");
        let folder = tempfile::tempdir().unwrap();
        let begin = async |words: &str, address: &str| {
            let folder = tempfile::tempdir_in(folder.path()).unwrap();
            Recovery::begin(words, address, &folder.keep()).await
        };
        let bare = address.split('?').next().unwrap().to_owned();
        for (words, address, expected) in [
            ("abandon abandon", address.as_str(), "these are not your words: not 24 words"),
            (&words, "chartwell:aaaa", "the address is incomplete or was altered: its checksum does not match"),
            (&words, &bare, "the address does not say where a holder of the record is reached"),
        ] {
            let error = begin(words, address).await.err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("abandon"), "no word is in an error");
        }
        let recovery = begin(&other, &address).await.unwrap();
        let refused = recovery.meet(&|_| {}).await;
        assert!(matches!(refused, Err(RecoverError::Stranger)), "{refused:?}");
        assert!(recovery.devices().await.unwrap().is_empty(), "nothing of the record came");
        recovery.close().await;
        assert_eq!(house.first.node.devices().await.unwrap().len(), 1);
    }
}
