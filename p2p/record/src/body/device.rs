//! `device`: admits and suspends the patient's devices, announces the root, and says with it which devices stay. Called
//! by `body` and `state`; built by `node`.

use super::TEXT_BYTES_MAX;
use super::revoke::{read_heads, write_heads};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::{Head, IdentityId};
use crate::identity::{CARD_BYTES_MAX, Card};

/// Most devices that stay.
pub const DEVICES_MAX: usize = 64;

/// The body of a device op (rule 4.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// Lets a further device act for the patient.
    Admit {
        /// The device.
        card: Card,
        /// What the patient calls it.
        name: String,
    },
    /// Stops a device until the phrase speaks.
    Suspend {
        /// The device.
        device: IdentityId,
        /// Per lane of its, the last op kept; a lane not named keeps nothing.
        retains: Vec<Head>,
    },
    /// Says who the root is: its key is the one that the first device's statement announced.
    Root(Card),
    /// The phrase speaks: these devices stay, whatever was said of them before, and no others.
    Remain {
        /// The devices that stay, sorted.
        devices: Vec<IdentityId>,
        /// Per lane of those that go, the last op kept.
        retains: Vec<Head>,
    },
}

impl Device {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Device::Admit { card, name } => {
                w.array(3).uint(0).bytes(&card.encode()).text(name);
            }
            Device::Suspend { device, retains } => {
                w.array(3).uint(1).bytes(device.bytes());
                write_heads(&mut w, retains);
            }
            Device::Root(card) => {
                w.array(2).uint(2).bytes(&card.encode());
            }
            Device::Remain { devices, retains } => {
                w.array(3).uint(3).array(devices.len());
                for device in devices {
                    w.bytes(device.bytes());
                }
                write_heads(&mut w, retains);
            }
        }
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.11");
        let len = r.len(3)?;
        let body = match (len, r.uint()?) {
            (3, 0) => {
                let card = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
                Device::Admit { card, name: r.text(TEXT_BYTES_MAX)?.to_owned() }
            }
            (3, 1) => Device::Suspend { device: IdentityId(r.exact()?), retains: read_heads(&mut r)? },
            (2, 2) => Device::Root(Card::decode(r.bytes(CARD_BYTES_MAX)?)?),
            (3, 3) => {
                let len = r.len(DEVICES_MAX)?;
                let devices = (0..len).map(|_| r.exact().map(IdentityId)).collect::<Result<Vec<_>, _>>()?;
                if !devices.is_sorted_by(|a, b| a < b) {
                    return refuse("4.11", "devices are sorted and named once");
                }
                Device::Remain { devices, retains: read_heads(&mut r)? }
            }
            _ => return refuse("4.11", "an unknown device action"),
        };
        r.end(&body.encode())?;
        Ok(body)
    }
}
