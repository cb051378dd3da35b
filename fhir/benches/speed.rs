//! How long each step of a resource takes, beside serde_json reading the same bytes.
//!
//!     CHARTWELL_DATA=../shared/data cargo bench -p fhir
//!
//! Without `CHARTWELL_DATA` it takes the two patients of `tests/data`.

use fhir::json::Doc;
use fhir::{bundle, class, home, index, parse, reference, served, validate, xml};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

/// How often each step is run; the fastest counts.
const ROUNDS: usize = 5;

/// The same for steps that are compared.
const ROUNDS_IN_TURNS: usize = 12;

fn main() {
    let folder = match std::env::var_os("CHARTWELL_DATA") {
        Some(data) => PathBuf::from(data).join("synthea/2019"),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/synthea"),
    };
    let mut bundles = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder of Synthea patients is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.extension().is_some_and(|ending| ending == "json") {
            bundles.push(std::fs::read(path).expect("the file can be read"));
        }
    }
    let resources: Vec<Vec<u8>> = bundles
        .iter()
        .flat_map(|bytes| {
            let bundle = bundle::read(bytes.clone()).expect("Synthea's bundles are bundles");
            bundle
                .resources()
                .into_iter()
                .flatten()
                .map(|resource| resource.expect("known").into_bytes())
                .collect::<Vec<_>>()
        })
        .collect();
    let bytes: usize = resources.iter().map(Vec::len).sum();
    let started = Instant::now();
    let first = parse::resource(resources[0].clone()).expect("a resource");
    let _ = (validate::issues(&first), index::values(first.doc(), first.kind()));
    eprintln!("opening the tables, once: {:.2} ms", started.elapsed().as_secs_f64() * 1e3);
    eprintln!("{} resources, {} bytes, {} bytes on average", resources.len(), bytes, bytes / resources.len());

    let parsed: Vec<_> = resources.iter().map(|bytes| parse::resource(bytes.clone()).expect("a resource")).collect();
    let round = |step: &dyn Fn(usize)| {
        let started = Instant::now();
        (0..resources.len()).for_each(step);
        started.elapsed().as_secs_f64()
    };
    let tell = |name: &str, best: f64| {
        let each = best / resources.len() as f64 * 1e6;
        eprintln!("{name:32} {each:8.2} us per resource, {:7.0} MB/s", bytes as f64 / best / 1e6);
        each
    };
    let run = |name: &str, step: &dyn Fn(usize)| {
        tell(name, (0..ROUNDS).map(|_| round(step)).fold(f64::MAX, f64::min));
    };
    run("copy of the bytes", &|at| drop(black_box(resources[at].clone())));
    run("json::Doc::parse (with the copy)", &|at| drop(black_box(Doc::parse(resources[at].clone()))));
    // What is compared is run in turns, so that a busy machine slows all of it alike.
    let compared: [(&str, &dyn Fn(usize)); 4] = [
        ("serde_json::Value", &|at| drop(black_box(serde_json::from_slice::<serde_json::Value>(&resources[at])))),
        ("parse, structure and types", &|at| {
            let parsed = parse::resource(resources[at].clone()).expect("a resource");
            drop(black_box(validate::structure(&parsed)));
        }),
        ("structure and types", &|at| drop(black_box(validate::structure(&parsed[at])))),
        ("validate::issues, all of it", &|at| drop(black_box(validate::issues(&parsed[at])))),
    ];
    let mut best = [f64::MAX; 4];
    for _ in 0..ROUNDS_IN_TURNS {
        for (best, (_, step)) in best.iter_mut().zip(&compared) {
            *best = best.min(round(*step));
        }
    }
    let told: Vec<f64> = compared.iter().zip(best).map(|((name, _), best)| tell(name, best)).collect();
    let (value, shaped, rules) = (told[0], told[1], told[3] - told[2]);
    eprintln!("bindings and invariants alone    {rules:8.2} us per resource");
    eprintln!(
        "of serde_json::Value: parse, structure and types {:.2}; bindings and invariants {:.2}",
        shaped / value,
        rules / value
    );
    run("index::values", &|at| drop(black_box(index::values(parsed[at].doc(), parsed[at].kind()))));
    let stored = r#"{"resourceType":"SearchParameter","url":"http://a/eye","status":"active","code":"eye","type":"token",
        "base":["Resource"],"expression":"extension.where(url = 'http://a/eye').value"}"#;
    let stored = Doc::parse(stored.as_bytes().to_vec()).expect("it is JSON");
    let stored = index::custom::Custom::read(&stored).expect("it can be searched by");
    run("one stored parameter", &|at| drop(black_box(stored.values(parsed[at].doc(), parsed[at].kind()))));
    run("reference::sites", &|at| drop(black_box(reference::sites(parsed[at].doc()))));
    run("home::main and class::of", &|at| {
        drop(black_box((
            home::main(parsed[at].doc(), parsed[at].kind()),
            class::of(parsed[at].doc(), parsed[at].kind()),
        )));
    });
    run("served::splice", &|at| {
        drop(black_box(served::splice(&resources[at], "an-id", "aaaaaaaaaaaaaaaaaaaa.1", "2026-01-02T03:04:05.678Z")));
    });
    let xmls: Vec<_> = parsed.iter().map(|parsed| xml::write(parsed.doc(), false).expect("valid")).collect();
    run("xml::write", &|at| drop(black_box(xml::write(parsed[at].doc(), false))));
    run("xml::read", &|at| drop(black_box(xml::read(&xmls[at]))));
    let entries: usize = parsed.iter().map(|parsed| index::values(parsed.doc(), parsed.kind()).len()).sum();
    eprintln!("{:.1} index entries per resource", entries as f64 / parsed.len() as f64);
}
