//! What is wrong, unknown or too much is told so, and soon.
//! <https://hl7.org/fhir/R4/search.html#errors>

use super::{encoded, filled, finds, refuses, search};
use crate::hospital::{Hospital, databases};
use std::time::{Duration, Instant};

/// Longest that a search may take that asks too much.
const PATIENCE: Duration = Duration::from_secs(10);

const OBSERVED: (&str, &str) =
    ("Observation/o", r#""status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}"#);

/// <https://hl7.org/fhir/R4/search.html#errors>: what cannot be satisfied finds nothing; what is malformed is an error.
#[tokio::test]
async fn nothing_found_is_no_error() {
    let rows = [
        ("Observation?subject=101", ""),
        ("Observation?patient.identifier=http://example.com/fhir/identifier/mrn|123456", ""),
        ("Observation?code=loinc|1234-1", ""),
        ("Condition?onset-date=le1995", ""),
    ];
    finds(&[OBSERVED], &rows).await;
    let wrong = [
        ("Condition?onset-date:text=1995", 400, "not-supported"),
        ("Observation?code:exact=x", 400, "not-supported"),
        ("Observation?status:shout=x", 400, "not-supported"),
        ("Observation?code=a,,b", 400, "value"),
        ("Observation?_query=current-high-risk", 400, "not-supported"),
        ("Observation?code=%", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#errors>: unknown parameters are passed over, or refused where that is preferred.
#[tokio::test]
async fn the_unknown_is_told_or_refused() {
    for database in databases() {
        let hospital = filled(database, &[OBSERVED]).await;
        for (query, outcomes) in [
            ("Observation?shoe=44", 1),
            ("Observation?subject.shoe=44", 1),
            ("Observation?_sort=shoe", 1),
            ("Observation?_include=Observation:shoe", 1),
            ("Observation?_revinclude=Shoe:subject", 1),
            ("Observation?Status=final", 1),
            ("Observation?status=final", 0),
        ] {
            let lenient = search(&hospital, query).await;
            assert_eq!((lenient.status, lenient.found("match").len()), (200, 1), "{query}: {}", lenient.text());
            assert_eq!(lenient.found("outcome").len(), outcomes, "{query}: {}", lenient.text());
            let wanted = [("prefer", "handling=lenient")];
            let same = hospital.send("GET", &format!("/fhir/{}", encoded(query)), &wanted, "").await;
            assert_eq!(same.status, 200, "{query}");
            let wanted = [("prefer", "handling=strict")];
            let strict = hospital.send("GET", &format!("/fhir/{}", encoded(query)), &wanted, "").await;
            assert_eq!(strict.status, if outcomes > 0 { 400 } else { 200 }, "{query}: {}", strict.text());
        }
        // An empty parameter is none.
        let empty = search(&hospital, "Observation?code=&status=final").await;
        assert_eq!((empty.status, empty.found("match").len()), (200, 1), "{}", empty.text());
    }
}

async fn answered_soon(hospital: &Hospital, what: &str, query: &str, wanted: &[u16]) {
    let begun = Instant::now();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (path, body) = query.split_once('?').unwrap();
    let answered =
        hospital.send("POST", &format!("/fhir/{path}/_search"), &form, encoded(body).replace('?', "%3F")).await;
    assert!(begun.elapsed() < PATIENCE, "{what} took {:?}", begun.elapsed());
    assert!(wanted.contains(&answered.status), "{what}: {}", answered.text());
    let kind = if answered.status == 200 { "Bundle" } else { "OperationOutcome" };
    assert_eq!(answered.json()["resourceType"], kind, "{what}: {}", answered.text());
    if answered.status != 200 {
        assert!(["too-costly", "too-long", "value"].contains(&answered.code().as_str()), "{what}: {}", answered.text());
    }
}

/// However much is asked, the answer comes soon and is an OperationOutcome or a page.
#[tokio::test]
async fn too_much_is_refused_in_bounded_time() {
    let many = |count: usize, one: &dyn Fn(usize) -> String, between: &str| {
        (0..count).map(one).collect::<Vec<_>>().join(between)
    };
    let chain = |deep: usize| format!("Observation?{}.code=x", vec!["has-member"; deep].join("."));
    let has = |deep: usize| format!("Patient?{}:code=x", vec!["_has:Observation:has-member"; deep].join(":"));
    let nested = |deep: usize| format!("Patient?_filter={}gender eq male{}", "(".repeat(deep), ")".repeat(deep));
    let cases = [
        (
            "1,000 repeated parameters",
            format!("Observation?{}", many(1000, &|at| format!("code=c{at}"), "&")),
            &[400][..],
        ),
        ("10,000 values", format!("Observation?code={}", many(10_000, &|at| format!("c{at}"), ",")), &[400]),
        (
            "10,000 references",
            format!("Observation?subject={}", many(10_000, &|at| format!("Patient/{at}"), ",")),
            &[400],
        ),
        ("500 values", format!("Observation?code={}", many(500, &|at| format!("c{at}"), ",")), &[200]),
        ("500 negated values", format!("Observation?code:not={}", many(500, &|at| format!("c{at}"), ",")), &[200]),
        ("500 dates", format!("Observation?date={}", many(500, &|at| format!("ne{}", 1500 + at), ",")), &[200]),
        ("60 parameters", format!("Observation?{}", many(60, &|at| format!("code:not=c{at}"), "&")), &[200]),
        ("100 sets", format!("Observation?{}", many(90, &|_| "subject:Patient.name=x".to_owned(), "&")), &[200, 400]),
        ("a chain of eight", chain(8), &[200]),
        ("a chain of ten", chain(10), &[400]),
        ("a chain of a thousand", chain(1000), &[400]),
        ("ten reverse chains", has(10), &[400]),
        (
            "chains over every type",
            format!("Provenance?{}", many(3, &|_| "target.patient.general-practitioner.name=x".to_owned(), "&")),
            &[200, 400],
        ),
        (
            "brackets through references to any type",
            format!("Library?_filter={}bogus eq 1{}", "derived-from[".repeat(16), "]".repeat(16)),
            &[400],
        ),
        (
            "dots through references to any type",
            format!("Library?_filter={}bogus eq 1", "derived-from.".repeat(8)),
            &[400],
        ),
        ("a chain that doubles inside", format!("Organization?{}name=x", "partof.".repeat(8)), &[200, 400]),
        ("ids of any type", format!("Observation?focus={}", many(500, &|at| format!("id{at}"), ",")), &[200, 400]),
        (
            "places",
            format!(
                "Location?{}",
                many(10, &|_| format!("near={}", many(500, &|at| format!("1|{}", at % 180), ",")), "&")
            ),
            &[200, 400],
        ),
        ("long paths", format!("Observation?_profile:above=http://a{}", "/b".repeat(30_000)), &[200, 400]),
        ("hierarchies", format!("Encounter?location:below={}", many(500, &|at| format!("Location/{at}"), ",")), &[400]),
        ("words", format!("Patient?_content={}", many(500, &|at| format!("word{at}"), "%20")), &[200, 400]),
        ("words of all types", format!("?_content={}", many(20, &|at| format!("word{at}"), "%20")), &[200]),
        ("ids of all types", format!("?_id={}", many(100, &|at| format!("id{at}"), ",")), &[200]),
        ("nesting", nested(10), &[200]),
        ("deep nesting", nested(1000), &[400]),
        (
            "long conjunction",
            format!("Patient?_filter={}", many(2000, &|_| "gender eq male".to_owned(), " and ")),
            &[400],
        ),
        ("a long value", format!("Patient?name={}", "x".repeat(70_000)), &[400]),
        ("a large page", "Observation?_count=10000000".to_owned(), &[200]),
        ("a number without end", format!("Observation?_count={}", "9".repeat(400)), &[200]),
        ("many sort keys", format!("Observation?_sort={}", ["code"; 40].join(",")), &[400]),
        (
            "many includes",
            format!("Observation?{}", many(60, &|_| "_include=Observation:subject".to_owned(), "&")),
            &[400],
        ),
        (
            "many wild includes",
            format!("Observation?{}", many(90, &|_| "_include:iterate=*".to_owned(), "&")),
            &[200, 400],
        ),
    ];
    for database in databases() {
        let hospital = filled(database, &[OBSERVED, ("Patient/1", "")]).await;
        for (what, query, wanted) in &cases {
            answered_soon(&hospital, what, query, wanted).await;
        }
    }
}
