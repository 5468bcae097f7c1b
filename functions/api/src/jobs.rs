//! Jobs: asking for a sync, and seeing what becomes of it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode};
use domain::{
    audit::{self, AuditAction},
    connection::{Connection, ConnectionState},
    error::ErrorCode,
    id::{CompanyId, ConnectionId, Ids, JobId, TenantId},
    provider::Provider,
    sync::{Entity, EntityProgress, JobError, JobRecord, JobState, Lane, Operation, SyncJob, SyncMode},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, PublicUrl, located},
    companies,
};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewJob {
    /// A key that is bound to a tenant may leave it out.
    tenant_id: Option<TenantId>,
    #[schema(value_type = Provider)]
    provider: String,
    /// Ours or the provider's; needed where the tenant has several companies at the provider.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    company_id: Option<String>,
    /// `sync_all`, or `sync_` and a kind of record.
    #[schema(
        pattern = "^sync_(all|customers|vendors|invoices|bills|payments|bill_payments|credit_notes|items|accounts)$"
    )]
    operation: String,
    mode: Option<SyncMode>,
    priority: Option<Lane>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MadeBody {
    job_id: JobId,
    status_url: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobBody {
    job_id: JobId,
    tenant_id: TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider>,
    connection_id: ConnectionId,
    company_id: CompanyId,
    operation: String,
    mode: SyncMode,
    priority: Lane,
    state: JobState,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumes_at: Option<Timestamp>,
    /// How often it was tried; waiting for limits and for its turn belongs to a try.
    attempts: u32,
    progress: ProgressBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProgressBody {
    /// Pages read.
    pages: u64,
    /// Records that were new or newer.
    records: u64,
    /// Left out where the provider does not say how much there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    entities: BTreeMap<Entity, EntityProgress>,
}

/// `POST /api/jobs`
#[utoipa::path(
    post,
    path = "/api/jobs",
    request_body = NewJob,
    responses(
        (status = 202, description = "The job is on its lane", body = MadeBody),
        (status = 404, description = "There is no such tenant, provider or company"),
        (status = 409, description = "Several companies are meant, or the connection cannot be used"),
    ),
)]
pub(crate) async fn create(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    call: Call,
    JsonBody(new): JsonBody<NewJob>,
) -> Outcome {
    let Operation(entities) = new
        .operation
        .parse()
        .map_err(|error: domain::sync::UnknownOperation| ApiError::invalid("operation", error.to_string()))?;
    let things = call.within(&deps, new.tenant_id).await?;
    let of = (new.provider.as_str(), new.company_id.as_deref());
    let meant = companies::named(&things, of).await?;
    let connection = things.connection_of(&meant.key).await?.ok_or_else(crate::connections::missing)?;
    things.active(&connection.key.tenant).await?;
    usable(&connection)?;
    let job_id = Ids::new(&*deps.clock, &*deps.entropy).job();
    let job = SyncJob {
        entities,
        mode: new.mode.unwrap_or(SyncMode::Incremental),
        correlation_id: Some(call.correlation.clone()),
        ..SyncJob::full(job_id.clone(), meant.key, meant.company)
    };
    let company = job.company_id.parts().map(|(_, company)| company);
    things.order(new.priority.unwrap_or(Lane::Normal), job).await?;
    // Not before: the queue may take its time, and an entry is recorded as soon as it is made.
    let mut entry = call.audit_entry(&deps, Some(&connection.key.tenant), AuditAction::JobOrdered);
    (entry.provider, entry.connection) = (Some(connection.provider), Some(connection.key.connection));
    (entry.company, entry.subject) = (company, Some(job_id.to_string()));
    audit::record(&*deps.audit, &entry).await;
    let status_url = format!("{public_url}/api/jobs/{job_id}");
    let made = MadeBody { job_id, status_url: status_url.clone() };
    Ok(located(call.json(StatusCode::ACCEPTED, &made), &status_url))
}

/// `GET /api/jobs/{id}`
#[utoipa::path(
    get,
    path = "/api/jobs/{job}",
    params(
        ("job" = JobId, Path, description = "The job's id"),
    ),
    responses(
        (status = 200, description = "Where it stands", body = JobBody),
        (status = 404, description = "There is no such job"),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, Name(id): Name, call: Call) -> Outcome {
    let missing = || ApiError::new(ErrorCode::ValidationNotFound, "there is no such job");
    let id: JobId = id.parse().map_err(|_| missing())?;
    let job = call.within(&deps, None).await?.job(&id).await?.ok_or_else(missing)?;
    Ok(call.json(StatusCode::OK, &body(job)))
}

/// Refuses a connection whose tokens cannot be used.
pub(crate) fn usable(connection: &Connection) -> Result<(), ApiError> {
    let message = match connection.state {
        ConnectionState::Active => return Ok(()),
        ConnectionState::ReconnectRequired => {
            let message = "the provider refuses the refresh token; the customer must connect again";
            return Err(ApiError::new(ErrorCode::AuthRefreshTokenExpired, message));
        }
        ConnectionState::Pending => "the connection waits to be confirmed",
        ConnectionState::Disconnecting | ConnectionState::Disconnected => "the connection was ended",
    };
    let error = ApiError::new(ErrorCode::ConnectionStateConflict, message);
    Err(error.with("state", connection.state.as_str()))
}

fn body(record: JobRecord) -> JobBody {
    let attempts = attempts(&record);
    let JobRecord { job, lane, state, created_at, started_at, ended_at, resumes_at, progress, error, .. } =
        record;
    let percent = progress.percent(&job.entities);
    let sum = |of: fn(&EntityProgress) -> u64| progress.0.values().map(of).sum();
    JobBody {
        job_id: job.job_id,
        tenant_id: job.key.tenant,
        provider: job.company_id.parts().map(|(provider, _)| provider),
        connection_id: job.key.connection,
        company_id: job.company_id,
        operation: Operation(job.entities).to_string(),
        mode: job.mode,
        priority: lane,
        state,
        created_at,
        started_at,
        ended_at,
        resumes_at,
        attempts,
        progress: ProgressBody {
            pages: sum(|entity| entity.pages),
            records: sum(|entity| entity.written),
            percent,
            entities: progress.0,
        },
        error,
    }
}

/// How often a job was tried, from how often it failed and where it stands.
fn attempts(record: &JobRecord) -> u32 {
    match (record.started_at, record.state) {
        (None, _) => record.failures,
        (Some(_), JobState::Active | JobState::Completed) => record.failures.saturating_add(1),
        (Some(_), _) => record.failures.max(1),
    }
}
