//! Who knew whom among some changes of a record: all those from a Lamport number on, since nothing before it stands on what came
//! after. The graph itself is in `state`. Called by `node`, to bring versions of a resource together.

use crate::header::Header;
use crate::id::OpId;
use crate::state::graph::Graph;

/// Changes with what each had in its past.
#[derive(Default)]
pub struct Ancestry(Graph);

impl Ancestry {
    /// Takes a change; those it cites, as far as they are asked about, were taken before.
    pub fn take(&mut self, id: OpId, header: &Header) {
        if self.0.place(&id).is_none() {
            self.0.take(id, header);
        }
    }

    /// Whether `later` had `earlier` in its past, as far as both were taken.
    pub fn knows(&self, later: &OpId, earlier: &OpId) -> bool {
        match (self.0.place(earlier), self.0.place(later)) {
            (Some(earlier), Some(later)) => self.0.before(earlier, later),
            _ => false,
        }
    }
}
