//! Records in files: what an import by somebody else shows, how it goes on after an interruption, and whom it lets in.

use crate::common::{Database, Place, create, is_clean, until};
use crate::world::World;
use node::archive::{Opened, Outcome};
use node::identity_file::Passphrase;
use node::{Node, NodeError, Role};
use record::RecordId;
use serde_json::json;
use std::io::Cursor;
use tokio::sync::watch;
use zeroize::Zeroizing;

fn passphrase() -> Passphrase {
    Passphrase::new(Zeroizing::new("correct horse".to_owned())).unwrap()
}

async fn export(node: &Node, record: RecordId, keys: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let keys = keys.then(passphrase);
    let done = node.export_record(record, keys.as_ref(), &mut bytes, &|_, _| {}).await.unwrap();
    assert_eq!((done.bytes, done.damaged, done.too_large), (bytes.len() as u64, 0, 0));
    bytes
}

async fn import(node: &Node, bytes: &[u8], keys: bool, stop: bool) -> Result<node::archive::Imported, NodeError> {
    let keys = keys.then(passphrase);
    let (sender, stopped) = watch::channel(false);
    // The first word of progress comes after the first batch.
    let tell = |_, _| {
        sender.send_replace(stop);
    };
    node.import_record(&mut Cursor::new(bytes.to_vec()), keys.as_ref(), &tell, &stopped).await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_reads_by_the_keys_and_an_interrupted_import_goes_on() {
    let a = Place::new(Role::Gateway, "Hospital A", Database::Sqlite).await;
    let patient = create(&a.node, json!({"resourceType":"Patient","name":[{"family":"Kreiger"}]})).await.id;
    let mut written = Vec::new();
    for number in 0..230 {
        let observation = json!({"resourceType":"Observation","status":"final","code":{"text":format!("n{number}")},
            "subject":{"reference":format!("Patient/{patient}")}});
        written.push(create(&a.node, observation).await.id);
    }
    let list = a.node.record_list().await.unwrap();
    let record = list.iter().find(|line| line.patients == [patient.clone()]).unwrap().record;
    let bytes = export(&a.node, record, true).await;

    let p = Place::new(Role::Patient, "Clara", Database::Sqlite).await;
    let first = import(&p.node, &bytes, true, true).await.unwrap();
    assert_eq!((first.outcome, first.new_ops), (Outcome::Stopped, 1), "the control ops, and then it was told to stop");
    let rest = import(&p.node, &bytes, true, false).await.unwrap();
    assert_eq!((rest.outcome, rest.opened), (Outcome::Done, Opened::Keys));
    assert_eq!(rest.new_ops, rest.ops - 1, "it goes on where it stopped");
    is_clean(&p.node).await;
    let (moments, _) = p.node.timeline(record, None, 200).await.unwrap();
    assert!(moments.iter().any(|moment| moment.what == "wrote Observation: n229"), "a patient's node shows it");
    let id = format!("{}.{}", a.node.identity().id().origin(), written[7]);
    let read = async || p.node.resource("Observation", &id).await.unwrap();
    assert!(read().await.unwrap().contains("n7"), "and reads it");
    p.node.reindex(std::sync::Arc::new(|_| {})).await.unwrap();
    assert!(read().await.unwrap().contains("n7"), "after a reindex too");
    assert!(p.node.records().await.unwrap().is_empty(), "it is not the patient's own");

    // A hospital verifies and keeps the same, and serves nothing of it.
    let b = Place::new(Role::Gateway, "Hospital B", Database::Sqlite).await;
    assert_eq!(import(&b.node, &bytes, true, false).await.unwrap().opened, Opened::Keys);
    is_clean(&b.node).await;
    let found = crate::common::count(&b.node, "Observation", "").await;
    assert_eq!(found, 0, "no grant reaches it");
    assert_eq!(export(&b.node, record, false).await, export(&a.node, record, false).await, "the same bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_let_out_is_not_let_in_by_an_archive() {
    let world = World::open(Database::Sqlite).await.handed_over().await;
    world.let_in("patient/Observation.rs").await;
    let World { b, p, .. } = world;
    let record = p.node.record_list().await.unwrap()[0].record;
    let before = export(&p.node, record, true).await;
    let grants = p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
    p.node.revoke(&grant.id).await.unwrap();
    let role =
        async || b.node.record_list().await.unwrap().into_iter().find(|line| line.record == record).unwrap().role;
    until("B learns of its end", || async { role().await == "former member" }).await;
    let held = async || (b.node.record_log(record, 1000).await.unwrap().ops, b.node.verify().await.unwrap().frames);
    let known = held().await;
    let refused = import(&b.node, &before, true, false).await;
    assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
    assert_eq!(held().await, known, "nothing came with it");
    is_clean(&b.node).await;
}
