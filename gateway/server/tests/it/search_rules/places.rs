//! Locations by where they are, and references up and down what is part of what.
//! <https://hl7.org/fhir/R4/location.html#positional>, <https://hl7.org/fhir/R4/search.html#reference>

use super::{finds, refuses, search};
use crate::hospital::Hospital;

/// `near`: latitude|longitude|distance|units.
#[tokio::test]
async fn a_location_is_found_near_a_place() {
    let at = |latitude: &str, longitude: &str| {
        format!(r#""status":"active","position":{{"latitude":{latitude},"longitude":{longitude}}}"#)
    };
    let places = [
        ("Location/ann-arbor", at("42.256500", "-83.694810")),
        ("Location/ypsilanti", at("42.241100", "-83.612900")),
        ("Location/detroit", at("42.331400", "-83.045800")),
        ("Location/west-of-180", at("-17", "179.95")),
        ("Location/east-of-180", at("-17", "-179.95")),
        ("Location/pole", at("90", "0")),
        ("Location/nowhere", r#""status":"inactive""#.to_owned()),
    ];
    let resources = places.each_ref().map(|(name, members)| (*name, members.as_str()));
    let rows = [
        ("Location?near=42.256500|-83.694810|11.20|km", "ann-arbor ypsilanti"),
        ("Location?near=42.256500|-83.694810|6.9", "ann-arbor"),
        ("Location?near=42.256500|-83.694810|7", "ann-arbor ypsilanti"),
        ("Location?near=42.256500|-83.694810|6900|m", "ann-arbor"),
        ("Location?near=42.256500|-83.694810|4.4|[mi_us]", "ann-arbor ypsilanti"),
        ("Location?near=42.256500|-83.694810", "ann-arbor ypsilanti"),
        ("Location?near=42.256500|-83.694810|60", "ann-arbor ypsilanti detroit"),
        ("Location?near=42.256500|-83.694810|0", "ann-arbor"),
        ("Location?near=42.2565|-83.69481|1,42.3314|-83.0458|1", "ann-arbor detroit"),
        ("Location?near=-17|180|10", "west-of-180 east-of-180"),
        ("Location?near=-17|-180|5", ""),
        ("Location?near=89.99|120|2", "pole"),
        ("Location?near=0|0|30000", "ann-arbor ypsilanti detroit west-of-180 east-of-180 pole"),
        ("Location?near=42.256500|-83.694810|11.20|km&status=inactive", ""),
        ("Location?near:missing=true", "nowhere"),
        ("Location?near:missing=false&status:not=inactive&near=90|0", "pole"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Location?near=42", 400, "value"),
        ("Location?near=91|0", 400, "value"),
        ("Location?near=0|181", 400, "value"),
        ("Location?near=0|0|-1", 400, "value"),
        ("Location?near=0|0|1|kg", 400, "value"),
        ("Location?near=0|0|1|km|x", 400, "value"),
        ("Location?near=NaN|0", 400, "value"),
        ("Location?near=0|0|inf", 400, "value"),
        ("Location?near:exact=0|0", 400, "not-supported"),
    ];
    refuses(&[], &wrong).await;
}

/// A chain reaches places too, and whoever moves is found where it is now.
#[tokio::test]
async fn a_place_is_part_of_a_chain_and_changes() {
    let resources = [
        ("Location/here", r#""position":{"latitude":1,"longitude":1}"#),
        ("Location/there", r#""position":{"latitude":9,"longitude":9}"#),
        (
            "Encounter/here",
            r#""status":"finished","class":{"code":"AMB"},"location":[{"location":{"reference":"Location/here"}}]"#,
        ),
        (
            "Encounter/there",
            r#""status":"finished","class":{"code":"AMB"},"location":[{"location":{"reference":"Location/there"}}]"#,
        ),
    ];
    finds(
        &resources,
        &[
            ("Encounter?location.near=1|1|5", "here"),
            ("Location?near=9|9&_has:Encounter:location:status=finished", "there"),
        ],
    )
    .await;
    let hospital = Hospital::open().await;
    for (latitude, found) in [("1", 1), ("2", 0), ("1", 1)] {
        let body =
            format!(r#"{{"resourceType":"Location","id":"moves","position":{{"latitude":{latitude},"longitude":1}}}}"#);
        hospital.send("PUT", "/fhir/Location/moves", &[], body).await;
        let page = search(&hospital, "Location?near=1|1|5").await.json();
        assert_eq!(page["total"], found, "{page}");
    }
}

/// A reference up and down a hierarchy: what is part of a place, and what a place is part of, of any depth, circles included.
#[tokio::test]
async fn references_reach_above_and_below() {
    let part = |of: &str| format!(r#""status":"active","partOf":{{"reference":"Location/{of}"}}"#);
    let procedure = |at: &str| {
        format!(r#""status":"completed","subject":{{"display":"x"}},"location":{{"reference":"Location/{at}"}}"#)
    };
    let texts = [
        ("Location/wing", part("house")),
        ("Location/room", part("wing")),
        ("Location/bed", part("room")),
        ("Location/ring-a", part("ring-b")),
        ("Location/ring-b", part("ring-a")),
        ("Procedure/in-house", procedure("house")),
        ("Procedure/in-wing", procedure("wing")),
        ("Procedure/in-bed", procedure("bed")),
        ("Procedure/in-ring", procedure("ring-a")),
        ("Procedure/elsewhere", procedure("other")),
    ];
    let mut resources = vec![("Location/house", r#""status":"active""#)];
    resources.extend(texts.iter().map(|(name, members)| (*name, members.as_str())));
    let rows = [
        ("Procedure?location:below=house", "in-house in-wing in-bed"),
        ("Procedure?location:below=Location/house", "in-house in-wing in-bed"),
        ("Procedure?location:below=room", "in-bed"),
        ("Procedure?location:above=room", "in-house in-wing"),
        ("Procedure?location:above=bed", "in-house in-wing in-bed"),
        ("Procedure?location:below=ring-b", "in-ring"),
        ("Procedure?location:below=other", "elsewhere"),
        ("Procedure?location:below=room,other", "in-bed elsewhere"),
        ("Procedure?location:below=nowhere", ""),
        ("Location?partof:below=house", "wing room bed"),
        ("Location?partof:above=room", "wing room bed"),
        ("Location?_has:Procedure:location:location:below=room", "bed"),
        ("Procedure?location.partof:below=wing", "in-bed"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Procedure?patient:below=23", 400, "not-supported"),
        ("Procedure?location:below=http://other.example/fhir/Location/1", 400, "value"),
        ("Communication?part-of:below=23", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// A hierarchy tells nothing to whoever may not search its type.
#[tokio::test]
async fn a_hierarchy_needs_a_scope_for_its_type() {
    let hospital = Hospital::open().await;
    let token = format!("Bearer {}", hospital.client("narrow", "system/Procedure.rs").await);
    for (query, status) in [("location=house", 200), ("location:below=house", 403)] {
        let answered =
            hospital.send("GET", &format!("/fhir/Procedure?{query}"), &[("authorization", &token)], "").await;
        assert_eq!(answered.status, status, "{query}: {}", answered.text());
    }
}
