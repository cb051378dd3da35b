//! The author's side: this node's next op in a record, signed and added to the batch. Called by `write`, `grants`,
//! `pairing`, `requests` and `access`.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::body::genesis::{Genesis, Purpose};
use record::draft::{Draft, DraftFrame};
use record::entry::KeyName;
use record::header::{CONTROL_HEADS_MAX, DATA_HEADS_MAX, FORMAT_VERSION};
use record::keys::{KeyItem, Keyring, Level, Secret, commitment, tag};
use record::state::Control;
use record::{Authority, IdentityId, Kind, Lane, LaneKind, OpId, RecordId, State, Verified};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use store::homes::KnownRecord;
use store::ops::LaneHead;

/// An op this node has just added.
pub(crate) struct Authored {
    pub(crate) op: Verified,
    pub(crate) position: i64,
}

impl Batch {
    /// Signs and adds this node's next op of `kind` in a record it knows, which hears first of a key that it was not told of.
    pub(crate) async fn author(
        &mut self,
        context: &Context,
        kind: Kind,
        authority: Authority,
        frames: Vec<DraftFrame>,
    ) -> Result<Authored, NodeError> {
        self.author_over(context, kind, authority, frames, &[]).await
    }

    /// As [`Batch::author`], a change that goes on from what the changes `over` wrote: it cites them, whatever else is new.
    pub(crate) async fn author_over(
        &mut self,
        context: &Context,
        kind: Kind,
        authority: Authority,
        frames: Vec<DraftFrame>,
        over: &[OpId],
    ) -> Result<Authored, NodeError> {
        match self.tell_of_key(context).await? {
            Some(told) => self.author_plainly(&told, kind, authority, frames, over).await,
            None => self.author_plainly(context, kind, authority, frames, over).await,
        }
    }

    /// As [`Batch::author_over`], whatever the record knows of this node's key.
    pub(crate) async fn author_plainly(
        &mut self,
        context: &Context,
        kind: Kind,
        authority: Authority,
        frames: Vec<DraftFrame>,
        over: &[OpId],
    ) -> Result<Authored, NodeError> {
        let node = self.node.clone();
        let lanes = self.lanes(&context.record).await?;
        let instance = if kind.lane() == LaneKind::Control { 0 } else { node.instance() };
        let lane = Lane { author: node.identity.id(), kind: kind.lane(), instance };
        let own = lanes.iter().find(|head| head.head.lane == lane);
        let control_heads = control_heads(context, authority, &lanes, &lane.author);
        let data_heads = match kind {
            Kind::Change => self.data_heads(&context.record, &lanes, lane, over).await?,
            _ => Vec::new(),
        };
        // Of what is cited, and of nothing else: where not all heads fit, the greatest may be left out (rule 2.5).
        let control = control_heads.iter().filter_map(|head| context.state.lamport_of(head));
        let cited = data_heads.iter().map(|(_, lamport)| *lamport).chain(control);
        let greatest = cited.chain(own.map(|head| head.lamport)).max();
        let draft = Draft {
            record: context.record,
            lane,
            seq: own.map_or(0, |head| head.head.seq + 1),
            previous: own.map(|head| head.head.id),
            control_heads,
            data_heads: data_heads.into_iter().map(|(id, _)| id).collect(),
            lamport: greatest.unwrap_or(0) + 1,
            wall_ms: crate::clock::now_ms(),
            kind,
            authority,
            frames,
        };
        let signed = draft.sign(&node.identity, &mut crate::clock::entropy());
        let (op, frames) = signed.or(Err(NodeError::Internal("a recipient whose key cannot receive")))?;
        let frames = (0..).zip(frames).collect();
        let position = self.append(op.clone(), frames).await?;
        Ok(Authored { op, position })
    }

