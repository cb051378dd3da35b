//! Grants on the patient's side: what was asked for, what is given and refused; `take_back` narrows and ends it, `epoch`
//! changes the keys. Called by `patient`.

mod epoch;
mod keys;
pub(crate) mod take_back;
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
use record::draft::DraftFrame;
use record::keys::Level;
use record::scope::Scopes;
use record::{Class, Kind, OpId, RecordId};
use std::sync::Arc;

/// What a patient decided about a request.
#[derive(Clone, Debug, Default)]
pub struct Approval {
    /// The scopes that stay, as [`ScopeLine::scope`] gave them.
    pub scopes: Vec<String>,
    /// Until when, milliseconds since 1970; zero for no end. Not later than was asked.
    pub end_ms: u64,
    /// The sensitive classes that are opened too, by name; all others stay closed.
    pub sensitive: Vec<String>,
    /// Of access for emergencies: its holder may open the record for others in one. It cannot be added later.
    pub witness: bool,
    /// It may change what others wrote, as far as its scopes let it change anything. It cannot be added later.
    pub shared: bool,
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
                batch.give(&context, vec![grant]).await
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
}

/// Whether two ops are one request: its asker names it.
fn is_same(one: &Asked, other: &Asked) -> bool {
    one.from.id() == other.from.id() && one.request == other.request
}

const NOT_YOURS: NodeError = NodeError::Internal("only the record's authority decides about it");

/// The grant that answers a request, no wider than it.
fn granted(asked: &Asked, approval: &Approval) -> Result<Grant, NodeError> {
    Ok(Grant {
        to: asked.from.clone(),
        name: asked.name.clone(),
        scope: narrowed(&approval.scopes, &asked.scope)?,
        classes: classes(&approval.sensitive)?,
        purpose: asked.purpose.clone(),
        start_ms: asked.start_ms,
        end_ms: checked_end(approval.end_ms, asked.end_ms)?,
        delegate: witness(approval.witness, &asked.purpose)?,
        shared: approval.shared,
        replaces: Vec::new(),
        bound: Some((asked.from.id(), asked.patient.clone())),
        request: asked.request.clone(),
    })
}

/// Whether a grant may be passed on: one for emergencies, where the patient chose its holder as a witness.
fn witness(chosen: bool, purpose: &str) -> Result<bool, NodeError> {
    match chosen && !crate::purpose::is_emergency(purpose) {
        true => Err(NodeError::Unprocessable("only access for emergencies is passed on in one".to_owned())),
        false => Ok(chosen),
    }
}

/// The scopes that were chosen, if they are no more than `wide`.
fn narrowed(chosen: &[String], wide: &str) -> Result<String, NodeError> {
    let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
    let scopes = Scopes::parse(&chosen.join(" "));
    if scopes.known.is_empty() || !scopes.other.is_empty() {
        return refuse("choose at least one of the things asked for, or refuse the request");
    }
    if let Some(why) = scopes.known.iter().find_map(crate::narrowed::fault) {
        return refuse(&why);
    }
    if !scopes.within(&Scopes::parse(wide)) {
        return refuse("more was chosen than was asked for");
    }
    Ok(scopes.to_string())
}

/// The classes of a grant that opens these sensitive ones.
fn classes(sensitive: &[String]) -> Result<Vec<Class>, NodeError> {
    let named = sensitive.iter().map(|name| {
        let class = Class::all().find(|class| class.name() == name && class.is_sensitive());
        class.ok_or_else(|| NodeError::Unprocessable("no such class of protected entries".to_owned()))
    });
    let mut classes = named.collect::<Result<Vec<_>, _>>()?;
    classes.extend([Class::NORMAL, Class::DIRECTORY]);
    classes.sort();
    classes.dedup();
    Ok(classes)
}

/// The end that was chosen, if it is to come and no later than `latest`; zero for none.
fn checked_end(chosen: u64, latest: u64) -> Result<u64, NodeError> {
    let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
    if latest != 0 && (chosen == 0 || chosen > latest) {
        return refuse("the end is later than was asked for");
    }
    if chosen != 0 && chosen <= crate::clock::now_ms() {
        return refuse("the end lies in the past");
    }
    Ok(chosen)
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

    /// Lets the holders of grants in.
    async fn give(&mut self, context: &Arc<Context>, grants: Vec<Grant>) -> Result<(), NodeError> {
        let given = self.sign_grants(context, grants).await?;
        self.after_control(Some(context), &given).await
    }

    /// Signs a grant op with the keys its holders need; what follows from it is the caller's to do.
    async fn sign_grants(&mut self, context: &Arc<Context>, grants: Vec<Grant>) -> Result<Arc<Context>, NodeError> {
        let (key_name, key) = current_key(context, &Level::Control).ok_or(NOT_YOURS)?;
        let mut frames = vec![];
        let in_force = context.state.epochs();
        for grant in &grants {
            let items = keys::items(&context.keys, &in_force, &grant.reads(), &grant.writes());
            frames.push(DraftFrame::Wrap { to: grant.to.clone(), items });
        }
        frames.insert(0, DraftFrame::Body { body: Body::Grant(Grants { grants }), key_name, key: Some(key) });
        Ok(self.author_control(context, Kind::Grant, frames).await?.1)
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
        // Two devices may have taken the same request in: what was refused is the request, not one of its ops.
        let bodies = self.request_bodies(reader, context).await?;
        let same = |body: &Request| matches!(body, Request::Asked(other) if is_same(other, asked));
        let ids =
            bodies.iter().filter(|(_, _, body)| same(body)).map(|(id, _, _)| *id).chain([*id]).collect::<Vec<_>>();
        let refused = bodies.iter().any(|(_, _, body)| matches!(body, Request::Refused(op) if ids.contains(op)));
        Ok(refused.then_some(RequestState::Refused))
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

    /// The records that are this patient's: as its first device, or as one that was admitted, also where it was stopped.
    pub(crate) async fn own_records(&self) -> Result<Vec<RecordId>, NodeError> {
        let (me, mut own) = (self.identity().id(), Vec::new());
        let mut reader = store::db::Reader::from(&self.store);
        for known in reader.records().await? {
            // A hospital has thousands, and devices of a patient's are none of them.
            let is_own = known.authority == me
                || (self.role == crate::node::Role::Patient
                    && self.context(&mut reader, &known.record).await?.is_some_and(|context| context.is_own(&me)));
            if is_own {
                own.push(known.record);
            }
        }
        Ok(own)
    }
}
