//! The queue of token sets that the table did not take, in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use domain::{
    refresh::{RecoveryQueue, SpilledTokens},
    store::StoreError,
};

use crate::failure::unavailable;

/// The queue of token sets that the table did not take.
#[derive(Clone, Debug)]
pub struct SqsRecoveryQueue {
    client: Client,
    url: String,
}

impl SqsRecoveryQueue {
    /// Uses the queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl RecoveryQueue for SqsRecoveryQueue {
    async fn spill(&self, spilled: &SpilledTokens) -> Result<(), StoreError> {
        let body = serde_json::to_string(spilled).map_err(unavailable("spill"))?;
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map_err(unavailable("spill"))?;
        Ok(())
    }
}
