//! Ops reach whoever lacks them: at connect, live, after a restart, in number and in size.

use crate::{
    memory::Memory,
    world::{DEADLINE, Node, QUIC, RECORD, TCP, converged, node, start},
};
use std::sync::Arc;

async fn pair(listen: &str) -> (Node, Node) {
    let (one, two) = (node(1, listen).await, node(2, listen).await);
    one.share_with(&two);
    (one, two)
}

async fn both_ways_then_live(listen: &str) {
    let (one, two) = pair(listen).await;
    one.write(3, 10);
    two.write(5, 10);
    one.keep(&two);
    converged(&one, &two, 8).await;
    // Now the stream is open, both push.
    one.write(1, 10);
    converged(&one, &two, 9).await;
    two.write(2, 10);
    one.write(2, 10);
    converged(&one, &two, 13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_logs_converge_and_stay_so_over_tcp() {
    both_ways_then_live(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_logs_converge_and_stay_so_over_quic() {
    both_ways_then_live(QUIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dials_makes_no_difference() {
    for (keeper, kept) in [(1, 2), (2, 1), (7, 3), (3, 7)] {
        let (keeper, kept) = (node(keeper, TCP).await, node(kept, TCP).await);
        keeper.share_with(&kept);
        kept.write(2, 10);
        keeper.keep(&kept);
        converged(&keeper, &kept, 2).await;
        keeper.write(1, 10);
        converged(&keeper, &kept, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_may_dial_at_once() {
    for listen in [TCP, QUIC] {
        let (one, two) = pair(listen).await;
        one.write(4, 10);
        two.write(4, 10);
        tokio::join!(async { one.keep(&two) }, async { two.keep(&one) });
        converged(&one, &two, 8).await;
        one.sees(&two, "connected", |peer| peer.connected).await;
        two.sees(&one, "connected", |peer| peer.connected).await;
        two.write(1, 10);
        converged(&one, &two, 9).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_side_is_caught_up_at_its_new_port() {
    for (listen, numbers) in [(TCP, (1, 2)), (TCP, (2, 1)), (QUIC, (1, 2)), (QUIC, (2, 1))] {
        let (stays, restarts) = (node(numbers.0, listen).await, node(numbers.1, listen).await);
        stays.share_with(&restarts);
        restarts.write(2, 10);
        stays.keep(&restarts);
        converged(&stays, &restarts, 2).await;

        let (log, number) = (restarts.log.clone(), restarts.number);
        let Node { net, .. } = restarts;
        tokio::time::timeout(DEADLINE, net.shutdown()).await.expect("it stops");
        stays.write(30, 10);
        log.write(RECORD, 20, 10);
        let restarted = start(number, listen, log).await;
        stays.keep(&restarted);
        converged(&stays, &restarted, 52).await;
        restarted.write(1, 10);
        converged(&stays, &restarted, 53).await;
    }
}

/// Over QUIC nobody hears of a death for ten seconds; the one who returns does not wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_vanished_without_a_word_is_caught_up_when_it_returns() {
    for (listen, numbers) in [(TCP, (1, 2)), (TCP, (2, 1)), (QUIC, (1, 2)), (QUIC, (2, 1))] {
        let stays = node(numbers.0, listen).await;
        let grave = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let vanishes = grave.spawn(node(numbers.1, listen)).await.unwrap();
        stays.share_with(&vanishes);
        stays.write(2, 10);
        vanishes.keep(&stays);
        converged(&stays, &vanishes, 2).await;
        grave.shutdown_background();
        stays.write(3, 10);
        let returned = start(numbers.1, listen, vanishes.log.clone()).await;
        returned.keep(&stays);
        converged(&stays, &returned, 5).await;
        returned.write(1, 10);
        converged(&stays, &returned, 6).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_yet_is_dialled_until_it_is() {
    let one = node(1, TCP).await;
    let two = node(2, TCP).await;
    let address = two.net.listening();
    let log = two.log.clone();
    two.net.shutdown().await;
    one.net.keep(address.clone());
    one.holds("nothing yet", |log| log.count(RECORD) == 0).await;
    let listen = address[0].split("/p2p/").next().unwrap();
    // The same port again: it is free once shutdown has returned.
    let two = start(2, listen, log).await;
    one.share_with(&two);
    two.write(1, 10);
    converged(&one, &two, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_ops_and_a_few_large_ones_pass() {
    for listen in [TCP, QUIC] {
        let (one, two) = pair(listen).await;
        one.write(10_000, 100);
        one.write(4, 500 << 10);
        two.write(10_000, 100);
        two.write(4, 500 << 10);
        one.write(1, net::limits::OP_BYTES_MAX - 49);
        one.keep(&two);
        converged(&one, &two, 20_009).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_pass_at_once() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    let records: Vec<_> = (0..300u16)
        .map(|number| {
            let mut id = [4; 32];
            id[..2].copy_from_slice(&number.to_be_bytes());
            record::RecordId(id)
        })
        .collect();
    for (place, record) in records.iter().enumerate() {
        let (from, to) = if place % 2 == 0 { (&one, &two) } else { (&two, &one) };
        from.log.share(*record, to.log.me);
        from.log.write(*record, 3, 2000);
    }
    one.keep(&two);
    let full = |log: &Memory| records.iter().all(|record| log.count(*record) == 3);
    one.holds("every record", full).await;
    two.holds("every record", full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_shared_later_is_offered_when_it_moves() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    one.log.write(RECORD, 5, 10);
    one.keep(&two);
    one.sees(&two, "connected", |peer| peer.connected).await;
    one.net.moved(RECORD);
    let answer = one.net.ask(two.net.listening(), "echo", vec![], DEADLINE).await;
    assert!(answer.is_ok() && two.log.count(RECORD) == 0, "no member, no ops");
    one.share_with(&two);
    one.net.moved(RECORD);
    converged(&one, &two, 5).await;
    // The new member writes: its ops come back though it was told of the record only now.
    two.write(1, 10);
    converged(&one, &two, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ops_that_cannot_be_stored_now_are_asked_for_again() {
    let (one, two) = pair(TCP).await;
    one.write(5, 10);
    two.log.with(|state| state.retries = 2);
    one.keep(&two);
    converged(&one, &two, 5).await;
    assert!(two.log.calls("apply") >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suffix_that_is_empty_though_heads_differ_ends_it() {
    let (one, two) = pair(TCP).await;
    one.write(5, 10);
    two.write(1, 10);
    one.log.with(|state| state.gives_nothing = true);
    one.keep(&two);
    one.holds("the other's op", |log| log.count(RECORD) == 6).await;
    for _ in 0..20 {
        let answer = one.net.ask(two.net.listening(), "echo", vec![], DEADLINE).await;
        assert!(answer.is_ok());
    }
    assert!(one.log.calls("suffix") < 10, "{}", one.log.calls("suffix"));
    one.log.with(|state| state.gives_nothing = false);
    one.net.moved(RECORD);
    converged(&one, &two, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_peer_is_left_alone() {
    let (one, two) = pair(TCP).await;
    one.keep(&two);
    two.sees(&one, "connected", |peer| peer.connected).await;
    one.net.forget(two.net.own());
    let mut watch = one.net.watch();
    let gone = async {
        while !one.net.peers().is_empty() {
            watch.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("it is gone from the table");
    let log: Arc<Memory> = two.log.clone();
    one.write(1, 10);
    assert_eq!(log.count(RECORD), 0);
}
