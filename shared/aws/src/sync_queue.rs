//! The lanes of the sync queue in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use domain::{
    erasure::ErasureMark,
    store::StoreError,
    sync::{CatchUpMark, Lane, SyncJob, SyncQueue},
};

use crate::failure::unavailable;

/// SQS takes ten messages in one call.
const MAX_BATCH: usize = 10;
/// The group of the daily catch-up, which is no tenant's; no tenant can be called so.
const CATCH_UP_GROUP: &str = "#catch-up";

/// A message, and the group by which a standard queue shares out receives fairly among tenants (SQS developer guide, "fair
/// queues"); it orders nothing.
type Grouped = (String, String);

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

    async fn send_all(&self, lane: Lane, messages: &[Grouped]) -> Result<(), StoreError> {
        let url = match lane {
            Lane::High => &self.urls.high,
            Lane::Normal => &self.urls.normal,
            Lane::Low => &self.urls.low,
        };
        let url = url.as_ref().ok_or_else(|| unavailable("send_job")("this function has no such lane"))?;
        for messages in messages.chunks(MAX_BATCH) {
            let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
            let entries = entries.collect::<Result<_, _>>()?;
            let request = self.client.send_message_batch().queue_url(url).set_entries(Some(entries));
            let output = request.send().await.map_err(unavailable("send_job"))?;
            if let Some(failed) = output.failed().first() {
                return Err(unavailable("send_job")(failed.code().to_owned()));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SyncQueue for SqsSyncQueue {
    async fn send(&self, lane: Lane, jobs: &[SyncJob]) -> Result<(), StoreError> {
        let message = |job: &SyncJob| Ok((serde_json::to_string(job)?, job.key.tenant.to_string()));
        let messages = jobs.iter().map(message).collect::<Result<Vec<Grouped>, serde_json::Error>>();
        self.send_all(lane, &messages.map_err(unavailable("send_job"))?).await
    }

    async fn send_mark(&self, lane: Lane, mark: &CatchUpMark) -> Result<(), StoreError> {
        let body = mark.to_message().map_err(unavailable("send_job"))?;
        let group = mark.tenant.as_ref().map_or_else(|| CATCH_UP_GROUP.to_owned(), ToString::to_string);
        self.send_all(lane, &[(body, group)]).await
    }

    async fn send_erasure(&self, lane: Lane, mark: &ErasureMark) -> Result<(), StoreError> {
        let body = mark.to_message().map_err(unavailable("send_job"))?;
        self.send_all(lane, &[(body, mark.tenant.to_string())]).await
    }
}

fn entry(index: usize, (body, group): &Grouped) -> Result<SendMessageBatchRequestEntry, StoreError> {
    let entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
    entry.message_body(body).message_group_id(group).build().map_err(unavailable("send_job"))
}
