//! Where a search looks: one type, several, a compartment, a list; by GET and by POST; and conditions that are searches.
//! <https://hl7.org/fhir/R4/search.html#Introduction>

use super::{encoded, filled, finds, refuses, search, sorted, words};
use crate::hospital::databases;

const CARE: &[(&str, &str)] = &[
    (
        "Patient/p",
        r#""meta":{"tag":[{"system":"http://acme.org/codes","code":"needs-review"}],"profile":["http://hl7.org/fhir/StructureDefinition/lipid"],"security":[{"system":"urn:sec","code":"low"}],"source":"http://acme.org/source"},"gender":"female""#,
    ),
    ("Patient/q", r#""gender":"male""#),
    (
        "Observation/o",
        r#""status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1234-5"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2010-06-01""#,
    ),
    (
        "Observation/late",
        r#""status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2020-06-01""#,
    ),
    (
        "Observation/other",
        r#""status":"final","code":{"text":"x"},"subject":{"reference":"Patient/q"},"effectiveDateTime":"2010-06-01""#,
    ),
    (
        "Condition/c",
        r#""meta":{"tag":[{"system":"http://acme.org/codes","code":"needs-review"}]},"subject":{"reference":"Patient/p"}"#,
    ),
    (
        "List/42",
        r#""status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}},{"item":{"reference":"Condition/c"}}]"#,
    ),
    ("List/43", r#""status":"current","mode":"working","entry":[{"item":{"reference":"Patient/q"}}]"#),
];

/// <https://hl7.org/fhir/R4/search.html#all>
#[tokio::test]
async fn parameters_of_all_resources_work_for_all() {
    let rows = [
        ("Patient?_id=p", "p"),
        ("Patient?_id=P", ""),
        ("Patient?_id=p,q", "p q"),
        ("Patient?_id=p&_id=q", ""),
        ("Patient?_tag=http://acme.org/codes|needs-review", "p"),
        ("Patient?_tag:not=needs-review", "q"),
        ("Condition?_tag=needs-review", "c"),
        ("Patient?_profile=http://hl7.org/fhir/StructureDefinition/lipid", "p"),
        ("Patient?_security=urn:sec|low", "p"),
        ("Patient?_source=http://acme.org/source", "p"),
        ("Patient?_source:missing=true", "q"),
        ("Observation?_lastUpdated=gt2010-10-01", "o late other"),
        ("Observation?_lastUpdated=lt2010-10-01", ""),
        ("Observation?_lastUpdated=ge2010-10-01&_lastUpdated=le2999", "o late other"),
    ];
    finds(CARE, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#_type>
#[tokio::test]
async fn a_search_across_types_takes_what_they_share() {
    let rows = [
        ("?_type=Observation,Condition&patient=p", "o late c"),
        ("?_type=Observation,Condition&subject=Patient/p&_tag=needs-review", "c"),
        ("?_tag=needs-review", "p c"),
        ("?_id=p,o,c", "p o c"),
        ("?_type=Patient&gender=male", "q"),
        ("?_type=Patient,Observation&_lastUpdated=lt2000", ""),
        ("?_type=Patient,Observation", "p q o late other"),
    ];
    finds(CARE, &rows).await;
    refuses(&[], &[("?_type=Shoe", 400, "value")]).await;
    for database in databases() {
        let hospital = filled(database, CARE).await;
        let strict = [("prefer", "handling=strict")];
        let answered = hospital.send("GET", "/fhir?_type=Patient,Observation&gender=male", &strict, "").await;
        assert_eq!((answered.status, answered.code().as_str()), (400, "not-supported"), "{}", answered.text());
        let mut next = Some("/fhir?_type=Patient,Observation&_sort=_lastUpdated&_count=2".to_owned());
        let mut found = Vec::new();
        while let Some(path) = next {
            let page = hospital.get(&path).await;
            found.extend(page.found("match"));
            next = page.link("next");
        }
        assert_eq!(found, ["p", "q", "o", "late", "other"]);
    }
}

/// <https://hl7.org/fhir/R4/search.html#date>: procedures in a patient's compartment over two years.
#[tokio::test]
async fn a_compartment_is_searched_by_its_own_parameters() {
    let rows = [
        ("Patient/p/Observation?date=ge2010-01-01&date=le2011-12-31", "o"),
        ("Patient/p/Observation", "o late"),
        ("Patient/p/Observation?code=http://loinc.org|1234-5", "o"),
        ("Patient/q/Observation?code=http://loinc.org|1234-5", ""),
        ("Patient/p/Condition?_tag=needs-review", "c"),
        ("Patient/p/List", "42"),
    ];
    // A List is in the compartment of its subject alone: these have none.
    finds(CARE, &rows[..5]).await;
}

/// <https://hl7.org/fhir/R4/search.html#list>
#[tokio::test]
async fn a_list_narrows_a_search() {
    let rows = [
        ("Patient?_list=42", "p"),
        ("Patient?_list=42&gender=female", "p"),
        ("Patient?_list=42&gender=male", ""),
        ("Patient?_list=42,43", "p q"),
        ("Patient?_list=List/43", "q"),
        ("Condition?_list=42", "c"),
        ("Observation?_list=42", ""),
        ("Patient?_list=nobody", ""),
    ];
    finds(CARE, &rows).await;
    refuses(&[], &[("AllergyIntolerance?patient=42&_list=$current-allergies", 400, "not-supported")]).await;
}

/// <https://hl7.org/fhir/R4/search.html#filter>, <https://hl7.org/fhir/R4/search_filter.html>
#[tokio::test]
async fn filters_are_logic() {
    let resources = [
        (
            "Patient/peter",
            r#""name":[{"family":"Peterson","given":["Peter"]}],"birthDate":"1980-01-01","gender":"male""#,
        ),
        ("Patient/ann", r#""name":[{"family":"Olson","given":["Ann"]}],"birthDate":"1990-01-01""#),
        (
            "Observation/a",
            r#""status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1234-5"}]},"subject":{"reference":"Patient/peter"},"valueQuantity":{"value":7}"#,
        ),
        (
            "Observation/b",
            r#""status":"amended","code":{"coding":[{"system":"http://loinc.org","code":"1234-5"}]},"subject":{"reference":"Patient/ann"},"effectiveDateTime":"2013-01-14""#,
        ),
    ];
    let rows = [
        (r#"Observation?_filter=code eq http://loinc.org|1234-5 and subject.name co "peter""#, "a"),
        (r#"Patient?_filter=given eq "peter" and birthdate ge 1970-01-01"#, "peter"),
        (r#"Patient?_filter=given eq "pet""#, ""),
        (r#"Patient?_filter=given sw "pet""#, "peter"),
        (r#"Patient?_filter=family ew "son""#, "peter ann"),
        (r#"Patient?_filter=family co "ers" or family co "ols""#, "peter ann"),
        (r#"Patient?_filter=not (family co "ers")"#, "ann"),
        (r#"Patient?_filter=family ne "olson""#, "peter"),
        ("Patient?_filter=birthdate lt 1985 and gender eq male", "peter"),
        ("Patient?_filter=birthdate gt 1970 and (gender eq male or birthdate gt 1985)", "peter ann"),
        ("Patient?_filter=gender pr false", "ann"),
        ("Patient?_filter=gender pr true", "peter"),
        ("Observation?_filter=date po 2013-01", "b"),
        ("Observation?_filter=status eq final or status eq amended and date lt 2000", "a"),
        (r#"Observation?_filter=subject[given eq "ann"] and status eq amended"#, "b"),
        ("Observation?_filter=value-quantity ge 7", "a"),
        ("Observation?_filter=patient re Patient/ann", "b"),
        ("Observation?_filter=code eq http://loinc.org|1234-5&status=final", "a"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Patient?_filter=given", 400, "value"),
        ("Patient?_filter=given eq", 400, "value"),
        (r#"Patient?_filter=given eq "x" and"#, 400, "value"),
        (r#"Patient?_filter=(given eq "x""#, 400, "value"),
        (r#"Patient?_filter=given eq "x"#, 400, "value"),
        ("Patient?_filter=shoe eq 44", 400, "value"),
        ("Patient?_filter=birthdate co 1980", 400, "not-supported"),
        ("Patient?_filter=birthdate eq never", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/http.html#search>: a form in the body says the same as a query.
#[tokio::test]
async fn a_posted_form_searches_too() {
    for database in databases() {
        let hospital = filled(database, CARE).await;
        let form = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
        for (path, body, wanted) in [
            ("Patient/_search", "gender=male", "q"),
            ("Patient/_search?gender=female", "_id=p", "p"),
            ("Patient/_search?gender=female", "_id=q", ""),
            ("Patient/_search?gender=male", "", "q"),
            ("_search", "_type=Patient,Condition&_tag=needs-review", "p c"),
            ("Observation/_search", "code=http%3A%2F%2Floinc.org%7C1234-5&date=2010", "o"),
            ("Patient/p/Observation/_search", "date=2010", "o"),
        ] {
            let answered = hospital.send("POST", &format!("/fhir/{path}"), &form, body).await;
            assert_eq!(answered.status, 200, "{path} {body}: {}", answered.text());
            assert_eq!(sorted(answered.found("match")), sorted(words(wanted)), "{path} {body}");
        }
        let first = hospital.send("POST", "/fhir/Patient/_search", &form, "_count=1").await;
        let second = hospital.get(&first.link("next").unwrap()).await;
        assert_eq!((second.found("match").len(), second.link("next")), (1, None));
    }
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>: a condition means what the search means.
#[tokio::test]
async fn a_condition_is_a_search() {
    for database in databases() {
        let hospital = filled(database, CARE).await;
        let body = r#"{"resourceType":"Observation","status":"final","code":{"text":"new"},"subject":{"reference":"Patient/p"}}"#;
        for (condition, status) in [
            ("code=http://loinc.org|1234-5", 200),
            ("subject:Patient.gender=female&date=gt2015", 200),
            ("patient=p", 412),
            ("_filter=date lt 2015 and patient eq p", 200),
            ("shoe=44", 400),
            ("date=never", 400),
            ("status=amended", 201),
        ] {
            let headers = [("if-none-exist", &*encoded(condition))];
            let answered = hospital.send("POST", "/fhir/Observation", &headers, body).await;
            assert_eq!(answered.status, status, "{condition}: {}", answered.text());
        }
        assert_eq!(search(&hospital, "Observation?code:text=new").await.found("match").len(), 1);
    }
}
