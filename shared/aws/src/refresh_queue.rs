//! The queue of connections to refresh in SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use domain::{
    refresh::{Delayed, MAX_DELAY, RefreshQueue},
    store::StoreError,
};

use crate::failure::unavailable;

/// How often a message is sent that SQS itself did not take: the call as a whole is tried again by the SDK, its single
/// messages are not.
const TRIES: usize = 2;

/// The queue of connections to refresh.
#[derive(Clone, Debug)]
pub struct SqsRefreshQueue {
    client: Client,
    url: String,
}

impl SqsRefreshQueue {
    /// Uses the queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl RefreshQueue for SqsRefreshQueue {
    async fn send(&self, messages: &[Delayed]) -> Result<(), StoreError> {
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let mut entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        let mut lost = 0;
        for _ in 0..TRIES {
            if entries.is_empty() {
                break;
            }
            let request = self.client.send_message_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.clone()));
            let output = request.send().await.map_err(unavailable("send_refresh"))?;
            let failed = output.failed();
            // What is our fault is refused again, however often it is sent.
            lost += failed.iter().filter(|failed| failed.sender_fault()).count();
            let comes_again =
                |id: &str| failed.iter().any(|failed| failed.id() == id && !failed.sender_fault());
            entries.retain(|entry| comes_again(entry.id()));
        }
        match lost + entries.len() {
            0 => Ok(()),
            lost => Err(unavailable("send_refresh")(format!(
                "{lost} of {} messages were not taken",
                messages.len()
            ))),
        }
    }
}

fn entry(index: usize, delayed: &Delayed) -> Result<SendMessageBatchRequestEntry, StoreError> {
    let body = serde_json::to_string(&delayed.message).map_err(unavailable("send_refresh"))?;
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .delay_seconds(delay_seconds(delayed.delay))
        .build()
        .map_err(unavailable("send_refresh"))
}

/// Whole seconds, never less than asked for: what comes before a lease or an open breaker ends comes in vain.
fn delay_seconds(delay: Duration) -> i32 {
    let delay = delay.min(MAX_DELAY);
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_no_sooner_than_asked_for_and_within_what_sqs_allows() {
        for (asked, sent) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (899_001, 900), (900_001, 900)] {
            assert_eq!(delay_seconds(Duration::from_millis(asked)), sent, "{asked} ms");
        }
        assert_eq!(delay_seconds(Duration::MAX), 900);
    }
}
