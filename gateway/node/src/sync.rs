//! The network's port, implemented: who may have which ops and frames, what arrives, what is asked. Membership and reach
//! are decided here for every message. Called by `net`.

mod authors;
mod frames;
mod give;
mod greeting;
mod lacked;

use crate::apply::ApplyFault;
use crate::context::Context;
use crate::node::{Node, Role};
use give::{Standing, standing};
pub(crate) use lacked::told;
use net::{Applied, ApplyError, FrameId, Log, PeerKey, Refusal, Suffix};
use record::{Head, IdentityId, Parcel, RecordId};
use std::collections::HashSet;
use std::sync::Arc;
use store::db::Reader;

/// The node as the network sees it.
pub(crate) struct Port(pub(crate) Node);

impl Node {
    /// The node as a network of another make sees it: what a simulation carries messages between, without any connection.
    pub fn port(&self) -> impl Log + use<> {
        Port(self.clone())
    }
}

impl Log for Port {
    fn hello(&self, own: PeerKey, listen: &[String]) -> Vec<u8> {
        self.certificate(own, listen)
    }

    async fn greet(&self, peer: PeerKey, hello: &[u8]) -> Result<IdentityId, Refusal> {
        self.check(peer, hello).await
    }

    async fn records(&self, who: IdentityId) -> Vec<RecordId> {
        let me = self.0.identity().id();
        let known = Reader::from(&self.0.store).shared_records(&me).await.unwrap_or_default();
        let mut records = Vec::new();
        for known in known {
            if let Some(context) = self.context(&known.record).await
                && !matches!(standing(&context, &who), Standing::Stranger)
            {
                records.push(known.record);
            }
        }
        records
    }

    async fn heads(&self, who: IdentityId, record: RecordId) -> Vec<Head> {
        let Some(context) = self.context(&record).await else { return Vec::new() };
        let heads = told(Reader::from(&self.0.store).ends(&record).await.unwrap_or_default()).into_iter();
        match standing(&context, &who) {
            Standing::In => heads.collect(),
            // What a former member is not told of, it must not be told the place of either; but what it knows that is here.
            Standing::Out(last) => {
                let of_it = |head: &Head| head.lane.author == who || context.state.reaches(&last, &head.id);
                let mut found = heads.filter(of_it).collect::<Vec<_>>();
                let known = self.known_to(&who, &record).await.unwrap_or_default();
                let known = known.into_iter().filter(|head| !found.iter().any(|one| one.lane == head.lane));
                found.extend(known.collect::<Vec<_>>());
                found
            }
            Standing::Stranger => Vec::new(),
        }
    }

    async fn suffix(&self, who: IdentityId, record: RecordId, have: &[Head], bytes_max: usize) -> Suffix {
        match self.gather(who, record, have, bytes_max).await {
            Ok(suffix) => suffix,
            Err(error) => {
                tracing::error!(%record, %error, "ops could not be read for a peer");
                Suffix::default()
            }
        }
    }

    async fn apply(&self, who: IdentityId, record: RecordId, ops: Vec<Vec<u8>>) -> Result<Applied, ApplyError> {
        let member = match self.context(&record).await {
            Some(context) => match standing(&context, &who) {
                Standing::In => true,
                Standing::Out(_) => false,
                Standing::Stranger if self.is_let_in_by(&context, who).await => false,
                Standing::Stranger => return Err(ApplyError::Retry("only members write into a record".to_owned())),
            },
            None => true,
        };
        let mut parcels = Vec::with_capacity(ops.len());
        for bytes in &ops {
            parcels.push(Parcel::decode(bytes).map_err(|error| ApplyError::Fault(error.to_string()))?);
        }
        // The ends of what came; of a lane that forked there may be several.
        let followed = parcels.iter().filter_map(|parcel| parcel.op.header().previous).collect::<HashSet<_>>();
        let sent = parcels.iter().map(|parcel| parcel.op.head()).filter(|head| !followed.contains(&head.id));
        let sent = sent.collect::<Vec<_>>();
        let count = parcels.len();
        let parcels = Arc::new(parcels);
        let mut applied = self.0.apply_parcels(record, parcels.clone(), None, Some(who)).await;
        // Whom its own word does not say is asked of who sent the ops; what was applied before it stays.
        if matches!(applied, Err(ApplyFault::Unknown(_))) && self.learn_authors(who, record, &parcels).await {
            applied = self.0.apply_parcels(record, parcels, None, Some(who)).await;
        }
        match applied {
            Ok(mut held) => {
                // Whoever is not in any more learns of what it sent, and of no other lane.
                held.retain(|head| member || sent.iter().any(|sent| sent.lane == head.lane));
                tracing::debug!(%record, count, "applied {count} ops of record {record}");
                Ok(Applied { held, sent })
            }
            Err(ApplyFault::Later(why)) => Err(ApplyError::Retry(why)),
            Err(fault @ ApplyFault::Unknown(_)) => Err(ApplyError::Retry(fault.to_string())),
            Err(ApplyFault::Lie(why)) => {
                tracing::warn!(%record, why, "a peer sent an op that does not verify; nothing of it was stored");
                Err(ApplyError::Fault(why))
            }
            Err(ApplyFault::Node(error)) => Err(ApplyError::Retry(error.to_string())),
        }
    }

