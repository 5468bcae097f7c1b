//! The manual refresh.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use domain::{
    audit::{self, AuditAction},
    connection::Connection,
    error::ErrorCode,
    id::{ConnectionId, TenantId},
    idempotency::{NAME_KEPT, NamedRequest},
    provider::Provider,
    proxy::RequestKey,
    refresh::{RefreshAnswer, RefreshMessage, RefreshResult, Trigger, policy::later},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, PublicUrl, Refusal, located},
    proxy::passable,
    tenancy::Within,
    tokens::{connections, parse_provider},
};

/// How long a caller waits; below the gateway's 29 seconds.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    tenant_id: TenantId,
    /// Needed where the tenant has several connections to the provider.
    connection_id: Option<ConnectionId>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RefreshBody {
    success: bool,
    provider: Provider,
    refreshed: bool,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_url: Option<String>,
}

/// The caller's own name of the request, if it sends one.
pub(crate) struct Named(Option<RequestKey>);

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self(passable(&parts.headers, "Idempotency-Key")?))
    }
}

/// `POST /api/tokens/refresh/{provider}`
#[utoipa::path(
    post,
    path = "/api/tokens/refresh/{provider}",
    params(
        ("provider" = Provider, Path, description = "The provider"),
    ),
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The access token is fresh", body = RefreshBody),
        (status = 202, description = "The provider has not answered yet; the refresh goes on", body = RefreshBody),
        (status = 404, description = "There is no such provider, tenant or connection"),
        (status = 409, description = "Several connections are meant, or the customer must connect again"),
        (status = 502, description = "The provider refused or failed"),
    ),
)]
pub(crate) async fn refresh(
    State(deps): State<Arc<Deps>>,
    Name(provider): Name,
    (PublicUrl(public_url), Named(name)): (PublicUrl, Named),
    call: Call,
    JsonBody(wanted): JsonBody<RefreshRequest>,
) -> Outcome {
    let provider = parse_provider(&provider)?;
    let things = call.within(&deps, Some(wanted.tenant_id.clone())).await?;
    if let Some(name) = name {
        take_name(&deps, &call, (&name, provider, &wanted)).await?;
    }
    let connection = find(&things, provider, &wanted).await?;
    if !connection.state.is_refreshable() {
        return Err(dead().into());
    }
    let mut entry = call.audit_entry(&deps, Some(&connection.key.tenant), AuditAction::RefreshRequested);
    (entry.provider, entry.connection) = (Some(provider), Some(connection.key.connection.clone()));
    audit::record(&*deps.audit, &entry).await;
    let message = RefreshMessage::new(vec![connection.key.clone()], Trigger::Manual);
    let answers = deps.refresh.invoke(&message, WAIT).await?;
    let answer = answers.and_then(|answers| answers.into_iter().next());
    let expires_at = answer.as_ref().and_then(|answer| answer.expires_at);
    let status_url = format!("{public_url}/api/connections/{}", connection.key.connection);
    let done = |refreshed| RefreshBody { success: true, provider, refreshed, expires_at, status_url: None };
    match answer.as_ref().map(|answer| answer.result) {
        Some(RefreshResult::Refreshed) => Ok(call.json(StatusCode::OK, &done(true))),
        Some(RefreshResult::Fresh) => Ok(call.json(StatusCode::OK, &done(false))),
        None | Some(RefreshResult::Running) => Ok(pending(&call, &status_url, done(false))),
        Some(RefreshResult::Dead) => Err(dead().into()),
        Some(RefreshResult::Missing) => Err(missing().into()),
        Some(RefreshResult::Throttled | RefreshResult::CircuitOpen | RefreshResult::Failed) => {
            failed(&deps, answer.as_ref(), || pending(&call, &status_url, done(false)))
        }
    }
}