    /// What the next change of `lane` cites of others', each with its Lamport number: what is new since the lane's last op, the
    /// latest first where it is too much, but before them what it goes on from. So who keeps many lanes moving cannot make a
    /// version stand beside the one that it takes the place of.
    async fn data_heads(
        &mut self,
        record: &RecordId,
        lanes: &[LaneHead],
        lane: Lane,
        over: &[OpId],
    ) -> Result<Vec<(OpId, u64)>, NodeError> {
        // What came before this lane's last op was cited by it, or by what it cited, unless there was too much.
        let since = lanes.iter().find(|head| head.head.lane == lane).map_or(-1, |head| head.position);
        let branches = self.branches(record).await?;
        let news = lanes
            .iter()
            .chain(&branches)
            .filter(|head| head.head.lane.kind == LaneKind::Change && head.head.lane != lane && head.position > since);
        let mut news = news.map(|head| (head.head.id, head.lamport)).collect::<Vec<_>>();
        news.sort_by_key(|(_, lamport)| std::cmp::Reverse(*lamport));
        if !self.node.cut.now(record, news.len() > DATA_HEADS_MAX) {
            return Ok(news);
        }
        let mut cited = Vec::new();
        for op in over {
            let stored = self.reader().await?.op(op).await?;
            let header = stored.as_ref().map(|stored| stored.op.header());
            // What this very lane wrote is in its past as it is.
            let other = header.filter(|header| header.lane.kind == LaneKind::Change && header.lane != lane);
            if let Some(header) = other.filter(|header| header.record == *record) {
                cited.push((*op, header.lamport));
            }
        }
        news.retain(|(id, _)| !over.contains(id));
        cited.extend(news);
        cited.truncate(DATA_HEADS_MAX);
        Ok(cited)
    }

    /// Signs and adds a control op, and loads the record anew.
    pub(crate) async fn author_control(
        &mut self,
        context: &Context,
        kind: Kind,
        frames: Vec<DraftFrame>,
    ) -> Result<(OpId, Arc<Context>), NodeError> {
        let word = self.word(context)?;
        let authored = self.author(context, kind, word, frames).await?;
        let context = self.reload(&context.record, authored.position).await?;
        self.set_known(&context);
        Ok((authored.op.id(), context))
    }

    /// The word under which this node acts as a record's authority.
    pub(crate) fn word(&self, context: &Context) -> Result<Authority, NodeError> {
        let me = self.node.identity.id();
        let word = context.state.word_of(&me);
        word.ok_or_else(|| match context.state.standing_of(&me) {
            Some(_) => NodeError::Forbidden(crate::devices::STOPPED.to_owned()),
            None => NodeError::Internal("only the record's authority decides about it"),
        })
    }

    /// Writes down what the state says of a record.
    pub(crate) fn set_known(&mut self, context: &Context) {
        let (Some(authority), Some(purpose)) = (context.state.authority(), context.state.purpose()) else {
            return;
        };
        self.set_record(KnownRecord {
            record: context.record,
            purpose: purpose as u8,
            authority: authority.id(),
            control: context.control,
        });
    }

