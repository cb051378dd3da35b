//! The one way received ops are applied: verified, appended, judged, opened as far as keys reach, indexed, in one
//! transaction per batch. What lies is refused and its sender cut. Here ops are believed and appended; `control` does
//! what follows from grants and keys, `index` makes versions, `merged` brings those of one resource together, `fill` takes frames that come later. Called by `sync` and by `archive`.

mod control;
mod expected;
mod fill;
mod foreign;
mod index;
mod merged;

pub(crate) use index::may_edit;
pub(crate) use merged::{Changes, beside};

use crate::batch::Batch;
use crate::context::{Context, open_body};
use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::body::genesis::Purpose;
use record::identity::Card;
use record::op::card_within;
use record::{Author, Head, IdentityId, Keyring, Kind, Lane, LaneKind, Op, OpId, Parcel, RecordId, Verified};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::db::Reader;
use store::ops::LaneHead;

/// Why received ops were not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyFault {
    /// Not now; the same may pass later.
    #[error("{0}")]
    Later(String),
    /// The author of a control op is not known, and this identity is not in yet: whoever sent it is asked for its card.
    #[error("the author of an op is not known yet")]
    Unknown(IdentityId),
    /// The sender is at fault.
    #[error("{0}")]
    Lie(String),
    /// The node itself failed.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<store::StoreError> for ApplyFault {
    fn from(error: store::StoreError) -> Self {
        ApplyFault::Node(error.into())
    }
}

/// What an archive brings along: whoever imports it expects its record, and it has the cards of its authors. Peers bring
/// nothing; `record::archive` has verified this.
pub(crate) struct Brought(HashMap<IdentityId, Arc<Author>>);

impl Brought {
    pub(crate) fn new(cards: Vec<Card>) -> Self {
        Self(cards.into_iter().map(|card| (card.id(), Arc::new(Author::new(card)))).collect())
    }
}

impl Node {
    /// Applies a batch; returns the heads now held. `from` is the peer it came from.
    pub(crate) async fn apply_parcels(
        &self,
        record: RecordId,
        parcels: Arc<Vec<Parcel>>,
        brought: Option<Arc<Brought>>,
        from: Option<IdentityId>,
    ) -> Result<Vec<Head>, ApplyFault> {
        // What a fault says must outlive the transaction that it undoes.
        let outcome = self
            .commit(move |batch| {
                let (parcels, brought) = (parcels.clone(), brought.clone());
                Box::pin(async move {
                    batch.from_archive = brought.is_some();
                    let applied = batch.apply(&record, &parcels, brought.as_deref(), from).await;
                    batch.from_archive = false;
                    match applied {
                        Ok(()) => Ok(Ok(())),
                        Err(ApplyFault::Node(error)) => Err(error),
                        Err(fault) => Ok(Err(fault)),
                    }
                })
            })
            .await?;
        outcome?;
        Ok(crate::sync::told(Reader::from(&self.store).ends(&record).await?))
    }
}

