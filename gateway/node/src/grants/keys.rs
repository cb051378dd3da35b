//! Which keys whoever is let in gets: the highest that its scopes read entirely, and write keys of what it may write and not
//! read (rules 5.5 and 5.8). Called by `grants` and `epoch`.

use record::body::grant::Grant;
use record::keys::{KeyItem, Keyring, Level};
use record::{Class, OpId};
use std::collections::BTreeSet;

type Kinds = [(Class, Option<String>)];

/// The keys in `ring` for whoever reads and writes this. Who may write every type gets write keys of the epochs in force alone:
/// they are some hundred for each, and nothing is written under the others any more.
pub(super) fn items(ring: &Keyring, in_force: &[OpId], reads: &Kinds, writes: &Kinds) -> Vec<KeyItem> {
    let mut items = ring.items_for(reads);
    let is_read = |class: Class, kind: &str| {
        reads.iter().any(|(other, read)| *other == class && read.as_deref().is_none_or(|read| read == kind))
    };
    let (mut named, mut every) = (BTreeSet::new(), BTreeSet::new());
    for (class, kind) in writes {
        match kind {
            Some(kind) => drop(named.insert((*class, kind.clone()))),
            None => every.extend(fhir::ResourceType::all().map(|kind| (*class, kind.name().to_owned()))),
        }
    }
    let open = |kinds: BTreeSet<(Class, String)>| {
        kinds.into_iter().filter(|(class, kind)| !is_read(*class, kind)).collect::<Vec<_>>()
    };
    let mut now = ring.clone();
    now.retain(|item| in_force.contains(&item.epoch));
    let written = ring.items_for_writer(&open(named)).into_iter().chain(now.items_for_writer(&open(every)));
    items.extend(written.filter(|item| matches!(item.level, Level::Write(..))));
    items.sort_by(|a, b| (a.epoch, &a.level).cmp(&(b.epoch, &b.level)));
    items.dedup_by(|a, b| (a.epoch, &a.level) == (b.epoch, &b.level));
    items
}

/// What several grants let their holder write.
pub(super) fn writes<'g>(grants: impl Iterator<Item = &'g Grant>) -> Vec<(Class, Option<String>)> {
    grants.flat_map(Grant::writes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::keys::Secret;

    #[test]
    fn who_may_write_and_not_read_gets_write_keys_and_nothing_that_opens() {
        let epochs = [OpId([1; 32]), OpId([2; 32])];
        let mut ring = Keyring::default();
        for epoch in epochs {
            ring.add(KeyItem { epoch, level: Level::Epoch, secret: Secret::new(epoch.0) });
        }
        let (normal, hiv) = (Class::NORMAL, Class(4));
        let one = |class, kind: &str| (class, Some(kind.to_owned()));
        let all = |class| (class, None);
        let types = fhir::ResourceType::all().count();
        for (what, reads, writes, write_keys, others) in [
            ("a writer", vec![], vec![one(normal, "Observation")], 2, 2),
            ("a reader", vec![one(normal, "Observation")], vec![one(normal, "Observation")], 0, 4),
            ("both", vec![one(normal, "Condition")], vec![one(normal, "Observation"), one(normal, "Condition")], 2, 4),
            ("another class", vec![all(normal)], vec![one(normal, "Observation"), one(hiv, "Observation")], 2, 4),
            ("every type", vec![], vec![all(normal)], types, 2),
            ("every type but one", vec![one(normal, "Observation")], vec![all(normal)], types - 1, 4),
            ("every type and one", vec![], vec![all(normal), one(normal, "Observation")], types + 1, 2),
            ("every type and all read", vec![all(normal)], vec![all(normal)], 0, 4),
        ] {
            let items = items(&ring, &epochs[1..], &reads, &writes);
            let written = items.iter().filter(|item| matches!(item.level, Level::Write(..))).count();
            assert_eq!((written, items.len() - written), (write_keys, others), "{what}");
            let opens = items.iter().filter(|item| matches!(item.level, Level::Type(..) | Level::Class(..)));
            assert_eq!(opens.count(), 2 * reads.len(), "{what}");
        }
    }
}
