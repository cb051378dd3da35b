//! The network's port, implemented: who may have which ops and frames, what arrives, what is asked. Membership and reach
//! are decided here for every message. Called by `net`.

use crate::apply::ApplyFault;
use crate::context::Context;
use crate::node::{Node, Role};
use net::{Applied, ApplyError, FrameId, Log, PeerKey, Refusal, Suffix};
use record::entry::{FrameKind, wrap_handle};
use record::id::{base32, unbase32};
use record::identity::Card;
use record::{Class, Entry, Head, IdentityId, LaneKind, Op, OpId, Parcel, RecordId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use store::db::Reader;
use store::identities::Known;
use store::ops::StoredOp;

/// How long a certificate of a transport key is good.
const CERTIFICATE_MS: u64 = 24 * 3600 * 1000;
const CERTIFICATE_DOMAIN: &[u8] = b"chartwell 1 transport";
/// Ops read at once while a suffix is gathered.
const SUFFIX_ROWS: i64 = 256;

/// What a node says first: that a transport key speaks for its identity.
#[derive(Serialize, Deserialize)]
struct Certificate {
    card: String,
    name: String,
    expires_ms: u64,
    signature: String,
    addresses: Vec<String>,
}

fn certified(peer: &PeerKey, expires_ms: u64) -> Vec<u8> {
    [CERTIFICATE_DOMAIN, &peer.0, &expires_ms.to_le_bytes()].concat()
}

/// The node as the network sees it.
pub(crate) struct Port(pub(crate) Node);

/// Whether, and how far, a peer is in a record.
enum Standing {
    /// A member: everything, frames as far as grants reach.
    In,
    /// Was let out by this control op: up to it, and no further.
    Out(OpId),
    /// Never was.
    Stranger,
}

fn standing(context: &Context, who: &IdentityId) -> Standing {
    if context.state.is_member(who) {
        return Standing::In;
    }
    match context.state.last_word_to(who) {
        Some(op) => Standing::Out(op),
        None => Standing::Stranger,
    }
}

/// Whether `who` may have a frame: bodies as any member, wraps if they are its own, resources as grants reach.
fn may_have(context: &Context, who: &IdentityId, op: &Op, entry: &Entry) -> bool {
    match entry.kind {
        FrameKind::Body => true,
        FrameKind::Wrap => entry.handle == wrap_handle(&op.header().record, who),
        FrameKind::Put | FrameKind::Delete => {
            let now = crate::clock::now_ms();
            op.header().lane.author == *who
                || context.state.authority().is_some_and(|card| card.id() == *who)
                || context.state.live_grants(who, now).any(|given| {
                    given.grant.open_reads().iter().any(|(class, kind)| {
                        *class == entry.class
                            && (*class == Class::DIRECTORY
                                || kind.as_deref().is_none_or(|kind| kind == entry.resource_type))
                    })
                })
        }
    }
}

impl Port {
    async fn context(&self, record: &RecordId) -> Option<Arc<Context>> {
        match self.0.context(&mut Reader::from(&self.0.store), record).await {
            Ok(context) => context,
            Err(error) => {
                tracing::error!(%record, %error, "a record could not be loaded");
                None
            }
        }
    }

    async fn parcel(
        &self,
        context: &Context,
        who: &IdentityId,
        stored: &StoredOp,
    ) -> Result<Vec<u8>, store::StoreError> {
        let op = &stored.op;
        let mut frames = vec![None; op.entries().len()];
        for (at, frame) in Reader::from(&self.0.store).frames(&op.id()).await? {
            if let (Some(entry), Some(place)) = (op.entries().get(at as usize), frames.get_mut(at as usize))
                && may_have(context, who, op, entry)
            {
                *place = Some(frame);
            }
        }
        let parcel = Parcel::encode(op, &frames);
        if parcel.len() < net::limits::OP_BYTES_MAX {
            return Ok(parcel);
        }
        // Too large for one message: its resources are asked for one by one.
        for (place, entry) in frames.iter_mut().zip(op.entries()) {
            if entry.is_resource() {
                *place = None;
            }
        }
        Ok(Parcel::encode(op, &frames))
    }

    async fn gather(
        &self,
        who: IdentityId,
        record: RecordId,
        have: &[Head],
        bytes_max: usize,
    ) -> Result<Suffix, store::StoreError> {
        let mut suffix = Suffix::default();
        let Some(context) = self.context(&record).await else { return Ok(suffix) };
        let last = match standing(&context, &who) {
            Standing::In => None,
            Standing::Out(op) => Some(op),
            Standing::Stranger => return Ok(suffix),
        };
        let have = have.iter().map(|head| (head.lane, head.seq)).collect::<HashMap<_, _>>();
        // Control ops first: who may do what, and whose cards are whose, is known before any data.
        let mut bytes = 0;
        for stored in Reader::from(&self.0.store).control_ops(&record).await? {
            let lacked = have.get(&stored.op.header().lane).is_none_or(|seq| stored.op.header().seq > *seq);
            let told = last.is_none_or(|last| context.state.reaches(&last, &stored.op.id()));
            if lacked && told && !self.add(&context, &who, &stored, &mut suffix, &mut bytes, bytes_max).await? {
                return Ok(suffix);
            }
        }
        if last.is_some() {
            return Ok(suffix);
        }
        let mut position = self.first_lacked(&record, &have).await?;
        loop {
            let rows = Reader::from(&self.0.store).ops_after(&record, position, SUFFIX_ROWS).await?;
            let Some(end) = rows.last().map(|stored| stored.position) else { return Ok(suffix) };
            for stored in rows {
                let header = stored.op.header();
                if header.lane.kind == LaneKind::Control || have.get(&header.lane).is_some_and(|seq| header.seq <= *seq)
                {
                    continue;
                }
                if !self.add(&context, &who, &stored, &mut suffix, &mut bytes, bytes_max).await? {
                    return Ok(suffix);
                }
            }
            position = end;
        }
    }

    /// Adds an op to a suffix; `false` where it no longer fits.
    async fn add(
        &self,
        context: &Context,
        who: &IdentityId,
        stored: &StoredOp,
        suffix: &mut Suffix,
        bytes: &mut usize,
        bytes_max: usize,
    ) -> Result<bool, store::StoreError> {
        let parcel = self.parcel(context, who, stored).await?;
        if !suffix.ops.is_empty() && *bytes + parcel.len() > bytes_max {
            suffix.more = true;
            return Ok(false);
        }
        *bytes += parcel.len();
        suffix.ops.push(parcel);
        Ok(true)
    }

    /// Just before the first op that somebody with `have` lacks.
    async fn first_lacked(
        &self,
        record: &RecordId,
        have: &HashMap<record::Lane, u64>,
    ) -> Result<i64, store::StoreError> {
        let mut reader = Reader::from(&self.0.store);
        let mut first = i64::MAX;
        for lane in reader.lanes(record).await? {
            let next = have.get(&lane.head.lane).map_or(0, |seq| seq + 1);
            if next <= lane.head.seq {
                let at = reader.lane_at(record, &lane.head.lane, next).await?;
                first = at.iter().map(|stored| stored.position).fold(first, i64::min);
            }
        }
        Ok(if first == i64::MAX { i64::MAX } else { first - 1 })
    }
}

impl Log for Port {
    fn hello(&self, own: PeerKey, listen: &[String]) -> Vec<u8> {
        let identity = self.0.identity();
        let expires_ms = crate::clock::now_ms() + CERTIFICATE_MS;
        let certificate = Certificate {
            card: base32(&identity.card().encode()),
            name: self.0.name().to_owned(),
            expires_ms,
            signature: base32(&identity.sign(&certified(&own, expires_ms))),
            addresses: listen.iter().take(record::address::MULTIADDRS_MAX).cloned().collect(),
        };
        serde_json::to_vec(&certificate).unwrap_or_default()
    }

    async fn greet(&self, peer: PeerKey, hello: &[u8]) -> Result<IdentityId, Refusal> {
        let refuse = |text: &str| Refusal::new(text);
        let certificate: Certificate =
            serde_json::from_slice(hello).map_err(|_| refuse("the greeting is not understood"))?;
        let card = unbase32(&certificate.card).and_then(|card| Card::decode(&card).ok());
        let card = card.ok_or_else(|| refuse("the greeting's card does not verify"))?;
        let signature = unbase32(&certificate.signature).and_then(|bytes| bytes.try_into().ok());
        let signature = signature.ok_or_else(|| refuse("the greeting is not signed"))?;
        if card.verify(&certified(&peer, certificate.expires_ms), &signature).is_err() {
            return Err(refuse("the transport key is not certified by the identity"));
        }
        if certificate.expires_ms < crate::clock::now_ms() {
            return Err(refuse("the certificate of the transport key has expired"));
        }
        let addresses = certificate.addresses.into_iter().take(record::address::MULTIADDRS_MAX);
        let addresses = addresses.filter(|address| address.len() <= 256 && !address.contains(' '));
        let known = Known {
            id: card.id(),
            card: card.encode(),
            name: certificate.name.chars().filter(|c| !c.is_control()).take(100).collect(),
            addresses: addresses.collect::<Vec<_>>().join(" "),
        };
        let remember = async {
            let mut tx = self.0.store.begin().await?;
            tx.remember(&known).await?;
            tx.commit().await
        };
        remember.await.map_err(|_: store::StoreError| refuse("the store is not available"))?;
        Ok(known.id)
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
        let lanes = Reader::from(&self.0.store).lanes(&record).await.unwrap_or_default();
        let heads = lanes.into_iter().map(|lane| lane.head);
        match standing(&context, &who) {
            Standing::In => heads.collect(),
            // What a former member is not told of, it must not be told the place of either.
            Standing::Out(last) => heads.filter(|head| context.state.reaches(&last, &head.id)).collect(),
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
                Standing::Stranger => return Err(ApplyError::Retry("only members write into a record".to_owned())),
            },
            None => true,
        };
        let mut parcels = Vec::with_capacity(ops.len());
        for bytes in &ops {
            parcels.push(Parcel::decode(bytes).map_err(|error| ApplyError::Fault(error.to_string()))?);
        }
        let mut sent = HashMap::new();
        for parcel in &parcels {
            sent.insert(parcel.op.header().lane, parcel.op.head());
        }
        let count = parcels.len();
        match self.0.apply_parcels(record, parcels).await {
            Ok(mut held) => {
                // Whoever is not in any more learns of what it sent, and of no other lane.
                held.retain(|head| member || sent.contains_key(&head.lane));
                tracing::debug!(%record, count, "applied {count} ops of record {record}");
                Ok(Applied { held, sent: sent.into_values().collect() })
            }
            Err(ApplyFault::Later(why)) => Err(ApplyError::Retry(why)),
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
        // By type and class, as keys go: what does not open here never stands in the way of what does.
        for (resource_type, class) in reader.missing_kinds(&record).await.unwrap_or_default() {
            let level = record::keys::Level::Type(class, resource_type.clone());
            if wanted.len() < most && epochs.iter().any(|epoch| context.keys.key(&[*epoch], &level).is_some()) {
                let left = (most - wanted.len()) as i64;
                let missing = reader.missing(&record, (&resource_type, class), left).await.unwrap_or_default();
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
        let (mut found, mut bytes) = (Vec::new(), 0);
        for id in frames {
            let mut reader = Reader::from(&self.0.store);
            let Ok(Some(stored)) = reader.op(&id.op).await else { continue };
            let entry = stored.op.entries().get(id.index as usize);
            if stored.op.record() != record || !entry.is_some_and(|entry| may_have(&context, &who, &stored.op, entry)) {
                continue;
            }
            let Ok(Some(frame)) = reader.frame(&id.op, id.index).await else { continue };
            if !found.is_empty() && bytes + frame.len() > bytes_max {
                break;
            }
            bytes += frame.len();
            found.push((*id, frame));
        }
        found
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
        if matches!(standing(&context, &who), Standing::Stranger) {
            return;
        }
        let heads = heads.to_vec();
        let written = self.0.commit(move |batch| {
            let heads = heads.clone();
            Box::pin(async move {
                batch.acknowledge(who, record, heads);
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
            ("request", Role::Patient) => self.0.take_request(who, &body).await.map(|()| Vec::new()),
            ("request/state", Role::Patient) => {
                self.0.request_state(who, &body).await.map(|state| state.as_bytes().to_vec())
            }
            (topic, Role::Gateway) if topic.starts_with("pair/") => self.0.answer_pairing(topic.to_owned(), body).await,
            _ => return Err(Refusal::new("this question is not answered here")),
        };
        answer.map_err(|error| Refusal::new(error.to_string()))
    }
}
