//! Messages over a byte stream: length, bytes, timeouts. Both directions of one stream are polled by one
//! task (`session::pump`): rust-yamux #232 and rust-libp2p #5410 lose a wake-up when two tasks share a
//! stream, and hang when nobody reads while both write. Not here: what messages mean.

use crate::{
    limits::{MESSAGE_BYTES_MAX, SILENCE_MAX},
    wire::{self, DecodeError, Message},
};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::{io, time::Duration};
use tokio::time::timeout;

/// Bytes moved between two looks at the clock.
const CHUNK_BYTES: usize = 64 << 10;

/// Why a message did not arrive or leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipeError {
    /// The connection is gone.
    #[error("the stream ended: {0}")]
    Io(#[from] io::Error),
    /// Nothing moved for too long.
    #[error("nothing moved for {} s", .0.as_secs())]
    Silent(Duration),
    /// What arrived is no message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The length says more than a message may have.
    #[error("a message of {0} bytes, at most {MESSAGE_BYTES_MAX} are read")]
    Length(usize),
}

/// Reads one message; every piece of it must come within `silence`.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin), silence: Duration) -> Result<Message, PipeError> {
    let mut length = [0; 4];
    within(silence, from.read_exact(&mut length)).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(PipeError::Length(length));
    }
    // Grows with what arrives: a length alone allocates nothing.
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        bytes.resize(length.min(start + CHUNK_BYTES), 0);
        within(silence, from.read_exact(&mut bytes[start..])).await?;
    }
    Ok(wire::decode(&bytes)?)
}

/// Writes one encoded message and flushes it; every piece of it must leave within [`SILENCE_MAX`].
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), encoded: &[u8]) -> Result<(), PipeError> {
    for chunk in encoded.chunks(CHUNK_BYTES) {
        within(SILENCE_MAX, to.write_all(chunk)).await?;
    }
    within(SILENCE_MAX, to.flush()).await
}

/// Writes one message as [`write()`] does.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), message: &Message) -> Result<(), PipeError> {
    write(to, &wire::encode(message)).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<(), PipeError> {
    match timeout(limit, work).await {
        Ok(result) => result.map(drop).map_err(PipeError::Io),
        Err(_) => Err(PipeError::Silent(limit)),
    }
}
