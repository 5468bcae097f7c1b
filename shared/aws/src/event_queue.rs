//! The queue of webhook events in SQS.

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
        .build()
        .map_err(unavailable("send_events"))
}

/// A text as a message attribute.
pub(crate) fn string_attribute(value: &str) -> Result<MessageAttributeValue, StoreError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(unavailable("send"))
}
