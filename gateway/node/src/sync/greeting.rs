//! What two nodes say first: that a transport key speaks for an identity, and where the identity is reached. Called by
//! `sync`.

use super::Port;
use net::{PeerKey, Refusal};
use record::IdentityId;
use record::id::{base32, unbase32};
use record::identity::Card;
use serde::{Deserialize, Serialize};
use store::identities::Known;

/// How long a certificate of a transport key is good.
const CERTIFICATE_MS: u64 = 24 * 3600 * 1000;
const CERTIFICATE_DOMAIN: &[u8] = b"chartwell 1 transport";

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

impl Port {
    pub(super) fn certificate(&self, own: PeerKey, listen: &[String]) -> Vec<u8> {
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

    pub(super) async fn check(&self, peer: PeerKey, hello: &[u8]) -> Result<IdentityId, Refusal> {
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
}