    /// Opens a record of this node's: genesis with epoch 0, whose secret is sealed to this identity.
    pub(crate) async fn open_record(&mut self, purpose: Purpose) -> Result<Arc<Context>, NodeError> {
        let node = self.node.clone();
        // Nobody would take back there what a key signs that was handed over from.
        if purpose != Purpose::House
            && let Some(house) = node.house.get()
        {
            node.check_key(&*self.known(house).await?)?;
        }
        let secret = Secret::new(crate::clock::random());
        let body = Body::Genesis(Genesis {
            random: crate::clock::random(),
            format_version: FORMAT_VERSION,
            purpose,
            author: node.identity.card().clone(),
            successor: None,
            commitment: commitment(&secret),
        });
        let own = KeyItem { epoch: OpId([0; 32]), level: Level::Epoch, secret: secret.clone() };
        let draft = Draft {
            record: RecordId([0; 32]),
            lane: Lane { author: node.identity.id(), kind: LaneKind::Control, instance: 0 },
            seq: 0,
            previous: None,
            control_heads: Vec::new(),
            data_heads: Vec::new(),
            lamport: 1,
            wall_ms: crate::clock::now_ms(),
            kind: Kind::Genesis,
            authority: Authority::Genesis,
            frames: vec![
                DraftFrame::Body { body: body.clone(), key_name: KeyName::Plain, key: None },
                DraftFrame::Wrap { to: node.identity.card().clone(), items: vec![own] },
            ],
        };
        let signed = draft.sign(&node.identity, &mut crate::clock::entropy());
        let (op, frames) = signed.or(Err(NodeError::Internal("this identity cannot receive")))?;
        let record = op.record();
        let item = KeyItem { epoch: op.id(), level: Level::Epoch, secret };
        self.add_keys(vec![node.seal_key(&record, &item)]);
        let mut keys = Keyring::default();
        keys.add(item);
        let state = State::fold(&[Control { id: op.id(), header: op.header().clone(), body: Some(body) }]);
        let handle_key = state.genesis().map_or([0; 32], |genesis| genesis.handle_key());
        self.lanes_of_new(record);
        let control = self.append(op, (0..).zip(frames).collect()).await?;
        let context = Arc::new(Context { record, control, state, keys, handle_key, local: None });
        self.introduce(context.clone());
        self.set_known(&context);
        Ok(context)
    }
}

/// Records in which this process's lanes lack in their past some of what is here: more was new at once than an op may cite.
#[derive(Default)]
pub(crate) struct Cut(Mutex<HashSet<RecordId>>);

impl Cut {
    /// Whether a record is one of them, or becomes one `now`.
    fn now(&self, record: &RecordId, now: bool) -> bool {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (now && records.insert(*record)) || records.contains(record)
    }
}

/// The control heads that the next op of `author` cites: all, as long as they fit. Where somebody forked its lane into more, those
/// first in whose past are what the op stands on, the epochs that it is sealed under and what its author said itself.
fn control_heads(context: &Context, authority: Authority, lanes: &[LaneHead], author: &IdentityId) -> Vec<OpId> {
    let said = lanes.iter().map(|head| head.head);
    let said = said.filter(|head| head.lane.kind == LaneKind::Control && head.lane.author == *author);
    let word = match authority {
        Authority::Genesis => context.state.claim(),
        Authority::Device(op) => Some(op),
        Authority::Grant(grant) => Some(grant.op),
    };
    let needed = word.into_iter().chain(said.map(|head| head.id)).chain(context.state.epochs()).collect::<Vec<_>>();
    context.state.some_control_heads(&needed, CONTROL_HEADS_MAX)
}

/// The name of the key for what is written now, and that key.
pub(crate) fn current_key(context: &Context, level: &Level) -> Option<(KeyName, Secret)> {
    let epochs = context.state.epochs();
    Some((KeyName::Epochs(tag(&epochs)), context.keys.key(&epochs, level)?))
}

/// The name of the key only the record's authority has, and that key.
pub(crate) fn owner_key(context: &Context) -> Option<(KeyName, Secret)> {
    let epochs = context.state.epochs();
    Some((KeyName::Owner(tag(&epochs)), context.keys.owner_key(&epochs)?))
}

impl Node {
    /// Finds the house record, or opens it; several processes of one hospital agree on one.
    pub(crate) async fn open_house(&self) -> Result<(), NodeError> {
        let house = match self.store.meta("house").await? {
            Some(bytes) => RecordId::from_slice(&bytes).ok_or(NodeError::Internal("a house record without a name"))?,
            None => {
                self.commit(|batch| {
                    Box::pin(async move {
                        let node = batch.node.clone();
                        if let Some(bytes) = node.store.meta("house").await? {
                            let record = RecordId::from_slice(&bytes);
                            return record.ok_or(NodeError::Internal("a house record without a name"));
                        }
                        let context = batch.open_record(Purpose::House).await?;
                        batch.tx().await?.set_meta("house", context.record.bytes()).await?;
                        Ok(context.record)
                    })
                })
                .await?
            }
        };
        self.0.house.get_or_init(|| house);
        Ok(())
    }
}
