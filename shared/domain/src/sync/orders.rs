//! Orders of jobs: each is remembered before it is put on its lane, so that every job can be seen.

use std::sync::Arc;

use super::{JobError, JobLog, JobRecord, JobState, Lane, SyncJob, SyncQueue};
use crate::{
    clock::Clock,
    connection::{Company, ConnectionKey},
    error::ErrorCode,
    id::{CorrelationId, Ids},
    store::{StoreError, chain},
};

/// Where jobs are ordered; whoever wants one orders it here.
#[derive(Clone)]
pub struct JobOrders {
    /// Where they are remembered.
    pub log: Arc<dyn JobLog>,
    /// Where they wait.
    pub queue: Arc<dyn SyncQueue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl JobOrders {
    /// Remembers jobs as waiting, then puts them on a lane. Where that fails those that nobody works on are remembered as
    /// failed; some may be on the lane all the same, and are what their log says once somebody took them.
    pub async fn enqueue(&self, lane: Lane, jobs: &[SyncJob]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let records: Vec<_> = jobs.iter().map(|job| JobRecord::new(job.clone(), lane, now)).collect();
        self.log.create(&records).await?;
        let sent = self.queue.send(lane, jobs).await;
        if sent.is_err() {
            for record in &records {
                if let Err(error) = self.give_up(record).await {
                    tracing::error!(jobId = %record.job.job_id, error = chain(&error), "Job is not noted as failed");
                }
            }
        }
        sent
    }

    /// Asks for the first sync of each of these companies of a connection, which stands whatever becomes of that: a
    /// failure is logged and no more.
    pub async fn start_first(
        &self,
        ids: Ids<'_>,
        (key, companies): (&ConnectionKey, &[Company]),
        correlation: &CorrelationId,
    ) {
        for company in companies {
            let job = SyncJob {
                correlation_id: Some(correlation.clone()),
                ..SyncJob::full(ids.job(), key.clone(), company.id.clone())
            };
            if let Err(error) = self.enqueue(Lane::Low, &[job]).await {
                tracing::error!(error = chain(&error), "First sync is not queued");
            }
        }
    }

    async fn give_up(&self, record: &JobRecord) -> Result<(), StoreError> {
        let known = self.log.find(&record.job.job_id).await?;
        let is_waiting = |known: &JobRecord| known.state == JobState::Waiting && known.started_at.is_none();
        let Some(mut failed) = known.filter(is_waiting) else { return Ok(()) };
        let error = JobError::new(ErrorCode::StorageUnavailable, "the job could not be put on its lane");
        failed.fail(error, self.clock.now());
        self.log.save(&failed).await?;
        Ok(())
    }
}
