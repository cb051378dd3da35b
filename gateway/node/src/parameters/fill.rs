//! The rows of stored parameters in versions that were there before them: made in the order of positions, removed again
//! with the parameter. Everything happens inside the transaction that keeps how far it is, in steps that hold up others no
//! longer than a large write does. Called by `job` and `reindex`.

use super::{Known, Note, entries_of, number_of, read};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::index;
use fhir::ResourceType;
use fhir::json::Doc;
use fhir::params::SearchType;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::parameters::{Parameter, State};
use store::search::ParamTable;
use store::versions::{IndexRow, StoredVersion, Walk};

/// Versions that are looked at in one step.
pub const BATCH_VERSIONS_MAX: i64 = 200;
/// Rows that one step makes or removes, as far as one resource does not have more.
pub const BATCH_ROWS_MAX: usize = 10_000;
/// How long one step evaluates expressions, as far as those of one resource do not take longer.
const BATCH_TIME_MAX: Duration = Duration::from_millis(50);

const TABLES: [ParamTable; 5] =
    [ParamTable::Token, ParamTable::Text, ParamTable::Date, ParamTable::Reference, ParamTable::Number];

/// What a step did.
#[derive(Default)]
pub(super) struct Filled {
    /// Versions gone through.
    pub(super) versions: i64,
    /// Where the next step goes on; none where nothing is left.
    pub(super) position: Option<i64>,
    /// By number, on how many versions an expression failed.
    pub(super) failed: BTreeMap<u16, i64>,
}

impl Batch {
    /// Takes definitions up, and makes and removes everything at once, in caches that were just filled. What there is to
    /// tell of them.
    pub(crate) async fn fill_all(&mut self) -> Result<Vec<Note>, NodeError> {
        let refused = self.take_up().await?;
        let mut failed = BTreeMap::<u16, i64>::new();
        // Those in force before have their rows; of the others nobody has gone through anything.
        let is_left = |known: &Known| !known.is_searched;
        let mut walk = Walk { own_of: None, after: 0, last: i64::MAX };
        while self.registry().known().iter().any(is_left) {
            let filled = self.fill_some(walk, is_left).await?;
            for (number, count) in filled.failed {
                *failed.entry(number).or_default() += count;
            }
            let Some(position) = filled.position else { break };
            walk.after = position;
        }
        for parameter in self.reader().await?.parameters().await? {
            match parameter.state {
                State::Removing => while !self.unfill(&parameter).await? {},
                State::Indexing => {
                    let failed = failed.get(&parameter.number).copied().unwrap_or_default();
                    self.tx().await?.put_parameter(&Parameter { failed, ..parameter }).await?;
                }
                State::Searched => {}
            }
        }
        let job = self.reader().await?.running_reindex().await?;
        self.end_reindex(job, refused).await
    }

    /// Makes the rows of the parameters `which` holds for, in the next versions.
    pub(super) async fn fill_some(&mut self, walk: Walk, which: fn(&Known) -> bool) -> Result<Filled, NodeError> {
        let registry = Arc::clone(self.registry());
        let wanted = registry.known().iter().filter(|known| which(known)).collect::<Vec<_>>();
        let numbers = wanted.iter().flat_map(|known| [known.number, known.number | index::CANONICAL]);
        let numbers = numbers.collect::<Vec<_>>();
        let (mut filled, mut rows, mut count) = (Filled::default(), Vec::new(), 0);
        let versions = self.reader().await?.walk(walk, BATCH_VERSIONS_MAX).await?;
        let begun = Instant::now();
        for version in versions {
            filled.versions += 1;
            filled.position = Some(version.position);
            let Some(kind) = ResourceType::from_number(version.kind) else { continue };
            let Some((doc, base)) = self.shown_doc(&version).await? else { continue };
            let mut made = Vec::<IndexRow>::new();
            for known in &wanted {
                match known.custom.values(&doc, kind) {
                    Ok(values) => made.extend(index::made(entries_of(known.number, values), &base)),
                    Err(_) => *filled.failed.entry(known.number).or_default() += 1,
                }
            }
            count += made.len();
            rows.push((version.position, version.kind, made));
            if count >= BATCH_ROWS_MAX || begun.elapsed() > BATCH_TIME_MAX {
                break;
            }
        }
        if !numbers.is_empty() {
            self.tx().await?.set_index_rows(&numbers, rows).await?;
        }
        Ok(filled)
    }

    /// What a version is indexed by, and what this node's own URLs in it begin with; none where it does not open here.
    async fn shown_doc(&mut self, version: &StoredVersion) -> Result<Option<(Doc, String)>, NodeError> {
        let derived = version.op.0 == [0; 32];
        let json = if derived {
            version.json.clone()
        } else {
            let Some(context) = self.context(&version.record).await? else { return Ok(None) };
            let Some(Ok(content)) = self.node.open_version(version, &context.keys) else { return Ok(None) };
            self.node.shown(&context, version, content)
        };
        let base = if derived { String::new() } else { self.node.base().to_owned() };
        Ok(Doc::parse(json).ok().map(|doc| (doc, base)))
    }

    /// Removes rows of a parameter; whether none are left.
    pub(super) async fn unfill(&mut self, parameter: &Parameter) -> Result<bool, NodeError> {
        let (kinds, tables) = match read(parameter.definition.clone()) {
            Ok(custom) => (custom.bases().to_vec(), tables_of(custom.kind())),
            // This build does not read what another one took up: it may have rows anywhere.
            Err(_) => (ResourceType::all().collect(), &TABLES[..]),
        };
        let kinds = kinds.into_iter().map(ResourceType::number).collect::<Vec<_>>();
        let mut left = BATCH_ROWS_MAX as i64;
        for table in tables {
            for number in [parameter.number, parameter.number | index::CANONICAL] {
                debug_assert_eq!(number_of(number), Some(parameter.number));
                left -= self.tx().await?.remove_index_rows(*table, number, &kinds, left).await?;
                if left <= 0 {
                    return Ok(false);
                }
            }
        }
        self.tx().await?.forget_parameter(parameter.number).await?;
        Ok(true)
    }
}

/// Where a parameter of this type has rows.
fn tables_of(kind: SearchType) -> &'static [ParamTable] {
    match kind {
        SearchType::Token => &[ParamTable::Token, ParamTable::Text],
        SearchType::Reference => &[ParamTable::Reference, ParamTable::Token],
        SearchType::Uri => &[ParamTable::Token],
        SearchType::String => &[ParamTable::Text],
        SearchType::Date => &[ParamTable::Date],
        SearchType::Number | SearchType::Quantity => &[ParamTable::Number],
        SearchType::Composite | SearchType::Special => &TABLES,
    }
}
