//! The log of jobs: what becomes of each.

use std::{collections::BTreeMap, fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{Entity, Lane, SyncJob};
use crate::{
    error::ErrorCode,
    id::{JobId, TenantId},
    provider::Provider,
    store::StoreError,
};

/// Where a job stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On its lane, not begun.
    Waiting,
    /// Somebody works on it.
    Active,
    /// Begun, and on its lane until a time: the limits are used up, the company is busy, or it failed and is tried again.
    Delayed,
    /// Done.
    Completed,
    /// Ended without having done everything; its message is on the dead-letter queue.
    Failed,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Active, Self::Delayed, Self::Completed, Self::Failed];

    /// The name in answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Delayed => "delayed",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// How far a job came with one kind of object.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntityProgress {
    /// Pages read.
    pub pages: u64,
    /// Objects read.
    pub read: u64,
    /// Records that were new or newer, deletions included.
    pub written: u64,
    /// How many objects there are, where the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether this kind is done.
    pub done: bool,
}

/// How far a job came.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JobProgress(pub BTreeMap<Entity, EntityProgress>);

impl JobProgress {
    /// How much is done, in whole percent; none where it cannot be known.
    #[must_use]
    pub fn percent(&self, entities: &[Entity]) -> Option<u8> {
        let mut sum = 0;
        for entity in entities {
            let progress = self.0.get(entity).copied().unwrap_or_default();
            sum += match (progress.done, progress.total) {
                (true, _) => 100,
                (false, Some(total)) if total > 0 => (progress.read * 100 / total).min(99),
                (false, _) if progress.pages == 0 => 0,
                (false, _) => return None,
            };
        }
        u8::try_from(sum / (entities.len().max(1) as u64)).ok()
    }
}

/// Why a job failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobError {
    /// The name of the code.
    pub code: String,
    /// Its number.
    pub number: u16,
    /// What happened, in words that hold no secret.
    pub message: String,
}

impl JobError {
    /// A failure as callers are told of it.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.name().to_owned(), number: code.number(), message: message.into() }
    }

    /// Why a job is put away, as its dead letter says it.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("{} {}: {}", self.number, self.code, self.message)
    }
}

/// A job as it is remembered, for thirty days after it last moved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobRecord {
    /// The job.
    pub job: SyncJob,
    /// Its lane.
    pub lane: Lane,
    /// Where it stands.
    pub state: JobState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody first worked on it.
    pub started_at: Option<Timestamp>,
    /// When it was completed or failed.
    pub ended_at: Option<Timestamp>,
    /// When it goes on, where it is delayed.
    pub resumes_at: Option<Timestamp>,
    /// How often it failed in a row without coming any further; waiting for limits is none.
    pub failures: u32,
    /// How far it came.
    pub progress: JobProgress,
    /// Why it failed, or last did.
    pub error: Option<JobError>,
}

impl JobRecord {
    /// A job that was just made.
    #[must_use]
    pub fn new(job: SyncJob, lane: Lane, created_at: Timestamp) -> Self {
        Self {
            job,
            lane,
            state: JobState::Waiting,
            created_at,
            started_at: None,
            ended_at: None,
            resumes_at: None,
            failures: 0,
            progress: JobProgress::default(),
            error: None,
        }
    }
}

impl JobRecord {
    /// Notes that the job failed for good.
    pub fn fail(&mut self, error: JobError, at: Timestamp) {
        (self.state, self.ended_at, self.error) = (JobState::Failed, Some(at), Some(error));
    }
}

/// How many jobs of a provider stand where.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobCounts {
    /// On their lanes, not begun.
    pub waiting: u64,
    /// Being worked on.
    pub active: u64,
    /// Completed since a time.
    pub completed: u64,
    /// Failed since a time.
    pub failed: u64,
    /// Begun, and on their lanes until a time.
    pub delayed: u64,
}

/// Where jobs are remembered.
#[async_trait]
pub trait JobLog: Send + Sync {
    /// Remembers jobs that were just made; one that is there already stays as it is.
    async fn create(&self, jobs: &[JobRecord]) -> Result<(), StoreError>;

    /// A job.
    async fn find(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError>;

    /// Stores a job as it is now; false where it is completed already, which is final.
    async fn save(&self, job: &JobRecord) -> Result<bool, StoreError>;

    /// How many jobs of a provider stand where; of those that ended, since a time.
    async fn counts(&self, provider: Provider, since: Timestamp) -> Result<JobCounts, StoreError>;

    /// Forgets some of a tenant's jobs; true when none is left.
    async fn erase(&self, tenant: &TenantId) -> Result<bool, StoreError>;
}

/// What a job does, by its name in requests: `sync_all`, or `sync_` and an entity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation(pub Vec<Entity>);

/// A name that is no operation's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("operation must be sync_all, or sync_ and a kind of record, such as sync_invoices")]
pub struct UnknownOperation;

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        match text.strip_prefix("sync_").ok_or(UnknownOperation)? {
            "all" => Ok(Self(Entity::ALL.to_vec())),
            entity => Ok(Self(vec![entity.parse().map_err(|_| UnknownOperation)?])),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [entity] => write!(f, "sync_{entity}"),
            _ => f.write_str("sync_all"),
        }
    }
}
