//! Contained resources: searched where `_contained` says so, and by chains. <https://hl7.org/fhir/R4/search.html#contained>

use super::{encoded, filled, finds, refuses, search};
use crate::hospital::{BASE, databases};

/// Requests for a medication that is contained or stands by itself.
const RECORD: &[(&str, &str)] = &[
    ("Organization/bayer", r#""name":"Bayer""#),
    ("Patient/p", r#""name":[{"family":"Doe"}],"gender":"male""#),
    ("Medication/alone", r#""code":{"coding":[{"system":"urn:s","code":"abc"}]},"status":"active""#),
    (
        "MedicationRequest/inside",
        r##""status":"active","intent":"order","subject":{"reference":"Patient/p"},"contained":[
        {"resourceType":"Medication","id":"m1","code":{"coding":[{"system":"urn:s","code":"abc"}]},"status":"active",
        "manufacturer":{"reference":"Organization/bayer"}}],"medicationReference":{"reference":"#m1"}"##,
    ),
    (
        "MedicationRequest/two",
        r##""status":"completed","intent":"order","subject":{"reference":"Patient/p"},"contained":[
        {"resourceType":"Organization","id":"org","name":"Pfizer"},
        {"resourceType":"Medication","id":"m1","code":{"coding":[{"code":"def"}]},"status":"active"},
        {"resourceType":"Medication","id":"m2","code":{"coding":[{"code":"ghi"}]},"status":"inactive",
        "manufacturer":{"reference":"#org"}}],
        "medicationReference":{"reference":"#m2"},"supportingInformation":[{"reference":"#m1"}]"##,
    ),
    (
        "MedicationRequest/outside",
        r#""status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"Medication/alone"}"#,
    ),
    (
        "MedicationStatement/taken",
        r##""status":"completed","subject":{"reference":"#pat"},"contained":[
        {"resourceType":"Medication","id":"m","code":{"coding":[{"system":"urn:s","code":"abc"}],"text":"Aspirin"}},
        {"resourceType":"Patient","id":"pat","gender":"female","birthDate":"1980-02-10"}],
        "medicationReference":{"reference":"#m"}"##,
    ),
];

/// By default only whole resources are found; `true` finds what contains such a resource, `both` finds both.
#[tokio::test]
async fn contained_resources_are_found_if_they_are_asked_for() {
    let rows = [
        ("Medication?code=abc", "alone"),
        ("Medication?code=abc&_contained=false", "alone"),
        ("Medication?code=abc&_contained=false&_containedType=contained", "alone"),
        ("Medication?code=abc&_contained=true", "inside taken"),
        ("Medication?code=abc&_contained=both", "alone inside taken"),
        ("Medication?code=abc&_contained=true&_containedType=container", "inside taken"),
        ("Medication?code=urn:s|abc&_contained=true", "inside taken"),
        ("Medication?code=urn:x|abc&_contained=true", ""),
        ("Medication?_contained=true", "inside two taken"),
        ("Medication?_contained=both", "alone inside two taken"),
        ("Medication?_id=m1&_contained=true", "inside two"),
        ("Medication?_id=alone&_contained=both", "alone"),
        ("Medication?_id=inside&_contained=both", ""),
        ("Medication?code:text=aspi&_contained=true", "taken"),
        ("Medication?manufacturer=Organization/bayer&_contained=true", "inside"),
        ("Patient?gender=female&_contained=true", "taken"),
        ("Patient?birthdate=1980-02&_contained=true", "taken"),
        ("Patient?birthdate=1981&_contained=true", ""),
        ("Organization?name=pfi&_contained=true", "two"),
        ("Organization?name=pfi&_contained=both", "two"),
        ("Organization?name=bay&_contained=both", "bayer"),
        ("MedicationRequest?_contained=true", ""),
        ("Medication?_lastUpdated=gt2020&code=abc&_contained=true", "inside taken"),
        ("Medication?_lastUpdated=lt2020&code=abc&_contained=true", ""),
    ];
    finds(RECORD, &rows).await;
}

