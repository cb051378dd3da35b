//! Generates `fhir/definitions/r4.bin`, the table of the official R4 definitions that `fhir` compiles in, and beside it
//! `terminology.bin`, the codes of the official code systems and value sets.
//!
//! Reads the official JSON from a folder and writes both; run it again only when the definitions or a
//! format change, and commit the result:
//!
//!     cargo run -p definitions -- ../shared/data/definitions fhir/definitions/r4.bin
//!
//! The formats are written in `table.rs` and `terminology.rs`; the readers are `fhir/src/table/read.rs` and
//! `fhir/src/terminology/official.rs`. What the generator cannot compile it
//! lists on stderr: nothing is left out in silence.

mod compartments;
mod composites;
mod expressions;
mod invariants;
mod load;
mod search;
mod structures;
mod table;
mod terminology;
mod valuesets;

use anyhow::Context;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: definitions FOLDER_OF_OFFICIAL_JSON OUTPUT_FILE";
    let folder = PathBuf::from(arguments.next().context(usage)?);
    let output = PathBuf::from(arguments.next().context(usage)?);

    let official = load::Official::read(&folder)?;
    let mut table = table::Table::default();
    let bindings = structures::build(&official, &mut table)?;
    valuesets::build(&official, bindings, &mut table);
    invariants::build(&official, &mut table)?;
    let unsupported = search::build(&official, &mut table)?;
    compartments::build(&official, &mut table)?;

    for line in &unsupported {
        eprintln!("not supported: {line}");
    }
    let bytes = table.write();
    std::fs::write(&output, &bytes).with_context(|| format!("write {}", output.display()))?;
    eprintln!(
        "{}: {} bytes, {} types, {} resources, {} value sets, {} search parameters, {} invariants, {} unsupported expressions",
        output.display(),
        bytes.len(),
        table.types.len(),
        table.resources.len(),
        table.sets.len(),
        table.params.len(),
        table.rules.len(),
        unsupported.len()
    );
    let (bytes, left_out) = terminology::build(&official);
    for url in &left_out {
        eprintln!("not enumerable: {url}");
    }
    let output = output.with_file_name("terminology.bin");
    std::fs::write(&output, &bytes).with_context(|| format!("write {}", output.display()))?;
    eprintln!("{}: {} bytes, {} value sets not enumerable", output.display(), bytes.len(), left_out.len());
    Ok(())
}
