//! The queue of connections to refresh in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use domain::{
    refresh::{RefreshMessage, RefreshQueue},
    store::StoreError,
};

use crate::failure::unavailable;

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
    async fn send(&self, message: &RefreshMessage) -> Result<(), StoreError> {
        let body = serde_json::to_string(message).map_err(unavailable("send_refresh"))?;
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map_err(unavailable("send_refresh"))?;
        Ok(())
    }
}
