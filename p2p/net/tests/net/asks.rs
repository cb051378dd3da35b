//! One question, one answer: answered, refused, timed out, unreachable.

use crate::world::{DEADLINE, QUIC, TCP, node};
use net::AskError;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_ask_and_learns_who_answered() {
    for listen in [TCP, QUIC] {
        let (one, two) = (node(1, listen).await, node(2, listen).await);
        let answer = one.net.ask(two.net.listening(), "echo", vec![8, 9], DEADLINE).await;
        assert_eq!(answer, Ok((two.log.me, vec![1, 8, 9])));
        // Again over the connection that is there now, from both sides.
        let answer = two.net.ask(one.net.listening(), "echo", vec![0; 1 << 19], DEADLINE).await.unwrap();
        assert_eq!((answer.0, answer.1.len()), (one.log.me, (1 << 19) + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_comes_back_in_words() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    let answer = one.net.ask(two.net.listening(), "pair", vec![], DEADLINE).await;
    assert_eq!(answer, Err(AskError::Refused("pair is unknown ".into())), "control characters are taken out");
    two.log.with(|state| state.refused.insert(one.log.me));
    let answer = one.net.ask(two.net.listening(), "echo", vec![], DEADLINE).await;
    assert_eq!(answer, Err(AskError::Refused("not you".into())));
    assert_eq!(two.log.calls("ask"), 1);
    one.log.with(|state| state.refused.insert(two.log.me));
    two.log.with(|state| state.refused.clear());
    let answer = one.net.ask(two.net.listening(), "echo", vec![], DEADLINE).await;
    assert_eq!(answer, Err(AskError::Stranger("not you".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_ends_in_time() {
    let (one, two) = (node(1, TCP).await, node(2, TCP).await);
    let wait = Duration::from_millis(300);
    let answer = one.net.ask(two.net.listening(), "hang", vec![], wait).await;
    assert!(matches!(answer, Err(AskError::TimedOut | AskError::Unreachable(_))), "{answer:?}");
    let gone = two.net.listening();
    two.net.shutdown().await;
    let answer = one.net.ask(gone, "echo", vec![], wait).await;
    assert!(matches!(answer, Err(AskError::Unreachable(_))), "{answer:?}");
    assert_eq!(one.net.ask(vec!["/ip4/127.0.0.1/tcp/1".into()], "echo", vec![], wait).await, Err(AskError::Address));
    let large = vec![0; net::limits::ASK_BYTES_MAX + 1];
    let own = one.net.listening();
    assert_eq!(one.net.ask(own, "echo", large, wait).await, Err(AskError::TooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_peers_the_first_that_is_there_answers() {
    let (one, gone, two) = (node(1, TCP).await, node(3, TCP).await, node(2, TCP).await);
    let mut addresses = gone.net.listening();
    gone.net.shutdown().await;
    addresses.extend(two.net.listening());
    let answer = one.net.ask(addresses, "echo", vec![5], DEADLINE).await;
    assert_eq!(answer, Ok((two.log.me, vec![1, 5])));
}
