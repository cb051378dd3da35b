//! The rules between the rooms: who may name whom, which external crate lives where, that every file says what lives in
//! it, and that migrations come in pairs.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may name whom (docs/ARCHITECTURE.md); `cli` and `tests` may name everybody.
const MAY_NAME: [(&str, &[&str]); 8] = [
    ("record", &[]),
    ("fhir", &[]),
    ("definitions", &[]),
    ("net", &["record"]),
    ("store", &["record", "fhir"]),
    ("node", &["fhir", "record", "net", "store"]),
    ("server", &["node", "fhir", "record"]),
    ("patient", &["node", "fhir", "record"]),
];

/// External crates that live in these rooms alone.
const LIVES_IN: [(&str, &[&str]); 20] = [
    ("sqlx", &["store"]),
    ("sea-query", &["store"]),
    ("libp2p", &["net"]),
    ("libp2p-stream", &["net"]),
    ("axum", &["server", "patient"]),
    ("tower-http", &["server"]),
    ("jsonwebtoken", &["server"]),
    ("aws-lc-rs", &["server"]),
    ("instant-acme", &["server"]),
    ("rcgen", &["server"]),
    ("x509-parser", &["server"]),
    ("ed25519-dalek", &["record"]),
    ("hpke", &["record"]),
    ("aes-gcm-siv", &["record"]),
    ("argon2", &["record"]),
    ("blake3", &["record"]),
    ("bip39", &["record"]),
    ("regex-lite", &["fhir"]),
    ("clap", &["cli"]),
    ("quick-xml", &["fhir"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps().other_options(["--offline".to_owned()]);
    command.exec().unwrap().packages
}

fn names(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn a_room_names_only_those_it_may() {
    let packages = packages();
    let ours = packages.iter().map(|package| package.name.to_string()).collect::<BTreeSet<_>>();
    let rules = MAY_NAME.iter().map(|(room, may)| (*room, may.iter().copied().collect::<BTreeSet<_>>()));
    let rules = rules.collect::<BTreeMap<_, _>>();
    for package in &packages {
        let name = package.name.as_str();
        if matches!(name, "cli" | "tests") {
            continue;
        }
        let Some(may) = rules.get(name) else { panic!("room {name} has no rule in this test") };
        for dependency in names(package).iter().filter(|dependency| ours.contains(*dependency)) {
            assert!(may.contains(dependency.as_str()), "{name} must not name {dependency}");
        }
    }
}

#[test]
fn an_external_crate_lives_where_its_rule_says() {
    for package in packages() {
        let name = package.name.as_str();
        for (external, rooms) in LIVES_IN {
            if names(&package).contains(external) {
                assert!(rooms.contains(&name), "{external} does not live in {name}, but in {rooms:?}");
            }
        }
    }
}

#[test]
fn a_crate_has_the_name_of_its_folder() {
    for package in packages() {
        let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
        assert_eq!(package.name.as_str(), folder);
    }
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_first_what_lives_in_it() {
    let mut found = Vec::new();
    files(&root(), ".rs", &mut found);
    assert!(found.len() > 50);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
        assert_ne!(path.file_name().unwrap(), "mod.rs", "{}: foo.rs beside foo/, no mod.rs", path.display());
    }
}

#[test]
fn every_reader_of_outside_bytes_is_fuzzed() {
    let table = std::fs::read_to_string(root().join("tests/fuzz/src/lib.rs")).unwrap();
    for (name, file) in [("record", "p2p/record"), ("net", "p2p/net"), ("fhir", "fhir")] {
        let text = std::fs::read_to_string(root().join(file).join("src/fuzz.rs")).unwrap();
        let readers = text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.strip_suffix("(bytes: &[u8]) {"));
        let readers = readers.collect::<Vec<_>>();
        assert!(!readers.is_empty(), "{name} has readers");
        for reader in readers {
            assert!(table.contains(&format!("(\"{name}::{reader}\", {name}::fuzz::{reader})")), "{name}::{reader}");
        }
    }
}

#[test]
fn migrations_come_in_pairs() {
    let list = |folder: &str| {
        let mut found = Vec::new();
        files(&root().join("migrations").join(folder), ".sql", &mut found);
        found.iter().map(|path| path.file_name().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(!list("postgres").is_empty());
    assert_eq!(list("postgres"), list("sqlite"));
}
