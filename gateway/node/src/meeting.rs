//! How two sides meet that know each other by a one-time code alone: what either says is sealed under the code's secret, both
//! commit to numbers before they show them, and six digits of all of it are compared (rules 7.5, 7.6). Here is what both say; `host`
//! is the side that makes a code, `guest` the one that takes it, with what that keeps in `visit`. Called by `pairing`, `invite` and `devices`.

pub(crate) mod guest;
pub(crate) mod host;
pub(crate) mod visit;

use crate::error::NodeError;
use record::id::{base32, unbase32};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a code, and each step after it, waits before it ends.
pub const SILENCE_MS_MAX: u64 = 10 * 60 * 1000;

#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) task: String,
    pub(crate) sealed: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct Reveal {
    pub(crate) nonce: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct RevealAnswer {
    pub(crate) nonce: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct StateAnswer {
    pub(crate) state: String,
    pub(crate) message: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) sealed: String,
}

/// The secret in a code, and where whoever made it is reached.
pub(crate) fn read_code(code: &str, scheme: &str) -> Result<([u8; 32], Vec<String>), NodeError> {
    let bad = || NodeError::Unprocessable(format!("this is not such a code: it begins with {scheme}:"));
    let rest = code.trim().strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':')).ok_or_else(bad)?;
    let (secret, at) = rest.split_once("?at=").ok_or_else(bad)?;
    let secret: [u8; 32] = unbase32(secret).and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)?;
    let addresses = at.split(',').filter(|at| !at.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    if addresses.is_empty() || addresses.len() > record::address::MULTIADDRS_MAX {
        return Err(NodeError::Unprocessable("the code does not say where the other side is reached".to_owned()));
    }
    Ok((secret, addresses))
}

/// The text of a code.
pub(crate) fn write_code(scheme: &str, secret: &[u8; 32], listening: Vec<String>) -> String {
    let at = listening.into_iter().take(record::address::MULTIADDRS_MAX).collect::<Vec<_>>().join(",");
    format!("{scheme}:{}?at={at}", base32(secret))
}

/// The id of a code's task: a hash of its secret, so that whoever has the code can name it and nobody can guess it.
pub(crate) fn task_id(secret: &[u8; 32]) -> String {
    base32(&record::seal::mac(secret, b"task"))[..20].to_owned()
}

/// The commitment to a nonce.
pub(crate) fn commit_of(nonce: &str) -> String {
    base32(&record::seal::mac(&[1; 32], nonce.as_bytes()))
}

/// Seals a message under the code's secret; `purpose` keeps one message from passing for another.
pub(crate) fn seal(secret: &[u8; 32], purpose: &str, body: &impl Serialize) -> Sealed {
    let nonce = crate::clock::random::<12>();
    let plain = serde_json::to_vec(body).unwrap_or_default();
    let key = record::seal::mac(secret, purpose.as_bytes());
    let sealed = record::seal::seal(&key, &nonce, purpose.as_bytes(), &plain);
    Sealed { sealed: base32(&[&nonce[..], &sealed].concat()) }
}

/// Opens what [`seal`] made.
pub(crate) fn open<T: DeserializeOwned>(secret: &[u8; 32], purpose: &str, sealed: &str) -> Option<T> {
    let bytes = unbase32(sealed)?;
    let (nonce, sealed) = bytes.split_at_checked(12)?;
    let key = record::seal::mac(secret, purpose.as_bytes());
    let plain = record::seal::open(&key, nonce.try_into().ok()?, purpose.as_bytes(), sealed)?;
    serde_json::from_slice(&plain).ok()
}

/// Opens an answer, or tells in words what the other side says instead.
pub(crate) fn opened<T: DeserializeOwned>(secret: &[u8; 32], purpose: &str, reply: &[u8]) -> Result<T, NodeError> {
    if let Ok(answer) = serde_json::from_slice::<StateAnswer>(reply) {
        return Err(NodeError::Unprocessable(answer.message));
    }
    let other = || NodeError::Unprocessable("the other side answered with another code".to_owned());
    let sealed: Sealed = serde_json::from_slice(reply).map_err(|_| other())?;
    open(secret, purpose, &sealed.sealed).ok_or_else(other)
}

/// What both sides show digits of, each part behind its length.
pub(crate) fn transcript(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut text = domain.to_vec();
    for part in parts {
        text.extend((part.len() as u64).to_le_bytes());
        text.extend(*part);
    }
    record::seal::mac(&[2; 32], &text)
}

/// The six digits of a transcript.
pub(crate) fn digits(transcript: &[u8; 32]) -> String {
    let number = u64::from_le_bytes(record::seal::mac(transcript, b"digits")[..8].try_into().unwrap_or_default());
    format!("{:06}", number % 1_000_000)
}

/// An answer as it is sent.
pub(crate) fn answer(body: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(body).or(Err(NodeError::Internal("an answer that is no JSON")))
}

/// Reads what every meeting keeps and what this one keeps besides, which stand in one object.
fn read_both<M: DeserializeOwned, T: DeserializeOwned>(text: &str) -> Option<(M, T)> {
    Some((serde_json::from_str(text).ok()?, serde_json::from_str(text).ok()?))
}

/// One object of both. Serde's own way to do so cannot read numbers that keep their digits.
fn write_both(meeting: &impl Serialize, own: &impl Serialize) -> Option<Value> {
    let (mut both, Value::Object(own)) = (serde_json::to_value(meeting).ok()?, serde_json::to_value(own).ok()?) else {
        return None;
    };
    both.as_object_mut()?.extend(own);
    Some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_opens_with_the_secret_of_the_invite_and_as_what_it_is() {
        let sealed = seal(&[1; 32], "hello", &Reveal { nonce: "n".to_owned() }).sealed;
        let open = |secret: u8, purpose: &str, sealed: &str| open::<Reveal>(&[secret; 32], purpose, sealed).is_some();
        assert!(open(1, "hello", &sealed));
        for (secret, purpose, sealed) in
            [(2, "hello", sealed.as_str()), (1, "reveal", &sealed), (1, "hello", &sealed[1..]), (1, "hello", "")]
        {
            assert!(!open(secret, purpose, sealed), "{secret} {purpose} {sealed}");
        }
    }

    #[test]
    fn a_code_reads_back_and_no_other_text_does() {
        let at = vec!["/ip4/127.0.0.1/tcp/1/p2p/x".to_owned()];
        let code = write_code("chartwell-device", &[7; 32], at.clone());
        assert!(
            matches!(read_code(&format!(" {code}\n"), "chartwell-device"), Ok((secret, found)) if secret == [7; 32] && found == at)
        );
        let bare = write_code("chartwell-device", &[7; 32], Vec::new());
        for (code, scheme) in [
            (code.as_str(), "chartwell-invite"),
            (&code[..40], "chartwell-device"),
            (&bare, "chartwell-device"),
            ("", "chartwell-device"),
            ("chartwell-device:?at=/x", "chartwell-device"),
        ] {
            assert!(matches!(read_code(code, scheme), Err(NodeError::Unprocessable(_))), "{code}");
        }
    }
}
