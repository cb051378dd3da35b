//! Value sets that make a resource sensitive, as the operator names them: CLASS=FILE. Called by `gateway` at its start.

use anyhow::{Context, bail};
use fhir::class::Class;
use fhir::json::Doc;
use fhir::sensitive::Sensitive;

/// Reads what was named; says how many codes each value set has.
pub(crate) fn read(named: &[String]) -> anyhow::Result<Option<Sensitive>> {
    if named.is_empty() {
        return Ok(None);
    }
    let mut sensitive = Sensitive::default();
    for one in named {
        let Some((name, path)) = one.split_once('=') else {
            bail!("{one}: expected CLASS=FILE, such as substance-use=part2.json");
        };
        let protective = Class::PROTECTIVE.iter().filter(|class| **class != Class::Normal);
        let names = protective.clone().map(|class| class.name()).collect::<Vec<_>>().join(", ");
        let Some(class) = protective.copied().find(|class| class.name() == name) else {
            bail!("{name} is no class of protected entries: there are {names}");
        };
        let bytes = std::fs::read(path).with_context(|| format!("{path} cannot be read"))?;
        let Ok(doc) = Doc::parse(bytes) else { bail!("{path} is no JSON") };
        let codes = sensitive.add(class, &doc).with_context(|| format!("{path} cannot be used"))?;
        tracing::info!(class = name, codes, "resources with one of {codes} codes are {name}");
    }
    Ok(Some(sensitive))
}