/// All conditions hold for one contained resource, not for several of them together.
#[tokio::test]
async fn conditions_hold_for_one_contained_resource() {
    let rows = [
        ("Medication?code=def&status=active&_contained=true", "two"),
        ("Medication?code=ghi&status=inactive&_contained=true", "two"),
        ("Medication?code=def&status=inactive&_contained=true", ""),
        ("Medication?code=def&_id=m2&_contained=true", ""),
        ("Medication?code=def&code=ghi&_contained=true", ""),
        ("Medication?code=def,ghi&_contained=true", "two"),
        ("Medication?code=def&status=inactive&_contained=both", ""),
        ("Medication?code:not=def&status=active&_contained=true", "inside"),
        ("Medication?code:not=def&_contained=true", "inside two taken"),
        ("Medication?manufacturer:missing=true&_contained=true", "two taken"),
        ("Medication?_filter=code eq def or manufacturer pr true&_contained=true", "inside two"),
    ];
    finds(RECORD, &rows).await;
}

/// What a contained resource says, the one that contains it does not.
#[tokio::test]
async fn a_container_has_nothing_of_what_it_contains() {
    let resources = [
        (
            "Patient/whole",
            r##""gender":"male","birthDate":"1950","contained":[{"resourceType":"Patient","id":"part","gender":"female",
            "name":[{"family":"Inner"}],"birthDate":"1900","managingOrganization":{"reference":"Organization/x"}}],
            "link":[{"other":{"reference":"#part"},"type":"seealso"}]"##,
        ),
        ("Patient/late", r#""birthDate":"1920""#),
    ];
    let rows = [
        ("Patient?gender=male", "whole"),
        ("Patient?gender=female", ""),
        ("Patient?gender=female&_contained=true", "whole"),
        ("Patient?gender=male&_contained=true", ""),
        ("Patient?gender=male,female&_contained=both", "whole"),
        ("Patient?gender=male&name=inner&_contained=both", ""),
        ("Patient?name:missing=true", "late whole"),
        ("Patient?name:missing=false", ""),
        ("Patient?organization:missing=true", "late whole"),
        ("Patient?link:missing=false", "whole"),
        ("Patient?_include=Patient:organization", "late whole"),
        ("Patient?link.gender=female", "whole"),
        ("Patient?link:Patient.gender=male", ""),
    ];
    finds(&resources, &rows).await;
    for database in databases() {
        let hospital = filled(database, &resources).await;
        for (query, wanted) in [
            ("Patient?_sort=birthdate", ["late", "whole"]),
            ("Patient?_sort=-birthdate", ["whole", "late"]),
            ("Patient?_sort=birthdate,_id", ["late", "whole"]),
            ("Patient?_sort=family,birthdate", ["late", "whole"]),
        ] {
            assert_eq!(search(&hospital, query).await.found("match"), wanted, "{query}");
        }
        let first = search(&hospital, "Patient?_sort=birthdate&_count=1").await;
        let next = hospital.get(&first.link("next").unwrap()).await;
        assert_eq!((first.found("match"), next.found("match")), (vec!["late".into()], vec!["whole".into()]));
    }
}

/// "The fullUrl points to the containing resource first, and includes the required URL fragment".
#[tokio::test]
async fn contained_resources_may_stand_for_themselves() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        for (query, wanted) in [
            ("Medication?code=abc&_contained=true", "MedicationRequest/inside#m1 MedicationStatement/taken#m"),
            (
                "Medication?code=abc&_contained=both",
                "Medication/alone MedicationRequest/inside#m1 MedicationStatement/taken#m",
            ),
            ("Medication?code=def,ghi&_contained=true", "MedicationRequest/two#m1 MedicationRequest/two#m2"),
            ("Medication?code=ghi&_contained=true", "MedicationRequest/two#m2"),
            ("Patient?gender=female&_contained=true", "MedicationStatement/taken#pat"),
            ("Patient?gender=male,female&_contained=both", "MedicationStatement/taken#pat Patient/p"),
        ] {
            let answered = search(&hospital, &format!("{query}&_containedType=contained")).await;
            let json = answered.json();
            let entries = json["entry"].as_array().cloned().unwrap_or_default();
            let urls = entries.iter().map(|entry| entry["fullUrl"].as_str().unwrap().to_owned());
            let mut urls = urls.map(|url| url.replace(&format!("{BASE}/fhir/"), "")).collect::<Vec<_>>();
            urls.sort();
            assert_eq!(urls.join(" "), wanted, "{query} on {database:?}");
            let kind = query.split('?').next().unwrap();
            assert!(entries.iter().all(|entry| entry["resource"]["resourceType"] == kind), "{query}: {json}");
        }
        let text = "Medication?code=ghi&_contained=true&_containedType=contained&_elements=status";
        let json = search(&hospital, text).await.json();
        let resource = &json["entry"][0]["resource"];
        assert_eq!((&resource["id"], &resource["status"]), (&"m2".into(), &"inactive".into()), "{resource}");
        assert!(resource.get("manufacturer").is_none());
    }
}

