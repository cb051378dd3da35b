//! Who may change what is another's, under which name, who sees it, and what conditions make of it.

use super::{Plan, put, read, seen};
use crate::common::{Database, caller, count, databases, kind, stays_the_same_after_reindex, valid};
use crate::meet::give;
use node::grants::Approval;
use node::write::{Intent, Which};
use node::{Caller, NodeError, Written};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn who_may_change_what_is_not_its_own_does_so_under_its_name() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        let written = plan.by_b("by B", None).await.unwrap();
        assert_eq!((written.id.as_str(), written.created), (plan.named.as_str(), false));
        plan.meet().await;
        plan.all_see("by B", false).await;
        let json = read(&plan.a.node, &plan.id).await;
        assert_eq!(json["subject"]["reference"], format!("Patient/{}", plan.at_a), "as A knows the patient");
        // A goes on from it, and its own conditions match it still.
        let seen = seen(&plan.a.node, &plan.id).await.1;
        plan.by_a("by A again", Some(&seen)).await.unwrap();
        plan.meet().await;
        plan.all_see("by A again", false).await;
        plan.by_b("by B again", None).await.unwrap();
        plan.meet().await;
        let unless = async |words: &str| {
            let resource = valid(super::plan(None, &plan.at_a, "another"));
            let if_none_exist = Some(format!("identifier=urn:plan%7C{}", words.replace(' ', "%20")));
            plan.a.node.write(&caller(), Intent::Create { resource, if_none_exist }).await.unwrap()
        };
        // What A wrote last is matched, and stands for what it is now; no identifier that B made up swallows a write of A's.
        let found = unless("by A again").await;
        assert_eq!((found.id.as_str(), found.changed), (plan.id.as_str(), false));
        assert!(String::from_utf8(found.json).unwrap().contains("by B again"));
        for nobodys in ["by B again", "first"] {
            let made = unless(nobodys).await;
            assert!(made.changed && made.id != plan.id, "{nobodys}");
            let gone = Intent::Delete { kind: kind("CarePlan"), id: made.id, if_match: None };
            plan.a.node.write(&caller(), gone).await.unwrap();
        }
        plan.stays().await;

        // A patch, a transaction's entry and a deletion are changes like others.
        let title = br#"[{"op":"replace","path":"/title","value":"patched"}]"#.to_vec();
        let patch = Intent::Patch {
            kind: kind("CarePlan"),
            which: Which::Id(plan.named.clone()),
            patch: node::patch::Patch::Json(title),
            if_match: None,
        };
        plan.b.node.write(&caller(), patch).await.unwrap();
        plan.meet().await;
        plan.all_see("patched", false).await;
        let delete = Intent::Delete { kind: kind("CarePlan"), id: plan.named.clone(), if_match: None };
        plan.b.node.write(&caller(), delete).await.unwrap();
        plan.meet().await;
        for (node, id) in [(&plan.a.node, &plan.id), (&plan.b.node, &plan.named), (&plan.p.node, &plan.named)] {
            let found = node.read(&caller(), kind("CarePlan"), id).await;
            assert!(matches!(found, Err(NodeError::Gone(_))), "{found:?}");
            stays_the_same_after_reindex(node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_word_what_is_not_ones_own_is_refused() {
    let plan = Plan::kept(Database::Sqlite, false).await;
    let refused = |result: Result<Written, NodeError>| match result {
        Err(NodeError::Forbidden(text)) => assert!(text.contains("only its origin changes it"), "{text}"),
        other => panic!("{other:?}"),
    };
    refused(plan.by_b("by B", None).await);
    let absent = format!("{}.absent", plan.a.node.identity().id().origin());
    refused(put(&plan.b.node, super::plan(Some(&absent), &plan.at_b, "x"), None).await);
    plan.meet().await;
    plan.all_see("first", false).await;

    // Nor with it where the scope lacks the type, the class changes, or it was taken away.
    let plan = Plan::kept(Database::Sqlite, true).await;
    let mut labelled = super::plan(Some(&plan.named), &plan.at_b, "hidden");
    labelled["meta"] =
        json!({"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]});
    match put(&plan.b.node, labelled, None).await {
        Err(NodeError::Forbidden(text)) => assert!(text.contains("how it is protected"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Who the patient is says A alone.
    let patient = format!("{}.{}", plan.a.node.identity().id().origin(), plan.at_a);
    plan.b.node.read(&caller(), kind("Patient"), &patient).await.unwrap();
    refused(put(&plan.b.node, json!({"resourceType":"Patient","id":patient}), None).await);
    plan.by_b("by B", None).await.unwrap();
    plan.meet().await;
    let grant = plan.grant_of_b().await;
    assert!(grant.shared);
    let scopes = grant.lines.iter().map(|line| line.scope.clone()).collect();
    let less = Approval { scopes, end_ms: grant.end_ms, shared: false, ..Approval::default() };
    plan.p.node.narrow(&grant.id, less).await.unwrap();
    plan.meet().await;
    refused(plan.by_b("by B, too late", None).await);
    plan.all_see("by B", false).await;
    plan.stays().await;
}

/// A hospital's own stays its own: who may not see what another made of it sees it as it was written, and writes on.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_an_edit_sees_what_it_covers() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        let (by_a, id) = (plan.by_a("by A", None).await.unwrap(), plan.id.as_str());
        plan.meet().await;
        plan.by_b("by B", None).await.unwrap();
        plan.meet().await;
        let billing = Caller { purpose: "HPAYMT".into(), ..caller() };
        let title =
            |json: Vec<u8>| serde_json::from_slice::<Value>(&json).unwrap()["title"].as_str().unwrap().to_owned();
        let read = async |who: &Caller| {
            let served = plan.a.node.read(who, kind("CarePlan"), id).await.unwrap();
            (title(served.json), served.version)
        };
        let found = async |who: &Caller, query: &str| {
            let query = plan.a.node.query(kind("CarePlan"), &node::search::pairs(query)).await.unwrap();
            let found = plan.a.node.search(who, query, None).await.unwrap();
            found.matches.into_iter().map(|served| title(served.json)).collect::<Vec<_>>()
        };
        assert_eq!(read(&caller()).await.0, "by B");
        assert_eq!(read(&billing).await, ("by A".to_owned(), by_a.version.clone()));
        for (who, title, other) in [(&caller(), "by B", "by A"), (&billing, "by A", "by B")] {
            assert_eq!(found(who, "").await, [title]);
            assert_eq!(found(who, &format!("identifier=urn:plan%7C{}", title.replace(' ', "%20"))).await, [title]);
            assert!(found(who, &format!("identifier=urn:plan%7C{}", other.replace(' ', "%20"))).await.is_empty());
        }
        let unless = Intent::Create {
            resource: valid(super::plan(None, &plan.at_a, "another")),
            if_none_exist: Some("identifier=urn:plan%7Cby%20A".to_owned()),
        };
        let known = plan.a.node.write(&billing, unless).await.unwrap();
        assert_eq!(
            (known.changed, title(known.json)),
            (false, "by A".to_owned()),
            "nothing that may not be seen is told"
        );
        stays_the_same_after_reindex(&plan.a.node).await;
        // It names the version that it sees, and its patch is made of that.
        let patch = |test: &str| {
            Intent::Patch {
            kind: kind("CarePlan"),
            which: Which::Id(id.to_owned()),
            patch: node::patch::Patch::Json(
                format!(r#"[{{"op":"test","path":"/title","value":"{test}"}},{{"op":"add","path":"/description","value":"x"}}]"#)
                    .into_bytes(),
            ),
            if_match: Some(by_a.version.clone()),
        }
        };
        assert!(
            plan.a.node.write(&billing, patch("by B")).await.is_err(),
            "a patch tells nothing of what is not shown"
        );
        plan.a.node.write(&billing, patch("by A")).await.unwrap();
        plan.meet().await;
        plan.all_see("by A", false).await;
        plan.stays().await;
    }
}

/// What a hospital made of another's is matched by none of its own conditions, and is not served once the other's is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_of_anothers_is_nobodys_match_and_never_stale() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        plan.by_b("by B", None).await.unwrap();
        plan.meet().await;
        let unless = Intent::Create {
            resource: valid(super::plan(None, &plan.at_b, "its own")),
            if_none_exist: Some("identifier=urn:plan%7Cby%20B".to_owned()),
        };
        let made = plan.b.node.write(&caller(), unless).await.unwrap();
        assert!(made.changed && made.id != plan.named, "no identifier in another's swallows a write");
        plan.by_a("later", None).await.unwrap();
        plan.meet().await;
        let grant = plan.grant_of_b().await;
        plan.p.node.revoke(&grant.id).await.unwrap();
        give(&plan.p.node, &plan.b.node, plan.record).await;
        let found = plan.b.node.read(&caller(), kind("CarePlan"), &plan.named).await;
        assert!(matches!(found, Err(NodeError::NotFound(_))), "{found:?}");
        assert_eq!(count(&plan.b.node, "CarePlan", "").await, 1, "its own stays its own");
        stays_the_same_after_reindex(&plan.b.node).await;
    }
}
