//! The queue of webhook events in SQS: a FIFO queue, in which each company has a line of its own.

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use domain::{
    store::StoreError,
    webhook::{EventMessage, EventQueue},
};

use crate::failure::unavailable;

/// The attribute by which log lines are tied together without opening the message.
const CORRELATION_ID: &str = "correlationId";

/// The queue of webhook events.
#[derive(Clone, Debug)]
pub struct SqsEventQueue {
    client: Client,
    url: String,
}

impl SqsEventQueue {
    /// Uses the queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl EventQueue for SqsEventQueue {
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError> {
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let entries = entries.collect::<Result<_, _>>()?;
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let output = request.send().await.map_err(unavailable("send_events"))?;
        match output.failed().first() {
            None => Ok(()),
            Some(failed) => Err(unavailable("send_events")(format!(
                "{} of {} messages were not taken, the first for {}",
                output.failed().len(),
                messages.len(),
                failed.code()
            ))),
        }
    }
}

fn entry(index: usize, message: &EventMessage) -> Result<SendMessageBatchRequestEntry, StoreError> {
    let body = serde_json::to_string(message).map_err(unavailable("send_events"))?;
    let correlation = string_attribute(message.correlation_id.as_str())?;
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .message_attributes(CORRELATION_ID, correlation)
        .message_group_id(message.line())
        // What the SDK sends again after a lost answer is one message.
        .message_deduplication_id(format!("{}-{}", message.delivery_id, message.part))
        .build()
        .map_err(unavailable("send_events"))
}

/// A text as a message attribute.
pub(crate) fn string_attribute(value: &str) -> Result<MessageAttributeValue, StoreError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(unavailable("send"))
}

#[cfg(test)]
mod tests {
    use domain::{
        provider::Provider,
        webhook::{EVENTS_VERSION, Operation, WebhookEvent},
    };
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn each_company_is_a_line_and_each_part_of_a_delivery_is_sent_once() {
        let event = WebhookEvent {
            key: "k".to_owned(),
            provider_company_id: "9341".parse().unwrap(),
            connection_id: None,
            entity: "invoice".to_owned(),
            id: "1".parse().unwrap(),
            operation: Operation::Updated,
            occurred_at: None,
        };
        let message = EventMessage {
            v: EVENTS_VERSION,
            delivery_id: "dlv_1".parse().unwrap(),
            part: 2,
            parts: 3,
            provider: Provider::QuickBooks,
            received_at: Timestamp::UNIX_EPOCH,
            correlation_id: "corr_1".parse().unwrap(),
            events: vec![event],
            unknown: 0,
            unreadable: None,
            refused: vec![],
        };

        let entry = entry(0, &message).unwrap();

        assert_eq!(entry.message_group_id(), Some("quickbooks_9341"));
        assert_eq!(entry.message_deduplication_id(), Some("dlv_1-2"));
    }
}
