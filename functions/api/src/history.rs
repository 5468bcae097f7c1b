//! Refresh history: what was attempted, and what it came to.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    id::{AttemptId, ConnectionId, TenantId},
    provider::Provider,
    refresh::{Counted, RefreshAttempt},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters},
    openapi::OfTenant,
    tokens::{MAX_LIMIT, parse_provider},
};

/// Attempts of one answer unless asked otherwise.
const DEFAULT_LIMIT: u32 = 20;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HistoryBody {
    provider: Provider,
    history: Vec<AttemptBody>,
    stats: Stats,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptBody {
    id: AttemptId,
    connection_id: ConnectionId,
    tenant_id: TenantId,
    refresh_type: &'static str,
    status: &'static str,
    attempted_at: Timestamp,
    completed_at: Timestamp,
    duration_ms: u64,
    error_code: Option<String>,
    error_message: Option<&'static str>,
    retry_attempt: u32,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stats {
    total_attempts: u64,
    successful: u64,
    failed: u64,
    /// In milliseconds.
    average_duration: u64,
    /// Since when connections were counted; null until all were counted once.
    as_of: Option<Timestamp>,
}

/// `GET /api/tokens/history/{provider}?tenantId=&limit=`; the statistics are of all attempts ever, not of the page.
#[utoipa::path(
    get,
    path = "/api/tokens/history/{provider}",
    params(
        ("provider" = Provider, Path, description = "The provider"),
        OfTenant,
        ("limit" = Option<u32>, Query, description = "How many at most; 20 when left out", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "Refresh attempts, newest first, with statistics over all there were", body = HistoryBody),
        (status = 404, description = "There is no such provider or tenant"),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(provider): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let provider = parse_provider(&provider)?;
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let attempts = things.attempts(provider, limit).await?;
    let stats = stats(&things.figures().await?, provider);
    let history = attempts.into_iter().map(attempt).collect();
    Ok(call.json(StatusCode::OK, &HistoryBody { provider, history, stats }))
}

/// What all attempts at a provider came to.
fn stats(counted: &Counted, provider: Provider) -> Stats {
    let sum = counted.tally.attempts.get(&provider).copied().unwrap_or_default();
    let total_attempts = sum.succeeded + sum.failed;
    Stats {
        total_attempts,
        successful: sum.succeeded,
        failed: sum.failed,
        average_duration: sum.duration_ms.checked_div(total_attempts).unwrap_or_default(),
        as_of: counted.as_of,
    }
}

pub(crate) fn attempt(attempt: RefreshAttempt) -> AttemptBody {
    let duration_ms = attempt.duration_ms();
    let failure = attempt.failure;
    AttemptBody {
        id: attempt.id,
        connection_id: attempt.key.connection,
        tenant_id: attempt.key.tenant,
        refresh_type: attempt.trigger.as_str(),
        status: if failure.is_none() { "success" } else { "failed" },
        attempted_at: attempt.started_at,
        completed_at: attempt.completed_at,
        duration_ms,
        error_code: failure
            .as_ref()
            .map(|failure| failure.code.clone().unwrap_or_else(|| failure.class.as_str().to_owned())),
        error_message: failure.map(|failure| failure.meaning()),
        retry_attempt: attempt.retry,
    }
}
