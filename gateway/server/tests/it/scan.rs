//! A scanner: everything that `GET /fhir/metadata` says is there is tried, and what it does not say; as a stranger, with tokens
//! for something else, as another patient's app, and with hostile values. The statement alone says what is tried, so that what
//! is added later is tried too. What is held of the answers is in `scan/facts.rs`.

mod facts;
mod surface;
mod values;
mod world;

use facts::{Findings, without_ids};
use std::collections::{BTreeMap, HashSet};
use world::World;

/// What strangers send in place of a token.
const NO_TOKENS: [&str; 5] = [
    "",
    "Bearer garbage",
    "Basic ZWhyOmVocg==",
    // {"alg":"none","typ":"at+jwt","kid":"x"} {"sub":"x"}
    "Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoieCJ9.eyJzdWIiOiJ4In0.",
    "Bearer ..",
];

#[tokio::test]
async fn a_stranger_is_told_to_log_in_and_nothing_else() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let expired = world.expired().await;
    let tokens = NO_TOKENS.into_iter().chain([expired.as_str()]).collect::<Vec<_>>();
    for (turn, request) in world.surface.requests(&world).into_iter().enumerate() {
        // Everything without a token, and with the others by turns.
        for token in [tokens[0], tokens[1 + turn % (tokens.len() - 1)]] {
            let answered = world.ask(token, &request).await;
            let what = format!("{request} with {token:?}");
            let asks = answered.header("www-authenticate").starts_with("Bearer");
            findings.hold(answered.status == 401 && asks, &what, &answered);
            findings.refused(&what, &answered);
        }
    }
    // Nor is it told what is not there.
    for path in ["/fhir/Nothing", "/fhir/Patient/1/2/3", "/fhir/$nothing", "/fhir/Patient/%00", "/fhir/%2e%2e/admin"] {
        let answered = world.hospital.send("GET", path, &[("authorization", "")], "").await;
        findings.hold(answered.status == 401, path, &answered);
        findings.refused(path, &answered);
    }
    findings.end();
}

#[tokio::test]
async fn a_token_for_another_type_opens_nothing() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let [basic, account] = [world.token("system/Basic.cruds").await, world.token("system/Account.cruds").await];
    for request in world.surface.requests(&world) {
        let token = if request.kind == "Basic" { &account } else { &basic };
        let answered = world.ask(token, &request).await;
        let what = request.to_string();
        // The hidden Basic is what this token is for.
        let own = request.kind.is_empty() && answered.text().contains(&world.hidden["Basic"]);
        // A validation without an id looks at what was sent alone.
        let sent = request.operation() == Some("$validate") && request.method == "POST";
        match request.kind.is_empty() || sent {
            _ if own => findings.sane(&what, &answered),
            true => findings.held(&what, &answered),
            false => findings.refused(&what, &answered),
        }
    }
    findings.end();
}

#[tokio::test]
async fn another_patients_app_cannot_tell_hidden_from_absent() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let token = world.patient_token().await;
    for (kind, id) in &world.hidden {
        let read = world.hospital.get(&format!("/fhir/{kind}/{id}")).await;
        findings.hold(facts::tells(&read.text()), "it is there and carries the word", &read);
    }
    for hidden in world.surface.requests(&world) {
        let answered = world.ask(&token, &hidden).await;
        let what = hidden.to_string();
        findings.held(&what, &answered);
        if answered.status == 200 && hidden.is_search() && hidden.kind != "AuditEvent" {
            let own = u64::from(world.hidden.contains_key(&hidden.kind));
            let total = answered.json()["total"].as_u64().unwrap_or_default();
            findings.hold(total <= own, &format!("its total counts what is hidden: {what}"), &answered);
        }
        let absent = hidden.with_id(world::ABSENT).filter(|_| world.hidden.contains_key(&hidden.kind));
        let Some(absent) = absent else { continue };
        let other = world.ask(&token, &absent).await;
        let alike = answered.status == other.status && without_ids(&hidden, &answered) == without_ids(&absent, &other);
        let what = format!("{what} is told from one that is absent: {} {}", other.status, other.text());
        findings.hold(alike, &what, &answered);
    }
    // Nor does any parameter find it: what is asked for is what only the hidden ones have.
    for search in world.surface.searches_for(&world) {
        let answered = world.ask(&token, &search).await;
        let what = search.to_string();
        findings.held(&what, &answered);
        if answered.status == 200 {
            let json = answered.json();
            let total = json["total"].as_u64().unwrap_or_default();
            findings.hold(total == 0 && answered.found("match").is_empty(), &what, &answered);
        }
    }
    findings.end();
}

