//! The lanes of the sync queue in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use domain::{
    store::StoreError,
    sync::{Lane, SyncJob, SyncQueue},
};

use crate::failure::unavailable;

/// The queue of each lane by its URL; a function has only those that it may send to.
#[derive(Clone, Debug, Default)]
pub struct SyncLanes {
    /// Somebody waits for it.
    pub high: Option<String>,
    /// Scheduled work.
    pub normal: Option<String>,
    /// First copies of whole books.
    pub low: Option<String>,
}

/// The lanes of the sync queue.
#[derive(Clone, Debug)]
pub struct SqsSyncQueue {
    client: Client,
    urls: SyncLanes,
}

impl SqsSyncQueue {
    /// Uses the queues at `urls`.
    #[must_use]
    pub fn new(client: Client, urls: SyncLanes) -> Self {
        Self { client, urls }
    }
}

#[async_trait]
impl SyncQueue for SqsSyncQueue {
    async fn send(&self, lane: Lane, job: &SyncJob) -> Result<(), StoreError> {
        let url = match lane {
            Lane::High => &self.urls.high,
            Lane::Normal => &self.urls.normal,
            Lane::Low => &self.urls.low,
        };
        let url = url.as_ref().ok_or_else(|| unavailable("send_job")("this function has no such lane"))?;
        let body = serde_json::to_string(job).map_err(unavailable("send_job"))?;
        let request = self.client.send_message().queue_url(url).message_body(body);
        request.send().await.map_err(unavailable("send_job"))?;
        Ok(())
    }
}
