//! The events queue: every message of a batch is read first, and all events are consumed together.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    store::chain,
    sync::{Consumed, Incoming},
    webhook::EventMessage,
};
use edge::{
    sqs::{self, Handled},
    telemetry,
};
use jiff::Timestamp;

use crate::{Deps, handled};

/// Consumes one batch of the events queue until `deadline`.
pub(crate) async fn handle(deps: &Deps, event: &SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let (mut incoming, mut unread) = (Vec::new(), Vec::new());
    for message in &event.records {
        let read = read(message);
        unread.push(read.as_ref().err().cloned());
        incoming.extend(read);
    }
    let mut consumed = deps.consumer.consume(&incoming, deadline).await.into_iter();
    for (incoming, consumed) in incoming.iter().zip(consumed.as_slice()) {
        tell(&incoming.message, consumed);
    }
    let handled = unread.into_iter().map(|unread| match unread {
        Some(reason) => Handled::DeadLetter(reason),
        None => consumed.next().map_or(Handled::Retry { after: None }, |consumed| handled(consumed.next)),
    });
    sqs::close_all(event, (&deps.events, &*deps.runner.entropy), handled).await
}

/// A message, or why it will never be understood.
fn read(message: &SqsMessage) -> Result<Incoming, String> {
    let read = EventMessage::parse(message.body.as_deref().unwrap_or_default());
    let receives = sqs::receives(message);
    read.map(|message| Incoming { message, receives }).map_err(|error| chain(&error))
}

/// Tells what became of a message, under the id of the request that brought it.
fn tell(message: &EventMessage, Consumed { tally, .. }: &Consumed) {
    let provider = message.provider.as_str();
    for (outcome, count) in [
        ("applied", tally.applied),
        ("duplicate", tally.duplicate),
        ("stale", tally.stale),
        ("unknown_company", tally.unknown_company),
        ("disconnected", tally.disconnected),
        ("ignored", tally.unknown_type),
        ("failed", tally.failed),
        ("retried", tally.waiting),
    ] {
        telemetry::count_events(provider, outcome, count);
    }
    // Inside of a span of its own, since the invocation's has an id of the same name.
    let span = tracing::info_span!("events", correlationId = %message.correlation_id);
    span.in_scope(|| {
        tracing::info!(
            provider,
            deliveryId = %message.delivery_id,
            applied = tally.applied,
            duplicate = tally.duplicate,
            stale = tally.stale,
            unknownCompany = tally.unknown_company,
            disconnected = tally.disconnected,
            ignored = tally.unknown_type,
            failed = tally.failed,
            retry = tally.waiting,
            "Webhook events consumed"
        );
    });
}
