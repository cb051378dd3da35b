//! Audit rows: one per interaction at this node. Called by `node`.

use crate::db::{Reader, Row, StoreError, Tx, Value};
use crate::table::{Kind, Table};

const AUDIT: Table = Table {
    name: "log_audit",
    columns: &[
        ("position", Kind::Int),
        ("recorded", Kind::Int),
        ("who", Kind::Text),
        ("client", Kind::Text),
        ("purpose", Kind::Text),
        ("interaction", Kind::Text),
        ("resource_type", Kind::Text),
        ("resource_id", Kind::Text),
        ("patient", Kind::Text),
        ("query", Kind::Text),
        ("outcome", Kind::Int),
        ("request", Kind::Text),
        ("seal", Kind::Bytes),
    ],
    suffix: "",
};

/// One interaction.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AuditRow {
    /// Position; the id of the AuditEvent. Given by [`Tx::add_audit`]'s caller beside the row.
    pub position: i64,
    /// Microseconds since 1970.
    pub recorded: i64,
    /// Who, as the token names it.
    pub who: String,
    /// The client.
    pub client: String,
    /// Purpose of use.
    pub purpose: String,
    /// `read`, `search`, `create`, ...
    pub interaction: String,
    /// FHIR type; empty for none.
    pub resource_type: String,
    /// Resource id; empty for none.
    pub resource_id: String,
    /// The local Patient it was about; empty for none or several.
    pub patient: String,
    /// The query that ran.
    pub query: String,
    /// HTTP status.
    pub outcome: u16,
    /// The request's id.
    pub request: String,
    /// What `node` seals it with over the row before; empty where it was written before rows were, or was not asked for.
    pub seal: Vec<u8>,
}

impl Tx {
    /// Adds rows, each at its position and with its seal.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_audit<'a>(
        &mut self,
        rows: impl ExactSizeIterator<Item = (i64, &'a AuditRow, [u8; 32])>,
    ) -> Result<(), StoreError> {
        // One list for all, since there are thousands: a list for each row costs as much as its hash.
        let mut values = Vec::with_capacity(rows.len() * AUDIT.columns.len());
        for (position, row, seal) in rows {
            values.extend([position.into(), row.recorded.into()]);
            let texts = [
                &row.who,
                &row.client,
                &row.purpose,
                &row.interaction,
                &row.resource_type,
                &row.resource_id,
                &row.patient,
                &row.query,
            ];
            values.extend(texts.map(Value::from));
            values.extend([row.outcome.into(), (&row.request).into(), (&seal).into()]);
        }
        AUDIT.insert_many(self, values).await
    }
}

/// What audit rows are asked for; empty fields ask nothing.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// One row by position.
    pub position: Option<i64>,
    /// The local Patient.
    pub patient: Option<String>,
    /// Interactions.
    pub interactions: Vec<String>,
    /// Who or which client.
    pub agent: Option<String>,
    /// From this time on, microseconds since 1970.
    pub from: Option<i64>,
    /// Until before this time.
    pub until: Option<i64>,
    /// Only before this position (paging).
    pub before: Option<i64>,
}

impl AuditQuery {
    fn conditions(&self, paged: bool) -> (String, Vec<Value>) {
        let (mut sql, mut args) = (String::from("1 = 1"), Vec::new());
        let mut and = |text: &str, value: Value| {
            args.push(value);
            sql.push_str(&format!(" AND {text} ${}", args.len()));
        };
        for (text, value) in [
            ("position =", self.position.map(Value::from)),
            ("patient =", self.patient.as_ref().map(Value::from)),
            ("recorded >=", self.from.map(Value::from)),
            ("recorded <", self.until.map(Value::from)),
            ("position <", self.before.filter(|_| paged).map(Value::from)),
        ] {
            if let Some(value) = value {
                and(text, value);
            }
        }
        if let Some(agent) = &self.agent {
            args.push(agent.into());
            sql.push_str(&format!(" AND (who = ${0} OR client = ${0})", args.len()));
        }
        if !self.interactions.is_empty() {
            let holes = self.interactions.iter().map(|interaction| {
                args.push(interaction.into());
                format!("${}", args.len())
            });
            let holes = holes.collect::<Vec<_>>().join(",");
            sql.push_str(&format!(" AND interaction IN ({holes})"));
        }
        (sql, args)
    }
}

fn audit(row: &mut Row) -> AuditRow {
    AuditRow {
        position: row.int(0),
        recorded: row.int(1),
        who: row.text(2),
        client: row.text(3),
        purpose: row.text(4),
        interaction: row.text(5),
        resource_type: row.text(6),
        resource_id: row.text(7),
        patient: row.text(8),
        query: row.text(9),
        outcome: row.int(10) as u16,
        request: row.text(11),
        seal: Vec::new(),
    }
}

impl Reader<'_> {
    /// Rows that match, newest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&mut self, query: &AuditQuery, most: i64) -> Result<Vec<AuditRow>, StoreError> {
        let (conditions, mut args) = query.conditions(true);
        args.push(most.into());
        let sql = format!(
            "SELECT position, recorded, who, client, purpose, interaction, resource_type, resource_id, patient, \
             query, outcome, request FROM log_audit WHERE {conditions} ORDER BY position DESC LIMIT ${}",
            args.len()
        );
        Ok(self.fetch(sql, &args).await?.iter_mut().map(audit).collect())
    }

    /// Rows after `position` with their seals, the oldest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_after(&mut self, position: i64, most: i64) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT position, recorded, who, client, purpose, interaction, resource_type, resource_id, patient, \
                   query, outcome, request, seal FROM log_audit WHERE position > $1 ORDER BY position LIMIT $2";
        let mut rows = self.fetch(sql, &[position.into(), most.into()]).await?;
        Ok(rows.iter_mut().map(|row| AuditRow { seal: row.bytes(12), ..audit(row) }).collect())
    }

    /// The seal of the last row; empty where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_audit_seal(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut rows = self.fetch("SELECT seal FROM log_audit ORDER BY position DESC LIMIT 1", &[]).await?;
        Ok(rows.first_mut().map(|row| row.bytes(0)).unwrap_or_default())
    }

    /// How many rows match.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_count(&mut self, query: &AuditQuery) -> Result<i64, StoreError> {
        let (conditions, args) = query.conditions(false);
        let rows = self.fetch(format!("SELECT COUNT(*) FROM log_audit WHERE {conditions}"), &args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}
