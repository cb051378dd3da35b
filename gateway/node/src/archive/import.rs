//! Import: an archive is read and verified to its end before anything of it is taken; then its ops are applied in batches, as
//! those of a peer are. A repeat goes on where the last one stopped. Called by `cli`.

use super::mark;
use crate::apply::{ApplyFault, Brought};
use crate::error::NodeError;
use crate::identity_file::Passphrase;
use crate::node::Node;
use record::archive::{ArchiveError, KeysError, Part, Reader as Archive, SealedKeys};
use record::{Card, LaneKind, Op, Parcel, RecordId};
use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use store::db::Reader;
use tokio::sync::watch;

/// Ops of one batch: what they cite is looked up in one statement, which takes at most 32,766 names on SQLite.
const BATCH_OPS: usize = 200;
/// Bytes of frames at which a batch is full.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes read from the file at once.
const READ_BYTES: usize = 256 * 1024;

/// By what an imported record opens here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This node's own identity is in the record: it reads what it was let read, and the archive's keys were not taken.
    Own,
    /// The keys of the archive, under the passphrase that was given.
    Keys,
    /// Nothing: it is verified, kept and shown as a log; its contents stay sealed.
    Nothing,
}

/// How an import ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is here.
    Done,
    /// It was told to stop; a repeat goes on.
    Stopped,
}

/// What was taken.
#[derive(Clone, Copy, Debug)]
pub struct Imported {
    /// The record.
    pub record: RecordId,
    /// Ops of the archive.
    pub ops: u64,
    /// Those of them that were not here before.
    pub new_ops: u64,
    /// Frames that came to ops which were here before.
    pub new_frames: u64,
    /// By what it opens.
    pub opened: Opened,
    /// How it ended.
    pub outcome: Outcome,
}

/// What an archive says of itself, once it was read to its end.
struct Contents {
    record: RecordId,
    cards: Vec<Card>,
    keys: Option<SealedKeys>,
    ops: u64,
}

fn refused(error: ArchiveError) -> NodeError {
    NodeError::Unprocessable(format!("the archive is refused and nothing of it was taken: {error}"))
}

fn unread(error: std::io::Error) -> NodeError {
    NodeError::Unprocessable(format!("the archive cannot be read: {error}"))
}

/// A file that an archive is read from, twice.
pub trait Archived: Read + Seek + Send {}
impl<F: Read + Seek + Send> Archived for F {}

/// The parts of an archive, from its beginning.
struct Parts<'f> {
    file: &'f mut dyn Archived,
    archive: Archive,
    bytes: Vec<u8>,
}

impl<'f> Parts<'f> {
    fn of(file: &'f mut dyn Archived) -> Result<Self, NodeError> {
        file.seek(SeekFrom::Start(0)).map_err(unread)?;
        Ok(Self { file, archive: Archive::default(), bytes: vec![0; READ_BYTES] })
    }

    /// The next part; none behind the end, which was read and held.
    fn next(&mut self) -> Result<Option<Part>, NodeError> {
        loop {
            if let Some(part) = self.archive.part().map_err(refused)? {
                return Ok(Some(part));
            }
            match self.file.read(&mut self.bytes) {
                Ok(0) => return self.archive.finish().map(|()| None).map_err(refused),
                Ok(count) => self.archive.feed(&self.bytes[..count]).map_err(refused)?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unread(error)),
            }
        }
    }

    /// Reads and verifies all of it.
    fn look(mut self, stopped: &watch::Receiver<bool>) -> Result<Contents, NodeError> {
        let (mut found, mut sealed, mut ops) = (Vec::new(), None, 0);
        while let Some(part) = self.next()? {
            if *stopped.borrow() {
                return Err(NodeError::Unprocessable(
                    "stopped while the archive was verified; nothing was taken".to_owned(),
                ));
            }
            match part {
                Part::Cards(cards) => found = cards,
                Part::Keys(keys) => sealed = Some(keys),
                Part::Op(..) => {}
                Part::End(count) => ops = count,
            }
        }
        let record = self.archive.record().ok_or(NodeError::Internal("an archive without a record"))?;
        Ok(Contents { record, cards: found, keys: sealed, ops })
    }
}

impl Node {
    /// Takes the record out of an archive. Stop the node of this folder first: a process that runs learns of the keys at its
    /// next start.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] with the rule that refuses the archive, in which case nothing was taken;
    /// [`NodeError::Forbidden`] where this identity was let out of the record.
    pub async fn import_record(
        &self,
        file: &mut dyn Archived,
        passphrase: Option<&Passphrase>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        stopped: &watch::Receiver<bool>,
    ) -> Result<Imported, NodeError> {
        let contents = Parts::of(file)?.look(stopped)?;
        let items = opened(&contents, passphrase)?;
        let brought = Arc::new(Brought::new(contents.cards.clone()));
        let mut done = Imported {
            record: contents.record,
            ops: contents.ops,
            new_ops: 0,
            new_frames: 0,
            opened: Opened::Nothing,
            outcome: Outcome::Done,
        };
        let (mut parts, mut waiting, mut bytes) = (Parts::of(file)?, Vec::<Parcel>::new(), 0);
        let (mut seen, mut settled) = (0, false);
        while let Some(part) = parts.next()? {
            let Part::Op(op, frames) = part else { continue };
            let data = op.header().lane.kind != LaneKind::Control;
            let size = frames.iter().flatten().map(Vec::len).sum::<usize>();
            let full = waiting.len() >= BATCH_OPS || bytes + size > BATCH_BYTES;
            if full || (data && !settled) {
                self.take(&mut done, &brought, std::mem::take(&mut waiting), settled).await?;
                progress(seen, contents.ops);
                bytes = 0;
                if *stopped.borrow() {
                    done.outcome = Outcome::Stopped;
                    return Ok(done);
                }
            }
            if data && !settled {
                done.opened = self.settle(&contents, &items).await?;
                settled = true;
            }
            (bytes, seen) = (bytes + size, seen + 1);
            waiting.push(Parcel { op: Op::clone(&op), frames });
        }
        self.take(&mut done, &brought, waiting, settled).await?;
        if !settled {
            done.opened = self.settle(&contents, &items).await?;
        }
        progress(seen, contents.ops);
        Ok(done)
    }

