//! Pages while others write: what was there when the first page was read is on the pages, each once and in its order,
//! whatever is written, deleted, swept or planned otherwise meanwhile.
//! <https://hl7.org/fhir/R4/http.html#paging>

use super::world::Dice;
use crate::common::{Database, Place, caller, databases, is_clean, kind, stays_the_same_after_reindex, valid};
use node::search::Page;
use node::write::Intent;
use node::{Node, Role};
use serde_json::json;
use store::search::Plan;

/// Resources at the beginning.
const COUNT: usize = 60;

/// Searches whose order changes when resources do.
const SEARCHES: &[(&str, &str)] = &[
    ("Patient", ""),
    ("Patient", "_sort=_lastUpdated"),
    ("Patient", "_sort=-_lastUpdated"),
    ("Patient", "_sort=family,-birthdate"),
    ("Patient", "_sort=-birthdate,family,_id"),
    ("Patient", "_sort=birthdate"),
    ("Patient", "_sort=-birthdate"),
    ("Patient", "_sort=family"),
    ("Patient", "_sort=-_id"),
    ("Patient", "gender=female"),
    ("Patient", "gender=female&_sort=family"),
    ("Patient", "gender:not=male&_sort=-family"),
    ("Patient", "_has:Observation:patient:status=final&_sort=birthdate"),
    ("Observation", "_sort=-date"),
    ("Observation", "_sort=date,status"),
    ("Observation", "status=final&_sort=-date"),
    ("Observation", "subject:Patient.gender=female"),
];

fn random(dice: &mut Dice, kind: &str, id: usize) -> fhir::Valid {
    let id = format!("r{id}");
    let dates = ["2001", "2001-02", "2001-02-03", "2002-01-01", "1999-12-31"];
    let mut json = match kind {
        "Patient" => json!({"gender": dice.pick(&["male", "female"])}),
        _ => json!({"status": dice.pick(&["final", "preliminary"]), "code": {"text": "x"},
            "subject": {"reference": format!("Patient/r{}", dice.below(COUNT))}}),
    };
    (json["resourceType"], json["id"]) = (kind.into(), id.into());
    if kind == "Patient" && dice.chance(80) {
        json["name"] = json!([{"family": dice.pick(&["a", "b", "c"])}, {"family": dice.pick(&["b", "d"])}]);
    }
    if dice.chance(80) {
        json[if kind == "Patient" { "birthDate" } else { "effectiveDateTime" }] = dice.pick(&dates).into();
    }
    valid(json)
}

/// Updates, creates or deletes one resource.
async fn change(node: &Node, dice: &mut Dice) {
    let name = dice.pick(&["Patient", "Observation"]);
    let id = dice.below(COUNT + 40);
    let intent = match dice.chance(20) {
        true => Intent::Delete { kind: kind(name), id: format!("r{id}"), if_match: None },
        false => Intent::Update { resource: random(dice, name, id), if_match: None },
    };
    // What is gone already cannot be deleted again.
    node.write(&caller(), intent).await.ok();
}

async fn filled(database: Database, dice: &mut Dice) -> Place {
    let place = Place::new(Role::Gateway, "A", database).await;
    for name in ["Patient", "Observation"] {
        for id in 0..COUNT {
            let intent = Intent::Update { resource: random(dice, name, id), if_match: None };
            place.node.write(&caller(), intent).await.unwrap();
        }
    }
    place
}

async fn page(node: &Node, name: &str, text: &str, page: Option<Page>) -> (Vec<String>, Option<Page>) {
    let query = node.query(kind(name), &node::search::pairs(text)).await.unwrap();
    let found = node.search(&caller(), query, page).await.unwrap();
    (found.matches.into_iter().map(|served| served.id).collect(), found.next)
}

async fn whole(node: &Node, name: &str, text: &str) -> Vec<String> {
    page(node, name, &format!("{text}&_count=1000"), None).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_as_they_were_while_others_write() {
    for database in databases() {
        pages_stay_as_they_were_while_others_write_on(database).await;
    }
}

async fn pages_stay_as_they_were_while_others_write_on(database: Database) {
    let mut dice = Dice(11);
    let place = filled(database, &mut dice).await;
    let node = &place.node;
    for (name, text) in SEARCHES {
        // The first page is read while nobody writes, so that it is known what was there.
        let wanted = whole(node, name, text).await;
        let text = format!("{text}&_count=9");
        let (mut found, mut next) = page(node, name, &text, None).await;
        while let Some(at) = next {
            // Some is written between two pages, and some while the next is read.
            for _ in 0..2 {
                change(node, &mut dice).await;
            }
            let writer = tokio::spawn({
                let (node, mut dice) = (node.clone(), Dice(dice.next()));
                async move { change(&node, &mut dice).await }
            });
            let (ids, after) = page(node, name, &text, Some(at)).await;
            writer.await.unwrap();
            found.extend(ids);
            next = after;
        }
        assert_eq!(found, wanted, "{name} {text} on {database:?}");
    }
    // What pages no longer need goes, and nobody misses it.
    let all = async || {
        let mut all = Vec::new();
        for (name, text) in SEARCHES {
            all.push(whole(node, name, text).await);
        }
        all
    };
    let before = all().await;
    assert!(node.sweep(i64::MAX).await.unwrap() > 0);
    assert_eq!(all().await, before);
    is_clean(node).await;
    stays_the_same_after_reindex(node).await;
    assert_eq!(all().await, before);
}

/// The planner chose anew for every page: when the number of matches crossed one of its limits between two pages, the
/// place where the first page ended meant nothing to the other plan, and the first page came again.
#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_as_they_began_however_the_next_would_be_planned() {
    for database in databases() {
        pages_go_on_as_they_began_however_the_next_would_be_planned_on(database).await;
    }
}

async fn pages_go_on_as_they_began_however_the_next_would_be_planned_on(database: Database) {
    let mut dice = Dice(12);
    let place = filled(database, &mut dice).await;
    let plans = [Some(Plan::Walk), Some(Plan::Set(0)), Some(Plan::Along(0)), None];
    for (name, text) in SEARCHES {
        let wanted = whole(&place.node, name, text).await;
        let text = format!("{text}&_count=7");
        for first in 0..plans.len() {
            let (mut found, mut next) = (Vec::new(), None);
            for at in first.. {
                place.node.plan_searches(plans[at % plans.len()]);
                let (ids, after) = page(&place.node, name, &text, next).await;
                found.extend(ids);
                next = after;
                if next.is_none() {
                    break;
                }
            }
            assert_eq!(found, wanted, "{name} {text} from {first} on {database:?}");
        }
        place.node.plan_searches(None);
    }
}
