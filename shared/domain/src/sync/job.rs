//! Jobs: units of sync work on one company.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{CatchUpMark, Entity};
use crate::{
    connection::ConnectionKey,
    erasure::ErasureMark,
    id::{CompanyId, CorrelationId, JobId},
    store::StoreError,
};

/// The version of the message written here.
pub const JOB_VERSION: u32 = 1;

/// A lane of the sync queue, the lower before the higher.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// First copies of whole books.
    Low,
    /// Scheduled work.
    Normal,
    /// Somebody waits for it.
    High,
}

impl Lane {
    /// The name in requests, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// How much a job reads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Everything.
    Full,
    /// What changed since the cursor.
    Incremental,
}

/// One unit of sync work; the message on a sync lane.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncJob {
    /// The version of this shape.
    pub v: u32,
    /// Which job.
    pub job_id: JobId,
    /// Whose connection, and which.
    #[serde(flatten)]
    pub key: ConnectionKey,
    /// Which company of it.
    pub company_id: CompanyId,
    /// What to read, in this order.
    pub entities: Vec<Entity>,
    /// How much.
    pub mode: SyncMode,
    /// What ties its log lines to those of the request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    /// What made it, where that matters to how it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<JobOrigin>,
}

/// What made a job.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOrigin {
    /// The daily catch-up: what it finds should have been told by webhooks.
    CatchUp,
}

/// What waits on a lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LaneMessage {
    /// Work on a company.
    Job(SyncJob),
    /// A catch-up that is to go on.
    CatchUp(CatchUpMark),
    /// The end of a tenant, which is to go on.
    Erase(ErasureMark),
}

/// Why a message is not understood; it goes to the dead-letter queue with these words.
#[derive(Debug, Error)]
pub enum SyncJobError {
    /// Not JSON, or not of the shape.
    #[error("the message is not of the known shape")]
    Shape(#[source] serde_json::Error),
    /// A version that is not known here.
    #[error("the message has version {0}, known is {JOB_VERSION}")]
    Version(u32),
}

impl SyncJob {
    /// Everything that is kept of a company; customers first, since invoices name them.
    #[must_use]
    pub fn full(job_id: JobId, key: ConnectionKey, company_id: CompanyId) -> Self {
        let entities = Entity::ALL.to_vec();
        let (mode, correlation_id, origin) = (SyncMode::Full, None, None);
        Self { v: JOB_VERSION, job_id, key, company_id, entities, mode, correlation_id, origin }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MarkMessage {
    v: u32,
    catch_up: CatchUpMark,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ErasureMessage {
    v: u32,
    erase: ErasureMark,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyMessage {
    CatchUp(MarkMessage),
    Erase(ErasureMessage),
    Job(SyncJob),
}

impl LaneMessage {
    /// Reads a message.
    pub fn parse(body: &str) -> Result<Self, SyncJobError> {
        let (version, message) = match serde_json::from_str(body).map_err(SyncJobError::Shape)? {
            AnyMessage::CatchUp(MarkMessage { v, catch_up }) => (v, Self::CatchUp(catch_up)),
            AnyMessage::Erase(ErasureMessage { v, erase }) => (v, Self::Erase(erase)),
            AnyMessage::Job(job) => (job.v, Self::Job(job)),
        };
        match version {
            JOB_VERSION => Ok(message),
            version => Err(SyncJobError::Version(version)),
        }
    }
}

impl CatchUpMark {
    /// The mark as a message.
    pub fn to_message(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&MarkMessage { v: JOB_VERSION, catch_up: self.clone() })
    }
}

impl ErasureMark {
    /// The mark as a message.
    pub fn to_message(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&ErasureMessage { v: JOB_VERSION, erase: self.clone() })
    }
}

/// Where jobs wait.
#[async_trait]
pub trait SyncQueue: Send + Sync {
    /// Puts jobs on a lane; after an error some of them may be there.
    async fn send(&self, lane: Lane, jobs: &[SyncJob]) -> Result<(), StoreError>;

    /// Puts a catch-up on a lane that is to go on.
    async fn send_mark(&self, lane: Lane, mark: &CatchUpMark) -> Result<(), StoreError>;

    /// Puts the end of a tenant on a lane that is to begin, or to go on.
    async fn send_erasure(&self, lane: Lane, mark: &ErasureMark) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_message_reads_as_documented() {
        let body = r#"{"v":1,"jobId":"j","tenantId":"t","connectionId":"c","companyId":"quickbooks_1","entities":["customers","invoices"],"mode":"full"}"#;

        let LaneMessage::Job(job) = LaneMessage::parse(body).unwrap() else { panic!("a job") };

        assert_eq!(serde_json::to_string(&job).unwrap(), body);
    }

    #[test]
    fn an_unknown_version_or_entity_is_refused() {
        let body = r#"{"v":2,"jobId":"j","tenantId":"t","connectionId":"c","companyId":"quickbooks_1","entities":[],"mode":"full"}"#;
        assert!(matches!(LaneMessage::parse(body), Err(SyncJobError::Version(2))));

        let body = body.replace("[]", r#"["cats"]"#);
        assert!(matches!(LaneMessage::parse(&body), Err(SyncJobError::Shape(_))));
    }

    #[test]
    fn a_mark_reads_as_it_was_written() {
        let mark =
            CatchUpMark { started_at: Timestamp::UNIX_EPOCH, tenant: None, from: Some("c".to_owned()) };

        let message = mark.to_message().unwrap();

        assert_eq!(message, r#"{"v":1,"catchUp":{"startedAt":"1970-01-01T00:00:00Z","from":"c"}}"#);
        assert_eq!(LaneMessage::parse(&message).unwrap(), LaneMessage::CatchUp(mark.clone()));
        let of_tenant = CatchUpMark { tenant: Some("acme".parse().unwrap()), ..mark };
        let message = of_tenant.to_message().unwrap();
        assert_eq!(
            message,
            r#"{"v":1,"catchUp":{"startedAt":"1970-01-01T00:00:00Z","tenantId":"acme","from":"c"}}"#
        );
        assert_eq!(LaneMessage::parse(&message).unwrap(), LaneMessage::CatchUp(of_tenant));
    }

    #[test]
    fn the_end_of_a_tenant_reads_as_it_was_written() {
        let mark = ErasureMark { tenant: "acme".parse().unwrap(), ended_at: None };
        let later = ErasureMark { ended_at: Some(Timestamp::UNIX_EPOCH), ..mark.clone() };

        for (mark, message) in [
            (mark, r#"{"v":1,"erase":{"tenantId":"acme"}}"#),
            (later, r#"{"v":1,"erase":{"tenantId":"acme","endedAt":"1970-01-01T00:00:00Z"}}"#),
        ] {
            assert_eq!(mark.to_message().unwrap(), message);
            assert_eq!(LaneMessage::parse(message).unwrap(), LaneMessage::Erase(mark));
        }
    }
}
