//! Grants on the patient's side: what was asked for, what is given, narrowed, refused and taken back. Called by
//! `patient`; `take_over` by `apply` when a record has just become this patient's.

mod words;

pub(crate) use words::person_name;
pub use words::{GrantState, GrantView, RecordView, RequestState, RequestView, ScopeLine, scope_lines};

use crate::author::{current_key, owner_key};
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::body::grant::{Grant, Grants};
use record::body::request::{Asked, Request};
use record::body::revoke::Revoke;
use record::draft::DraftFrame;
use record::entry::KeyName;
use record::keys::{KeyItem, Level, Secret, commitment, control_key, tag};
use record::scope::Scopes;
use record::{Class, GrantId, Kind, LaneKind, OpId, RecordId};
use std::sync::Arc;

/// What a patient decided about a request.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The scopes that stay, as [`ScopeLine::scope`] gave them.
    pub scopes: Vec<String>,
    /// Until when, milliseconds since 1970; zero for no end. Not later than was asked.
    pub end_ms: u64,
}

impl Node {
    /// Lets the asker in, as far as `approval` says.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] if it says more than was asked, or the request was decided already.
    pub async fn approve(&self, request: &str, approval: Approval) -> Result<(), NodeError> {
        let id = request.parse::<OpId>().or(Err(NodeError::NotFound("the request".to_owned())))?;
        self.commit(move |batch| {
            let approval = approval.clone();
            Box::pin(async move {
                let (context, asked) = batch.open_request(&id).await?;
                let grant = granted(&asked, &approval)?;
                batch.give(&context, vec![grant]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Refuses what was asked; the asker is told.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] if the request was decided already.
    pub async fn refuse(&self, request: &str) -> Result<(), NodeError> {
        let id = request.parse::<OpId>().or(Err(NodeError::NotFound("the request".to_owned())))?;
        self.commit(move |batch| {
            Box::pin(async move {
                let (context, _) = batch.open_request(&id).await?;
                let (key_name, key) = owner_key(&context).ok_or(NOT_YOURS)?;
                let body = Body::Request(Request::Refused(id));
                let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }];
                batch.author_control(&context, Kind::Request, frames).await?;
                Ok(())
            })
        })
        .await
    }

    /// Takes a grant back and opens an epoch its holder has no key of. What the holder wrote before stays.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or [`NodeError::Unprocessable`] if it was taken back already.
    pub async fn revoke(&self, grant: &str) -> Result<(), NodeError> {
        let id = GrantId::parse(grant).ok_or(NodeError::NotFound("the grant".to_owned()))?;
        self.commit(move |batch| Box::pin(async move { batch.revoke(id).await })).await
    }
}

const NOT_YOURS: NodeError = NodeError::Internal("only the record's authority decides about it");

/// The grant that answers a request, no wider than it.
fn granted(asked: &Asked, approval: &Approval) -> Result<Grant, NodeError> {
    let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
    let scope = approval.scopes.join(" ");
    let scopes = Scopes::parse(&scope);
    if scopes.known.is_empty() || !scopes.other.is_empty() {
        return refuse("choose at least one of the things asked for, or refuse the request");
    }
    if !scopes.within(&Scopes::parse(&asked.scope)) {
        return refuse("more was chosen than was asked for");
    }
    if asked.end_ms != 0 && (approval.end_ms == 0 || approval.end_ms > asked.end_ms) {
        return refuse("the end is later than was asked for");
    }
    let now = crate::clock::now_ms();
    if approval.end_ms != 0 && approval.end_ms <= now {
        return refuse("the end lies in the past");
    }
    Ok(Grant {
        to: asked.from.clone(),
        name: asked.name.clone(),
        scope: scopes.to_string(),
        classes: vec![Class::NORMAL, Class::DIRECTORY],
        purpose: asked.purpose.clone(),
        start_ms: asked.start_ms,
        end_ms: approval.end_ms,
        delegate: false,
        shared: false,
        replaces: Vec::new(),
        bound: Some((asked.from.id(), asked.patient.clone())),
        request: asked.request.clone(),
    })
}

impl Batch {
    /// A request that is still open, with the record it stands in.
    async fn open_request(&mut self, id: &OpId) -> Result<(Arc<Context>, Asked), NodeError> {
        let stored = self.reader().await?.op(id).await?;
        let stored = stored.ok_or_else(|| NodeError::NotFound("the request".to_owned()))?;
        let context = self.known(&stored.op.record()).await?;
        let frame = self.reader().await?.frame(id, 0).await?;
        let body = crate::context::open_body(&stored.op, frame.as_deref(), &context.keys);
        let Some(Body::Request(Request::Asked(asked))) = body else {
            return Err(NodeError::NotFound("the request".to_owned()));
        };
        if self.decided(&context, id, &asked).await?.is_some() {
            return Err(NodeError::Unprocessable("this request was decided already".to_owned()));
        }
        Ok((context, *asked))
    }

    /// Writes a grant op with the keys its holders need.
    pub(crate) async fn give(&mut self, context: &Arc<Context>, grants: Vec<Grant>) -> Result<OpId, NodeError> {
        let (key_name, key) = current_key(context, &Level::Control).ok_or(NOT_YOURS)?;
        let mut frames = vec![];
        for grant in &grants {
            let items = context.keys.items_for(&grant.reads());
            frames.push(DraftFrame::Wrap { to: grant.to.clone(), items });
        }
        frames.insert(0, DraftFrame::Body { body: Body::Grant(Grants { grants }), key_name, key: Some(key) });
        let (id, context_now) = self.author_control(context, Kind::Grant, frames).await?;
        self.after_control(Some(context), &context_now).await?;
        Ok(id)
    }

    async fn revoke(&mut self, id: GrantId) -> Result<(), NodeError> {
        let stored = self.reader().await?.op(&id.op).await?;
        let stored = stored.ok_or_else(|| NodeError::NotFound("the grant".to_owned()))?;
        let record = stored.op.record();
        let context = self.known(&record).await?;
        let given = context.state.grant(&id).ok_or_else(|| NodeError::NotFound("the grant".to_owned()))?;
        if given.revoked_by.is_some() {
            return Err(NodeError::Unprocessable("this was taken back already".to_owned()));
        }
        let holder = given.grant.to.id();
        let lanes = self.lanes(&record).await?;
        let kept =
            lanes.iter().filter(|lane| lane.head.lane.author == holder && lane.head.lane.kind != LaneKind::Control);
        let body = Body::Revoke(Revoke {
            grants: vec![id],
            identities: Vec::new(),
            retains: kept.map(|lane| lane.head).collect(),
        });
        let (key_name, key) = current_key(&context, &Level::Control).ok_or(NOT_YOURS)?;
        let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }];
        let (_, revoked) = self.author_control(&context, Kind::Revoke, frames).await?;
        let opened = self.open_epoch(&revoked).await?;
        self.after_control(Some(&context), &opened).await
    }

    /// Opens an epoch: a fresh secret for the authority, and for each member the keys its open grants cover.
    pub(crate) async fn open_epoch(&mut self, context: &Arc<Context>) -> Result<Arc<Context>, NodeError> {
        let node = self.node.clone();
        let secret = Secret::new(crate::clock::random());
        let control = control_key(&secret);
        let own = OpId([0; 32]);
        let mut ring = record::Keyring::default();
        ring.add(KeyItem { epoch: own, level: Level::Epoch, secret: secret.clone() });
        let mut frames = Vec::new();
        let me = node.identity.card().clone();
        frames.push(DraftFrame::Wrap { to: me.clone(), items: ring.items().collect() });
        let now = crate::clock::now_ms();
        for member in context.state.members() {
            if member.id() == me.id() {
                continue;
            }
            let reads = context.state.grants().filter(|given| {
                given.grant.to.id() == member.id() && given.revoked_by.is_none() && given.replaced_by.is_none()
            });
            let reads = reads.filter(|given| given.grant.end_ms == 0 || given.grant.end_ms > now);
            let mut reads = reads.flat_map(|given| given.grant.reads()).collect::<Vec<_>>();
            if reads.is_empty() {
                continue;
            }
            reads.sort();
            reads.dedup();
            frames.push(DraftFrame::Wrap { to: member, items: ring.items_for(&reads) });
        }
        let mut previous = Vec::new();
        for epoch in context.state.epochs() {
            let key = context.keys.key(&[epoch], &Level::Control).ok_or(NOT_YOURS)?;
            previous.push((epoch, key));
        }
        let body = Body::Keys(record::body::keys::Keys::new(commitment(&secret), &control, &previous));
        frames.insert(0, DraftFrame::Body { body, key_name: KeyName::Own, key: Some(control) });
        let authored = self.author(context, Kind::Keys, record::Authority::Genesis, frames).await?;
        let item = KeyItem { epoch: authored.op.id(), level: Level::Epoch, secret };
        self.add_keys(vec![node.seal_key(&context.record, &item)]);
        let context = self.reload(&context.record, authored.position).await?;
        self.set_known(&context);
        debug_assert_eq!(tag(&context.state.epochs()), tag(&[authored.op.id()]));
        Ok(context)
    }

    /// A record that has just become this patient's gets an epoch of the patient's own: from here on the hospital has
    /// the keys of what it was granted, and no others.
    pub(crate) async fn take_over(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        let me = self.node.identity.id();
        let mine = context.state.claim().is_some() && context.state.authority().is_some_and(|card| card.id() == me);
        if mine && context.state.all_epochs() == [OpId(context.record.0)] {
            let opened = self.open_epoch(context).await?;
            self.set_known(&opened);
        }
        Ok(())
    }

    /// How a request was decided, if it was.
    pub(crate) async fn decided(
        &mut self,
        context: &Context,
        id: &OpId,
        asked: &Asked,
    ) -> Result<Option<RequestState>, NodeError> {
        let node = self.node.clone();
        node.decision(&mut self.reader().await?, context, id, asked).await
    }
}

impl Node {
    /// How a request was decided, if it was: a grant that answers it, or a refusal.
    pub(crate) async fn decision(
        &self,
        reader: &mut store::db::Reader<'_>,
        context: &Context,
        id: &OpId,
        asked: &Asked,
    ) -> Result<Option<RequestState>, NodeError> {
        let answers = context
            .state
            .grants()
            .any(|given| given.grant.to.id() == asked.from.id() && given.grant.request == asked.request);
        if answers {
            return Ok(Some(RequestState::Approved));
        }
        for body in self.request_bodies(reader, context).await? {
            if matches!(body, (_, _, Request::Refused(refused)) if refused == *id) {
                return Ok(Some(RequestState::Refused));
            }
        }
        Ok(None)
    }

    /// Every request op of a record that opens here: (op, when, what).
    pub(crate) async fn request_bodies(
        &self,
        reader: &mut store::db::Reader<'_>,
        context: &Context,
    ) -> Result<Vec<(OpId, u64, Request)>, NodeError> {
        let mut found = Vec::new();
        for stored in reader.control_ops(&context.record).await? {
            if stored.op.header().kind != Kind::Request {
                continue;
            }
            let frame = reader.frame(&stored.op.id(), 0).await?;
            if let Some(Body::Request(request)) = crate::context::open_body(&stored.op, frame.as_deref(), &context.keys)
            {
                found.push((stored.op.id(), stored.op.header().wall_ms, request));
            }
        }
        Ok(found)
    }

    /// The records whose authority this identity is.
    pub(crate) async fn own_records(&self) -> Result<Vec<RecordId>, NodeError> {
        let me = self.identity().id();
        let known = store::db::Reader::from(&self.store).records().await?;
        Ok(known.into_iter().filter(|known| known.authority == me).map(|known| known.record).collect())
    }
}
