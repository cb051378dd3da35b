//! Two devices decide while neither hears of the other: both decisions hold, and whoever is in has the keys.

use super::{house, join, open_grants, phone_address};
use crate::common::{Place, asking, caller, count, create, databases, let_in, stays_the_same_after_reindex, until};
use crate::world::{clara_at, observation};
use node::Role;
use node::grants::Approval;

#[tokio::test(flavor = "multi_thread")]
async fn what_two_devices_decide_beside_each_other_holds_and_everyone_let_in_has_the_keys() {
    for database in databases() {
        let mut house = house(database).await;
        let c = Place::connected(Role::Gateway, "Hospital C", database).await;
        let at_c = clara_at(&c).await;
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
