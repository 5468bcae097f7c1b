//! The audit log, for those who export it.

use std::sync::Arc;

use axum::{extract::State, http::HeaderValue, response::Response};
use domain::{
    audit::{AuditEntry, SETTLED},
    error::ErrorCode,
    id::{ApiKeyId, AuditId, ConnectionId, CorrelationId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::policy::earlier,
};
use edge::http::{ApiError, lines};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome, Parameters},
    cursors::List,
};

/// Entries of one answer unless asked otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// The greatest `limit`: an entry is less than a kilobyte.
const MAX_LIMIT: u32 = 1000;
/// Where the log goes on.
const NEXT_CURSOR: &str = "x-next-cursor";

/// One act, as a line of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditLine {
    id: AuditId,
    at: Timestamp,
    /// What was done, as in `token.issued`.
    action: &'static str,
    /// `succeeded` or `refused`.
    outcome: &'static str,
    /// The id of the API key that asked for it; missing where a person's browser or the clock did.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ApiKeyId>,
    /// Missing where it is about the deployment itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_company_id: Option<ProviderCompanyId>,
    /// The key, user or job concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<CorrelationId>,
}

/// The audit log, oldest first, one JSON object a line; `X-Next-Cursor` is where it goes on, also later.
///
/// `GET /api/audit?tenantId=&limit=&cursor=`
#[utoipa::path(
    get,
    path = "/api/audit",
    params(
        ("tenantId" = Option<TenantId>, Query, description = "The acts about this tenant only."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Entries at most; 100 by itself."),
        ("cursor" = Option<String>, Query, description = "Where to go on: what `X-Next-Cursor` said."),
    ),
    responses((
        status = 200,
        description = "The entries, each a line.",
        body = AuditLine,
        content_type = "application/x-ndjson",
        headers(("X-Next-Cursor" = String, description = "Where the log goes on; missing while nothing is in it.")),
    )),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let list = List::of("audit").with("tenant", things.tenant_id().map(TenantId::as_str));
    let from = deps.cursors.open(&list, &query).await?;
    // Instances write side by side: an entry that is a little older than others may be written a little later.
    let before = earlier(deps.clock.now(), SETTLED);
    let page = things.acts(before, limit, from.as_deref()).await?;
    let mut body = String::new();
    for entry in page.entries {
        let line = serde_json::to_string(&line(entry));
        body += &line.map_err(|error| ApiError::failure(ErrorCode::InternalError, &error))?;
        body.push('\n');
    }
    let mut response: Response = lines(body, &call.correlation).map(Into::into);
    if let Some(next) = deps.cursors.seal(&list, page.next).await?
        && let Ok(next) = HeaderValue::from_str(&next)
    {
        response.headers_mut().insert(NEXT_CURSOR, next);
    }
    Ok(response)
}

fn line(entry: AuditEntry) -> AuditLine {
    AuditLine {
        id: entry.id,
        at: entry.at,
        action: entry.action.as_str(),
        outcome: entry.action.outcome(),
        actor: entry.actor,
        tenant_id: entry.tenant,
        provider: entry.provider,
        connection_id: entry.connection,
        provider_company_id: entry.company,
        subject: entry.subject,
        reason: entry.reason,
        correlation_id: entry.correlation,
    }
}
