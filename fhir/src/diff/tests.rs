//! Diffs of small resources, written out; that any diff leads back is tested in `tests/diff.rs`.

use super::diff;
use crate::json::Doc;
use crate::patch;

#[test]
fn a_diff_names_what_changed() {
    check(r#""active":true"#, r#""active":true"#, &[]);
    check(r#""active":true"#, r#""active":false"#, &["replace Patient.active"]);
    check(r#""birthDate":"2000""#, r#""active":false"#, &["add Patient active", "delete Patient.birthDate"]);
    check(r#""multipleBirthInteger":1"#, r#""multipleBirthBoolean":true"#, &["replace Patient.multipleBirth"]);
    check(
        r#""name":[{"family":"a"},{"family":"b"}]"#,
        r#""name":[{"family":"b"},{"family":"a"}]"#,
        &["move Patient.name 1 0"],
    );
    check(
        r#""name":[{"family":"a","given":["x"]},{"family":"b"}]"#,
        r#""name":[{"family":"c","given":["x","y"]},{"family":"b"}]"#,
        &["replace Patient.name[0].family", "insert Patient.name[0].given 1"],
    );
    check(r#""contact":[{"gender":"male"}]"#, r#""active":true"#, &["add Patient active", "delete Patient.contact[0]"]);
    check(r#""active":true"#, r#""active":true,"contact":[{"name":{"text":"n"}}]"#, &["add Patient contact"]);
    check(
        r#""name":[{"given":["a","b"],"_given":[null,{"id":"1"}]}]"#,
        r#""name":[{"given":["a",null],"_given":[{"id":"2"},{"id":"1"}]}]"#,
        &["replace Patient.name[0].given[0]", "replace Patient.name[0].given[1]"],
    );
}

fn check(a: &str, b: &str, wanted: &[&str]) {
    let doc = |text: &str| Doc::parse(format!(r#"{{"resourceType":"Patient",{text}}}"#).into_bytes()).unwrap();
    let (a, b) = (doc(a), doc(b));
    let parameters = diff(&a, &b).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&parameters).unwrap();
    let words = |operation: &serde_json::Value| {
        let parts = operation["part"].as_array().unwrap().iter().filter(|part| part["name"] != "value");
        let words = parts.map(|part| {
            let value = ["valueCode", "valueString", "valueInteger"].iter().find_map(|key| part.get(*key)).unwrap();
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let found: Vec<String> = read["parameter"].as_array().into_iter().flatten().map(words).collect();
    assert_eq!(found, wanted);
    let again = patch::fhirpath(&a, &parameters).unwrap();
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    assert_eq!(value(&again), value(b.bytes()));
}
