//! What becomes of a job's message: done, again at a time, or put away with its reason; and what the log says of it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    JobError, JobOrigin, JobRecord, JobState, Lane, LedgerError, RunError, RunOutcome, SyncJob, SyncRunner,
    consume::Next,
};
use crate::{
    entropy,
    error::ErrorCode,
    event::EventKind,
    refresh::policy::later,
    store::{StoreError, chain},
};

/// So often in a row a job may fail without coming any further; waiting for limits or for its turn is no failure. With the
/// waits between it outlasts an outage of three quarters of an hour.
const FAILURES: u32 = 5;
/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// By how much each wait exceeds the one before.
const WAIT_GROWTH: u32 = 4;
/// How long a job waits where the provider throttles without saying for how long.
const THROTTLED: Duration = Duration::from_mins(1);
/// By up to how much a wait is longer by chance, so that jobs that failed together do not come again together.
const JITTER_MS: u64 = 10_000;

impl SyncRunner {
    /// Works on a job of a lane until it is done or `deadline` is near; what is to become of its message, and how many
    /// records were new or newer.
    pub async fn work(&self, job: &SyncJob, lane: Lane, deadline: Timestamp) -> (Next, u64) {
        let mut record = match self.take_up(job, lane).await {
            Ok(Some(record)) => record,
            // Handed out once more after it was done.
            Ok(None) => return (Next::Done, 0),
            Err(error) => {
                tracing::error!(error = chain(&error), "Job is not found in its log");
                return (Next::Again { after: None }, 0);
            }
        };
        if record.failures >= FAILURES {
            return (self.give_up(&mut record).await, 0);
        }
        let ended = self.run(&mut record, deadline).await;
        let next = self.judge(&mut record, &ended).await;
        tell(&record, &ended);
        self.note(&record).await;
        (next, ended.map_or(0, RunOutcome::written))
    }

    /// The record of a job that is begun now, or goes on; none of one that is done.
    async fn take_up(&self, job: &SyncJob, lane: Lane) -> Result<Option<JobRecord>, StoreError> {
        let now = self.clock.now();
        let found = self.jobs.find(&job.job_id).await?;
        let mut record = found.unwrap_or_else(|| JobRecord::new(job.clone(), lane, now));
        match record.state {
            JobState::Completed => return Ok(None),
            // Somebody put it back from the dead letters.
            JobState::Failed => (record.failures, record.error, record.ended_at) = (0, None, None),
            // Whoever worked on it died of it, perhaps.
            JobState::Active => record.failures += 1,
            JobState::Waiting | JobState::Delayed => {}
        }
        record.state = JobState::Active;
        record.started_at.get_or_insert(now);
        record.resumes_at = None;
        Ok(self.jobs.save(&record).await?.then_some(record))
    }

    /// Puts away a job that ended every worker who took it up.
    async fn give_up(&self, record: &mut JobRecord) -> Next {
        let error =
            JobError::new(ErrorCode::InternalError, "its workers ended without a word, one after the other");
        let reason = error.reason();
        record.fail(error, self.clock.now());
        tracing::error!(jobId = %record.job.job_id, "Sync job is given up");
        self.note(record).await;
        if let Some((provider, _)) = record.job.company_id.parts() {
            self.announce(record, provider, EventKind::SyncFailed, (0, None)).await;
        }
        Next::Bury(reason)
    }

    /// Notes what became of a job; what cannot be noted is only not seen.
    async fn note(&self, record: &JobRecord) {
        if let Err(error) = self.jobs.save(record).await {
            tracing::warn!(error = chain(&error), "What became of the job is not noted");
        }
    }

    /// Notes how a run ended, and says what is to become of its message.
    async fn judge(&self, record: &mut JobRecord, ended: &Result<RunOutcome, RunError>) -> Next {
        let now = self.clock.now();
        match ended {
            Ok(RunOutcome::Completed { .. } | RunOutcome::Superseded) => {
                (record.state, record.ended_at, record.error) = (JobState::Completed, Some(now), None);
                Next::Done
            }
            Ok(RunOutcome::Continued { .. }) => {
                record.state = JobState::Waiting;
                Next::Done
            }
            Ok(RunOutcome::Gone) => {
                let message = "the connection or its company is gone";
                record.fail(JobError::new(ErrorCode::ConnectionNotFound, message), now);
                Next::Done
            }
            Ok(RunOutcome::Halted(halted)) => {
                record.fail(JobError::new(halted.code(), halted.to_string()), now);
                Next::Done
            }
            Ok(RunOutcome::Waits { until, .. }) => delay(record, *until, now),
            Err(RunError::Ledger(LedgerError::Held(held))) => delay(record, held.until, now),
            Err(RunError::Ledger(LedgerError::Throttled { retry_after })) => {
                let wait = retry_after.unwrap_or(THROTTLED) + self.by_chance();
                delay(record, later(now, wait), now)
            }
            Err(error) => self.failed(record, error, now).await,
        }
    }

    /// A job that failed comes again a few times, unless it would fail the same; then it is put away.
    async fn failed(&self, record: &mut JobRecord, error: &RunError, now: Timestamp) -> Next {
        record.failures += 1;
        let told = JobError::new(error.code(), error.told());
        if !error.is_lasting() && record.failures < FAILURES {
            let wait = FIRST_WAIT * WAIT_GROWTH.pow(record.failures - 1) + self.by_chance();
            record.error = Some(told);
            return delay(record, later(now, wait), now);
        }
        let reason = told.reason();
        record.fail(told, now);
        if let Some((provider, _)) = record.job.company_id.parts() {
            let written = record.progress.0.values().map(|progress| progress.written).sum();
            self.announce(record, provider, EventKind::SyncFailed, (written, Some(error))).await;
        }
        // What a company does not give is the same every day, and a letter a day helps nobody.
        let is_daily = record.job.origin == Some(JobOrigin::CatchUp) && error.is_lasting();
        if is_daily { Next::Done } else { Next::Bury(reason) }
    }

    fn by_chance(&self) -> Duration {
        Duration::from_millis(entropy::up_to(&*self.entropy, JITTER_MS))
    }
}

fn tell(record: &JobRecord, ended: &Result<RunOutcome, RunError>) {
    let (tenant, connection) = (record.job.key.tenant.as_str(), record.job.key.connection.as_str());
    let state = record.state.as_str();
    let (job, resumes_at) = (&record.job.job_id, record.resumes_at.map(|at| at.to_string()));
    match ended {
        Ok(outcome) => tracing::info!(
            tenantId = tenant, connectionId = connection, jobId = %job, state, ?outcome, resumesAt = resumes_at, "Sync job ran"
        ),
        Err(error) => tracing::warn!(
            tenantId = tenant, connectionId = connection, jobId = %job, state, error = chain(error), resumesAt = resumes_at,
            failures = record.failures, "Sync job stopped"
        ),
    }
}

fn delay(record: &mut JobRecord, until: Timestamp, now: Timestamp) -> Next {
    (record.state, record.resumes_at) = (JobState::Delayed, Some(until));
    Next::Again { after: Some(Duration::try_from(until.duration_since(now)).unwrap_or_default()) }
}