impl Batch {
    /// Applies parcels in order. Those before a fault stay: each was whole.
    async fn apply(
        &mut self,
        record: &RecordId,
        parcels: &[Parcel],
        brought: Option<&Brought>,
        from: Option<IdentityId>,
    ) -> Result<(), ApplyFault> {
        // All that the checks below look up, at once.
        let cited = parcels.iter().flat_map(|parcel| parcel.op.header().cited().copied());
        let ids = parcels.iter().map(|parcel| parcel.op.id()).chain(cited).collect::<HashSet<_>>();
        let mut here = self.lamports(&ids.into_iter().collect::<Vec<_>>()).await?;
        self.look_ahead(record, parcels).await?;
        let (mut cards, me) = (brought.map(|brought| brought.0.clone()).unwrap_or_default(), self.node.identity.id());
        let mut contested = false;
        for parcel in parcels {
            if parcel.op.record() != *record {
                return Err(ApplyFault::Lie("an op of another record".to_owned()));
            }
            if here.contains_key(&parcel.op.id()) {
                continue;
            }
            let op = self.check(&parcel.op, parcel, &mut cards, &here, from).await?;
            here.insert(op.id(), op.header().lamport);
            if op.header().lane.author == me {
                self.add_returned(op.id());
            }
            let frames = (0..).zip(&parcel.frames).filter_map(|(at, frame)| Some((at, frame.clone()?)));
            let mut frames = frames.collect::<Vec<_>>();
            let gone = self.is_gone_for(&op).await?;
            if gone {
                // As a rebuild has it: of what one may no longer see not even the sealed frames are kept.
                frames.retain(|(at, _)| !op.entries().get(*at as usize).is_some_and(record::Entry::is_resource));
            }
            let lanes = self.lanes(record).await?;
            let head = lanes.into_iter().find(|lane| lane.head.lane == op.header().lane);
            // Asked only where a line names what it keeps of the lane: looking writes what was gathered.
            let named = !gone && self.is_named(&op).await?;
            let forked = named && self.reader().await?.is_forked(record, &op.header().lane).await?;
            let position = self.append(op.clone(), frames.clone()).await?;
            let beside = head.filter(|head| op.header().previous != Some(head.head.id));
            let forks = match beside {
                Some(head) => self.note_fork(&op, position, head).await?,
                None => false,
            };
            match op.header().kind.lane() {
                LaneKind::Control => self.apply_control(&op, &frames, position).await?,
                LaneKind::Change if gone => {}
                LaneKind::Change => {
                    let context = self.known(record).await?;
                    let last_updated = self.last_updated;
                    self.index_op(&context, &op, &frames, position, last_updated, &HashMap::new()).await?;
                    contested |= named && (forked || forks) && self.is_contested(&context, &op, forked).await?;
                }
                LaneKind::Audit => {}
            }
        }
        self.settle_unclear().await?;
        if contested {
            let context = self.known(record).await?;
            self.rebuild_foreign(&context).await?;
        }
        Ok(())
    }

    /// Whether an op is another's change in a record that this identity was let out of.
    async fn is_gone_for(&mut self, op: &Op) -> Result<bool, NodeError> {
        let lane = op.header().lane;
        if lane.kind != LaneKind::Change || lane.author == self.node.identity.id() {
            return Ok(false);
        }
        let context = self.known(&op.record()).await?;
        self.is_gone(&context).await
    }

    /// Writes down that an op does not follow its lane's head, which may make it share its place with another: proof against
    /// its author.
    async fn note_fork(&mut self, op: &Verified, position: i64, head: LaneHead) -> Result<bool, NodeError> {
        let (record, header) = (op.record(), op.header());
        let now = LaneHead { head: op.head(), lamport: header.lamport, position };
        // The longer of the two is the lane's head.
        let branch = if header.seq >= head.head.seq { head } else { now };
        self.add_branch(&record, branch, header.previous.as_ref()).await?;
        let forks = self.tx().await?.note_forks(&record, &header.lane, header.seq, &op.id()).await?;
        if forks {
            tracing::warn!(%record, author = %header.lane.author, seq = header.seq, "an author signed two ops for one place");
        }
        Ok(forks)
    }

