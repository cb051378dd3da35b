//! Whose card is whose, for who is let into a record: until its keys have come no control body opens there, and with that
//! nobody but the custodian is known. Whoever serves the record is asked, and a card proves itself (rule 7.9); and which
//! control ops there are, for whoever comes with the phrase. Called by `sync` and `recover`.

use super::Port;
use super::give::{Standing, standing};
use crate::error::NodeError;
use net::Refusal;
use record::id::{base32, unbase32};
use record::identity::Card;
use record::{IdentityId, LaneKind, OpId, Parcel, RecordId};
use std::collections::BTreeSet;
use std::time::Duration;
use store::db::Reader;

/// Most identities asked about at once.
const ASKED_MAX: usize = 64;
/// How long the question may take: the ops wait meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(8);

impl Port {
    /// The cards of authors of a record's control ops, for a member of it.
    pub(super) async fn answer_cards(&self, who: IdentityId, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let refuse = || Refusal::new("this question is not answered here");
        let (record, asked) = body.split_at_checked(32).ok_or_else(refuse)?;
        let record = RecordId::from_slice(record).ok_or_else(refuse)?;
        let (asked, rest) = asked.as_chunks::<32>();
        if asked.len() > ASKED_MAX || !rest.is_empty() {
            return Err(refuse());
        }
        let context = self.context(&record).await.ok_or_else(refuse)?;
        if !matches!(standing(&context, &who), Standing::In) {
            return Err(refuse());
        }
        let mut reader = Reader::from(&self.0.store);
        let away = |_: store::StoreError| Refusal::new("the store is not available");
        let lanes = reader.lanes(&record).await.map_err(away)?;
        let control = lanes.into_iter().map(|lane| lane.head.lane).filter(|lane| lane.kind == LaneKind::Control);
        let authors = control.map(|lane| lane.author).collect::<BTreeSet<_>>();
        let mut cards = Vec::new();
        for id in asked.iter().map(|bytes| IdentityId(*bytes)).filter(|id| authors.contains(id)) {
            let card = match context.state.card(&id) {
                Some(card) => Some(card.encode()),
                None => reader.identity(&id).await.map_err(away)?.map(|known| known.card),
            };
            cards.extend(card.map(|card| base32(&card)));
        }
        serde_json::to_vec(&cards).map_err(|_| refuse())
    }

    /// The heads of a record's control ops, for a member of it.
    pub(super) async fn answer_heads(&self, who: IdentityId, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let refuse = || Refusal::new("this question is not answered here");
        let context = match RecordId::from_slice(body) {
            Some(record) => self.context(&record).await.ok_or_else(refuse)?,
            None => return Err(refuse()),
        };
        match standing(&context, &who) {
            Standing::In => Ok(context.state.control_heads().into_iter().flat_map(|head: OpId| head.0).collect()),
            _ => Err(refuse()),
        }
    }

    /// Asks whoever sent these ops for the cards of their authors, as far as none is known here; `false` where nothing was
    /// learned.
    pub(super) async fn learn_authors(&self, from: IdentityId, record: RecordId, ops: &[Parcel]) -> bool {
        match self.try_to_learn(from, record, ops).await {
            Ok(learned) => learned,
            Err(error) => {
                tracing::debug!(%record, %error, "who wrote in a record could not be asked yet");
                false
            }
        }
    }

    async fn try_to_learn(&self, from: IdentityId, record: RecordId, ops: &[Parcel]) -> Result<bool, NodeError> {
        let Some(net) = self.0.net.get() else { return Ok(false) };
        let lanes = ops.iter().map(|parcel| parcel.op.header().lane).filter(|lane| lane.kind == LaneKind::Control);
        let (authors, mut unknown) = (lanes.map(|lane| lane.author).collect::<BTreeSet<_>>(), Vec::new());
        let mut reader = Reader::from(&self.0.store);
        for author in authors {
            if reader.identity(&author).await?.is_none() {
                unknown.push(author);
            }
        }
        unknown.truncate(ASKED_MAX);
        if unknown.is_empty() {
            return Ok(false);
        }
        let peers = net.peers();
        let mut at = peers
            .into_iter()
            .filter(|peer| peer.identity == Some(from))
            .flat_map(|peer| peer.addresses)
            .collect::<Vec<_>>();
        let known = reader.identity(&from).await?;
        at.extend(known.iter().flat_map(|known| known.addresses.split_whitespace().map(str::to_owned)));
        let question = record.0.into_iter().chain(unknown.iter().flat_map(|id| id.0)).collect();
        let away = |_| NodeError::Unreachable("who sent the ops does not answer".to_owned());
        let (_, answer) = net.ask(at, "cards", question, ANSWER_MAX).await.map_err(away)?;
        let cards: Vec<String> = serde_json::from_slice(&answer).unwrap_or_default();
        let cards = cards.iter().filter_map(|card| Card::decode(&unbase32(card)?).ok());
        let cards = cards.filter(|card| unknown.contains(&card.id())).collect::<Vec<_>>();
        let learned = !cards.is_empty();
        self.0
            .commit(move |batch| {
                let cards = cards.clone();
                Box::pin(async move {
                    for card in cards {
                        batch.remember(card, String::new()).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(learned)
    }
}
