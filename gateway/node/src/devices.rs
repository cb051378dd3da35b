//! The patient's devices as a page shows them: which there are, since when, and what became of each. `admit` writes the ops
//! that let one in or stop it, `offer` and `join` are the two sides by which a new one comes, `fellows` says whom to believe. Called by `patient` and `recover`.

pub(crate) mod admit;
mod fellows;
mod join;
mod messages;
mod offer;

pub(crate) use join::join_names;
pub use join::{JoinState, JoinView};
pub use offer::{OfferState, OfferView};

use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::state::Standing;
use record::{IdentityId, OpId, RecordId};
use std::collections::BTreeMap;
use store::db::Reader;

/// What a device that was stopped says instead of acting.
pub(crate) const STOPPED: &str =
    "this device was suspended: it shows what it has and changes nothing any more; use another device of yours";
/// How a device's code begins.
pub(crate) const SCHEME: &str = "chartwell-device";
/// Longest name of a device, in bytes; a person gives it.
pub(crate) const NAME_BYTES_MAX: usize = 100;

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It acts for the patient.
    In,
    /// Another device stopped it.
    Suspended,
    /// The patient's words did not name it.
    Removed,
}

/// A device of the patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Its identity.
    pub id: String,
    /// What the patient calls it, or what it calls itself.
    pub name: String,
    /// Its identity, 16 characters.
    pub origin: String,
    /// Whether it is the one that is asked.
    pub this: bool,
    /// Since when it is a device, milliseconds since 1970; zero where it has no record yet.
    pub since_ms: u64,
    /// What became of it; of several records, the best.
    pub state: DeviceState,
}

fn state_of(standing: Standing) -> DeviceState {
    match standing {
        Standing::In => DeviceState::In,
        Standing::Suspended(_) => DeviceState::Suspended,
        Standing::Removed => DeviceState::Removed,
    }
}

/// What a device is in one record.
struct Seen {
    name: String,
    since: Option<OpId>,
    state: DeviceState,
}

fn seen_in(context: &Context) -> Vec<(IdentityId, Seen)> {
    let seen = |device: record::state::DeviceView<'_>| {
        let since = device.admitted_by.or(context.state.claim());
        (device.card.id(), Seen { name: device.name.to_owned(), since, state: state_of(device.standing) })
    };
    context.state.devices().into_iter().map(seen).collect()
}

impl Node {
    /// Every device of this patient's, this one first; it alone where there is no record yet.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn devices(&self) -> Result<Vec<DeviceView>, NodeError> {
        let me = self.identity().id();
        let mut found = BTreeMap::<IdentityId, DeviceView>::new();
        found.insert(me, self.view_of(&me, String::new(), 0, DeviceState::In).await?);
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let Some(context) = self.context(&mut reader, &record).await? else { continue };
            for (id, seen) in seen_in(&context) {
                let since = match seen.since {
                    Some(op) => reader.op(&op).await?.map_or(0, |stored| stored.op.header().wall_ms),
                    None => 0,
                };
                let view = match found.remove(&id) {
                    Some(known) if known.since_ms > 0 => merged(known, seen, since),
                    _ => self.view_of(&id, seen.name, since, seen.state).await?,
                };
                found.insert(id, view);
            }
        }
        let mut views = found.into_values().collect::<Vec<_>>();
        views.sort_by_key(|view| (!view.this, view.since_ms));
        Ok(views)
    }

    async fn view_of(
        &self,
        id: &IdentityId,
        name: String,
        since_ms: u64,
        state: DeviceState,
    ) -> Result<DeviceView, NodeError> {
        let name = if name.is_empty() { self.name_of(id).await? } else { name };
        let this = *id == self.identity().id();
        Ok(DeviceView { id: id.to_string(), name, origin: id.origin(), this, since_ms, state })
    }

    /// What became of this device, where it is not in any more: the page says so.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn stopped(&self) -> Result<Option<DeviceState>, NodeError> {
        let this = self.devices().await?.into_iter().find(|device| device.this);
        Ok(this.map(|device| device.state).filter(|state| *state != DeviceState::In))
    }

    /// Whether a record was begun on this device, so that its own words recover it.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn has_claimed(&self) -> Result<bool, NodeError> {
        let known = Reader::from(&self.store).records().await?;
        Ok(known.iter().any(|known| known.authority == self.identity().id()))
    }

    /// Stays connected to another device where it said that it is reached.
    pub(crate) async fn keep_in_touch(&self, who: &IdentityId) -> Result<(), NodeError> {
        let known = Reader::from(&self.store).identity(who).await?;
        if let (Some(net), Some(known)) = (self.net.get(), known)
            && !known.addresses.is_empty()
        {
            net.keep(known.addresses.split_whitespace().map(str::to_owned).collect());
        }
        Ok(())
    }

    /// Where this node and everyone it shares `records` with are reached, for a device that shall have them too.
    pub(crate) async fn places(&self, records: &[RecordId]) -> Result<Vec<String>, NodeError> {
        let mut reader = Reader::from(&self.store);
        let mut places = self.net.get().map(net::Handle::listening).unwrap_or_default();
        for record in records {
            let Some(context) = self.context(&mut reader, record).await? else { continue };
            for card in context.state.members() {
                if let Some(known) = reader.identity(&card.id()).await? {
                    places.extend(known.addresses.split_whitespace().map(str::to_owned));
                }
            }
        }
        places.sort();
        places.dedup();
        places.truncate(join::PLACES_MAX);
        Ok(places)
    }
}

/// One device of several records: in while it is in one, so that it can still be stopped there.
fn merged(known: DeviceView, seen: Seen, since_ms: u64) -> DeviceView {
    let state = match (known.state, seen.state) {
        (DeviceState::In, _) | (_, DeviceState::In) => DeviceState::In,
        (DeviceState::Suspended, _) | (_, DeviceState::Suspended) => DeviceState::Suspended,
        _ => DeviceState::Removed,
    };
    let since_ms = if since_ms == 0 { known.since_ms } else { known.since_ms.min(since_ms) };
    DeviceView { state, since_ms, ..known }
}
