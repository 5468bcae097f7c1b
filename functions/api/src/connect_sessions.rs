//! Connect links: one-time addresses that the product hands to its customer.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    audit::{self, AuditAction},
    authorization::{SessionRequest, open_session},
    error::ErrorCode,
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
    connections,
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
    /// Some of those configured; all of them when left out.
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
    ),
)]
pub(crate) async fn open(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    call: Call,
    JsonBody(new): JsonBody<NewSession>,
) -> Outcome {
    call.require(Scope::ConnectionsWrite)?;
    let things = call.within(&deps, Some(new.tenant_id.clone())).await?;
    let tenant = known(&things, &new.tenant_id).await?.id;
    let provider = provider(&things, &new).await?;
    check_scopes(&deps, provider, &new.scopes)?;
    // Exact matches only: a prefix or pattern would let a browser be sent to a stranger's page.
    if new.return_url.as_ref().is_some_and(|url| !deps.return_urls.contains(url)) {
        let message = "returnUrl is not one of the addresses configured in RETURN_URLS";
        return Err(ApiError::invalid("returnUrl", message).into());
    }
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
    Ok(call.json(StatusCode::CREATED, &SessionBody { connect_url, expires_at }))
}

/// The tenant of a request, where it exists.
async fn known(things: &Within<'_>, id: &TenantId) -> Result<Tenant, Refusal> {
    let missing = || ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant");
    Ok(things.tenant(id).await?.ok_or_else(missing)?)
}

/// The provider that a request names, or that of the connection it names.
async fn provider(things: &Within<'_>, new: &NewSession) -> Result<Option<Provider>, Refusal> {
    let named = new.provider.as_deref().map(parse_provider).transpose()?;
    let Some(connection) = &new.connection_id else { return Ok(named) };
    let connection = things.connection(connection).await?.ok_or_else(connections::missing)?;
    if named.is_some_and(|named| named != connection.provider) {
        let message = "connectionId names a connection to another provider";
        return Err(ApiError::invalid("provider", message).into());
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
