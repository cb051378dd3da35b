//! What a token may not search, no search tells anything of.
//! <https://hl7.org/fhir/R4/security.html>

use super::{encoded, filled};
use crate::hospital::databases;

const RECORD: &[(&str, &str)] = &[
    ("Practitioner/dr", r#""name":[{"family":"House"}]"#),
    ("Patient/p", r#""name":[{"family":"Doe"}],"generalPractitioner":[{"reference":"Practitioner/dr"}]"#),
    ("Patient/q", r#""name":[{"family":"Roe"}]"#),
    (
        "Observation/o",
        r#""status":"final","code":{"coding":[{"code":"hiv"}]},"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/dr"}]"#,
    ),
    ("Condition/c", r#""subject":{"reference":"Patient/p"},"code":{"coding":[{"code":"flu"}]}"#),
    ("List/l", r#""status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}}]"#),
];

/// A chain answers questions about the type it leads to, so it needs the scope of a search there.
#[tokio::test]
async fn a_chain_needs_the_scope_of_every_type_it_asks() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        for (scope, query, status, wanted) in [
            ("system/Observation.rs", "Observation?subject:Patient.name=doe", 403, ""),
            ("system/Observation.rs", "Observation?patient.name=doe", 403, ""),
            ("system/Observation.rs", "Observation?patient.name:missing=false", 403, ""),
            ("system/Observation.rs", "Observation?_filter=patient.name eq doe", 403, ""),
            ("system/Observation.rs", "Observation?_filter=not (patient.name eq doe)", 403, ""),
            ("system/Observation.rs", "Observation?_filter=status eq final or patient.name eq doe", 403, ""),
            ("system/Observation.rs", "Observation?subject=Patient/p", 200, "o"),
            ("system/Observation.rs system/Patient.r", "Observation?patient.name=doe", 403, ""),
            ("system/Observation.rs system/Patient.s", "Observation?patient.name=doe", 200, "o"),
            (
                "system/Observation.rs system/Patient.rs",
                "Observation?patient.general-practitioner:Practitioner.name=house",
                403,
                "",
            ),
            ("system/Patient.rs", "Patient?_has:Observation:patient:code=hiv", 403, ""),
            ("system/Patient.rs", "Patient?_has:Observation:patient:code:not=hiv", 403, ""),
            ("system/Patient.rs", "Patient?_has:Observation:patient:_id=o", 403, ""),
            ("system/Patient.rs system/Condition.rs", "Patient?_has:Condition:patient:code=flu", 200, "p"),
            (
                "system/Patient.rs system/Condition.rs",
                "Patient?_has:Condition:patient:patient._has:Observation:patient:code=hiv",
                403,
                "",
            ),
            ("system/Patient.rs", "Patient?_list=l", 403, ""),
            ("system/Patient.rs system/List.rs", "Patient?_list=l", 200, "p"),
            ("system/Patient.rs", "Patient?general-practitioner:Practitioner.name=house&_summary=count", 403, ""),
            ("system/Patient.rs", "Observation?code=hiv", 403, ""),
            ("system/Patient.r", "Patient?name=doe", 403, ""),
        ] {
            let token = format!("Bearer {}", hospital.client("other", scope).await);
            let path = format!("/fhir/{}", encoded(query));
            let answered = hospital.send("GET", &path, &[("authorization", &token)], "").await;
            assert_eq!(answered.status, status, "{scope} {query}: {}", answered.text());
            assert_eq!(answered.found("match").join(" "), wanted, "{scope} {query}");
        }
    }
}

/// A chain that may lead to several types leads to those alone that the token may search.
#[tokio::test]
async fn a_chain_of_many_types_leads_where_the_token_may_go() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        let token = format!("Bearer {}", hospital.client("other", "system/Patient.rs system/Organization.rs").await);
        for (query, wanted) in [("Patient?general-practitioner.name=house", ""), ("Patient?name=doe", "p")] {
            let answered = hospital.send("GET", &format!("/fhir/{query}"), &[("authorization", &token)], "").await;
            assert_eq!((answered.status, answered.found("match").join(" ").as_str()), (200, wanted), "{query}");
        }
    }
}

/// Includes leave out what may not be read, and say nothing of it; neither do totals, sorting or types.
#[tokio::test]
async fn includes_and_totals_tell_nothing_of_other_types() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        for (scope, query, total, included) in [
            ("system/Observation.rs", "Observation?_include=Observation:patient", 1, ""),
            ("system/Observation.rs", "Observation?_include=*", 1, ""),
            ("system/Observation.rs system/Patient.r", "Observation?_include=*", 1, "p"),
            ("system/Observation.rs system/Patient.s", "Observation?_include=*", 1, ""),
            (
                "system/Observation.rs system/Patient.r",
                "Observation?_include=Observation:patient&_include:iterate=Patient:general-practitioner",
                1,
                "p",
            ),
            // What may not be shown is not passed through either.
            (
                "system/Observation.rs system/Practitioner.rs",
                "Observation?_include=Observation:patient&_include:iterate=Patient:general-practitioner",
                1,
                "",
            ),
            ("system/Patient.rs", "Patient?_revinclude=Observation:patient", 2, ""),
            ("system/Patient.rs", "Patient?_revinclude=*", 2, ""),
            // A search shows what it finds.
            ("system/Patient.rs system/Condition.s", "Patient?_revinclude=*", 2, "c"),
            ("system/Patient.rs system/Condition.rs", "Patient?_revinclude=*", 2, "c"),
            ("system/Patient.rs system/Condition.rs", "?_id=p,o,c", 2, ""),
            ("system/Patient.rs", "?_lastUpdated=gt2000", 2, ""),
            ("system/Condition.rs", "?_type=Condition,Observation&patient=p", 1, ""),
        ] {
            let token = format!("Bearer {}", hospital.client("other", scope).await);
            let path = format!("/fhir/{}", encoded(query));
            let answered = hospital.send("GET", &path, &[("authorization", &token)], "").await;
            assert_eq!(answered.status, 200, "{scope} {query}: {}", answered.text());
            assert_eq!(answered.json()["total"], total, "{scope} {query}: {}", answered.text());
            assert_eq!(answered.found("include").join(" "), included, "{scope} {query}: {}", answered.text());
            assert_eq!(answered.found("outcome"), [""; 0], "{scope} {query}: {}", answered.text());
        }
    }
}

/// A page is its client's alone, and what the client may no longer search is on no page.
#[tokio::test]
async fn a_page_goes_by_the_scopes_of_who_asks_for_it() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        let client = hospital.node.add_client("other", "system/*.rs", None).await.unwrap();
        let token = async |scope: &str| {
            let hour = std::time::Duration::from_secs(3600);
            let narrowed = node::clients::Client { scope: scope.to_owned(), ..client.clone() };
            format!("Bearer {}", server::token::issue(&hospital.node, &narrowed, hour).await.unwrap())
        };
        let (all, some) = (token("system/*.rs").await, token("system/Observation.rs").await);
        for path in [
            "/fhir/Patient?_count=1",
            "/fhir/Patient?_count=1&_sort=family",
            "/fhir/Patient?_count=1&name:missing=false",
        ] {
            let first = hospital.send("GET", path, &[("authorization", &all)], "").await;
            let next = first.link("next").unwrap();
            let same = hospital.send("GET", &next, &[("authorization", &all)], "").await;
            assert_eq!((same.status, same.found("match").len()), (200, 1), "{}", same.text());
            let narrower = hospital.send("GET", &next, &[("authorization", &some)], "").await;
            assert_eq!(narrower.status, 403, "{path}: {}", narrower.text());
        }
    }
}