/// Pages and totals count what contains the matches.
#[tokio::test]
async fn pages_and_totals_count_containers() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        for (query, total) in [
            ("Medication?_contained=true&_summary=count", 3),
            ("Medication?_contained=both&_summary=count", 4),
            ("Medication?code=abc&_contained=both&_summary=count", 3),
            ("Medication?code=def,ghi&_contained=true&_containedType=contained", 1),
            ("Medication?_contained=true&_count=1&_total=accurate", 3),
        ] {
            assert_eq!(search(&hospital, query).await.json()["total"], total, "{query} on {database:?}");
        }
        for (query, wanted) in [
            ("Medication?_contained=both&_count=1", "taken two inside alone"),
            ("Medication?_contained=both&_count=1&_sort=_lastUpdated", "alone inside two taken"),
            ("Medication?_contained=true&_count=2&_sort=-_lastUpdated", "taken two inside"),
            ("Medication?_contained=true&_count=1&_containedType=contained", "m m1 m2 m1"),
        ] {
            let mut answered = search(&hospital, query).await;
            let mut found = answered.found("match");
            while let Some(next) = answered.link("next") {
                answered = hospital.get(&next).await;
                found.extend(answered.found("match"));
            }
            assert_eq!(found.join(" "), wanted, "{query} on {database:?}");
        }
        // There is no order of its own among contained resources.
        let answered = search(&hospital, "Medication?code=abc&_contained=true&_sort=code").await;
        assert_eq!(answered.found("match"), ["taken", "inside"]);
        assert_eq!(answered.found("outcome").len(), 1, "{}", answered.text());
        let included =
            search(&hospital, "Medication?code=abc&_contained=true&_include=MedicationRequest:patient").await;
        assert_eq!(included.found("include"), ["p"]);
        let followed = search(&hospital, "MedicationRequest?_id=inside&_include=*").await;
        assert_eq!(followed.found("include"), ["p"], "what a contained resource refers to is not included");
    }
}

/// "A chained condition will be evaluated inside contained resources."
#[tokio::test]
async fn chains_lead_into_contained_resources() {
    let rows = [
        ("MedicationRequest?medication.code=abc", "inside outside"),
        ("MedicationRequest?medication:Medication.code=urn:s|abc", "inside outside"),
        ("MedicationRequest?medication.code=ghi", "two"),
        ("MedicationRequest?medication.code=def", ""),
        ("MedicationRequest?medication.status=inactive", "two"),
        ("MedicationRequest?medication.code=abc&status=active", "inside outside"),
        ("MedicationRequest?medication.code=ghi&status=active", ""),
        ("MedicationRequest?medication._id=m2", "two"),
        ("MedicationRequest?medication._id=m1", "inside"),
        ("MedicationRequest?medication.code:not=abc", "two"),
        ("MedicationRequest?medication.manufacturer:missing=true", "outside"),
        ("MedicationRequest?medication.manufacturer.name=bayer", "inside"),
        ("MedicationRequest?medication.manufacturer.name=pfizer", "two"),
        ("MedicationRequest?medication.manufacturer=Organization/bayer", "inside"),
        ("MedicationStatement?subject:Patient.gender=female", "taken"),
        ("MedicationStatement?patient.gender=female", "taken"),
        ("MedicationStatement?patient.gender=male", ""),
        ("MedicationStatement?_filter=patient.gender eq female", "taken"),
        ("MedicationStatement?_filter=not (patient.gender eq female)", ""),
        ("Patient?_has:MedicationRequest:patient:medication.code=ghi", "p"),
        ("Patient?_has:MedicationRequest:patient:medication.code=def", ""),
    ];
    finds(RECORD, &rows).await;
}

