//! Histories: the versions of one resource, of a type, of everything, narrowed by what may be seen before anything is
//! counted. Called by `node`. Spec: <https://hl7.org/fhir/R4/http.html#history>.

use super::{COLUMNS, FRAME, StoredVersion, stored};
use crate::db::{Reader, StoreError, Value};
use crate::reach::Sight;

/// Which versions, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    /// Types by number; none for every type.
    pub kinds: Option<Vec<u16>>,
    /// One resource of one type.
    pub id: Option<String>,
    /// Types of which only one's own are listed, by number.
    pub own_only: Vec<u16>,
    /// Created from this microsecond on.
    pub since: Option<i64>,
    /// Current at some time between these microseconds, both inside.
    pub at: Option<(i64, i64)>,
    /// By whose eyes.
    pub sight: Sight,
    /// Nothing newer than this position, so that pages belong together.
    pub snapshot: i64,
    /// Oldest first.
    pub ascending: bool,
    /// Only beyond this position, in the order of the history.
    pub beyond: Option<i64>,
}

impl Histories {
    /// The condition, and what it binds; without the page.
    fn conditions(&self) -> (String, Vec<Value>) {
        let mut args: Vec<Value> = vec![self.sight.now_ms.into()];
        let mut hole = |value: Value| {
            args.push(value);
            format!("${}", args.len())
        };
        let snapshot = hole(self.snapshot.into());
        let mut sql = format!("{} AND v.position <= {snapshot}", self.sight.condition("v"));
        match self.kinds.as_deref() {
            None => {}
            Some([]) => sql.push_str(" AND 1 = 0"),
            Some(kinds) => {
                let holes = kinds.iter().map(|kind| hole((*kind).into())).collect::<Vec<_>>().join(",");
                sql.push_str(&format!(" AND v.type IN ({holes})"));
            }
        }
        if let Some(id) = &self.id {
            sql.push_str(&format!(" AND v.id = {}", hole(id.into())));
        }
        if !self.own_only.is_empty() {
            let holes = self.own_only.iter().map(|kind| hole((*kind).into())).collect::<Vec<_>>().join(",");
            sql.push_str(&format!(" AND (v.own = 1 OR v.type NOT IN ({holes}))"));
        }
        if let Some(since) = self.since {
            sql.push_str(&format!(" AND v.last_updated >= {}", hole(since.into())));
        }
        if let Some((low, high)) = self.at {
            let (low, high) = (hole(low.into()), hole(high.into()));
            // A version is current until the next of its resource that may be seen, as far as this snapshot goes.
            let seen = self.sight.condition("n");
            sql.push_str(&format!(
                " AND v.last_updated <= {high} AND NOT EXISTS (SELECT 1 FROM cache_versions n WHERE n.type = v.type \
                 AND n.id = v.id AND n.position > v.position AND n.position <= {snapshot} \
                 AND n.last_updated <= {low} AND {seen})"
            ));
        }
        (sql, args)
    }
}

impl Reader<'_> {
    /// One page of versions: at most `most`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn histories(&mut self, asked: &Histories, most: i64) -> Result<Vec<StoredVersion>, StoreError> {
        let (mut sql, mut args) = asked.conditions();
        let (than, direction) = if asked.ascending { (">", "ASC") } else { ("<", "DESC") };
        if let Some(beyond) = asked.beyond {
            args.push(beyond.into());
            sql.push_str(&format!(" AND v.position {than} ${}", args.len()));
        }
        args.push(most.into());
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE {sql} ORDER BY v.position {direction} LIMIT ${}",
            args.len()
        );
        self.fetch(sql, &args).await?.iter_mut().map(stored).collect()
    }

    /// How many versions there are in all pages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn histories_count(&mut self, asked: &Histories) -> Result<i64, StoreError> {
        let (sql, args) = asked.conditions();
        let rows = self.fetch(format!("SELECT COUNT(*) FROM cache_versions v WHERE {sql}"), &args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}
