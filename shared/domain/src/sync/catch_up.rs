//! The daily catch-up: every company is asked for what changed since it was asked last, so that a webhook that never came is
//! missed for a day at most.
//!
//! It walks all connections and puts a job for each company on the low lane; a walk that needs more time than it has leaves
//! a mark on the lane, behind its own jobs, and goes on from there.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JOB_VERSION, JobOrders, JobOrigin, Lane, SyncJob, SyncMode};
use crate::{
    clock::Clock,
    connection::{Company, Connection, ConnectionStore},
    id::JobId,
    refresh::policy::later,
    store::StoreError,
};
use std::time::Duration;

/// Connections of a page; each costs a query for its companies.
const PAGE: u32 = 100;
/// Queries under way at once: enough to hide the round trip.
const AT_ONCE: usize = 16;
/// What a page may need at most; with less time left the walk goes on in another invocation.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Asks all companies for what changed.
pub struct CatchUp {
    /// Connections and their companies.
    pub connections: Arc<dyn ConnectionStore>,
    /// Where jobs are made.
    pub jobs: JobOrders,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// How far a walk has come; a message on a lane between two invocations.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatchUpMark {
    /// When the walk began: part of the ids of its jobs, so that a walk that is told twice makes each job once.
    pub started_at: Timestamp,
    /// Where the next page of connections begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// How an invocation's part of a walk ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CaughtUp {
    /// How many jobs were put on the lane.
    pub jobs: usize,
    /// Whether it was the last part.
    pub done: bool,
}

impl CatchUp {
    /// Walks on from `mark` until all connections are done or `deadline` is near.
    pub async fn run(&self, mark: CatchUpMark, deadline: Timestamp) -> Result<CaughtUp, StoreError> {
        let CatchUpMark { started_at, mut from } = mark;
        let mut jobs = 0;
        loop {
            if later(self.clock.now(), PAGE_TIME) > deadline {
                self.jobs.queue.send_mark(Lane::Low, &CatchUpMark { started_at, from }).await?;
                return Ok(CaughtUp { jobs, done: false });
            }
            let page = self.connections.list(None, PAGE, from.as_deref()).await?;
            let found = self.jobs_of(page.connections, started_at).await?;
            self.jobs.enqueue(Lane::Low, &found).await?;
            jobs += found.len();
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(CaughtUp { jobs, done: true }),
            }
        }
    }

    async fn jobs_of(
        &self,
        connections: Vec<Connection>,
        started_at: Timestamp,
    ) -> Result<Vec<SyncJob>, StoreError> {
        let usable = connections.into_iter().filter(|connection| connection.state.is_usable());
        let companies = stream::iter(usable)
            .map(async |Connection { key, .. }| {
                let companies = self.connections.list_companies(&key).await?;
                Ok::<_, StoreError>(companies.into_iter().map(move |company| job(&key, company, started_at)))
            })
            .buffered(AT_ONCE);
        let jobs: Vec<_> = companies.try_collect().await?;
        Ok(jobs.into_iter().flatten().collect())
    }
}

/// The one job of a walk for a company.
fn job(key: &crate::connection::ConnectionKey, company: Company, started_at: Timestamp) -> SyncJob {
    let name = format!("{}#{}#{}", key.tenant, key.connection, company.id);
    SyncJob {
        v: JOB_VERSION,
        mode: SyncMode::Incremental,
        origin: Some(JobOrigin::CatchUp),
        ..SyncJob::full(JobId::of_walk(started_at, &name), key.clone(), company.id)
    }
}
