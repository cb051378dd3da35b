//! The greeting, both ways at once: nobody says a word about records before the other's was checked.
//! Called by `session::run`; the ask protocol has its own order (`ask`).

use super::End;
use crate::{
    Log, PeerKey,
    limits::{GREETING_MAX, REASON_BYTES_MAX},
    pipe,
    shared::Context,
    wire::Message,
};
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use record::IdentityId;

/// Greets and is greeted: returns who the peer is once both sides have said welcome.
pub(super) async fn both<L: Log>(
    context: &Context<L>,
    peer: PeerKey,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<IdentityId, End> {
    // A greeting is far below a stream's window, so writing first on both sides cannot block.
    let exchange = async {
        pipe::send(stream, &Message::Hello(context.hello())).await?;
        pipe::read(stream, GREETING_MAX).await
    };
    let hello = match context.shared.unless_stopped(exchange).await.ok_or(End::Stopped)?? {
        Message::Hello(hello) => hello,
        _ => return Err(End::Fault("spoke before greeting".into())),
    };
    let who = match context.log.greet(peer, &hello).await {
        Ok(who) => who,
        Err(refusal) => {
            let bye = Message::Bye { refused: true, reason: refusal.reason().to_owned() };
            // It may be gone already; it was refused either way.
            let _ = pipe::send(stream, &bye).await;
            let _ = stream.close().await;
            return Err(End::Refused(format!("by us: {refusal}")));
        }
    };
    let exchange = async {
        pipe::send(stream, &Message::Welcome).await?;
        pipe::read(stream, GREETING_MAX).await
    };
    match context.shared.unless_stopped(exchange).await.ok_or(End::Stopped)?? {
        Message::Welcome => Ok(who),
        Message::Bye { reason, .. } => Err(End::Refused(format!("by the peer: {}", shown(&reason)))),
        _ => Err(End::Fault("spoke before it was welcome".into())),
    }
}

/// A peer's words as they may be logged.
pub(crate) fn shown(reason: &str) -> String {
    reason.chars().take(REASON_BYTES_MAX).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
