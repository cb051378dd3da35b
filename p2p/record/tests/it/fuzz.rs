//! Every decoder under seeded mutation: bytes that were good once, with bits flipped, cut, doubled and spliced. The seed is
//! printed; `CHARTWELL_SEED` runs one again.

use data_encoding::HEXLOWER;
use record::{Entropy, Parcel, fuzz};
use std::path::Path;

/// Mutants each target is given in one run.
const ROUNDS: usize = 3000;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 11] = [
    ("header", fuzz::header),
    ("entries", fuzz::entries),
    ("body", fuzz::body),
    ("parcel", fuzz::parcel),
    ("card", fuzz::card),
    ("content", fuzz::content),
    ("wrap", fuzz::wrap),
    ("proof", fuzz::proof),
    ("archive", fuzz::archive),
    ("text", fuzz::text),
    ("fold", fuzz::fold),
];

/// Whatever the vectors hold: parcels and their parts, cards, and the bytes that are refused.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut corpus = vec![b"patient/Observation.rs?category=laboratory openid".to_vec()];
    let mut chain = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let bytes = HEXLOWER.decode(line.rsplit(' ').next().unwrap().as_bytes()).unwrap();
            if let Ok(parcel) = Parcel::decode(&bytes) {
                let header = parcel.op.header_bytes().to_vec();
                for part in [&header, &Vec::new()] {
                    chain.extend((part.len() as u16).to_le_bytes());
                    chain.extend(part);
                }
                corpus.extend([header, parcel.op.entries_bytes().to_vec()]);
                corpus
                    .extend(parcel.frames.into_iter().flatten().filter_map(|frame| record::frame::unpack(&frame).ok()));
            }
            corpus.push(bytes);
        }
    }
    corpus.push(chain);
    corpus
}

fn mutant(corpus: &[Vec<u8>], entropy: &mut Entropy) -> Vec<u8> {
    let mut below = |most: usize| u64::from_le_bytes(entropy.draw()) as usize % most.max(1);
    let mut bytes = corpus[below(corpus.len())].clone();
    for _ in 0..1 + below(4) {
        let at = below(bytes.len());
        match below(6) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            2 if !bytes.is_empty() => bytes[at] = [0x00, 0x18, 0x1b, 0x40, 0x5b, 0x80, 0x9f, 0xff][below(8)],
            3 => bytes.insert(at, below(256) as u8),
            4 => {
                let other = &corpus[below(corpus.len())];
                bytes.splice(at..at, other[below(other.len())..].iter().take(64).copied());
            }
            _ => {
                let part = bytes[at..].iter().take(below(40)).copied().collect::<Vec<_>>();
                bytes.extend(part);
            }
        }
    }
    bytes
}

#[test]
fn no_decoder_panics_and_what_one_takes_has_one_form() {
    let time = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let given = std::env::var("CHARTWELL_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let seed = given.unwrap_or_else(time);
    println!("CHARTWELL_SEED={seed}");
    let mut start = [0; 32];
    start[..8].copy_from_slice(&seed.to_le_bytes());
    let (corpus, mut entropy) = (corpus(), Entropy::new(start));
    for (_, target) in TARGETS {
        for bytes in &corpus {
            target(bytes);
        }
        for _ in 0..ROUNDS {
            target(&mutant(&corpus, &mut entropy));
        }
    }
}
