//! What those who hold a record say that they know of it, and how long a recovery waits for each: one that names ops which never
//! come does not keep the words from speaking. Called by `recover`.

use record::OpId;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long is waited for the others once all that one place named is here; control ops are few and small.
const LATE_MAX: Duration = Duration::from_secs(60);

/// What one place named.
struct Named {
    at: String,
    heads: BTreeSet<OpId>,
}

/// The places that answered.
#[derive(Default)]
pub(super) struct Heads {
    named: Vec<Named>,
    /// When all that one of them named was here.
    first: Option<Instant>,
}

impl Heads {
    /// Takes a place's answer; one that names nothing is none, since a record has its genesis.
    pub(super) fn take(&mut self, at: &str, answer: &[u8]) {
        let (heads, rest) = answer.as_chunks::<32>();
        if !heads.is_empty() && rest.is_empty() {
            self.named.push(Named { at: at.to_owned(), heads: heads.iter().map(|head| OpId(*head)).collect() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// None while there is something to wait for; then the places whose ops did not come. All that at least one named is here.
    pub(super) fn look(&mut self, now: Instant, is_here: impl Fn(&OpId) -> bool) -> Option<Vec<&str>> {
        let late = self.named.iter().filter(|named| !named.heads.iter().all(&is_here));
        let late = late.map(|named| named.at.as_str()).collect::<Vec<_>>();
        if late.len() == self.named.len() {
            return None;
        }
        let first = *self.first.get_or_insert(now);
        (late.is_empty() || now.duration_since(first) >= LATE_MAX).then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [u8; 3] = [1, 2, 3];

    fn heads(named: &[(&str, &[u8])]) -> Heads {
        let mut heads = Heads::default();
        for (at, ops) in named {
            heads.take(at, &ops.iter().flat_map(|op| [*op; 32]).collect::<Vec<_>>());
        }
        heads
    }

    fn here(ops: &[u8]) -> impl Fn(&OpId) -> bool {
        move |op| ops.contains(&op.0[0])
    }

    #[test]
    fn all_that_was_named_is_waited_for_but_not_for_ever() {
        let start = Instant::now();
        let (soon, late) = (start + LATE_MAX / 2, start + LATE_MAX);
        let mut both = heads(&[("a", &[1, 2]), ("b", &[3])]);
        assert_eq!(both.look(start, here(&[1])), None);
        assert_eq!(both.look(late, here(&[1])), None, "nothing is signed before all is here that one of them named");
        assert_eq!(both.look(late, here(&[1, 2])), None, "the time counts from there");
        assert_eq!(both.look(late + LATE_MAX / 2, here(&ALL)), Some(Vec::new()));
        let mut hostile = heads(&[("a", &[1, 2]), ("b", &[9])]);
        assert_eq!(hostile.look(start, here(&ALL)), None);
        assert_eq!(hostile.look(soon, here(&ALL)), None);
        assert_eq!(hostile.look(late, here(&ALL)), Some(vec!["b"]));
    }

    #[test]
    fn an_answer_that_names_nothing_is_none() {
        let mut nobody = heads(&[("a", &[])]);
        nobody.take("b", &[1; 33]);
        assert!(nobody.is_empty());
        assert_eq!(nobody.look(Instant::now(), here(&ALL)), None);
    }
}
