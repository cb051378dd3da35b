//! What a search is made of: the filters in a filter, and the parameters it names, for whoever must know whether they are
//! still what they were. Called by `count` and by `node`.

use super::{Contained, Filter, Search, Target};
use std::collections::BTreeSet;

impl Search {
    /// The numbers of all parameters in it.
    pub fn params(&self) -> BTreeSet<u16> {
        let mut found = BTreeSet::new();
        self.filters.iter().for_each(|filter| gather(filter, &mut found));
        found
    }
}

impl Filter {
    /// The filters it is made of, those of other resources included; one level of them.
    #[must_use]
    pub fn inner(&self) -> Vec<&Filter> {
        match self {
            Filter::Refers { targets, within, .. } => {
                let ends = targets.iter().flat_map(|target| &target.filters);
                ends.chain(within.iter().flat_map(|contained| &contained.filters)).collect()
            }
            Filter::Referred { from: Target { filters, .. }, .. }
            | Filter::Contained(Contained { filters, .. })
            | Filter::Of { filters, .. }
            | Filter::Any(filters)
            | Filter::All(filters) => filters.iter().collect(),
            Filter::Not(inner) => vec![inner],
            Filter::Param { .. }
            | Filter::Missing { .. }
            | Filter::Near { .. }
            | Filter::Together(_)
            | Filter::Ids(_)
            | Filter::OwnOf(_)
            | Filter::LastUpdated(_) => Vec::new(),
        }
    }
}

/// As deep as the filter itself, which has a limit.
fn gather(filter: &Filter, found: &mut BTreeSet<u16>) {
    match filter {
        Filter::Param { param, .. }
        | Filter::Missing { param, .. }
        | Filter::Near { param, .. }
        | Filter::Refers { param, .. }
        | Filter::Referred { param, .. } => {
            found.insert(*param);
        }
        Filter::Together(alternatives) => found.extend(alternatives.iter().flatten().map(|part| part.param)),
        _ => {}
    }
    filter.inner().into_iter().for_each(|inner| gather(inner, found));
}
