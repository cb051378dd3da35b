//! Any diff leads from the first version to the second: official examples and Synthea's resources changed by a seeded
//! mutator, and resources of one type against each other.

use fhir::json::Doc;
use fhir::{bundle, diff, patch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Versions made of each example; more by `CHARTWELL_ROUNDS`.
const ROUNDS: usize = 8;

/// A small generator of numbers (xorshift64*), so that a seed names a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % end.max(1)
    }
}

fn resources() -> Vec<Value> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![room.join("../tests/data/examples"), room.join("tests/data/examples")];
    if let Some(data) = std::env::var_os("CHARTWELL_DATA") {
        folders.push(PathBuf::from(data).join("r4-examples/json"));
    }
    let mut found = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
            let bytes = std::fs::read(path).expect("it can be read");
            // The largest take long without optimisation and have nothing that others have not.
            if bytes.len() < 100_000 {
                found.push(serde_json::from_slice(&bytes).expect("JSON"));
            }
        }
    }
    found
}

/// Changes one place of a value, so that it keeps the shape the definitions want.
fn mutate(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(members) => {
            let keys: Vec<String> =
                members.keys().filter(|key| *key != "resourceType" && !key.starts_with('_')).cloned().collect();
            let Some(key) = keys.get(random.below(keys.len())).cloned() else { return };
            let beside = format!("_{key}");
            match (random.below(8), &members[&key]) {
                // Gone, with what stands beside it, if something is left.
                (0, _) if keys.len() > 1 => {
                    members.remove(&key);
                    members.remove(&beside);
                }
                // An id beside a primitive.
                (1, Value::String(_) | Value::Number(_) | Value::Bool(_))
                    if !matches!(key.as_str(), "id" | "url" | "div") =>
                {
                    members.insert(beside, json!({ "id": format!("m{}", random.below(3)) }));
                }
                (_, Value::Array(_)) if members.contains_key(&beside) => {
                    members.remove(&beside);
                    if let Some(Value::Array(items)) = members.get_mut(&key) {
                        items.retain(|item| !item.is_null());
                        if items.is_empty() {
                            members.remove(&key);
                        }
                    }
                }
                _ => mutate(members.get_mut(&key).expect("listed"), random),
            }
        }
        Value::Array(items) => {
            let (a, b) = (random.below(items.len()), random.below(items.len()));
            match random.below(6) {
                0 if items.len() > 1 => drop(items.remove(a)),
                1 => items.insert(b, items[a].clone()),
                2 => items.swap(a, b),
                3 => {
                    items.rotate_left(1);
                    items.push(items[a].clone());
                }
                _ => mutate(&mut items[a], random),
            }
        }
        Value::String(text) => text.push_str(["x", "\"", " \u{e9}'", "\\"][random.below(4)]),
        Value::Number(number) => {
            let text = match number.to_string() {
                zero if zero == "0" => "1".to_owned(),
                digits => format!("{digits}0"),
            };
            *number = serde_json::from_str(&text).expect("a number");
        }
        Value::Bool(value) => *value = !*value,
        Value::Null => {}
    }
}

fn leads(a: &Value, b: &Value, story: &str) {
    let doc = |value: &Value| Doc::parse(value.to_string().into_bytes()).expect("JSON");
    let (first, second) = (doc(a), doc(b));
    let operations = diff::diff(&first, &second).map_err(|outcome| outcome.issues).expect(story);
    let found = patch::fhirpath(&first, &operations).map_err(|refused| refused.outcome().issues).expect(story);
    let found: Value = serde_json::from_slice(&found).expect("JSON");
    assert_eq!(&found, b, "{story}: {}", String::from_utf8_lossy(&operations));
}

#[test]
fn a_diff_leads_from_each_version_to_the_other() {
    let rounds = std::env::var("CHARTWELL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for (number, first) in resources().into_iter().enumerate() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        for round in 0..rounds {
            let mut second = first.clone();
            for _ in 0..=random.below(6) {
                mutate(&mut second, &mut random);
            }
            let story = format!("{} {number}, round {round}", first["resourceType"]);
            leads(&first, &second, &story);
            leads(&second, &first, &story);
        }
    }
}

#[test]
fn a_diff_finds_elements_named_as_words_of_fhirpath() {
    let set = |inner: Value| json!({"resourceType": "ValueSet", "expansion": {"contains": [{"code": "a", "contains": inner}]}});
    leads(&set(json!([{"code": "b"}])), &set(json!([{"code": "c"}, {"code": "b", "display": "d"}])), "contains");
    let text = |div: &str| json!({"resourceType": "Basic", "text": {"status": "empty", "div": div}});
    leads(&text("<div>a</div>"), &text("<div>b</div>"), "div");
    leads(&json!({"resourceType": "Basic", "id": "a"}), &text("<div>b</div>"), "a narrative added by its parts");
}

#[test]
fn a_diff_leads_from_any_resource_to_any_other_of_its_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/synthea");
    let mut last: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        if entry.path().extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let bundle = bundle::read(std::fs::read(entry.path()).expect("it can be read")).expect("a Bundle");
        for resource in bundle.resources().into_iter().flatten() {
            let second: Value = serde_json::from_slice(resource.expect("known").bytes()).expect("JSON");
            let kind = second["resourceType"].as_str().expect("a type").to_owned();
            if let Some(first) = last.insert(kind.clone(), second.clone()) {
                leads(&first, &second, &kind);
            }
        }
    }
}
