//! Which parameters a search names, for whoever must know whether they are still what they were. Called by `node`.

use super::{Contained, Filter, Search};
use std::collections::BTreeSet;

impl Search {
    /// The numbers of all parameters in it.
    pub fn params(&self) -> BTreeSet<u16> {
        let mut found = BTreeSet::new();
        self.filters.iter().for_each(|filter| gather(filter, &mut found));
        found
    }
}

/// As deep as the filter itself, which has a limit.
fn gather(filter: &Filter, found: &mut BTreeSet<u16>) {
    match filter {
        Filter::Param { param, .. } | Filter::Missing { param, .. } | Filter::Near { param, .. } => {
            found.insert(*param);
        }
        Filter::Together(alternatives) => found.extend(alternatives.iter().flatten().map(|part| part.param)),
        Filter::Contained(Contained { filters, .. }) | Filter::Of { filters, .. } => {
            filters.iter().for_each(|inner| gather(inner, found));
        }
        Filter::Refers { param, targets, within } => {
            found.insert(*param);
            within.iter().flat_map(|contained| &contained.filters).for_each(|inner| gather(inner, found));
            targets.iter().flat_map(|target| &target.filters).for_each(|inner| gather(inner, found));
        }
        Filter::Referred { param, from } => {
            found.insert(*param);
            from.filters.iter().for_each(|inner| gather(inner, found));
        }
        Filter::Any(inner) | Filter::All(inner) => inner.iter().for_each(|inner| gather(inner, found)),
        Filter::Not(inner) => gather(inner, found),
        Filter::Ids(_) | Filter::OwnOf(_) | Filter::LastUpdated(_) => {}
    }
}
