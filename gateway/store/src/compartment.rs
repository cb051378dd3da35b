//! Everything that belongs to a patient, of all types in one statement. By which parameters a type belongs to one is
//! `fhir`'s table and comes as numbers. Called by `node`.
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>.

use crate::db::{Reader, StoreError, Value};
use crate::reach::Sight;
use crate::versions::{COLUMNS, FRAME, StoredVersion, stored};

/// A patient's compartment, or a part of it; without the Patient itself.
#[derive(Clone, Debug, Default)]
pub struct Compartment {
    /// The number of Patient: others' Patients belong to nobody here.
    pub patient_kind: u16,
    /// The Patient's id.
    pub patient: String,
    /// Types and the reference parameters by which they belong to it.
    pub members: Vec<(u16, u16)>,
    /// Last updated from this microsecond on.
    pub since: Option<i64>,
    /// Care between these microseconds, both inside.
    pub care: Option<(i64, i64)>,
    /// Types and the date parameters that say when care was given; what has none of these is always in.
    pub care_params: Vec<(u16, u16)>,
    /// By whose eyes.
    pub sight: Sight,
    /// Nothing newer than this position.
    pub snapshot: i64,
}

/// Targets that one statement asks for.
const TARGETS_MAX: usize = 500;

/// Numbers of this program's own, no text of a caller.
fn rows(pairs: &[(u16, u16)]) -> String {
    pairs.iter().map(|(kind, param)| format!("({kind},{param})")).collect::<Vec<_>>().join(",")
}

impl Compartment {
    /// The tables in front, the condition, and what it binds; without the page.
    fn conditions(&self) -> (String, String, Vec<Value>) {
        let target = format!("Patient/{}", self.patient);
        let mut args: Vec<Value> = vec![
            self.sight.now_ms.into(),
            self.snapshot.into(),
            target.into(),
            self.patient_kind.into(),
            self.patient.clone().into(),
        ];
        let mut with = format!("WITH p(type, param) AS (VALUES {})", rows(&self.members));
        let mut sql = format!(
            "v.current = 1 AND v.method <> 2 AND {} AND v.position <= $2 AND v.position IN \
             (SELECT i.position FROM p CROSS JOIN cache_reference i \
             WHERE i.type = p.type AND i.param = p.param AND i.target = $3) \
             AND (v.type <> $4 OR (v.own = 1 AND v.id <> $5))",
            self.sight.condition("v")
        );
        if let Some(since) = self.since {
            args.push(since.into());
            sql.push_str(&format!(" AND v.last_updated >= ${}", args.len()));
        }
        if let Some((low, high)) = self.care.filter(|_| !self.care_params.is_empty()) {
            with.push_str(&format!(", d(type, param) AS (VALUES {})", rows(&self.care_params)));
            let dated = "SELECT 1 FROM cache_date c WHERE c.position = v.position AND EXISTS \
                         (SELECT 1 FROM d WHERE d.type = c.type AND d.param = c.param)";
            args.extend([low.into(), high.into()]);
            let (low, high) = (args.len() - 1, args.len());
            sql.push_str(&format!(
                " AND (NOT EXISTS ({dated}) OR EXISTS ({dated} AND c.low <= ${high} AND c.high >= ${low}))"
            ));
        }
        (with, sql, args)
    }
}

impl Reader<'_> {
    /// One page, newest first: at most `most` current versions before `before`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compartment(
        &mut self,
        asked: &Compartment,
        before: Option<i64>,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        if asked.members.is_empty() {
            return Ok(Vec::new());
        }
        let (with, mut sql, mut args) = asked.conditions();
        if let Some(before) = before {
            args.push(before.into());
            sql.push_str(&format!(" AND v.position < ${}", args.len()));
        }
        args.push(most.into());
        let sql = format!(
            "{with} SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE {sql} ORDER BY v.position DESC LIMIT ${}",
            args.len()
        );
        self.fetch(sql, &args).await?.iter_mut().map(stored).collect()
    }

    /// Which of `targets`, as `Type/id`, something of the compartment refers to that stands at `from` or is newer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compartment_refers(
        &mut self,
        asked: &Compartment,
        from: i64,
        targets: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        if asked.members.is_empty() {
            return Ok(found);
        }
        let (with, sql, args) = asked.conditions();
        for chunk in targets.chunks(TARGETS_MAX) {
            let mut args = args.clone();
            args.push(from.into());
            let from = args.len();
            let holes = chunk.iter().map(|target| {
                args.push(target.into());
                format!("${}", args.len())
            });
            let holes = holes.collect::<Vec<_>>().join(",");
            let sql = format!(
                "{with} SELECT DISTINCT t.target FROM cache_versions v JOIN cache_reference t ON t.position = v.position \
                 WHERE {sql} AND v.position >= ${from} AND +t.type = v.type AND t.target IN ({holes})"
            );
            found.extend(self.fetch(sql, &args).await?.iter_mut().map(|row| row.text(0)));
        }
        Ok(found)
    }

    /// How many there are in all pages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compartment_count(&mut self, asked: &Compartment) -> Result<i64, StoreError> {
        if asked.members.is_empty() {
            return Ok(0);
        }
        let (with, sql, args) = asked.conditions();
        let rows = self.fetch(format!("{with} SELECT COUNT(*) FROM cache_versions v WHERE {sql}"), &args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}
