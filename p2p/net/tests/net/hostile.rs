//! Who is refused learns nothing, who lies is cut, and garbage stays outside.

use crate::world::{DEADLINE, Node, RECORD, TCP, converged, node};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise,
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_peer_gets_nothing() {
    for (refuser, asker) in [(1, 2), (2, 1)] {
        let (refuser, asker) = (node(refuser, TCP).await, node(asker, TCP).await);
        refuser.share_with(&asker);
        refuser.write(5, 10);
        refuser.log.with(|state| state.refused.insert(asker.log.me));
        asker.keep(&refuser);
        let refused = |peer: &net::PeerStatus| peer.problem.as_deref().is_some_and(|why| why.contains("not you"));
        asker.sees(&refuser, "refused", refused).await;
        refuser.net.moved(RECORD);
        assert_eq!((refuser.log.calls("records"), refuser.log.calls("heads")), (0, 0));
        assert_eq!((asker.log.calls("records"), asker.log.calls("apply")), (0, 0));
        // Once it is let in, it is served by itself.
        refuser.log.with(|state| state.refused.clear());
        converged(&refuser, &asker, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_cut() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.share_with(&two);
    one.log.with(|state| state.faults = true);
    two.write(1, 10);
    one.keep(&two);
    let cut = |peer: &net::PeerStatus| {
        !peer.connected && peer.problem.as_deref().is_some_and(|why| why.contains("does not verify"))
    };
    one.sees(&two, "cut", cut).await;
    assert_eq!((one.log.calls("apply"), one.log.count(RECORD)), (1, 0));
}

/// A stranger's swarm, with streams and no manners.
fn stranger() -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build()
}

/// Sends `bytes` on a new stream and reads what comes until it closes.
async fn throw(target: &Node, protocol: &'static str, bytes: &[u8]) -> Vec<u8> {
    let mut swarm = stranger();
    let mut control = swarm.behaviour().new_control();
    let address: Multiaddr = target.net.listening()[0].parse().unwrap();
    let peer: PeerId = target.net.own().to_string().parse().unwrap();
    swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build()).unwrap();
    while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    let swarm = tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let mut stream = control.open_stream(peer, StreamProtocol::new(protocol)).await.unwrap();
    // The other side may close before everything is written.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await.expect("it is closed");
    swarm.abort();
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_does_no_harm() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.share_with(&two);
    one.write(3, 10);
    let garbage: [&[u8]; 6] = [
        &[0xff; 64],
        // Longer than a message may be, an unknown kind, a greeting that lies about its length.
        &[0x00, 0x40, 0x00, 0x01, 0x00],
        &[0, 0, 0, 1, 200],
        &[0, 0, 0, 5, 0, 0xff, 0xff, 0xff, 0xff],
        // Records before any greeting; a greeting of somebody else.
        &[[0, 0, 0, 33, 9].as_slice(), &[9; 32]].concat(),
        &[[0, 0, 0, 69, 0, 0, 0, 0, 64].as_slice(), &[2; 64]].concat(),
    ];
    for bytes in garbage {
        for protocol in ["/chartwell/sync/1", "/chartwell/ask/1"] {
            let heard = throw(&one, protocol, bytes).await;
            assert!(!heard.windows(32).any(|window| window == RECORD.bytes()), "it said nothing of the record");
        }
    }
    assert_eq!(one.log.calls("records"), 0);
    two.keep(&one);
    converged(&one, &two, 3).await;
}

#[test]
fn the_decoder_takes_any_bytes() {
    // A xorshift: the same bytes in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..20_000u64 {
        let length = (next() % 200) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| (next() % 7) as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first = (round % 14) as u8;
        }
        net::fuzz::message(&bytes);
    }
}
