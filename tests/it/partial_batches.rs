//! What becomes of a batch of which SQS does not take every message.

use std::time::Duration;

use aws::{SqsRefreshQueue, clients};
use domain::{
    refresh::{Delayed, RefreshMessage, RefreshQueue as _, Trigger},
    store::StoreError,
};
use rstest::rstest;
use tests::sample;

use crate::aws_endpoint::{AwsCall, AwsEndpoint, Refusal};

/// Sends three messages, while each call refuses what is said for it; gives the ids in each call, and what came of it.
async fn sent(refusals: &[Vec<Refusal>]) -> (Vec<String>, Result<(), StoreError>) {
    let endpoint = AwsEndpoint::start().await;
    for refusals in refusals {
        endpoint.refuse(refusals);
    }
    let sqs = clients::sqs(&endpoint.sdk().await);
    let queue = SqsRefreshQueue::new(sqs, "http://localhost/000000000000/refresh".to_owned());
    let message = || RefreshMessage::new(vec![sample::key()], Trigger::Scheduled);
    let messages: Vec<_> = (0..3).map(|_| Delayed { message: message(), delay: Duration::ZERO }).collect();

    let sent = queue.send(&messages).await;

    let ids = |call: AwsCall| {
        let entries = call.body["Entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    (endpoint.calls().into_iter().map(ids).collect(), sent)
}

#[rstest]
#[case::taken_whole(vec![], &["0 1 2"], true)]
#[case::taken_in_two_calls(vec![vec![("0", false), ("2", false)]], &["0 1 2", "0 2"], true)]
#[case::not_taken_twice(vec![vec![("1", false)], vec![("1", false)]], &["0 1 2", "1"], false)]
#[case::our_fault(vec![vec![("1", true)]], &["0 1 2"], false)]
#[case::of_both_kinds(vec![vec![("0", true), ("1", false)]], &["0 1 2", "1"], false)]
#[tokio::test]
async fn what_sqs_did_not_take_is_sent_once_more_and_what_it_never_will_is_an_error(
    #[case] refusals: Vec<Vec<Refusal>>,
    #[case] calls: &[&str],
    #[case] is_sent: bool,
) {
    let (found, sent) = sent(&refusals).await;

    assert_eq!(found, calls);
    assert_eq!(sent.is_ok(), is_sent, "{sent:?}");
}
