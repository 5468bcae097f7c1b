//! SQS batches: each message ends by itself, and only those that are to come again are reported.

use std::{
    future::{self, Future},
    time::Duration,
};

use aws::{Letter, SqsSource};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    entropy::{self, Entropy},
    store::chain,
};
use jiff::Timestamp;

/// The first wait of a message that comes again: a store or provider that stumbled stands again by then.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait of a message that failed: what is repaired meanwhile is found within this time.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// The longest wait of one that is told when to come again, as where the limits of a day are used up: SQS takes up to 12
/// hours from its receipt.
const LONGEST_WAIT: Duration = Duration::from_hours(11);
/// By how much each wait exceeds the one before: with five receives a message outlasts an outage of an hour and a half
/// before it goes to the dead-letter queue.
const WAIT_GROWTH: u32 = 4;
/// Up to so many parts of a hundred each wait is longer by chance, so that messages that failed together do not come again
/// together.
const JITTER_PERCENT: u64 = 25;
/// The attribute in which SQS counts how often it handed a message out.
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";

/// The attribute in which SQS tells when a message was sent, in milliseconds since 1970.
const SENT_AT: &str = "SentTimestamp";

/// The attribute in which SQS tells the line of a message, where its queue has lines (FIFO).
const GROUP: &str = "MessageGroupId";

/// How one message ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Handled {
    /// It had its effect, or can have none.
    Done,
    /// It is to come again.
    Retry {
        /// After this time, at most [`LONGEST_WAIT`]; without one it waits longer each time, up to [`MAX_WAIT`] and
        /// a quarter more.
        after: Option<Duration>,
    },
    /// It will never be understood; it goes to the dead-letter queue with this reason.
    DeadLetter(String),
}

/// Whether a batch came from a queue; Lambda never mixes two.
#[must_use]
pub fn is_from(event: &SqsEvent, queue: &SqsSource) -> bool {
    let arn = event.records.first().and_then(|record| record.event_source_arn.as_deref());
    arn.and_then(|arn| arn.rsplit(':').next()).is_some_and(|name| name == queue.name())
}

/// Handles each message of a batch, one after the other, and reports those that are to come again.
pub async fn each<'e, F>(
    event: &'e SqsEvent,
    (queue, entropy): (&SqsSource, &dyn Entropy),
    mut handle: impl FnMut(&'e SqsMessage) -> F,
) -> SqsBatchResponse
where
    F: Future<Output = Handled>,
{
    let mut response = SqsBatchResponse::default();
    for message in &event.records {
        let handled = handle(message).await;
        response.batch_item_failures.extend(Box::pin(close((queue, entropy), message, handled)).await);
    }
    response
}

/// Closes the messages of a batch that were handled together, in their order, and reports those that are to come again.
pub async fn close_all(
    event: &SqsEvent,
    source: (&SqsSource, &dyn Entropy),
    handled: impl IntoIterator<Item = Handled>,
) -> SqsBatchResponse {
    let mut handled = handled.into_iter();
    // One of which nothing is known comes again.
    each(event, source, |_| future::ready(handled.next().unwrap_or(Handled::Retry { after: None }))).await
}

/// Does what became of a message, and reports it where it is to come again.
///
/// A message for the dead-letter queue is acknowledged only once it is there.
async fn close(
    (queue, entropy): (&SqsSource, &dyn Entropy),
    message: &SqsMessage,
    handled: Handled,
) -> Option<BatchItemFailure> {
    let id = message.message_id.clone().unwrap_or_default();
    let wait = match handled {
        Handled::Done => return None,
        Handled::Retry { after } => {
            after.map_or_else(|| backoff(message, entropy), |after| after.min(LONGEST_WAIT))
        }
        Handled::DeadLetter(reason) => {
            tracing::error!(messageId = id, reason, "Message is not understood");
            match queue.bury(letter(message), &reason).await {
                Ok(()) => return None,
                Err(error) => {
                    tracing::error!(error = chain(&error), "Dead letter is not stored");
                    backoff(message, entropy)
                }
            }
        }
    };
    postpone(queue, message, wait).await;
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    Some(failure)
}

fn letter(message: &SqsMessage) -> Letter<'_> {
    Letter {
        id: message.message_id.as_deref().unwrap_or_default(),
        body: message.body.as_deref().unwrap_or_default(),
        group: message.attributes.get(GROUP).map(String::as_str),
    }
}

/// How often SQS handed the message out, this time included; once where it does not say.
#[must_use]
pub fn receives(message: &SqsMessage) -> u32 {
    message.attributes.get(RECEIVE_COUNT).and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// When the message was put into its queue, where SQS says so.
#[must_use]
pub fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let milliseconds = message.attributes.get(SENT_AT)?.parse().ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// [`FIRST_WAIT`], grown by [`WAIT_GROWTH`] each time that the message came before, and a little more by chance.
fn backoff(message: &SqsMessage, entropy: &dyn Entropy) -> Duration {
    let times = receives(message).saturating_sub(1);
    let wait = FIRST_WAIT.saturating_mul(WAIT_GROWTH.saturating_pow(times)).min(MAX_WAIT);
    wait + Duration::from_secs(entropy::up_to(entropy, wait.as_secs() * JITTER_PERCENT / 100))
}

/// Sets when a message comes again; where that fails, it comes after the queue's visibility timeout.
async fn postpone(queue: &SqsSource, message: &SqsMessage, wait: Duration) {
    let Some(receipt_handle) = message.receipt_handle.as_deref() else { return };
    if let Err(error) = queue.postpone(receipt_handle, wait).await {
        tracing::warn!(
            error = chain(&error),
            "Message comes again only after its queue's visibility timeout"
        );
    }
}
