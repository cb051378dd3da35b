//! How results come back: order, pages, totals, parts of resources, links.
//! <https://hl7.org/fhir/R4/search.html#return>

use super::{filled, refuses, search};
use crate::hospital::{BASE, databases};

const PATIENTS: &[(&str, &str)] = &[
    ("Patient/a", r#""name":[{"family":"beta"},{"family":"Zeta"}],"birthDate":"1980-01-01","gender":"male""#),
    ("Patient/b", r#""name":[{"family":"Alpha"}],"birthDate":"1980","gender":"female""#),
    ("Patient/c", r#""name":[{"family":"Ähre"}],"birthDate":"1970-05-05","gender":"male""#),
    ("Patient/d", r#""name":[{"family":"gamma"}],"gender":"female""#),
    ("Patient/e", r#""birthDate":"1999","gender":"male""#),
];

/// <https://hl7.org/fhir/R4/search.html#sort>
#[tokio::test]
async fn results_stand_in_the_order_asked_for() {
    for database in databases() {
        let hospital = filled(database, PATIENTS).await;
        for (query, wanted) in [
            // Case and accents do not matter; of several values the one that comes first in the order counts.
            ("_sort=family", "c b a d e"),
            ("_sort=-family", "a d b c e"),
            ("_sort=birthdate", "c a b e d"),
            ("_sort=-birthdate", "e b a c d"),
            ("_sort=gender,birthdate", "b d c a e"),
            ("_sort=gender,-birthdate", "b d e a c"),
            ("_sort=-gender,_id", "a c e b d"),
            ("_sort=gender&_sort=-_id", "d b e c a"),
            ("_sort=_id", "a b c d e"),
            ("_sort=-_id", "e d c b a"),
            ("_sort=_lastUpdated", "a b c d e"),
            ("_sort=-_lastUpdated", "e d c b a"),
            ("", "e d c b a"),
            ("gender=male&_sort=family", "c a e"),
        ] {
            for count in [1, 2, 50] {
                let mut next =
                    Some(format!("/fhir/Patient?{query}{}_count={count}", if query.is_empty() { "" } else { "&" }));
                let mut found = Vec::new();
                while let Some(path) = next {
                    let page = hospital.get(&path).await;
                    assert!(page.found("match").len() <= count, "{query}: more than asked for");
                    found.extend(page.found("match"));
                    next = page.link("next");
                }
                assert_eq!(found.join(" "), wanted, "{query} by {count} on {database:?}");
            }
        }
        let newest = search(&hospital, "Patient?gender=male&_sort=-birthdate&_count=1").await;
        assert_eq!(newest.found("match"), ["e"]);
    }
}

/// <https://hl7.org/fhir/R4/search.html#count>, <https://hl7.org/fhir/R4/search.html#total>
#[tokio::test]
async fn totals_count_matches_and_nothing_else() {
    for database in databases() {
        let hospital = filled(database, PATIENTS).await;
        hospital.create(r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}"#).await;
        for (query, total, matches) in [
            ("Patient?_count=2", Some(5), 2),
            ("Patient?_count=2&_total=accurate", Some(5), 2),
            ("Patient?_count=2&_total=estimate", Some(5), 2),
            ("Patient?_count=2&_total=none", None, 2),
            ("Patient?_count=0", Some(5), 0),
            ("Patient?_summary=count", Some(5), 0),
            ("Patient?_summary=count&gender=male", Some(3), 0),
            ("Patient?gender=male&_count=50&shoe=1", Some(3), 3),
            ("Patient?_id=a&_revinclude=Observation:patient", Some(1), 1),
            ("Patient?_count=10000000", Some(5), 5),
            ("Patient?gender=unknown", Some(0), 0),
        ] {
            let answered = search(&hospital, query).await;
            let json = answered.json();
            assert_eq!(answered.status, 200, "{query}: {}", answered.text());
            let found = (json["total"].as_i64(), answered.found("match").len());
            assert_eq!(found, (total, matches), "{query} on {database:?}: {}", answered.text());
            assert_eq!((json["resourceType"].as_str(), json["type"].as_str()), (Some("Bundle"), Some("searchset")));
            if matches == 0 {
                assert_eq!((answered.link("next"), json.get("entry")), (None, None), "{query}");
            }
        }
    }
    let wrong = [
        ("Patient?_count=-1", 400, "value"),
        ("Patient?_count=many", 400, "value"),
        ("Patient?_total=some", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/http.html#paging>: the count stays in the links, and no page is there twice.
#[tokio::test]
async fn links_keep_what_was_asked() {
    for database in databases() {
        let hospital = filled(database, PATIENTS).await;
        let first = search(&hospital, "Patient?gender=male,female&_sort=family&_count=2&_total=none").await;
        let next = first.link("next").unwrap();
        assert!(next.contains("_count=2") && next.contains("_sort=family") && next.contains("gender=male"), "{next}");
        let second = hospital.get(&next).await;
        let third = hospital.get(&second.link("next").unwrap()).await;
        assert_eq!((third.found("match").len(), third.link("next")), (1, None));
        assert_eq!(hospital.get(&next).await.found("match"), second.found("match"), "a page can be read again");
    }
}

/// <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>
#[tokio::test]
async fn parts_of_resources_are_marked_as_parts() {
    let text = r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#;
    let members = format!(
        r#"{text},"status":"final","code":{{"text":"x"}},"note":[{{"text":"long"}}],"subject":{{"reference":"Patient/a"}},"method":{{"text":"m"}}"#
    );
    let resources =
        [("Patient/a", r#""gender":"male","contact":[{"name":{"family":"x"}}]"#), ("Observation/o", members.as_str())];
    for database in databases() {
        let hospital = filled(database, &resources).await;
        for (query, has, lacks) in [
            ("_summary=true", "status code subject", "note text method"),
            ("_summary=text", "text status code", "note subject method"),
            ("_summary=data", "status code note subject method", "text"),
            ("_summary=false", "status code note subject method text", ""),
            ("_elements=subject", "status code subject", "note text method"),
            ("_elements=subject,note", "status code subject note", "text method"),
        ] {
            // Includes and _summary=text cannot be mixed.
            let include = if query == "_summary=text" { "" } else { "&_include=Observation:patient" };
            let answered = search(&hospital, &format!("Observation?{query}{include}")).await;
            let json = answered.json();
            let resource = &json["entry"][0]["resource"];
            for name in has.split_whitespace().chain(["id", "meta", "resourceType"]) {
                assert!(resource.get(name).is_some(), "{query} has {name}: {resource}");
            }
            for name in lacks.split_whitespace() {
                assert!(resource.get(name).is_none(), "{query} lacks {name}: {resource}");
            }
            let tag = &resource["meta"]["tag"][0]["code"];
            assert_eq!(tag == "SUBSETTED", query != "_summary=false", "{query}: {resource}");
            // What was asked of the elements of matches is not asked of what comes with them.
            if query.starts_with("_elements") {
                assert!(json["entry"][1]["resource"]["gender"] == "male", "{query}: {}", answered.text());
            }
        }
    }
    let mixed = "Observation?_summary=text&_include=Observation:patient";
    refuses(&[], &[("Observation?_summary=short", 400, "value"), (mixed, 400, "invalid")]).await;
}

/// <https://hl7.org/fhir/R4/search.html#conformance>: the self link says what had an effect.
#[tokio::test]
async fn the_self_link_has_what_was_used() {
    for database in databases() {
        let hospital = filled(database, PATIENTS).await;
        for (query, wanted) in [
            ("Patient?gender=male", "Patient?gender=male"),
            ("Patient?gender=male&shoe=44", "Patient?gender=male"),
            ("Patient?shoe=44", "Patient"),
            ("Patient?family=", "Patient"),
            ("Patient?gender=male&_sort=shoe", "Patient?gender=male"),
            ("Patient?gender=male&_sort=-birthdate&_count=2", "Patient?gender=male&_sort=-birthdate&_count=2"),
            ("Patient?gender=male&_include=Patient:shoe", "Patient?gender=male"),
        ] {
            let answered = search(&hospital, query).await;
            assert_eq!(answered.json()["link"][0]["url"], format!("{BASE}/fhir/{wanted}"), "{query}");
        }
    }
}
