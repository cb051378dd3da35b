//! Random small worlds: some sixty resources of many kinds that refer to each other, written, updated and deleted in an
//! order that the seed decides. Called by `property`.

use super::make::{contain, make};
use crate::common::caller;
use node::Node;
use node::write::Intent;
use serde_json::{Value, json};

/// Numbers by a seed: splitmix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub const FAMILIES: &[&str] = &["Müller", "muller", "MULLER-Sons", "Meier", "O'Neil", "de la  Cruz", "Carreño", "Ng"];
pub const GIVENS: &[&str] = &["Eve", "Evelyn", "Séverine", "José", "eve", "Li"];
pub const CODES: &[&str] = &["a", "b", "c", "a,b", "x|y", "p$q", "back\\slash", "B"];
pub const SYSTEMS: &[&str] = &["http://loinc.org", "urn:local", ""];
pub const TEXTS: &[&str] = &["Head ache", "headache", "Blood Pressure", "pressure of blood", "Ébola"];
pub const NUMBERS: &[&str] = &["5.4", "5.35", "5.45", "5.449", "0.0054", "5400", "100", "99.5", "100.5", "-3", "0"];
/// Systems, codes and human forms of units; an empty one is left out.
pub const UNITS: &[(&str, &str, &str)] = &[
    ("http://unitsofmeasure.org", "mg", "milligram"),
    ("http://unitsofmeasure.org", "g", "g"),
    ("http://unitsofmeasure.org", "ug", ""),
    ("http://unitsofmeasure.org", "mm[Hg]", "mmHg"),
    ("urn:own", "mg", "mg"),
    ("", "", "mg"),
    ("", "", ""),
];
pub const DATES: &[&str] = &[
    "2013",
    "2013-01",
    "2013-01-14",
    "2013-01-14T10:00:00Z",
    "2013-01-14T23:59:59.999Z",
    "2013-01-15T00:00:00+02:00",
    "2013-03-14",
    "2014-06-01T12:00:00-05:00",
    "2012-12-31",
];
pub const INSTANTS: &[&str] = &["2013-01-14T10:00:00Z", "2013-01-14T10:00:30.5Z", "2014-06-01T12:00:00-05:00"];

/// One resource as it is now.
pub struct Resource {
    pub kind: &'static str,
    pub id: String,
    pub json: Value,
    pub updated: i64,
    /// With the time of the whole.
    pub contained: Vec<Resource>,
}

/// What is there, in the order it was last written in.
#[derive(Default)]
pub struct World {
    pub resources: Vec<Resource>,
}

impl World {
    /// Fills a node by a seed.
    pub async fn fill(node: &Node, dice: &mut Dice) -> Self {
        let mut world = Self::default();
        for (kind, count) in [
            ("Organization", 4),
            ("Practitioner", 4),
            ("Patient", 8),
            ("Encounter", 5),
            ("Observation", 16),
            ("Condition", 6),
            ("MedicationRequest", 5),
            ("RiskAssessment", 4),
            ("List", 3),
            ("Group", 3),
            ("Provenance", 3),
            ("CodeSystem", 1),
            ("ValueSet", 3),
        ] {
            for at in 0..count {
                world.write(node, kind, &format!("r{at}"), dice).await;
            }
        }
        for _ in 0..16 {
            let Resource { kind, id, .. } = &world.resources[dice.below(world.resources.len())];
            let (kind, id) = (*kind, id.clone());
            if kind == "ValueSet" || kind == "CodeSystem" {
                continue;
            }
            if dice.chance(70) {
                world.write(node, kind, &id, dice).await;
            } else {
                let intent = Intent::Delete { kind: crate::common::kind(kind), id: id.clone(), if_match: None };
                node.write(&caller(), intent).await.unwrap();
                world.resources.retain(|other| (other.kind, &other.id) != (kind, &id));
            }
        }
        // A Provenance moves with what it is about, which is a write too.
        for resource in &mut world.resources {
            let served = node.read(&caller(), crate::common::kind(resource.kind), &resource.id).await.unwrap();
            resource.updated = served.last_updated;
            resource.contained.iter_mut().for_each(|contained| contained.updated = served.last_updated);
        }
        world.resources.sort_by_key(|resource| resource.updated);
        world
    }

    async fn write(&mut self, node: &Node, kind: &'static str, id: &str, dice: &mut Dice) {
        let (json, contained, resource) = loop {
            let mut json = make(kind, id, dice);
            let contained = contain(&mut json, kind, dice);
            json["resourceType"] = kind.into();
            json["id"] = id.into();
            json["meta"] = json!({"tag": [{"system": "urn:tag", "code": dice.pick(&["red", "blue"])}]});
            // The dice may break a rule between elements (obs-7): then they are thrown again.
            let parsed = fhir::parse::resource(json.to_string().into_bytes()).unwrap();
            if let Ok(resource) = fhir::validate::check(parsed) {
                break (json, contained, resource);
            }
        };
        let intent = Intent::Update { resource, if_match: None };
        let updated = node.write(&caller(), intent).await.unwrap().last_updated;
        self.resources.retain(|other| (other.kind, other.id.as_str()) != (kind, id));
        let contained = contained.into_iter().map(|(kind, json)| {
            let id = json["id"].as_str().unwrap().to_owned();
            Resource { kind, id, json, updated, contained: Vec::new() }
        });
        let contained = contained.collect();
        self.resources.push(Resource { kind, id: id.to_owned(), json, updated, contained });
    }

    pub fn of(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    pub fn find(&self, kind: &str, id: &str) -> Option<&Resource> {
        self.of(kind).find(|resource| resource.id == id)
    }
}
