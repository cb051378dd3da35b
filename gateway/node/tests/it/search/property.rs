//! Every search finds what the search page says, in order, with its total, however it is planned and paged.

use super::ask::{self, Ask};
use super::naive::Naive;
use super::parameters;
use super::world::{Dice, World};
use crate::common::{Database, Place, caller, databases, is_clean, kind};
use node::{Node, Role};
use store::search::Plan;

/// Another seed of the world and the questions.
const SEED: &str = "CHARTWELL_TEST_SEARCH_SEED";
/// How many questions are asked.
const QUESTIONS: usize = 400;

/// Ids on all pages, and the total of the first.
async fn answer(node: &Node, name: &str, pairs: &[(String, String)]) -> Result<(Vec<String>, Option<i64>), String> {
    let (mut ids, mut page, mut total) = (Vec::new(), None, None);
    loop {
        let query = node.query(kind(name), pairs).await.map_err(|outcome| format!("{outcome:?}"))?;
        if let Some(issue) = query.unknown.first() {
            return Err(format!("{issue:?}"));
        }
        let found = node.search(&caller(), query, page).await.map_err(|error| format!("{error:?}"))?;
        if page.is_none() {
            total = found.total;
        }
        ids.extend(found.matches.into_iter().map(|served| served.id));
        page = match found.next {
            Some(next) => Some(next),
            None => return Ok((ids, total)),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_search_finds_what_the_search_page_says() {
    let seed = std::env::var(SEED).map_or(1, |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    for database in databases() {
        every_search_finds_what_the_search_page_says_on(database, seed).await;
    }
}

async fn every_search_finds_what_the_search_page_says_on(database: Database, seed: u64) {
    let place = Place::new(Role::Gateway, "A", database).await;
    let mut dice = Dice(seed);
    let world = World::fill(&place.node, &mut dice).await;
    is_clean(&place.node).await;
    let naive = Naive { world: &world, now: node::clock::now_us() };
    let (mut faults, mut found, mut asked) = (Vec::new(), 0, 0);
    while asked < QUESTIONS {
        let name =
            dice.pick(&[&parameters::kinds()[..], &["Observation", "Observation", "Patient", "Patient"]].concat());
        let asks =
            (0..[0, 1, 1, 1, 2, 3][dice.below(6)]).map(|_| Ask::random(&mut dice, &world, name)).collect::<Vec<_>>();
        let sort = ask::sort(&mut dice, name);
        let count = [1, 2, 3, 7, 50][dice.below(5)];
        let mut pairs = asks.iter().map(Ask::pair).collect::<Vec<_>>();
        pairs.extend([("_count".to_owned(), count.to_string()), ("_total".to_owned(), "accurate".to_owned())]);
        if !sort.is_empty() {
            pairs.push(("_sort".to_owned(), sort.join(",")));
        }
        let wanted = naive.search(name, &asks, &sort).iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        // Most questions find something.
        if wanted.is_empty() && dice.chance(80) {
            continue;
        }
        (asked, found) = (asked + 1, found + wanted.len());
        let wanted = (wanted.clone(), Some(wanted.len() as i64));
        let places = 0..asks.len();
        let plans = places.clone().map(Plan::Along).chain(places.map(Plan::Set)).map(Some);
        for plan in [None, Some(Plan::Walk)].into_iter().chain(plans) {
            place.node.plan_searches(plan);
            let answered = answer(&place.node, name, &pairs).await;
            if answered.as_ref() != Ok(&wanted) {
                faults.push(format!("{name} {pairs:?} by {plan:?}:\n  answered {answered:?}\n  wanted   {wanted:?}"));
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{} of {QUESTIONS} on {database:?}, seed {seed}:\n{}", faults.len(), faults.join("\n"));
    assert!(found > QUESTIONS, "the questions find too little to say anything: {found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_contains_what_they_ask_for() {
    let seed = std::env::var(SEED).map_or(1, |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let mut dice = Dice(seed);
        let world = World::fill(&place.node, &mut dice).await;
        let naive = Naive { world: &world, now: node::clock::now_us() };
        let (mut faults, mut found, mut asked) = (Vec::new(), 0, 0);
        while asked < QUESTIONS / 4 {
            let name = dice.pick(&["Patient", "Practitioner", "Organization"]);
            let asks = (0..1 + dice.below(2)).map(|_| Ask::random(&mut dice, &world, name)).collect::<Vec<_>>();
            // Chains and _has are refused.
            if asks.iter().map(Ask::pair).any(|(name, value)| {
                name.contains('.')
                    || value.contains('.') && name == "_filter"
                    || name.starts_with("_has")
                    || name == "_list"
            }) {
                continue;
            }
            let both = dice.chance(50);
            let mut pairs = asks.iter().map(Ask::pair).collect::<Vec<_>>();
            pairs.push(("_contained".to_owned(), if both { "both" } else { "true" }.to_owned()));
            pairs.push(("_count".to_owned(), [1, 3, 50][dice.below(3)].to_string()));
            pairs.push(("_total".to_owned(), "accurate".to_owned()));
            let wanted = naive.containers(name, &asks, both).iter().map(|one| one.id.clone()).collect::<Vec<_>>();
            if wanted.is_empty() && dice.chance(90) {
                continue;
            }
            (asked, found) = (asked + 1, found + wanted.len());
            let wanted = (wanted.clone(), Some(wanted.len() as i64));
            for plan in [None, Some(Plan::Walk), Some(Plan::Set(0))] {
                place.node.plan_searches(plan);
                let answered = answer(&place.node, name, &pairs).await;
                if answered.as_ref() != Ok(&wanted) {
                    let text = format!("{name} {pairs:?} by {plan:?}:\n  answered {answered:?}\n  wanted   {wanted:?}");
                    faults.push(text);
                    break;
                }
            }
        }
        assert!(faults.is_empty(), "{} on {database:?}, seed {seed}:\n{}", faults.len(), faults.join("\n"));
        assert!(found > QUESTIONS / 4, "the questions find too little to say anything: {found}");
    }
}
