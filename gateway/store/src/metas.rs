//! Which profiles, tags and labels are in use: the distinct values of token parameters over several types, as far as
//! they may be seen. Called by `node`. Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>.

use crate::db::{Reader, StoreError, Value};
use crate::reach::Sight;

/// Which values.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Types and the parameter of each, by number.
    pub params: Vec<(u16, u16)>,
    /// Types of which only one's own count, by number.
    pub own_only: Vec<u16>,
    /// By whose eyes.
    pub sight: Sight,
}

impl Reader<'_> {
    /// The distinct (system, code) pairs of current resources, in order, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn used(&mut self, asked: &Used, most: i64) -> Result<Vec<(String, String)>, StoreError> {
        if asked.params.is_empty() {
            return Ok(Vec::new());
        }
        // Numbers of this program's own, no text of a caller.
        let params = asked.params.iter().map(|(kind, param)| format!("({kind},{param})")).collect::<Vec<_>>().join(",");
        let own_only = asked.own_only.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let own =
            if own_only.is_empty() { String::new() } else { format!(" AND (v.own = 1 OR v.type NOT IN ({own_only}))") };
        let sql = format!(
            "WITH p(type, param) AS (VALUES {params}) SELECT DISTINCT t.system, t.code FROM p CROSS JOIN cache_token t \
             JOIN cache_versions v ON v.position = t.position WHERE t.type = p.type AND t.param = p.param \
             AND v.current = 1 AND v.method <> 2 AND {}{own} ORDER BY t.system, t.code LIMIT $2",
            asked.sight.condition("v")
        );
        let args: [Value; 2] = [asked.sight.now_ms.into(), most.into()];
        Ok(self.fetch(sql, &args).await?.iter_mut().map(|row| (row.text(0), row.text(1))).collect())
    }
}
