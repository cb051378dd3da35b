//! Recovery: a node that is the root for as long as it takes. The 24 words become an identity in memory, it meets who holds the
//! record, lets a new device in, says which devices stay, and is gone (rules 6.7 to 6.9). Called by `cli`.

mod heads;

use crate::batch::Batch;
use crate::devices::{DeviceState, DeviceView, NAME_BYTES_MAX};
use crate::error::NodeError;
use crate::invite::new_task;
use crate::node::{Config, IdentitySource, Node, OpenError, Role};
use heads::Heads;
use record::address::{Address, AddressError};
use record::body::device::{DEVICES_MAX, Device};
use record::id::{base32, unbase32};
use record::state::Standing;
use record::{Card, CodecError, IdentityId, Phrase, RecordId};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::db::Reader;

/// How long one holder is asked what there is.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How often is looked whether everything has come.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How the text of a card begins.
const CARD_SCHEME: &str = "chartwell-card:";

/// Why a record is not recovered; nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// What was typed is no phrase.
    #[error("these are not your words: {}", .0.what)]
    Phrase(CodecError),
    /// What was given is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address names no place.
    #[error(
        "the address does not say where a holder of the record is reached: take the one that stood beside your words, or append \
         ?at= and the place of a hospital or device that has the record"
    )]
    NoPlace,
    /// Nobody answers there.
    #[error("nobody who holds the record answers at the places of the address: {0}")]
    Away(String),
    /// Whoever answers does not take these words.
    #[error(
        "whoever holds the record does not know these words: they are another record's, or the record was taken over on a device \
         that had none"
    )]
    Stranger,
    /// The temporary node.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was asked for cannot be done.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A device's card as a text, to be given to `recover` or read out of `identity show`.
pub fn card_text(card: &Card) -> String {
    format!("{CARD_SCHEME}{}", base32(&card.encode()))
}

/// The card in such a text.
pub fn parse_card(text: &str) -> Option<Card> {
    Card::decode(&unbase32(text.trim().strip_prefix(CARD_SCHEME)?)?).ok()
}

/// A recovery under way.
pub struct Recovery {
    node: Node,
    address: Address,
}

impl Recovery {
    /// Makes the root of the words and connects to where the record's address says that it is held. What is kept meanwhile is
    /// in `folder`, which the caller throws away.
    ///
    /// # Errors
    /// [`RecoverError`].
    pub async fn begin(phrase: &str, address: &str, folder: &Path) -> Result<Self, RecoverError> {
        let root = Phrase::parse(phrase).map_err(RecoverError::Phrase)?.root();
        let address = Address::parse(address)?;
        if address.at.is_empty() {
            return Err(RecoverError::NoPlace);
        }
        let node = Node::open(Config {
            data: folder.to_owned(),
            database_url: format!("sqlite://{}", folder.join("recover.db").display()),
            identity: IdentitySource::Given(Arc::new(root)),
            passphrase: None,
            name: "Recovery with the patient's words".to_owned(),
            role: Role::Patient,
            validation: fhir::validate::Mode::default(),
        })
        .await?;
        let task = new_task(crate::clock::fresh_id(), "recovery", "done", &address.record.to_string())?;
        node.commit(move |batch| {
            let task = task.clone();
            Box::pin(async move { batch.put_task(task).await })
        })
        .await?;
        // Nobody needs to reach a node that is gone in a minute.
        node.start_net(vec!["/ip4/127.0.0.1/tcp/0".to_owned()], address.at.clone()).await?;
        Ok(Self { node, address })
    }

