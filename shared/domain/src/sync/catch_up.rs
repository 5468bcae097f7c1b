//! The daily catch-up: every company is asked for what changed since it was asked last, so that a webhook that never came is
//! missed for a day at most.
//!
//! It walks all connections and puts a job for each company on the low lane; a walk that needs more time than it has leaves
//! a mark on the lane, behind its own jobs, and goes on from there.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JOB_VERSION, JobOrders, JobOrigin, Lane, SyncJob, SyncMode};
use crate::{
    clock::Clock,
    connection::{Company, Connection, ConnectionStore},
    id::{JobId, TenantId},
    refresh::policy::later,
    store::StoreError,
    tenant::{SyncSchedule, Tenant, TenantState, TenantStore},
};

/// Connections of a page; each costs a query for its companies.
const PAGE: u32 = 100;
/// Queries under way at once: enough to hide the round trip.
const AT_ONCE: usize = 16;
/// What a page may need at most; with less time left the walk goes on in another invocation.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Asks all companies for what changed.
pub struct CatchUp {
    /// Tenants, some of which are not asked every day.
    pub tenants: Arc<dyn TenantStore>,
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
    /// The one tenant whose companies are asked, since it was suspended until now; without one it is the day's walk over all.
    #[serde(default, rename = "tenantId", skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
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
        let mut mark = mark;
        let (mut jobs, mut asked) = (0, HashMap::new());
        loop {
            if later(self.clock.now(), PAGE_TIME) > deadline {
                self.jobs.queue.send_mark(Lane::Low, &mark).await?;
                return Ok(CaughtUp { jobs, done: false });
            }
            let page = self.connections.list(mark.tenant.as_ref(), PAGE, mark.from.as_deref()).await?;
            let mut connections = page.connections;
            connections.retain(|connection| connection.state.is_usable());
            self.learn(&mut asked, &connections, mark.tenant.is_none()).await?;
            connections.retain(|connection| asked[&connection.key.tenant]);
            let found = self.jobs_of(connections, mark.started_at).await?;
            self.jobs.enqueue(Lane::Low, &found).await?;
            jobs += found.len();
            match page.next {
                Some(next) => mark.from = Some(next),
                None => return Ok(CaughtUp { jobs, done: true }),
            }
        }
    }

    /// Adds those tenants of connections of whom it is not known yet whether they are asked: each is read once in a walk.
    async fn learn(
        &self,
        asked: &mut HashMap<TenantId, bool>,
        connections: &[Connection],
        daily: bool,
    ) -> Result<(), StoreError> {
        let mut tenants: BTreeSet<_> = connections.iter().map(|connection| &connection.key.tenant).collect();
        tenants.retain(|tenant| !asked.contains_key(*tenant));
        let reads = tenants.into_iter().map(async |id| {
            let tenant = self.tenants.find(id).await?;
            Ok::<_, StoreError>((id.clone(), tenant.is_none_or(|tenant| is_asked(&tenant, daily))))
        });
        let reads: Vec<_> = reads.collect();
        let read: Vec<_> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
        asked.extend(read);
        Ok(())
    }

    async fn jobs_of(
        &self,
        usable: Vec<Connection>,
        started_at: Timestamp,
    ) -> Result<Vec<SyncJob>, StoreError> {
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

/// Whether a tenant's companies are asked, by the day's walk or by one that is the tenant's own.
fn is_asked(tenant: &Tenant, daily: bool) -> bool {
    let is_off = daily && tenant.settings.sync_schedule == Some(SyncSchedule::Off);
    tenant.state == TenantState::Active && !is_off
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
