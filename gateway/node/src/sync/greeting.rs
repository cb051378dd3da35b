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
        // An older card is told by whoever has an older key, and that key may be stolen: the newest known one decides.
        let known = store::db::Reader::from(&self.0.store).identity(&card.id()).await;
        let known = known.map_err(|_| refuse("the store is not available"))?;
        if known.and_then(|known| Card::decode(&known.card).ok()).is_some_and(|known| !card.continues(&known)) {
            return Err(refuse("the greeting is signed by a key that was handed over"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Config, Node, Role};
    use fhir::validate::Mode;
    use record::{Entropy, Identity};

    async fn port(folder: &tempfile::TempDir) -> Port {
        let data = folder.path().to_owned();
        let config = Config {
            database_url: format!("sqlite://{}", data.join("node.db").display()),
            identity: data.join("identity.json").into(),
            data,
            passphrase: None,
            name: "B".to_owned(),
            role: Role::Patient,
            validation: Mode::default(),
        };
        Port(Node::open(config).await.expect("a fresh node opens"))
    }

    fn greeting(identity: &Identity, key: PeerKey, expires_ms: u64) -> Certificate {
        Certificate {
            card: base32(&identity.card().encode()),
            name: "A".to_owned(),
            expires_ms,
            signature: base32(&identity.sign(&certified(&key, expires_ms))),
            addresses: Vec::new(),
        }
    }

    /// Rule 7.2, and 1.5 for whoever greets with a key that was handed over.
    #[tokio::test]
    async fn a_greeting_is_taken_as_the_identity_s_newest_key_signed_it_and_not_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, mut entropy) = (port(&folder).await, Entropy::new([1; 32]));
        let first = Identity::generate(&mut entropy);
        let second = first.hand_over(&mut entropy).expect("the next key is here");
        let stranger = Identity::generate(&mut entropy);
        let (key, other, later) = (PeerKey([7; 32]), PeerKey([8; 32]), crate::clock::now_ms() + 60_000);
        let signed = |by: &Identity, of: &Identity| Certificate {
            signature: base32(&by.sign(&certified(&key, later))),
            ..greeting(of, key, later)
        };
        let check = async |peer, greeting: &Certificate| {
            let bytes = serde_json::to_vec(greeting).expect("it is JSON");
            port.check(peer, &bytes).await.map_err(|refusal| refusal.to_string())
        };
        let id = Ok(first.id());
        assert_eq!(check(key, &greeting(&first, key, later)).await, id);
        for (what, peer, bad) in [
            ("another transport key", other, greeting(&first, key, later)),
            ("another identity's signature", key, signed(&stranger, &first)),
            (
                "another expiry than was signed",
                key,
                Certificate { expires_ms: later + 1, ..greeting(&first, key, later) },
            ),
            ("an expired one", key, greeting(&first, key, crate::clock::now_ms() - 1)),
        ] {
            assert!(check(peer, &bad).await.is_err(), "{what}");
        }
        assert!(port.check(key, b"hello").await.is_err());
        // The identity hands over: from then on the key before says nothing for it.
        assert_eq!(check(key, &greeting(&second, key, later)).await, id);
        assert!(check(key, &greeting(&first, key, later)).await.is_err(), "a key that was handed over");
        assert_eq!(
            check(key, &greeting(&second, key, later)).await,
            id,
            "and its card did not take the newer one's place"
        );
        // Nor does it where a record knows no newer one.
        let card = first.card().clone();
        let told = port.0.commit(move |batch| {
            let card = card.clone();
            Box::pin(async move { batch.remember(card, "A".to_owned()).await })
        });
        told.await.expect("it is remembered");
        assert!(check(key, &greeting(&first, key, later)).await.is_err(), "the newest card stays");
    }
}