    /// Whether an op of a forked lane decides what a line keeps of the others there: it is the last one kept, and what is
    /// before it was not reached until now; or it is the first fork, and the last one kept is on neither branch yet.
    async fn is_contested(&mut self, context: &Context, op: &Op, forked: bool) -> Result<bool, NodeError> {
        let lane = op.header().lane;
        for head in context.state.heads_named(lane) {
            let changes = match forked {
                true => head.id == op.id(),
                false => {
                    let stored = self.reader().await?.op(&head.id).await?;
                    stored.is_none_or(|stored| stored.op.head() != head)
                }
            };
            if changes {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a line or an accept names the last op it keeps of a change's lane.
    async fn is_named(&mut self, op: &Op) -> Result<bool, NodeError> {
        let lane = op.header().lane;
        if lane.kind != LaneKind::Change {
            return Ok(false);
        }
        Ok(self.known(&op.record()).await?.state.heads_named(lane).next().is_some())
    }

    /// Believes an op, or says why not.
    async fn check(
        &mut self,
        op: &Op,
        parcel: &Parcel,
        cards: &mut HashMap<IdentityId, Arc<Author>>,
        here: &HashMap<OpId, u64>,
        from: Option<IdentityId>,
    ) -> Result<Verified, ApplyFault> {
        let (header, record) = (op.header(), op.record());
        let within = parcel.frames.first().and_then(Option::as_deref).and_then(|frame| card_within(op, frame));
        if header.kind == Kind::Genesis {
            if within.is_none() {
                return Err(ApplyFault::Lie("a genesis without its body".to_owned()));
            }
            let node = self.node.clone();
            let purpose = purpose_of(op, parcel.frames.first().and_then(Option::as_deref));
            if !self.from_archive && !node.expects(&mut self.reader().await?, &record, purpose, from).await? {
                return Err(ApplyFault::Later("a record nobody here asked for".to_owned()));
            }
            if let Some(card) = &within {
                cards.entry(header.lane.author).or_insert_with(|| Arc::new(Author::new(card.clone())));
            }
        }
        let author = match cards.get(&header.lane.author) {
            Some(author) => author.clone(),
            None => {
                let unknown = || match header.lane.kind {
                    LaneKind::Control => ApplyFault::Unknown(header.lane.author),
                    _ => ApplyFault::Later("the author of an op is not known yet".to_owned()),
                };
                let card = self.card_of(&record, &header.lane).await?.ok_or_else(unknown)?;
                let author = Arc::new(Author::new(card));
                cards.insert(header.lane.author, author.clone());
                author
            }
        };
        // A handover brings the key it is signed by: the one its author had announced.
        let newer = |handed: &Card| handed != author.card() && handed.continues(author.card());
        let author = match within.filter(newer) {
            Some(handed) => {
                let author = Arc::new(Author::new(handed));
                cards.insert(header.lane.author, author.clone());
                author
            }
            None => author,
        };
        let verified = author.verify(op.clone()).map_err(|error| ApplyFault::Lie(error.to_string()))?;
        let Some(lamports) = header.cited().map(|id| here.get(id).copied()).collect::<Option<Vec<_>>>() else {
            return Err(ApplyFault::Later("ops before this one are not here yet".to_owned()));
        };
        if header.lamport != lamports.into_iter().max().unwrap_or(0) + 1 {
            return Err(ApplyFault::Lie("rule 2.5: a Lamport number that does not follow".to_owned()));
        }
        let head = self.head_of(&record, &header.lane).await?;
        let follows = match (&head, header.previous) {
            (None, None) => true,
            (Some(head), Some(previous)) if head.id == previous => header.seq == head.seq + 1,
            (_, Some(previous)) => {
                // Not after the head: a fork. Both branches are kept, as proof.
                let before = self.reader().await?.op(&previous).await?;
                before.is_some_and(|before| {
                    before.op.header().lane == header.lane && before.op.header().seq + 1 == header.seq
                })
            }
            (Some(_), None) => true,
        };
        if !follows {
            return Err(ApplyFault::Lie("rule 2.3: an op that does not follow its lane".to_owned()));
        }
        Ok(verified)
    }

    async fn card_of(&mut self, record: &RecordId, lane: &Lane) -> Result<Option<Card>, NodeError> {
        let (node, who) = (self.node.clone(), &lane.author);
        let Some(context) = self.context(record).await? else { return Ok(None) };
        if let Some(card) = context.state.members().into_iter().find(|card| card.id() == *who) {
            return Ok(Some(card));
        }
        if lane.kind != LaneKind::Control || !node.is_before_the_door(&context) {
            return Ok(None);
        }
        // Before it is in, nothing said here opens: whose card is whose is told by whoever serves the record, and a card
        // proves itself. What it says is judged by the state all the same.
        let known = self.reader().await?.identity(who).await?;
        Ok(known.and_then(|known| Card::decode(&known.card).ok()))
    }
}

impl Node {
    /// Whether this identity is not in a record yet, nor ever was: it cannot tell who is.
    pub(crate) fn is_before_the_door(&self, context: &Context) -> bool {
        let me = self.identity().id();
        !context.state.is_member(&me) && context.state.last_word_to(&me).is_none() && !context.is_own(&me)
    }
}

/// What the genesis says that its record is for.
fn purpose_of(op: &Op, frame: Option<&[u8]>) -> Option<Purpose> {
    match open_body(op, frame, &Keyring::default())? {
        Body::Genesis(genesis) => Some(genesis.purpose),
        _ => None,
    }
}
