//! Export: the ops of a record in the order of rule 10.5, with the frames that are here. Changes nothing. Called by `cli`.

use crate::error::NodeError;
use crate::identity_file::Passphrase;
use crate::node::Node;
use record::archive::{ArchiveError, Writer, encode_keys};
use record::frame::matches;
use record::{Author, LaneKind, OpId, RecordId, State};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use store::db::Reader;
use store::ops::StoredOp;

/// Ops read at once while they are put in order.
const ROWS: i64 = 512;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Ops.
    pub ops: u64,
    /// Frames that went along.
    pub frames: u64,
    /// Frames that are not here, were erased, or were withheld from this node.
    pub absent: u64,
    /// Frames that are here and are not the signed ones: left out, `verify` names them.
    pub damaged: u64,
    /// Frames of ops that are larger than a part of an archive may be.
    pub too_large: u64,
    /// Keys that went along under the passphrase.
    pub keys: u64,
    /// Bytes of the archive.
    pub bytes: u64,
}

fn unwritten(error: &std::io::Error) -> NodeError {
    NodeError::Unprocessable(format!("the archive cannot be written: {error}"))
}

fn refused(error: &ArchiveError) -> NodeError {
    NodeError::Unprocessable(format!("the record cannot be exported: {error}; run chartwell verify"))
}

impl Node {
    /// Writes the archive of a record to `out`, with its keys where there is a passphrase for them. What is written to the
    /// record meanwhile is not in it.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Unprocessable`] where `out` fails, or the log holds what no archive may.
    pub async fn export_record(
        &self,
        record: RecordId,
        keys: Option<&Passphrase>,
        out: &mut (dyn Write + Send),
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Exported, NodeError> {
        let context = self.context(&mut Reader::from(&self.store), &record).await?;
        let context = context.ok_or_else(|| NodeError::NotFound(format!("record {record}")))?;
        let (order, authors) = self.order_of(&record).await?;
        let cards = self.cards_of(&context.state, &authors).await?;
        let by_author = cards.iter().map(|card| (card.id(), Author::new(card.clone()))).collect::<HashMap<_, _>>();
        let mut done = Exported::default();
        let sealed = match keys {
            None => None,
            Some(passphrase) => {
                let items = context.keys.items().collect::<Vec<_>>();
                if items.is_empty() {
                    return Err(NodeError::Unprocessable("this node has no keys of the record to export".to_owned()));
                }
                done.keys = items.len() as u64;
                Some(encode_keys(&record, &items, passphrase.text(), &mut crate::clock::entropy()))
            }
        };
        let (mut writer, head) = Writer::new(record, cards, sealed.as_ref()).map_err(|error| refused(&error))?;
        let mut append = |bytes: &[u8]| {
            done.bytes += bytes.len() as u64;
            out.write_all(bytes).map_err(|error| unwritten(&error))
        };
        append(&head)?;
        for id in &order {
            let mut reader = Reader::from(&self.store);
            let stored = reader.op(id).await?.ok_or(NodeError::Internal("an op that was here is gone"))?;
            let frames = reader.frames(id).await?;
            let author = by_author.get(&stored.op.header().lane.author);
            let author = author.ok_or_else(|| no_card(&stored))?;
            let op = author.verify(stored.op).map_err(|error| refused(&error.into()))?;
            let (mut taken, absent, damaged) = chosen(&context.state, &op, frames);
            let bytes = match writer.op(&op, &taken) {
                Err(error) if error.rule() == "10.2" => {
                    done.too_large += taken.iter().flatten().count() as u64;
                    taken.clear();
                    writer.op(&op, &taken)
                }
                written => written,
            };
            append(&bytes.map_err(|error| refused(&error))?)?;
            done.ops += 1;
            done.frames += taken.iter().flatten().count() as u64;
            (done.absent, done.damaged) = (done.absent + absent, done.damaged + damaged);
            progress(done.ops, order.len() as u64);
        }
        append(&writer.finish())?;
        Ok(done)
    }

    /// The ops of a record as rule 10.5 orders them, and who wrote them.
    async fn order_of(&self, record: &RecordId) -> Result<(Vec<OpId>, BTreeSet<record::IdentityId>), NodeError> {
        let (mut order, mut authors, mut position) = (Vec::new(), BTreeSet::new(), 0);
        loop {
            let rows = Reader::from(&self.store).ops_after(record, position, ROWS).await?;
            let Some(last) = rows.last() else { break };
            position = last.position;
            for stored in &rows {
                let header = stored.op.header();
                authors.insert(header.lane.author);
                order.push((header.lane.kind != LaneKind::Control, header.lamport, stored.op.id()));
            }
        }
        order.sort_unstable();
        Ok((order.into_iter().map(|(.., id)| id).collect(), authors))
    }
}

fn no_card(stored: &StoredOp) -> NodeError {
    let (id, who) = (stored.op.id(), stored.op.header().lane.author);
    NodeError::Unprocessable(format!(
        "rule 10.3: the card of {who}, who wrote op {id}, is not here; run chartwell verify"
    ))
}

/// The frames that go along, and how many are not here and are not the signed ones.
fn chosen(state: &State, op: &record::Op, frames: Vec<(u32, Vec<u8>)>) -> (Vec<Option<Vec<u8>>>, u64, u64) {
    let (mut taken, mut damaged) = (vec![None; op.entries().len()], 0);
    for (at, frame) in frames {
        let entry = op.entries().get(at as usize);
        match taken.get_mut(at as usize) {
            Some(place) if entry.is_some_and(|entry| matches(entry, &frame)) => {
                *place = Some(frame).filter(|_| !state.is_erased(&op.id(), at));
            }
            _ => damaged += 1,
        }
    }
    let absent = taken.iter().filter(|frame| frame.is_none()).count() as u64;
    (taken, absent.saturating_sub(damaged), damaged)
}