    async fn wanted(&self, _who: IdentityId, record: RecordId) -> Vec<FrameId> {
        let Some(context) = self.context(&record).await else { return Vec::new() };
        let mut reader = Reader::from(&self.0.store);
        let (epochs, most, mut wanted) = (context.state.all_epochs(), net::limits::FRAMES_MAX, Vec::new());
        // What a grant's parameters leave out is asked for and never comes: each time others are asked for first.
        let from = record::OpId(crate::clock::random());
        // By type and class, as keys go: what does not open here never stands in the way of what does.
        for (resource_type, class) in reader.missing_kinds(&record).await.unwrap_or_default() {
            let level = record::keys::Level::Type(class, resource_type.clone());
            if wanted.len() < most && epochs.iter().any(|epoch| context.keys.key(&[*epoch], &level).is_some()) {
                let left = (most - wanted.len()) as i64;
                let missing = reader.missing(&record, (&resource_type, class), &from, left).await.unwrap_or_default();
                wanted.extend(missing.iter().map(|frame| FrameId { op: frame.op, index: frame.place }));
            }
        }
        wanted
    }

    async fn frames(
        &self,
        who: IdentityId,
        record: RecordId,
        frames: &[FrameId],
        bytes_max: usize,
    ) -> Vec<(FrameId, Vec<u8>)> {
        let Some(context) = self.context(&record).await else { return Vec::new() };
        if !matches!(standing(&context, &who), Standing::In) {
            return Vec::new();
        }
        match self.frames_for(&context, &who, frames, bytes_max).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%record, %error, "frames could not be read for a peer");
                Vec::new()
            }
        }
    }

    async fn fill(
        &self,
        _who: IdentityId,
        record: RecordId,
        frames: Vec<(FrameId, Vec<u8>)>,
    ) -> Result<usize, ApplyError> {
        match self.0.fill_frames(record, frames).await {
            Ok(count) => Ok(count),
            Err(ApplyFault::Lie(why)) => Err(ApplyError::Fault(why)),
            Err(error) => Err(ApplyError::Retry(error.to_string())),
        }
    }

    async fn acknowledged(&self, who: IdentityId, record: RecordId, heads: &[Head]) {
        let Some(context) = self.context(&record).await else { return };
        match standing(&context, &who) {
            Standing::Stranger => return,
            Standing::Out(_) => {}
            Standing::In => self.0.hear(&context, heads).await,
        }
        let heads = heads.to_vec();
        let written = self.0.commit(move |batch| {
            let heads = heads.clone();
            Box::pin(async move {
                // Lanes that are not here are nothing to know of: anybody can make up as many as a message holds.
                let lanes = batch.lanes(&record).await?;
                let here = lanes.iter().map(|lane| lane.head.lane).collect::<HashSet<_>>();
                let known = heads.into_iter().filter(|head| here.contains(&head.lane)).collect();
                batch.acknowledge(who, record, known);
                Ok(())
            })
        });
        if let Err(error) = written.await {
            tracing::warn!(%record, %error, "an acknowledgement could not be stored");
        }
        self.0.changed.send_modify(|count| *count += 1);
    }

    async fn ask(&self, who: IdentityId, topic: String, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let answer = match (topic.as_str(), self.0.role) {
            ("card", _) => Ok(self.0.identity().card().encode()),
            ("request", _) => self.0.take_request(who, &body).await.map(|()| Vec::new()),
            ("request/state", Role::Patient) => {
                self.0.request_state(who, &body).await.map(|state| state.as_bytes().to_vec())
            }
            ("cards", _) => return self.answer_cards(who, &body).await,
            ("control-heads", _) => return self.answer_heads(who, &body).await,
            (topic, Role::Patient) if topic.starts_with("device/") => {
                self.0.answer_device(who, topic.to_owned(), body).await
            }
            (topic, Role::Gateway) if topic.starts_with("pair/") => self.0.answer_pairing(topic.to_owned(), body).await,
            _ => return Err(Refusal::new("this question is not answered here")),
        };
        answer.map_err(|error| Refusal::new(error.to_string()))
    }
}

impl Port {
    /// Whether somebody who is a stranger as far as this node can tell may send a record's ops: the node waits to be let in, and
    /// cannot tell who is.
    async fn is_let_in_by(&self, context: &Context, who: IdentityId) -> bool {
        if !self.0.is_before_the_door(context) {
            return false;
        }
        // Whom this node went to for the record, or a device of the same patient's; nobody who comes by himself.
        let peers = self.0.net.get().map(net::Handle::peers).unwrap_or_default();
        let kept = peers.iter().any(|peer| peer.kept && peer.identity == Some(who));
        let mut reader = Reader::from(&self.0.store);
        let purpose = context.state.purpose();
        let fellow = self.0.is_fellow(&mut reader, &who).await.unwrap_or(false);
        fellow || (kept && self.0.expects(&mut reader, &context.record, purpose, None).await.unwrap_or(false))
    }
}
