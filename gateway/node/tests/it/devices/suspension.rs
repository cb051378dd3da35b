//! A device that was lost is stopped: it gets nothing new, and what it decides reaches nobody.

use super::{house, join, open_grants};
use crate::common::{asking, caller, count, create, databases, stays_the_same_after_reindex, until};
use crate::world::observation;
use node::NodeError;
use node::devices::{DeviceState, JoinState};
use node::grants::Approval;

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
        // What the phone had it may have handed on before it heard of its end; nothing that came since.
        for words in ["after the loss", "later still"] {
            assert_eq!(count(&house.b.node, "Observation", &format!("code:text={words}")).await, 0, "{words}");
        }
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
