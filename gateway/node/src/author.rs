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
use record::header::FORMAT_VERSION;
use record::keys::{KeyItem, Keyring, Level, Secret, commitment, tag};
use record::state::Control;
use record::{Authority, Kind, Lane, LaneKind, OpId, RecordId, State, Verified};
use std::sync::Arc;
use store::homes::KnownRecord;

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
        match self.tell_of_key(context).await? {
            Some(told) => self.author_plainly(&told, kind, authority, frames).await,
            None => self.author_plainly(context, kind, authority, frames).await,
        }
    }

    /// As [`Batch::author`], whatever the record knows of this node's key.
    pub(crate) async fn author_plainly(
        &mut self,
        context: &Context,
        kind: Kind,
        authority: Authority,
        frames: Vec<DraftFrame>,
    ) -> Result<Authored, NodeError> {
        let node = self.node.clone();
        let lanes = self.lanes(&context.record).await?;
        let instance = if kind.lane() == LaneKind::Control { 0 } else { node.instance() };
        let lane = Lane { author: node.identity.id(), kind: kind.lane(), instance };
        let own = lanes.iter().find(|head| head.head.lane == lane);
        let control_heads = context.state.control_heads();
        if control_heads.len() > record::header::CONTROL_HEADS_MAX {
            return Err(NodeError::Internal("more control heads than an op may cite"));
        }
        let mut seen = Vec::new();
        if kind == Kind::Change {
            // What came before this lane's last op was cited by it, or by what it cited.
            let since = own.map_or(-1, |head| head.position);
            let branches = self.branches(&context.record).await?;
            let news = lanes.iter().chain(&branches).filter(|head| {
                head.head.lane.kind == LaneKind::Change && head.head.lane != lane && head.position > since
            });
            seen = news.copied().collect();
            seen.sort_by_key(|head| std::cmp::Reverse(head.lamport));
            seen.truncate(record::header::DATA_HEADS_MAX);
        }
        let before = own.map_or(0, |head| head.lamport);
        let greatest = seen.iter().map(|head| head.lamport).chain([before, context.state.lamport()]).max();
        let draft = Draft {
            record: context.record,
            lane,
            seq: own.map_or(0, |head| head.head.seq + 1),
            previous: own.map(|head| head.head.id),
            control_heads,
            data_heads: seen.iter().map(|head| head.head.id).collect(),
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
