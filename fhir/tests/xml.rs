//! Official examples through both formats, in all four directions; all 141 where `CHARTWELL_DATA` names the folder of
//! development data, else those of `tests/data`.

use fhir::json::Doc;
use fhir::xml;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What differs between the official JSON and XML of one example, so that neither is what the other converts to.
const DIFFERENT: [(&str, &str); 8] = [
    ("codesystem-example-summary", "the JSON was published with extensions for work group and maturity"),
    ("coverageeligibilityresponse-example-benefits-2", "request.reference has another case in the JSON"),
    ("deviceusestatement-example", "reasonReference is a Procedure in the JSON and a Condition in the XML"),
    ("enrollmentresponse-example", "request.reference is another type in each"),
    ("medicationrequest0301", "dispenseRequest.performer is a Practitioner in the JSON, an Organization in the XML"),
    ("observation-decimal", "the JSON writes 1.0e+0 of the XML as 1.0"),
    ("paymentreconciliation-example", "request.reference is another type in each"),
    ("valueset-cpt-all", "the JSON was published with extensions for work group and maturity"),
];

/// Files with this ending in the folders of examples, with their names.
fn examples(ending: &str) -> Vec<(String, Vec<u8>)> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = ["../tests/data/examples", "../tests/data/synthea", "tests/data/examples"];
    let mut folders = data.map(|folder| room.join(folder)).to_vec();
    if let Some(data) = std::env::var_os("CHARTWELL_DATA") {
        folders.push(PathBuf::from(data).join("r4-examples").join(ending));
    }
    let mut found = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(&folder).expect("the folder of examples is there") {
            let path = entry.expect("it can be listed").path();
            if path.extension().is_some_and(|found| found == ending) {
                let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).expect("it can be read")));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Type and id.
fn identity(value: &Value) -> String {
    format!("{}/{}", value["resourceType"].as_str().expect("a type"), value["id"].as_str().unwrap_or(""))
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

fn doc(json: &[u8]) -> Doc {
    Doc::parse(json.to_vec()).expect("JSON")
}

/// Start tags with their attributes, end tags, and the text of narratives: what XML says, without its layout.
fn events(xml: &[u8]) -> Vec<String> {
    use quick_xml::events::Event;
    let text = std::str::from_utf8(xml).expect("UTF-8").trim_start_matches('\u{feff}');
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut found: Vec<String> = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) => {
                let attributes = tag.attributes().map(|attribute| attribute.expect("an attribute"));
                let attributes = attributes.filter(|attribute| !attribute.key.0.starts_with("xmlns:"));
                let attributes = attributes.filter(|attribute| !attribute.key.0.ends_with("schemaLocation"));
                let mut attributes: Vec<_> = attributes
                    .map(|attribute| {
                        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).expect("a value");
                        format!("{}={value}", attribute.key.0)
                    })
                    .collect();
                attributes.sort();
                found.push(format!("<{} {}", tag.name().0, attributes.join(" ")));
            }
            Event::End(tag) => found.push(format!("</{}", tag.name().0)),
            Event::Text(text) if !text.trim().is_empty() => found.push(text.split_whitespace().collect()),
            Event::GeneralRef(name) => found.push((*name).to_owned()),
            Event::CData(text) => found.push((*text).to_owned()),
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn json_examples_come_back_from_xml() {
    let mut faults = Vec::new();
    for (name, json) in examples("json") {
        let wanted = value(&json);
        let written = match xml::write(&doc(&json), false) {
            Ok(written) => written,
            Err(outcome) => {
                faults.push(format!("{name}: JSON to XML: {:?}", outcome.issues));
                continue;
            }
        };
        match xml::read(&written) {
            Ok(again) if value(&again) == wanted => {}
            Ok(again) => faults.push(format!("{name}: {}", difference(&wanted, &value(&again), ""))),
            Err(outcome) => faults.push(format!("{name}: XML to JSON: {:?}", outcome.issues)),
        }
        let pretty = xml::write(&doc(&json), true).expect("as before");
        assert_eq!(xml::read(&pretty), xml::read(&written), "{name}");
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn xml_examples_come_back_from_json_and_say_what_their_json_says() {
    let json: BTreeMap<String, Vec<u8>> =
        examples("json").into_iter().map(|(_, json)| (identity(&value(&json)), json)).collect();
    let (mut faults, mut pairs) = (Vec::new(), 0);
    for (name, xml) in examples("xml") {
        let read = match xml::read(&xml) {
            Ok(read) => read,
            Err(outcome) => {
                faults.push(format!("{name}: XML to JSON: {:?}", outcome.issues));
                continue;
            }
        };
        let again = xml::write(&doc(&read), false).expect("what was read can be written");
        let (before, after) = (events(&xml), events(&again));
        faults.extend(first(&before, &after).map(|at| format!("{name}: XML to JSON to XML: {at}")));

        let Some(json) = json.get(&identity(&value(&read))) else { continue };
        pairs += 1;
        // The official JSON was published with a generated narrative and tags, the official XML before.
        let (mut official, mut ours) = (value(json), value(&read));
        for generated in ["text", "meta"] {
            if official.get(generated) != ours.get(generated) {
                for side in [&mut official, &mut ours] {
                    side.as_object_mut().expect("a resource").remove(generated);
                }
            }
        }
        let bytes = |value: &Value| xml::write(&doc(value.to_string().as_bytes()), false).expect("tested above");
        let values = difference(&official, &ours, "");
        let events = first(&events(&bytes(&ours)), &events(&bytes(&official)));
        let known = DIFFERENT.iter().find(|(different, _)| *different == name);
        if (values.is_empty() && events.is_none()) != known.is_none() {
            faults.push(format!("{name}: the official pair: {values}; {events:?}"));
        }
    }
    assert!(faults.is_empty(), "{} faults of {pairs} pairs:\n{}", faults.len(), faults.join("\n"));
    assert!(pairs >= 6, "the pairs of tests/data are there");
}

/// Where two lists of events differ first.
fn first(a: &[String], b: &[String]) -> Option<String> {
    let at = a.iter().zip(b).position(|(a, b)| a != b).or((a.len() != b.len()).then_some(a.len().min(b.len())))?;
    Some(format!("{:?} {:?}", a.get(at), b.get(at)))
}

/// Where two values differ first.
fn difference(a: &Value, b: &Value, place: &str) -> String {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                let Some(other) = b.get(key) else { return format!("{place}.{key} is missing") };
                let found = difference(value, other, &format!("{place}.{key}"));
                if !found.is_empty() {
                    return found;
                }
            }
            b.keys().find(|key| !a.contains_key(*key)).map(|key| format!("{place}.{key} is new")).unwrap_or_default()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let items = a.iter().zip(b).enumerate();
            items
                .map(|(at, (a, b))| difference(a, b, &format!("{place}[{at}]")))
                .find(|found| !found.is_empty())
                .unwrap_or_default()
        }
        _ if a == b => String::new(),
        _ => {
            let (a, b) = (a.to_string(), b.to_string());
            let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or(0).saturating_sub(10);
            let part = |text: &str| text.chars().skip(at).take(60).collect::<String>();
            format!("{place}: {} {}", part(&a), part(&b))
        }
    }
}
