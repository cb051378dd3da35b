//! Whose data a look showed: an audit row for each of the Patients, so that each finds it. Called by `access`.
//! Source: <https://profiles.ihe.net/ITI/BALP/content.html>, which has a query recorded once for each patient it touched.

use super::Touched;
use crate::node::Node;
use record::RecordId;
use std::collections::{BTreeSet, HashMap};
use store::audit::AuditRow;
use store::db::Reader;

/// Most records whose Patients are remembered.
const REMEMBERED_MAX: usize = 20_000;

/// The Patients of records that were looked at.
#[derive(Default)]
pub(super) struct Patients(HashMap<RecordId, Vec<String>>);

impl Patients {
    /// The row of a look, once for each Patient whose data it showed; as it is where it names one already, or showed
    /// nobody's.
    pub(super) async fn rows(&mut self, node: &Node, row: AuditRow, touched: &Touched) -> Vec<AuditRow> {
        if !row.patient.is_empty() {
            return vec![row];
        }
        let mut patients = BTreeSet::new();
        for (record, _) in touched {
            patients.extend(self.of(node, record).await);
        }
        match patients.is_empty() {
            true => vec![row],
            false => patients.into_iter().map(|patient| AuditRow { patient, ..row.clone() }).collect(),
        }
    }

    async fn of(&mut self, node: &Node, record: &RecordId) -> Vec<String> {
        if let Some(known) = self.0.get(record) {
            return known.clone();
        }
        let homes = match Reader::from(&node.store).homes_of(record).await {
            Ok(homes) => homes,
            Err(error) => {
                tracing::error!(%record, %error, "whose record was looked at could not be read; the audit row names nobody");
                return Vec::new();
            }
        };
        let patients = homes.into_iter().map(|home| home.patient).collect::<Vec<_>>();
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        // A record that is nobody's yet may be somebody's later.
        if !patients.is_empty() {
            self.0.insert(*record, patients.clone());
        }
        patients
    }
}
