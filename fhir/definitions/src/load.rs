//! The official files as JSON values, sorted by what they define. Called once by `main`.

use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The official definitions this generator uses.
pub struct Official {
    /// Complex and primitive types by name, resources included.
    pub structures: BTreeMap<String, Value>,
    /// Names of the concrete resource types, sorted.
    pub resources: Vec<String>,
    /// Value sets by url.
    pub value_sets: BTreeMap<String, Value>,
    /// Code systems by url.
    pub code_systems: BTreeMap<String, Value>,
    /// Search parameters by url.
    pub search_parameters: BTreeMap<String, Value>,
    /// The patient compartment.
    pub patient_compartment: Value,
}

impl Official {
    /// Reads the folder of official files.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| -> anyhow::Result<Value> {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            Ok(serde_json::from_slice(&bytes)?)
        };
        let mut official = Self {
            structures: BTreeMap::new(),
            resources: Vec::new(),
            value_sets: BTreeMap::new(),
            code_systems: BTreeMap::new(),
            search_parameters: BTreeMap::new(),
            patient_compartment: file("compartmentdefinition-patient.json")?,
        };
        for name in ["profiles-types.json", "profiles-resources.json"] {
            for resource in entries(file(name)?) {
                official.take_structure(resource);
            }
        }
        for name in ["valuesets.json", "v3-codesystems.json", "search-parameters.json"] {
            for resource in entries(file(name)?) {
                let url = text(&resource, "url").to_owned();
                let map = match text(&resource, "resourceType") {
                    "ValueSet" => &mut official.value_sets,
                    "CodeSystem" => &mut official.code_systems,
                    "SearchParameter" => &mut official.search_parameters,
                    _ => continue,
                };
                map.insert(url, resource);
            }
        }
        official.resources.sort();
        Ok(official)
    }

    fn take_structure(&mut self, resource: Value) {
        if text(&resource, "resourceType") != "StructureDefinition" {
            return;
        }
        // The carrier adds types of later releases; only 4.0.1 counts.
        if text(&resource, "fhirVersion") != "4.0.1" {
            eprintln!("left out, not of 4.0.1: {}", text(&resource, "id"));
            return;
        }
        // SimpleQuantity and MoneyQuantity are profiles; MetadataResource is a logical model.
        if text(&resource, "derivation") == "constraint" || text(&resource, "kind") == "logical" {
            return;
        }
        let id = text(&resource, "id").to_owned();
        if text(&resource, "kind") == "resource" && resource["abstract"] == Value::Bool(false) {
            self.resources.push(id.clone());
        }
        self.structures.insert(id, resource);
    }
}

/// A string member, or nothing.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The items of an array member, or none.
pub fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn entries(mut bundle: Value) -> Vec<Value> {
    let Some(Value::Array(entries)) = bundle.get_mut("entry").map(Value::take) else {
        return Vec::new();
    };
    entries.into_iter().map(|mut entry| entry["resource"].take()).collect()
}
