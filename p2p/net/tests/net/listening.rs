//! Where a node listens, and what happens when it may not.

use crate::{memory::Memory, world::node};
use net::{Config, StartError};
use std::{net::UdpSocket, sync::Arc};

#[tokio::test(flavor = "multi_thread")]
async fn every_interface_is_named_with_the_peer_id_and_a_port() {
    let net = net::start(Config::new([1; 32]), Arc::new(Memory::new(1))).await.unwrap();
    let listening = net.listening();
    let id = format!("/p2p/{}", net.own());
    assert!(listening.iter().all(|address| address.ends_with(&id)), "{listening:?}");
    assert!(!listening.iter().any(|address| address.contains("/0.0.0.0/") || address.contains("/tcp/0/")));
    assert!(listening.iter().any(|address| address.starts_with("/ip4/127.0.0.1/tcp/")), "{listening:?}");
    net.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_udp_is_a_warning_as_long_as_tcp_works() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = format!("/ip4/127.0.0.1/udp/{}/quic-v1", taken.local_addr().unwrap().port());
    let start = |listen: Vec<String>| net::start(Config { listen, ..Config::new([1; 32]) }, Arc::new(Memory::new(1)));
    let net = start(vec!["/ip4/127.0.0.1/tcp/0".into(), udp.clone()]).await.unwrap();
    assert_eq!(net.listening().len(), 1);
    assert!(matches!(start(vec![udp]).await, Err(StartError::Listen { .. })));
    assert!(matches!(start(vec!["127.0.0.1:80".into()]).await, Err(StartError::Address { .. })));
    let tcp = net.listening()[0].split("/p2p/").next().unwrap().to_owned();
    assert!(matches!(start(vec![tcp]).await, Err(StartError::Listen { .. })), "the port is taken");
    let silent = start(vec![]).await.unwrap();
    assert!(silent.listening().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_returns_with_peers_connected() {
    let (one, two) = (node(1, crate::world::TCP).await, node(2, crate::world::TCP).await);
    one.keep(&two);
    two.sees(&one, "connected", |peer| peer.connected).await;
    let gone = two.net.own();
    two.net.shutdown().await;
    let mut watch = one.net.watch();
    let seen = async {
        while !one.net.peers().iter().any(|peer| peer.peer == gone && !peer.connected) {
            watch.changed().await.unwrap();
        }
    };
    tokio::time::timeout(crate::world::DEADLINE, seen).await.expect("the other sees it");
}
