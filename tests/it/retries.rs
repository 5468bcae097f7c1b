//! When a message of a queue comes again.

use std::time::Duration;

use aws::{SqsSource, clients};
use aws_lambda_events::sqs::SqsEvent;
use edge::sqs::{self, Handled};
use serde_json::{Value, json};
use tests::SeededEntropy;

use crate::aws_endpoint::AwsEndpoint;

const QUEUE: &str = "http://127.0.0.1/queue/events";

/// A batch of one message for each of these receive counts, named by it.
fn received(counts: &[&str]) -> SqsEvent {
    let message = |count: &&str| {
        json!({"messageId": count, "receiptHandle": format!("r{count}"), "body": "{}",
            "attributes": {"ApproximateReceiveCount": count}})
    };
    let records: Vec<_> = counts.iter().map(message).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// Ends every message in the same way; gives those that are reported to come again.
async fn ended(aws: &AwsEndpoint, event: &SqsEvent, handled: &Handled) -> Vec<String> {
    ended_in(aws, &format!("{QUEUE}-dlq"), (event, handled)).await
}

/// The same, with these dead letters.
async fn ended_in(aws: &AwsEndpoint, letters: &str, (event, handled): (&SqsEvent, &Handled)) -> Vec<String> {
    let sqs = clients::sqs(&aws.sdk().await);
    let queue = SqsSource::new(sqs, QUEUE.to_owned(), letters.to_owned());
    let entropy = SeededEntropy::new(7);
    let batch = sqs::each(event, (&queue, &entropy), async |_| handled.clone()).await;
    batch.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn waits(aws: &AwsEndpoint) -> Vec<Value> {
    let calls = aws.calls().into_iter().filter(|call| call.target == "AmazonSQS.ChangeMessageVisibility");
    calls.map(|call| call.body["VisibilityTimeout"].clone()).collect()
}

#[tokio::test]
async fn a_message_that_comes_again_waits_longer_each_time_up_to_an_hour_and_a_little_more_by_chance() {
    let aws = AwsEndpoint::start().await;
    let counts = ["1", "2", "3", "5", "6", "4000000000", "often"];

    let again = ended(&aws, &received(&counts), &Handled::Retry { after: None }).await;

    assert_eq!(again, counts);
    let waited: Vec<_> = waits(&aws).into_iter().map(|wait| wait.as_u64().unwrap()).collect();
    for (wait, least) in waited.iter().zip([30, 120, 480, 3600, 3600, 3600, 30]) {
        assert!((least..=least + least / 4).contains(wait), "{waited:?}");
    }
    assert_eq!(
        aws.calls()[1].body,
        json!({"QueueUrl": QUEUE, "ReceiptHandle": "r2", "VisibilityTimeout": waited[1]})
    );
}

#[tokio::test]
async fn messages_that_failed_together_do_not_come_again_together() {
    let aws = AwsEndpoint::start().await;

    ended(&aws, &received(&["3"; 10]), &Handled::Retry { after: None }).await;

    let mut waited = waits(&aws);
    waited.sort_by_key(Value::as_u64);
    waited.dedup();
    assert!(waited.len() > 5, "{waited:?}");
}

#[tokio::test]
async fn a_message_waits_as_long_as_it_was_asked_to_and_as_the_queue_takes() {
    for (after, wait) in [(Duration::from_millis(90_500), 91), (Duration::from_hours(24), 39_600)] {
        let aws = AwsEndpoint::start().await;

        ended(&aws, &received(&["4"]), &Handled::Retry { after: Some(after) }).await;

        assert_eq!(waits(&aws), [wait]);
    }
}

#[tokio::test]
async fn a_message_that_is_done_is_left_alone() {
    let aws = AwsEndpoint::start().await;

    assert_eq!(ended(&aws, &received(&["1"]), &Handled::Done).await, [""; 0]);

    assert_eq!(aws.calls().len(), 0);
}

#[tokio::test]
async fn a_message_that_is_put_away_keeps_its_group_where_it_has_one() {
    let fifo = format!("{QUEUE}-dlq.fifo");
    let standard = format!("{QUEUE}-dlq");
    for (letters, group, expected) in [
        (&standard, None, json!({})),
        // SQS refuses the one attribute where a queue is not FIFO.
        (&standard, Some("acme"), json!({"MessageGroupId": "acme"})),
        (&fifo, Some("xero_7"), json!({"MessageGroupId": "xero_7", "MessageDeduplicationId": "1"})),
    ] {
        let aws = AwsEndpoint::start().await;
        let mut event = received(&["1"]);
        let group = group.map(|group| ("MessageGroupId".to_owned(), group.to_owned()));
        event.records[0].attributes.extend(group);

        let handled = Handled::DeadLetter("senseless".to_owned());
        assert_eq!(ended_in(&aws, letters, (&event, &handled)).await, [""; 0]);

        let mut message = json!({"QueueUrl": letters, "MessageBody": "{}",
            "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "senseless"}}});
        message.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        let calls = aws.calls();
        assert_eq!((calls.len(), calls[0].target.as_str()), (1, "AmazonSQS.SendMessage"));
        assert_eq!(calls[0].body, message);
    }
}

#[tokio::test]
async fn a_wait_that_cannot_be_set_is_harmless() {
    let aws = AwsEndpoint::start().await;
    aws.go_down();

    for handled in [Handled::Retry { after: None }, Handled::DeadLetter("senseless".to_owned())] {
        assert_eq!(ended(&aws, &received(&["1"]), &handled).await, ["1"]);
    }
}

/// AWS is as slow here as it is: nothing but the bounds of the sender ends its first try.
#[tokio::test]
async fn what_the_queue_leaves_unanswered_is_sent_again_as_the_same_messages() {
    let door = crate::webhook_door::Door::open().await;
    door.aws.leave_unanswered(1);

    assert_eq!(door.sample("webhook-quickbooks-companies.json").await, 200);

    let [first, second] = &door.aws.calls()[..] else { panic!("{:?}", door.calls()) };
    assert_eq!(first.body, second.body);
    assert!(first.body["Entries"][1]["MessageDeduplicationId"].is_string());
}
