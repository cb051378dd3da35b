//! Which records from outside are taken: those that this node went for, or that another device of its patient's brings. What
//! others say of themselves, as a name, is kept beside and never read for it. Called by `apply` and `sync`.

use crate::error::NodeError;
use crate::node::Node;
use crate::requests::RequestBody;
use record::body::genesis::Purpose;
use record::{IdentityId, RecordId};
use store::db::Reader;

impl Node {
    /// A record from outside is taken only if this node is pairing for it, asked for access to it, joins another device that
    /// has it, or gets it from another device of its patient's. `purpose` is what its genesis says.
    pub(crate) async fn expects(
        &self,
        reader: &mut Reader<'_>,
        record: &RecordId,
        purpose: Option<Purpose>,
        from: Option<IdentityId>,
    ) -> Result<bool, NodeError> {
        let name = record.to_string();
        // A hospital hands over what it keeps; a record that is another patient's from the start is none.
        let pairs = purpose == Some(Purpose::Custodial)
            && reader.tasks("pairing").await?.iter().any(|task| crate::pairing::names(task, &name));
        if pairs || crate::devices::join_names(reader, &name).await? {
            return Ok(true);
        }
        for task in reader.tasks("request").await? {
            if serde_json::from_str::<RequestBody>(&task.body).is_ok_and(|body| body.record == name) {
                return Ok(true);
            }
        }
        for task in reader.tasks("recovery").await? {
            if serde_json::from_str::<String>(&task.body).is_ok_and(|record| record == name) {
                return Ok(true);
            }
        }
        match from {
            Some(from) => self.is_fellow(reader, &from).await,
            None => Ok(false),
        }
    }
}
