//! SQS batches: each message ends by itself, and only those that are to come again are reported.

use std::future::Future;

use aws::SqsDeadLetters;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::store::chain;

/// How one message ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Handled {
    /// It had its effect, or can have none.
    Done,
    /// It is to come again.
    Retry,
    /// It will never be understood; it goes to the dead-letter queue with this reason.
    DeadLetter(String),
}

/// Handles each message of a batch, one after the other, and reports those that are to come again.
///
/// A message for the dead-letter queue is acknowledged only once it is there.
pub async fn each<'e, F>(
    event: &'e SqsEvent,
    dead_letters: &SqsDeadLetters,
    mut handle: impl FnMut(&'e SqsMessage) -> F,
) -> SqsBatchResponse
where
    F: Future<Output = Handled>,
{
    let mut response = SqsBatchResponse::default();
    for message in &event.records {
        let id = message.message_id.clone().unwrap_or_default();
        let again = match handle(message).await {
            Handled::Done => false,
            Handled::Retry => true,
            Handled::DeadLetter(reason) => {
                tracing::error!(messageId = id, reason, "Message is not understood");
                let sent = dead_letters.send(message.body.as_deref().unwrap_or_default(), &reason).await;
                sent.inspect_err(|error| tracing::error!(error = chain(error), "Dead letter is not stored"))
                    .is_err()
            }
        };
        if again {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            response.batch_item_failures.push(failure);
        }
    }
    response
}