/// A fragment leads to what its own resource contains, whatever others do, and to nothing that is gone.
#[tokio::test]
async fn a_fragment_leads_nowhere_else() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        let body = r##"{"resourceType":"MedicationRequest","id":"inside","status":"active","intent":"order",
            "subject":{"reference":"Patient/p"},"contained":[{"resourceType":"Medication","id":"m1",
            "code":{"coding":[{"code":"new"}]}}],"medicationReference":{"reference":"#m1"}}"##;
        assert_eq!(hospital.send("PUT", "/fhir/MedicationRequest/inside", &[], body).await.status, 200);
        for (query, wanted) in [
            ("MedicationRequest?medication.code=abc", "outside"),
            ("MedicationRequest?medication.code=new", "inside"),
            ("Medication?code=abc&_contained=true", "taken"),
            ("Medication?code=new&_contained=true", "inside"),
        ] {
            assert_eq!(search(&hospital, query).await.found("match").join(" "), wanted, "{query} on {database:?}");
        }
    }
}

/// A condition answers as a search does; of contained resources none is asked.
#[tokio::test]
async fn conditions_lead_into_contained_resources() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        let body = r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
            "subject":{"reference":"Patient/p"},"medicationCodeableConcept":{"text":"x"}}"#;
        for (condition, status) in [
            ("medication.code=ghi", 200),
            ("medication.code=abc", 412),
            ("medication.code=ghi&_contained=true", 400),
            ("medication.code=nothing", 201),
        ] {
            let headers = [("if-none-exist", condition)];
            let answered = hospital.send("POST", "/fhir/MedicationRequest", &headers, body).await;
            assert_eq!(answered.status, status, "{condition} on {database:?}: {}", answered.text());
        }
    }
}

/// What the rows of contained resources do not tell is refused, never passed over.
#[tokio::test]
async fn what_contained_resources_cannot_be_asked_is_refused() {
    let rows = [
        ("Medication?_contained=perhaps", 400, "value"),
        ("Medication?_containedType=box", 400, "value"),
        ("Medication?manufacturer.name=x&_contained=true", 400, "not-supported"),
        ("Patient?_has:Observation:patient:code=x&_contained=true", 400, "not-supported"),
        ("Patient?_list=x&_contained=both", 400, "not-supported"),
        ("Observation?code-value-quantity=a$1&_contained=true", 400, "not-supported"),
        ("Medication?_content=x&_contained=true", 400, "not-supported"),
        ("Location?near=1|1|1|km&_contained=true", 400, "not-supported"),
        ("?_type=Medication&_contained=true", 400, "not-supported"),
        ("Patient/p/Observation?_contained=true", 400, "not-supported"),
        ("AuditEvent?_contained=both", 400, "not-supported"),
    ];
    refuses(RECORD, &rows).await;
}

/// A token finds what it may search: the type that is asked for, in types that it may search too.
#[tokio::test]
async fn a_token_finds_contained_resources_of_its_types_alone() {
    for database in databases() {
        let hospital = filled(database, RECORD).await;
        for (scope, query, status, wanted) in [
            ("system/*.rs", "Medication?code=abc&_contained=true&_sort=_lastUpdated", 200, "inside taken"),
            ("system/MedicationRequest.rs", "Medication?code=abc&_contained=true", 403, ""),
            ("system/Medication.rs", "Medication?code=abc&_contained=true", 200, ""),
            ("system/Medication.rs", "Medication?code=abc&_contained=both", 200, "alone"),
            ("system/Medication.rs system/MedicationRequest.rs", "Medication?code=abc&_contained=true", 200, "inside"),
            ("system/Medication.rs system/MedicationRequest.r", "Medication?code=abc&_contained=true", 200, ""),
            ("system/MedicationRequest.rs", "MedicationRequest?medication.code=ghi", 403, ""),
            ("system/Medication.rs system/MedicationRequest.rs", "MedicationRequest?medication.code=ghi", 200, "two"),
        ] {
            let token = format!("Bearer {}", hospital.client("other", scope).await);
            let path = format!("/fhir/{}", encoded(query));
            let answered = hospital.send("GET", &path, &[("authorization", &token)], "").await;
            assert_eq!(answered.status, status, "{scope} {query}: {}", answered.text());
            assert_eq!(answered.found("match").join(" "), wanted, "{scope} {query}");
            let total = (status == 200).then(|| wanted.split_whitespace().count());
            assert_eq!(answered.json()["total"].as_u64(), total.map(|count| count as u64), "{scope} {query}");
        }
    }
}
