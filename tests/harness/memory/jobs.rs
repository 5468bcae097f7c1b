//! The log of jobs, and the leases on companies, in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    id::{JobId, TenantId},
    provider::Provider,
    store::StoreError,
    sync::{CompanyLeases, Holder, JobCounts, JobLog, JobRecord, JobState, Kept, RecordPlace, Taken},
};
use jiff::Timestamp;

/// Jobs that are forgotten at once; few, so that a small test takes several goes.
const ERASED: usize = 2;

/// Jobs in memory.
#[derive(Debug, Default)]
pub struct InMemoryJobs(Mutex<HashMap<JobId, JobRecord>>);

#[async_trait]
impl JobLog for InMemoryJobs {
    async fn create(&self, jobs: &[JobRecord]) -> Result<(), StoreError> {
        let mut stored = self.0.lock().unwrap();
        for job in jobs {
            stored.entry(job.job.job_id.clone()).or_insert_with(|| job.clone());
        }
        Ok(())
    }

    async fn find(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        Ok(self.0.lock().unwrap().get(id).cloned())
    }

    async fn save(&self, job: &JobRecord) -> Result<bool, StoreError> {
        let mut stored = self.0.lock().unwrap();
        if stored.get(&job.job.job_id).is_some_and(|stored| stored.state == JobState::Completed) {
            return Ok(false);
        }
        stored.insert(job.job.job_id.clone(), job.clone());
        Ok(true)
    }

    async fn counts(&self, provider: Provider, since: Timestamp) -> Result<JobCounts, StoreError> {
        let mut counts = JobCounts::default();
        for job in self.0.lock().unwrap().values() {
            if job.job.company_id.parts().map(|(provider, _)| provider) != Some(provider) {
                continue;
            }
            let is_recent = job.ended_at.is_some_and(|ended_at| ended_at >= since);
            match job.state {
                JobState::Waiting => counts.waiting += 1,
                JobState::Active => counts.active += 1,
                JobState::Delayed => counts.delayed += 1,
                JobState::Completed => counts.completed += u64::from(is_recent),
                JobState::Failed => counts.failed += u64::from(is_recent),
            }
        }
        Ok(counts)
    }

    async fn erase(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let mut stored = self.0.lock().unwrap();
        let of_tenant = stored.values().filter(|job| job.job.key.tenant == *tenant);
        let some: Vec<_> = of_tenant.map(|job| job.job.job_id.clone()).take(ERASED).collect();
        for id in &some {
            stored.remove(id);
        }
        Ok(some.len() < ERASED)
    }
}

/// Leases on companies in memory.
#[derive(Debug, Default)]
pub struct InMemoryLeases(Mutex<HashMap<RecordPlace, Lease>>);

#[derive(Debug)]
struct Lease {
    holder: Holder,
    until: Timestamp,
    wanted: bool,
}

#[async_trait]
impl CompanyLeases for InMemoryLeases {
    async fn take(
        &self,
        place: &RecordPlace,
        holder: &Holder,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Taken, StoreError> {
        let mut leases = self.0.lock().unwrap();
        let held = leases.get_mut(place);
        if let Some(lease) = held.filter(|lease| lease.holder.name != holder.name && lease.until > now) {
            lease.wanted |= lease.holder.lane < holder.lane;
            return Ok(Taken::Busy { until: lease.until });
        }
        leases.insert(place.clone(), Lease { holder: holder.clone(), until, wanted: false });
        Ok(Taken::Mine)
    }

    async fn keep(&self, place: &RecordPlace, holder: &Holder, until: Timestamp) -> Result<Kept, StoreError> {
        let mut leases = self.0.lock().unwrap();
        let Some(lease) = leases.get_mut(place).filter(|lease| lease.holder.name == holder.name) else {
            return Ok(Kept::Lost);
        };
        lease.until = until;
        Ok(if lease.wanted { Kept::Wanted } else { Kept::Mine })
    }

    async fn release(&self, place: &RecordPlace, holder: &Holder) -> Result<(), StoreError> {
        let mut leases = self.0.lock().unwrap();
        if leases.get(place).is_some_and(|lease| lease.holder.name == holder.name) {
            leases.remove(place);
        }
        Ok(())
    }
}
