//! The official examples and the Synthea patients, all of them, where they are: runs when `CHARTWELL_DATA` names the
//! folder of development data, else holds only the few files of `tests/data`.

use fhir::{bundle, class, home, index, parse, reference, served, validate};
use std::path::{Path, PathBuf};

/// Files with this ending below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
}

fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/examples"), &mut found);
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/synthea"), &mut found);
    if let Some(data) = std::env::var_os("CHARTWELL_DATA") {
        let data = PathBuf::from(data);
        files(&data.join("r4-examples/json"), &mut found);
        files(&data.join("synthea"), &mut found);
    }
    found.sort();
    found
}

#[test]
fn every_official_example_and_every_synthea_resource_is_valid() {
    let mut faults = Vec::new();
    for path in all() {
        let name = path.display();
        let bytes = std::fs::read(&path).expect("a listed file can be read");
        let parsed =
            parse::resource(bytes.clone()).map_err(|outcome| format!("{name}: {outcome}")).expect("a resource");
        for issue in validate::issues(&parsed) {
            faults.push(format!("{name}: {:?} {}", issue.expression, issue.diagnostics));
        }
        if parsed.kind().name() == "Bundle" {
            let bundle = bundle::read(bytes).map_err(|outcome| format!("{name}: {outcome}")).expect("a Bundle");
            for (number, resource) in bundle.resources().into_iter().enumerate() {
                let Some(resource) = resource else { continue };
                let resource = resource.expect("a resource of a known type");
                assert_eq!(Some(resource.bytes()), bundle.resource(number));
                every_function_takes(&resource);
            }
        }
        every_function_takes(&parsed);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn every_function_takes(parsed: &parse::Parsed) {
    let (doc, kind) = (parsed.doc(), parsed.kind());
    let _ = (index::values(doc, kind), home::main(doc, kind), class::of(doc, kind));
    for site in reference::sites(doc) {
        let token: String = serde_json::from_slice(&parsed.bytes()[site.range]).expect("a site is a JSON string");
        assert_eq!(token, site.text);
    }
    let served = served::splice(parsed.bytes(), "new-id", "v", "2026-01-02T03:04:05.678Z");
    let mut before: serde_json::Value = serde_json::from_slice(parsed.bytes()).expect("JSON");
    let mut after: serde_json::Value = serde_json::from_slice(&served).expect("JSON");
    assert_eq!(after["id"], "new-id");
    for value in [&mut before, &mut after] {
        let object = value.as_object_mut().expect("a resource is an object");
        object.remove("id");
        if let Some(meta) = object.get_mut("meta").and_then(serde_json::Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
        }
        if object.get("meta").is_some_and(|meta| meta.as_object().is_some_and(serde_json::Map::is_empty)) {
            object.remove("meta");
        }
    }
    assert_eq!(before, after);
}
