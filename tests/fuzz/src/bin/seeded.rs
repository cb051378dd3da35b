//! Runs readers of outside bytes under the seeded mutator for a time: `seeded SECONDS [NAME ...]`, all where none is named.
//! Says how often each was run and how long the slowest input took; of a failure, the input in hexadecimal. `CHARTWELL_SEED`
//! runs a seed again.

use fuzz::{Numbers, TARGETS, Target, corpus, find, mutant};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(seconds) = arguments.next().and_then(|text| text.parse::<u64>().ok()) else {
        eprintln!("seeded SECONDS [NAME ...]; names: {}", TARGETS.map(|(name, _)| name).join(" "));
        return ExitCode::FAILURE;
    };
    let mut names = arguments.collect::<Vec<_>>();
    if names.is_empty() {
        names = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    }
    let mut failed = false;
    for name in names {
        let Some(target) = find(&name) else {
            eprintln!("there is no reader {name}");
            return ExitCode::FAILURE;
        };
        match run(&name, target, Duration::from_secs(seconds)) {
            Ok(held) => failed |= !held,
            Err(error) => {
                eprintln!("{name}: the examples cannot be read: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(name: &str, target: Target, time: Duration) -> std::io::Result<bool> {
    let corpus = corpus(name)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let seed = std::env::var("CHARTWELL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(now);
    let mut numbers = Numbers::new(seed);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}: CHARTWELL_SEED={seed}")?;
    let (begun, mut count, mut slowest) = (Instant::now(), 0_u64, (Duration::ZERO, 0));
    let mut examples = corpus.iter();
    while begun.elapsed() < time {
        let bytes = examples.next().cloned().unwrap_or_else(|| mutant(&corpus, &mut numbers));
        let one = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
            writeln!(out, "{name}: FAILED after {count}: {}", data_encoding::HEXLOWER.encode(&bytes))?;
            return Ok(false);
        }
        slowest = slowest.max((one.elapsed(), bytes.len()));
        count += 1;
    }
    let (took, length) = slowest;
    writeln!(out, "{name}: {count} inputs in {} s; the slowest, of {length} bytes, took {took:?}", time.as_secs())?;
    Ok(true)
}
