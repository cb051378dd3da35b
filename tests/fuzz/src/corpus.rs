//! Good bytes to begin from: the golden vectors of the record with their parts, official FHIR examples, and a text of every
//! other kind. Called by the seeded mutator and to fill a folder for libFuzzer.

use data_encoding::HEXLOWER;
use record::Parcel;
use std::path::{Path, PathBuf};

/// What texts of FHIR look like that no example file holds.
const TEXTS: [&str; 12] = [
    r#"[{"op":"add","path":"/code/coding/-","value":{"code":"e"}},{"op":"move","from":"/code/coding/0","path":"/code/coding/1"},{"op":"copy","from":"/status","path":"/issued"}]"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.code.coding.where(code = 'c').code"},{"name":"value","valueCode":"e"}]}]}"#,
    r#"<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Observation/f:code/f:coding[f:code/@value='c']/f:code/@value">e</replace><add sel="f:Observation/f:code/f:coding[2]" pos="after"><f:coding><f:code value="f"/></f:coding></add></diff>"#,
    r#"{"resourceType":"SearchParameter","url":"u","code":"own","base":["Observation"],"type":"token","status":"active","target":["Patient"],"expression":"(Observation.value as Quantity) | Observation.code.where(coding.code='c').coding[0]"}"#,
    r#"{"resourceType":"CodeSystem","url":"u","content":"complete","property":[{"code":"p","uri":"http://hl7.org/fhir/concept-properties#parent"}],"concept":[{"code":"a","concept":[{"code":"b","property":[{"code":"p","valueCode":"c"}]}]},{"code":"c"},{"code":"d"}]}"#,
    r#"{"resourceType":"ValueSet","url":"u","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender","filter":[{"property":"concept","op":"is-a","value":"male"}]},{"system":"s","concept":[{"code":"a"}]}],"exclude":[{"valueSet":["v"]}]},"expansion":{"contains":[{"code":"a","contains":[{"code":"b"}]}]}}"#,
    "mm[Hg].(10*3/uL)2/{score}.kg-1/[degF]",
    "Patient.name.where(use = 'official' and family.exists()).given.first()",
    "name.select(given.join(' ') & ', ' & family).isDistinct() implies birthDate + 3 months < @2020-01-02T10:00:00.5+02:00",
    "repeat(children()).count() > 3 or @T10:00 >= @T09:00 xor 'x'.matches('[a-z]+')",
    "Zcode=http://loinc.org|8302-2,a&patient.identifier:exact=b&_has:Observation:patient:code=c&_filter=date gt 2012 and not (status eq a)&value-quantity=gt1.5||kg",
    "patient/Observation.rs?category=laboratory openid",
];

/// Examples larger than this teach a mutator little and cost it much.
const EXAMPLE_BYTES_MAX: u64 = 64 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Good bytes for a reader of this name.
///
/// # Errors
/// If the project's own files cannot be read.
pub fn corpus(name: &str) -> std::io::Result<Vec<Vec<u8>>> {
    match name.split("::").next() {
        Some("fhir") => fhir(),
        Some("net") => net(),
        _ => record(),
    }
}

/// Most kinds of message that a byte in front can name here; unknown ones are refused at once.
const KINDS_MAX: u8 = 16;

/// Messages begin with their kind: each kind in front of short numbers, and of what the record's vectors hold.
fn net() -> std::io::Result<Vec<Vec<u8>>> {
    let small = (0..64_usize).map(|n| (0..n).map(|at| (at % 5) as u8).collect::<Vec<_>>());
    let bodies = small.chain(record()?).collect::<Vec<_>>();
    let of_kind = |kind: u8| bodies.iter().map(move |body| [&[kind], &body[..]].concat());
    Ok((0..KINDS_MAX).flat_map(of_kind).collect())
}

fn fhir() -> std::io::Result<Vec<Vec<u8>>> {
    let mut corpus = TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    for folder in ["tests/data/examples", "fhir/tests/data/examples"] {
        let mut paths = std::fs::read_dir(root().join(folder))?.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.by_ref().collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        for path in paths {
            if path.metadata()?.len() <= EXAMPLE_BYTES_MAX {
                corpus.push(std::fs::read(path)?);
            }
        }
    }
    // Two versions, parted by a zero byte, as the diff is asked.
    let two = |pair: &[Vec<u8>]| [&pair[0][..], &[0], &pair[1][..]].concat();
    let pairs = corpus[3..6].windows(2).map(two).collect::<Vec<_>>();
    corpus.extend(pairs);
    Ok(corpus)
}

fn record() -> std::io::Result<Vec<Vec<u8>>> {
    let mut corpus = vec![TEXTS[11].as_bytes().to_vec()];
    let mut chain = Vec::new();
    let files = std::fs::read_dir(root().join("p2p/record/vectors"))?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let Ok(bytes) = HEXLOWER.decode(line.rsplit(' ').next().unwrap_or_default().as_bytes()) else { continue };
            if let Ok(parcel) = Parcel::decode(&bytes) {
                let header = parcel.op.header_bytes().to_vec();
                let bodies = parcel.frames.into_iter().flatten();
                let bodies = bodies.filter_map(|frame| record::frame::unpack(&frame).ok()).collect::<Vec<_>>();
                // Header and body, parted by their lengths, as the fold is asked.
                let none = Vec::new();
                for part in [&header, bodies.first().unwrap_or(&none)] {
                    chain.extend((part.len() as u16).to_le_bytes());
                    chain.extend(part);
                }
                corpus.extend([header, parcel.op.entries_bytes().to_vec()]);
                corpus.extend(bodies);
            }
            corpus.push(bytes);
        }
    }
    corpus.push(chain);
    Ok(corpus)
}