    /// Applies what is not here, and adds frames to what is.
    async fn take(
        &self,
        done: &mut Imported,
        brought: &Arc<Brought>,
        mut parcels: Vec<Parcel>,
        settled: bool,
    ) -> Result<(), NodeError> {
        let ids = parcels.iter().map(|parcel| parcel.op.id()).collect::<Vec<_>>();
        let mut reader = Reader::from(&self.store);
        if settled && let Some(context) = self.context(&mut reader, &done.record).await? {
            for parcel in &mut parcels {
                for (at, frame) in (0..).zip(&mut parcel.frames) {
                    frame.take_if(|_| context.state.is_erased(&parcel.op.id(), at));
                }
            }
        }
        let here = reader.lamports(&ids).await?.into_iter().map(|(id, _)| id).collect::<HashSet<_>>();
        let held = reader.frames_of(&here.iter().copied().collect::<Vec<_>>()).await?;
        let (known, new) = parcels.into_iter().partition::<Vec<_>, _>(|parcel| here.contains(&parcel.op.id()));
        let mut lacking = Vec::new();
        for Parcel { op, frames } in known {
            let held = held.get(&op.id()).into_iter().flatten().map(|(at, _)| *at).collect::<HashSet<_>>();
            let frames = (0..).zip(frames).filter(|(at, _)| !held.contains(at));
            lacking.extend(frames.filter_map(|(index, frame)| Some((net::FrameId { op: op.id(), index }, frame?))));
        }
        done.new_ops += new.len() as u64;
        if !new.is_empty() {
            self.apply_parcels(done.record, Arc::new(new), Some(brought.clone()), None).await.map_err(fault)?;
        }
        if !lacking.is_empty() {
            done.new_frames += self.fill_frames(done.record, lacking).await.map_err(fault)? as u64;
        }
        Ok(())
    }

    /// Says by what the record opens, once its control ops are here and before any data is: a member's own keys, else those of
    /// the archive, which are kept sealed under this node's storage key as all keys are.
    async fn settle(&self, contents: &Contents, items: &[record::keys::KeyItem]) -> Result<Opened, NodeError> {
        let (record, me) = (contents.record, self.identity().id());
        let context = self.context(&mut Reader::from(&self.store), &record).await?;
        let context = context.ok_or(NodeError::Internal("a record without its genesis"))?;
        let member = context.state.is_member(&me);
        if !member && context.state.last_word_to(&me).is_some() {
            return Err(NodeError::Forbidden(
                "this identity was let into the record and out again; an archive does not let it in: use the folder of \
                 another identity"
                    .to_owned(),
            ));
        }
        let cards = contents.cards.clone();
        let keys = items.iter().filter(|_| !member).map(|item| self.seal_key(&record, item)).collect::<Vec<_>>();
        self.commit(move |batch| {
            let (cards, keys) = (cards.clone(), keys.clone());
            Box::pin(async move {
                for card in cards {
                    batch.remember(card, String::new()).await?;
                }
                if !member {
                    batch.tx().await?.set_meta(&mark(&record), &[1]).await?;
                }
                batch.add_keys(keys);
                Ok(())
            })
        })
        .await?;
        if member {
            return Ok(Opened::Own);
        }
        // The mark is committed: what follows from the control state is worked out with it and with the keys.
        let keys = self
            .commit(move |batch| {
                Box::pin(async move {
                    let before = batch.known(&record).await?;
                    let context = batch.reload(&record, before.control).await?;
                    batch.after_control(None, &context).await?;
                    Ok(!context.keys.is_empty())
                })
            })
            .await?;
        Ok(if keys { Opened::Keys } else { Opened::Nothing })
    }
}

fn fault(fault: ApplyFault) -> NodeError {
    match fault {
        ApplyFault::Node(error) => error,
        fault => {
            NodeError::Unprocessable(format!("the archive is not taken further: {fault}; what came before is here"))
        }
    }
}

/// The keys of an archive, where there is a passphrase for them.
fn opened(contents: &Contents, passphrase: Option<&Passphrase>) -> Result<Vec<record::keys::KeyItem>, NodeError> {
    let Some(passphrase) = passphrase else { return Ok(Vec::new()) };
    let Some(keys) = &contents.keys else {
        return Err(NodeError::Unprocessable(
            "the archive has no keys: it was exported without --with-keys, and opens to members alone".to_owned(),
        ));
    };
    keys.open(&contents.record, passphrase.text()).map_err(|error| match error {
        KeysError::Passphrase(_) => {
            NodeError::Unprocessable("the passphrase does not open the archive's keys; nothing was taken".to_owned())
        }
        KeysError::Codec(error) => refused(error.into()),
    })
}
