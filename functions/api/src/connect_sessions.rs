//! Connect links: one-time addresses that the product hands to its customer.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
};
use domain::{
    audit::{self, AuditAction},
    authorization::{SessionRequest, open_session},
    connection::Connection,
    error::ErrorCode,
    event::QuotaUse,
    id::{ConnectionId, TenantId},
    provider::Provider,
    tenant::Tenant,
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Outcome, PublicUrl, Refusal},
    connections, quota,
    tenancy::Within,
    tokens::parse_provider,
};

/// The window of the limit, in seconds.
const MINUTE: i64 = 60;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewSession {
    tenant_id: TenantId,
    /// Without one the person chooses.
    #[schema(value_type = Option<Provider>)]
    provider: Option<String>,
    /// The connection to connect again; whoever chooses another company is told so.
    connection_id: Option<ConnectionId>,
    return_url: Option<String>,
    /// Some of those configured; those of the tenant's settings, or all of them, when left out.
    #[serde(default)]
    scopes: Vec<String>,
    /// Whether the connection waits for `POST /api/connections/{id}/confirm`.
    #[serde(default)]
    confirm: bool,
    sync: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    connect_url: String,
    expires_at: Timestamp,
}

/// `POST /api/connect-sessions`
#[utoipa::path(
    post,
    path = "/api/connect-sessions",
    request_body = NewSession,
    responses(
        (status = 201, description = "The link, which works once", body = SessionBody),
        (status = 404, description = "There is no such tenant, provider or connection"),
        (status = 409, description = "The tenant is being deleted"),
    ),
)]
pub(crate) async fn open(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    call: Call,
    JsonBody(new): JsonBody<NewSession>,
) -> Outcome {
    let things = call.within(&deps, Some(new.tenant_id.clone())).await?;
    let known = known(&things, &new.tenant_id).await?;
    things.active(&known.id).await?;
    let reconnected = reconnected(&things, &new).await?;
    let provider = provider(&new, reconnected.as_ref())?;
    check_scopes(&deps, provider, &new.scopes)?;
    // Exact matches only: a prefix or pattern would let a browser be sent to a stranger's page.
    let may_return = |url| deps.return_urls.contains(url) || known.settings.return_urls.contains(url);
    if new.return_url.as_ref().is_some_and(|url| !may_return(url)) {
        let message = "returnUrl is not one of the addresses in the tenant's settings, nor one configured in RETURN_URLS";
        return Err(ApiError::invalid("returnUrl", message).into());
    }
    let warning = match &reconnected {
        Some(connection) if !connection.state.is_ended() => None,
        _ => check_quota(&things, &known).await?,
    };
    let tenant = known.id;
    check_rate(&deps, &tenant).await?;
    let request = SessionRequest {
        tenant: tenant.clone(),
        provider,
        scopes: new.scopes,
        reconnects: new.connection_id,
        confirm: new.confirm,
        return_url: new.return_url,
        sync: new.sync.unwrap_or(true),
    };
    let (code, expires_at) =
        open_session(&*deps.authorizations, &*deps.entropy, deps.clock.now(), request).await?;
    let mut entry = call.audit_entry(&deps, Some(&tenant), AuditAction::ConnectSessionOpened);
    entry.provider = provider;
    audit::record(&*deps.audit, &entry).await;
    let path = provider.map_or_else(|| "connect".to_owned(), |provider| format!("{provider}/connect"));
    let connect_url = format!("{public_url}/auth/{path}?session={}", code.expose());
    call.warn(warning);
    Ok(call.json(StatusCode::CREATED, &SessionBody { connect_url, expires_at }))
}

/// Refuses a link to one connection more than the tenant may have; what to warn of where it may not have many more.
async fn check_quota(things: &Within<'_>, tenant: &Tenant) -> Result<Option<HeaderValue>, Refusal> {
    let Some(limit) = tenant.limits.integrations else { return Ok(None) };
    let used = things.live_connections(&tenant.id).await?;
    let quota = QuotaUse { name: quota::INTEGRATIONS, limit, used, resets_at: None };
    if used >= limit {
        let message = "the tenant has as many connections as it may have; disconnect one, or raise its limit";
        return Err(quota::exceeded(&quota, message).into());
    }
    Ok(quota::warning(&quota))
}

/// The tenant of a request, where it exists.
async fn known(things: &Within<'_>, id: &TenantId) -> Result<Tenant, Refusal> {
    let missing = || ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant");
    Ok(things.tenant(id).await?.ok_or_else(missing)?)
}

/// The connection that is to be connected again.
async fn reconnected(things: &Within<'_>, new: &NewSession) -> Result<Option<Connection>, Refusal> {
    let Some(id) = &new.connection_id else { return Ok(None) };
    Ok(Some(things.connection(id).await?.ok_or_else(connections::missing)?))
}

/// The provider that a request names, or that of the connection it names.
fn provider(new: &NewSession, reconnected: Option<&Connection>) -> Result<Option<Provider>, ApiError> {
    let named = new.provider.as_deref().map(parse_provider).transpose()?;
    let Some(connection) = reconnected else { return Ok(named) };
    if named.is_some_and(|named| named != connection.provider) {
        let message = "connectionId names a connection to another provider";
        return Err(ApiError::invalid("provider", message));
    }
    Ok(Some(connection.provider))
}

/// Scopes come from the configuration: a caller may ask for fewer, never for others.
fn check_scopes(deps: &Deps, provider: Option<Provider>, scopes: &[String]) -> Result<(), ApiError> {
    if scopes.is_empty() {
        return Ok(());
    }
    let Some(provider) = provider else {
        return Err(ApiError::invalid("scopes", "name the provider whose scopes these are"));
    };
    let allowed = deps.scopes.of(provider);
    if scopes.iter().all(|scope| allowed.contains(scope)) {
        return Ok(());
    }
    let message = "scopes may hold only what is configured for this provider";
    Err(ApiError::invalid("scopes", message).with("allowed", allowed.to_vec()))
}

/// Bounds how many links, and so how many requests under way, one tenant can have.
async fn check_rate(deps: &Deps, tenant: &TenantId) -> Result<(), Refusal> {
    let now = deps.clock.now();
    if deps.authorizations.count_session(tenant, now).await? <= deps.connect_sessions_per_minute {
        return Ok(());
    }
    let message = "too many connect links were made for this tenant within a minute; try again later";
    let mut error = ApiError::new(ErrorCode::RateLimitExceeded, message)
        .with("limit", deps.connect_sessions_per_minute)
        .with("windowSeconds", MINUTE);
    error.retry_after = u64::try_from(MINUTE - now.as_second().rem_euclid(MINUTE)).ok();
    Err(error.into())
}
