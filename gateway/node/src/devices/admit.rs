//! The ops about devices: the root announced, a device let in with the keys it needs, one that was lost stopped. Called by
//! `offer`, `fellows` and `recover`, by `grants::epoch` when a record has just become this patient's, and by the page.

use crate::author::current_key;
use crate::batch::Batch;
use crate::context::Context;
use crate::devices::STOPPED;
use crate::error::NodeError;
use crate::node::{Node, Role};
use record::body::Body;
use record::body::device::Device;
use record::draft::DraftFrame;
use record::identity::Card;
use record::keys::Level;
use record::state::Standing;
use record::{IdentityId, Kind, RecordId};
use std::sync::Arc;

const NO_KEY: NodeError = NodeError::Internal("the key of the epoch is not here");

impl Node {
    /// Announces the root in records that became this patient's before they had one. Once it is announced nothing happens.
    pub(crate) async fn announce_roots(&self) -> Result<(), NodeError> {
        if self.role != Role::Patient || self.root.is_none() {
            return Ok(());
        }
        for record in self.own_records().await? {
            let announced = self.commit(move |batch| {
                Box::pin(async move {
                    let context = batch.known(&record).await?;
                    let announced = batch.announce_root(&context).await?;
                    if announced.control != context.control {
                        batch.after_control(Some(&context), &announced).await?;
                    }
                    Ok(())
                })
            });
            if let Err(error) = announced.await {
                tracing::warn!(%record, %error, "the root could not be announced; the next start tries again");
            }
        }
        Ok(())
    }

    /// Stops a device that was lost, in every record it is in: it gets nothing from then on, and nothing it writes counts that is
    /// not here by then. Only the patient's words let it back in.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Unprocessable`] for this device itself, and for one that is not in any more;
    /// [`NodeError::Forbidden`] where this device was stopped in every record of the other's; what failed in a record, after the
    /// device was stopped in all others.
    pub async fn suspend(&self, device: &str) -> Result<(), NodeError> {
        let missing = || NodeError::NotFound("the device".to_owned());
        let id = device.parse::<IdentityId>().map_err(|_| missing())?;
        if id == self.identity().id() {
            let text =
                "a device does not suspend itself: open this page on another device of yours and suspend it there";
            return Err(NodeError::Unprocessable(text.to_owned()));
        }
        let (mut known, mut stopped, mut silent, mut failed) = (false, false, false, None);
        for record in self.own_records().await? {
            // A record where it could not be done keeps none of the others open.
            match self.commit(move |batch| Box::pin(async move { batch.suspend(&record, &id).await })).await {
                Ok(done) => {
                    known |= done.is_some();
                    stopped |= done == Some(true);
                }
                // This device was stopped there itself.
                Err(NodeError::Forbidden(_)) => silent = true,
                Err(error) => {
                    tracing::warn!(%record, %error, "a device could not be suspended in a record");
                    failed = Some(error);
                }
            }
        }
        match (failed, known, stopped) {
            (Some(error), ..) => Err(error),
            (None, _, true) => Ok(()),
            (None, _, false) if silent => Err(NodeError::Forbidden(STOPPED.to_owned())),
            (None, true, false) => {
                Err(NodeError::Unprocessable("this device was suspended or removed already".to_owned()))
            }
            (None, false, false) => Err(missing()),
        }
    }
}

impl Batch {
    /// Announces the root that this device's statement names, with all keys for it, where it is this record's first device and
    /// nobody has.
    pub(crate) async fn announce_root(&mut self, context: &Arc<Context>) -> Result<Arc<Context>, NodeError> {
        let node = self.node.clone();
        let (state, me) = (&context.state, node.identity.id());
        let is_first = state.standing_of(&me) == Some(Standing::In)
            && state.authority().is_some_and(|card| card.id() == me)
            && state.announcements().is_empty();
        match &node.root {
            Some(root) if is_first => self.say_device(context, Device::Root(root.clone()), Some(root.clone())).await,
            _ => Ok(context.clone()),
        }
    }

    /// Lets a device in, with all keys; one that is in already is left as it is.
    pub(crate) async fn admit(
        &mut self,
        context: &Arc<Context>,
        card: Card,
        name: String,
    ) -> Result<Arc<Context>, NodeError> {
        match context.state.standing_of(&card.id()) {
            Some(Standing::In) => Ok(context.clone()),
            Some(Standing::Suspended(_)) => {
                let text = "this device was suspended: only the words you wrote down let it back in";
                Err(NodeError::Unprocessable(text.to_owned()))
            }
            Some(Standing::Removed) | None => {
                self.say_device(context, Device::Admit { card: card.clone(), name }, Some(card)).await
            }
        }
    }

    /// Signs a `device` op, with all keys for whoever it lets in.
    pub(crate) async fn say_device(
        &mut self,
        context: &Arc<Context>,
        said: Device,
        lets_in: Option<Card>,
    ) -> Result<Arc<Context>, NodeError> {
        let (key_name, key) = current_key(context, &Level::Control).ok_or(NO_KEY)?;
        let mut frames = vec![DraftFrame::Body { body: Body::Device(said), key_name, key: Some(key) }];
        frames.extend(lets_in.map(|to| DraftFrame::Wrap { to, items: context.keys.items().collect() }));
        Ok(self.author_control(context, Kind::Device, frames).await?.1)
    }

    /// Stops a device in a record, and changes the keys; none where it never was one, `false` where it is not in any more.
    async fn suspend(&mut self, record: &RecordId, device: &IdentityId) -> Result<Option<bool>, NodeError> {
        let context = self.known(record).await?;
        match context.state.standing_of(device) {
            Some(Standing::In) => {}
            Some(_) => return Ok(Some(false)),
            None => return Ok(None),
        }
        self.word(&context)?;
        let retains = self.heads_of(record, |author| author == device).await?;
        let said = Device::Suspend { device: *device, retains };
        let stopped = self.say_device(&context, said, None).await?;
        let opened = self.open_epoch(&stopped).await?;
        self.after_control(Some(&context), &opened).await?;
        tracing::info!(%record, "a device of the patient's was suspended");
        Ok(Some(true))
    }
}