    /// Waits until everything is here that those who answer know of who decides in the record; for a place whose ops do not come
    /// not for ever, if all that another one knows is here. `tell` is told that there is an answer, how many ops there are now
    /// and then, and which places were not waited for.
    ///
    /// # Errors
    /// [`RecoverError::Away`], [`RecoverError::Stranger`].
    pub async fn meet(&self, tell: &(dyn Fn(String) + Sync)) -> Result<(), RecoverError> {
        let mut heads = self.ask_heads().await?;
        tell("somebody who holds the record answers and knows the words".to_owned());
        let (record, me, mut told) = (self.address.record, self.node.identity().id(), 0);
        loop {
            let mut reader = Reader::from(&self.node.store);
            let context = self.node.context(&mut reader, &record).await?;
            if let Some(context) = context.filter(|context| context.speaks(&me))
                && let Some(late) = heads.look(Instant::now(), |head| context.state.lamport_of(head).is_some())
            {
                for at in late {
                    tell(format!("{at} names ops of the record that do not come; going on without them"));
                }
                return Ok(());
            }
            let ops = reader.op_count(&record).await.map_err(NodeError::from)?;
            if ops > told {
                told = ops;
                tell(format!("{ops} ops of the record have come"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The heads of the record's control ops, of all who answer.
    async fn ask_heads(&self) -> Result<Heads, RecoverError> {
        let net = self.node.net.get().ok_or(NodeError::Internal("a network that was started"))?;
        let (mut heads, mut refused, mut away) = (Heads::default(), false, "the answers name no op of it".to_owned());
        for at in &self.address.at {
            let question = self.address.record.bytes().to_vec();
            match net.ask(vec![at.clone()], "control-heads", question, ANSWER_MAX).await {
                Ok((_, answer)) => heads.take(at, &answer),
                Err(net::AskError::Refused(_)) => refused = true,
                Err(error) => away = error.to_string(),
            }
        }
        match (!heads.is_empty(), refused) {
            (true, _) => Ok(heads),
            (false, true) => Err(RecoverError::Stranger),
            (false, false) => Err(RecoverError::Away(away)),
        }
    }

    /// The patient's devices as the record has them.
    ///
    /// # Errors
    /// [`RecoverError::Node`].
    pub async fn devices(&self) -> Result<Vec<DeviceView>, RecoverError> {
        let devices = self.node.devices().await?;
        Ok(devices.into_iter().filter(|device| !device.this).collect())
    }

    /// Lets `card` in, has it and those of `keep` stay and no others, and changes the keys. `false` where all of that was so
    /// already and nothing was written.
    ///
    /// # Errors
    /// [`RecoverError::Node`] for a device in `keep` that is none, or too many.
    pub async fn admit(&self, card: Card, name: &str, keep: &[String]) -> Result<bool, RecoverError> {
        let (record, name) = (self.address.record, name.chars().take(NAME_BYTES_MAX / 4).collect::<String>());
        let keep = keep.iter().map(|id| id.parse::<IdentityId>().or(Err(NodeError::NotFound("the device".to_owned()))));
        let keep = keep.collect::<Result<BTreeSet<_>, _>>()?;
        let written = self.node.commit(move |batch| {
            let (card, name, keep) = (card.clone(), name.clone(), keep.clone());
            Box::pin(async move { batch.recover(&record, card, name, keep).await })
        });
        Ok(written.await?)
    }

    /// Waits until somebody who is in the record has stored what was written; who was let out may say so and keep it to himself.
    ///
    /// # Errors
    /// [`RecoverError::Node`].
    pub async fn deliver(&self) -> Result<(), RecoverError> {
        let (record, me) = (self.address.record, self.node.identity().id());
        loop {
            let mut reader = Reader::from(&self.node.store);
            let context = self.node.context(&mut reader, &record).await?;
            let context = context.ok_or_else(|| NodeError::NotFound("the record".to_owned()))?;
            let holders = context.state.members().into_iter().map(|card| card.id());
            for holder in holders.filter(|id| *id != me && context.state.is_member(id)) {
                for epoch in context.state.epochs() {
                    if self.node.has_received(&mut reader, &holder, &record, &epoch).await? {
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What the new device is given, so that it takes the record from those who hold it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Ends the node; the words' identity is wiped with it.
    pub async fn close(self) {
        self.node.close().await;
    }
}

impl Batch {
    async fn recover(
        &mut self,
        record: &RecordId,
        card: Card,
        name: String,
        keep: BTreeSet<IdentityId>,
    ) -> Result<bool, NodeError> {
        let context = self.known(record).await?;
        self.word(&context)?;
        let state = &context.state;
        let mut stays = keep;
        if let Some(unknown) = stays.iter().find(|id| state.standing_of(id).is_none()) {
            return Err(NodeError::NotFound(format!("device {}", unknown.origin())));
        }
        stays.insert(card.id());
        if stays.len() > DEVICES_MAX {
            return Err(NodeError::Unprocessable(format!("at most {DEVICES_MAX} devices stay")));
        }
        let devices = state.devices();
        let is_in = devices.iter().filter(|device| device.standing == Standing::In).map(|device| device.card.id());
        if is_in.collect::<BTreeSet<_>>() == stays {
            return Ok(false);
        }
        let gone =
            devices.iter().map(|device| device.card.id()).filter(|id| !stays.contains(id)).collect::<BTreeSet<_>>();
        let retains = self.heads_of(record, |author| gone.contains(author)).await?;
        // Its words are about what it knows: the new device is let in first, then named.
        let admitted = match state.standing_of(&card.id()) {
            Some(Standing::In) => context.clone(),
            _ => self.say_device(&context, Device::Admit { card: card.clone(), name }, Some(card)).await?,
        };
        let said = Device::Remain { devices: stays.into_iter().collect(), retains };
        let spoken = self.say_device(&admitted, said, None).await?;
        let opened = self.open_epoch_for_all(&spoken).await?;
        self.after_control(Some(&context), &opened).await?;
        Ok(true)
    }
}

impl Node {
    /// What belongs beside the words: for each record that this device took over, its address with the places of all who hold
    /// it. It is no secret.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn recovery_addresses(&self) -> Result<Vec<String>, NodeError> {
        let (me, mut addresses) = (self.identity().id(), Vec::new());
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            if context.state.authority().is_none_or(|card| card.id() != me) || context.state.root().is_none() {
                continue;
            }
            let mut at = Vec::new();
            for card in context.state.members().into_iter().filter(|card| context.state.is_member(&card.id())) {
                if let Some(known) = reader.identity(&card.id()).await?.filter(|known| known.id != me) {
                    at.extend(known.addresses.split_whitespace().map(str::to_owned));
                }
            }
            at.truncate(record::address::MULTIADDRS_MAX);
            addresses.push(Address { record, patient: me, at }.to_string());
        }
        Ok(addresses)
    }
}

impl DeviceView {
    /// Whether it acts for the patient.
    pub fn is_in(&self) -> bool {
        self.state == DeviceState::In
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Entropy, Identity};

    #[test]
    fn a_card_s_text_reads_back_and_no_other_does() {
        let card = Identity::generate(&mut Entropy::new([1; 32])).card().clone();
        let text = card_text(&card);
        assert_eq!(parse_card(&format!(" {text}\n")), Some(card));
        for bad in ["", "chartwell-card:", &text[..text.len() - 2], &text[1..], "chartwell-device:aaaa"] {
            assert_eq!(parse_card(bad), None, "{bad}");
        }
    }
}