/// Refuses a name that stands for another request. The same request is let through: refreshes that come one upon the other
/// are one.
async fn take_name(
    deps: &Deps,
    call: &Call,
    (name, provider, wanted): (&RequestKey, Provider, &RefreshRequest),
) -> Result<(), Refusal> {
    let request = json!(["refresh", provider, wanted.tenant_id, wanted.connection_id]);
    let named = NamedRequest::new(call.caller.key(), name, &request);
    let now = deps.clock.now();
    if deps.request_names.take(&named, (now, later(now, NAME_KEPT))).await? {
        return Ok(());
    }
    let message = "this Idempotency-Key was sent with another request within a day; send a new one";
    Err(ApiError::new(ErrorCode::IdempotencyKeyReused, message).into())
}

/// The one connection that a request means.
async fn find(
    things: &Within<'_>,
    provider: Provider,
    wanted: &RefreshRequest,
) -> Result<Connection, Refusal> {
    if let Some(connection) = &wanted.connection_id {
        let found = things.connection(connection).await?;
        return found.filter(|found| found.provider == provider).ok_or_else(|| missing().into());
    }
    let of_provider = connections(things, provider).await?.into_iter();
    let (mut ended, mut meant): (Vec<_>, Vec<_>) = of_provider.partition(|found| found.state.is_ended());
    match (meant.pop(), meant.as_slice()) {
        // One that has ended is told as such, but stands in the way of no other.
        (None, _) => ended.pop().ok_or_else(|| missing().into()),
        (Some(one), []) => Ok(one),
        (Some(last), others) => {
            let ids = others.iter().chain([&last]).map(|found| found.key.connection.to_string());
            let message = "the tenant has several connections to this provider; name one as connectionId";
            let error = ApiError::new(ErrorCode::ConnectionAmbiguous, message);
            Err(error.with("connectionIds", ids.collect::<Vec<_>>()).into())
        }
    }
}

/// The provider has not answered yet; the refresh goes on without its caller.
fn pending(call: &Call, status_url: &str, mut body: RefreshBody) -> Response {
    body.status_url = Some(status_url.to_owned());
    located(call.json(StatusCode::ACCEPTED, &body), status_url)
}

fn failed(deps: &Deps, answer: Option<&RefreshAnswer>, pending: impl FnOnce() -> Response) -> Outcome {
    let class = answer.and_then(|answer| answer.error_class.as_deref()).unwrap_or_default();
    let (code, message) = match class {
        "unknown" | "lost_race" => return Ok(pending()),
        "circuit_open" => (
            ErrorCode::CircuitOpen,
            "the provider is failing, so nothing is sent to it for a while; it is tried again by itself",
        ),
        "throttled" => (ErrorCode::ProviderRateLimit, "the provider asks for patience; try again later"),
        "over_budget" => (
            ErrorCode::ProviderRateLimit,
            "the calls that the provider allows for this connection are spent for now; try again later",
        ),
        "configuration" => (
            ErrorCode::ProviderAuthError,
            "the provider does not accept this product's credentials; check them",
        ),
        "sealing" => {
            (ErrorCode::SealOpenFailed, "the stored token could not be opened; its connection is unchanged")
        }
        "store_unavailable" => {
            (ErrorCode::StorageUnavailable, "the connection could not be read or stored; try again")
        }
        "no_time_left" => (ErrorCode::StorageUnavailable, "no time was left for the refresh; try again"),
        _ => (ErrorCode::ProviderApiError, "the refresh failed; it is tried again by itself"),
    };
    let mut error = ApiError::new(code, message);
    let retry_at = answer.and_then(|answer| answer.retry_at);
    let seconds = retry_at.map(|at| at.duration_since(deps.clock.now()).as_secs().max(1));
    error.retry_after = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Err(error.into())
}

fn dead() -> ApiError {
    let message = "the provider refuses the refresh token, or the connection was ended; the customer must connect again";
    ApiError::new(ErrorCode::AuthRefreshTokenExpired, message)
}

fn missing() -> ApiError {
    ApiError::new(ErrorCode::ConnectionNotFound, "the tenant has no such connection to this provider")
}