#[tokio::test]
async fn every_parameter_that_is_advertised_answers() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let token = world.token("system/*.cruds").await;
    for (kind, name, form) in world.surface.parameters() {
        let mut answers = Vec::new();
        for value in values::good(&form) {
            let request = surface::search(&kind, &name, value);
            let answered = world.ask(&token, &request).await;
            findings.sane(&request.to_string(), &answered);
            let applied = answered.status == 200
                && answered
                    .link("self")
                    .is_some_and(|link| link.contains(&format!("{name}={}", surface::escaped(value))));
            answers.push((applied, request, answered));
            if applied {
                break;
            }
        }
        if let Some((false, request, answered)) = answers.last() {
            findings.hold(false, &format!("is not searched by: {request}, {form}"), answered);
        }
    }
    findings.end();
}

#[tokio::test]
async fn every_interaction_and_operation_that_is_advertised_is_there() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let token = world.token("system/*.cruds").await;
    let mut operations = BTreeMap::<String, bool>::new();
    for request in world.surface.requests(&world) {
        let answered = world.ask(&token, &request).await;
        let what = request.to_string();
        findings.sane(&what, &answered);
        let here = ![405, 501].contains(&answered.status);
        match request.operation() {
            // At which level it is there, the statement does not say.
            Some(name) => *operations.entry(format!("{} {name}", request.kind)).or_default() |= here,
            None => findings.hold(here, &what, &answered),
        }
        if request.method == "GET" && request.operation().is_none() && world.hidden.contains_key(&request.kind) {
            findings.hold(answered.status == 200, &what, &answered);
        }
    }
    findings.end();
    let missing = operations.into_iter().filter(|(_, here)| !here).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn hostile_values_are_refused_or_find_nothing() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let token = world.token("system/*.cruds").await;
    let hostile = values::hostile();
    let mut forms = HashSet::new();
    for (turn, (kind, name, form)) in world.surface.parameters().into_iter().enumerate() {
        // Each form of parameter with all of them, every parameter with two.
        let all = forms.insert(form);
        for (at, value) in hostile.iter().enumerate() {
            if all || at == turn % hostile.len() || at == (turn * 7 + 3) % hostile.len() {
                let request = surface::search(&kind, &name, value);
                findings.sane(&format!("{request} {value}"), &world.ask(&token, &request).await);
            }
        }
        let value = &hostile[turn % hostile.len()];
        let modified = surface::search(&kind, &format!("{name}:{value}"), "a");
        findings.sane(&format!("{modified} {value}"), &world.ask(&token, &modified).await);
    }
    for request in world.surface.hostile_paths(&hostile) {
        let answered = world.ask(&token, &request).await;
        let what = format!("{request} {}", request.body);
        findings.sane(&what, &answered);
        findings.hold(answered.status >= 400, &what, &answered);
    }
    findings.end();
}

#[tokio::test]
async fn what_is_not_advertised_is_not_there() {
    let (world, mut findings) = (World::new().await, Findings::default());
    let token = world.token("system/*.cruds").await;
    for request in world.surface.not_advertised(&world) {
        let answered = world.ask(&token, &request).await;
        findings.sane(&request.to_string(), &answered);
        // 501 says of what R4 defines that it is not here.
        let wanted = (400..500).contains(&answered.status) || answered.status == 501;
        findings.hold(wanted, &request.to_string(), &answered);
    }
    for request in world.surface.requests(&world).into_iter().filter(|request| !request.body.is_empty()) {
        for format in
            ["text/plain", "application/x-www-form-urlencoded", "image/png", "application/fhir+xml", "*/*", "a"]
        {
            let answered = world.ask_as(&token, &request, format).await;
            let what = format!("{request} as {format}");
            findings.sane(&what, &answered);
            // A search takes forms, a GET no body, a Binary anything; and a validation says what is wrong with the body.
            let forms = request.path.ends_with("_search") || request.operation() == Some("$validate");
            let taken = forms || request.method == "GET" || request.kind == "Binary";
            findings.hold(answered.status >= 400 || taken, &what, &answered);
        }
    }
    findings.end();
}

#[test]
fn the_word_is_found_wherever_it_is() {
    let row = |text: &str, wanted: bool| assert_eq!(facts::tells(text), wanted, "{text}");
    ["xxZEBRAFINCHxx", "zebrafinch", "WkVCUkFGSU5DSA=="].into_iter().for_each(|text| row(text, true));
    ["ZEBRA", ""].into_iter().for_each(|text| row(text, false));
}
