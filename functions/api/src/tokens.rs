//! Token status: how each connection's access token stands.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    connection::Connection,
    error::ErrorCode,
    id::{ConnectionId, TenantId},
    provider::Provider,
    refresh::{Counted, RefreshPolicy, Standing, TokenHealth, TokenTally},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome, Parameters, Refusal},
    cursors::List,
    openapi::{FromCursor, OfTenant},
    tenancy::Within,
};

/// The greatest `limit` of the token routes.
pub(crate) const MAX_LIMIT: u32 = 100;
/// Pages of a tenant's connections that are searched for its companies at most.
const MAX_SEARCHED_PAGES: usize = 10;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatusBody {
    tokens: Vec<TokenBody>,
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenBody {
    provider: Provider,
    tenant_id: TenantId,
    connection_id: ConnectionId,
    expires_at: Option<Timestamp>,
    status: TokenStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenStatus {
    health: TokenHealth,
    time_until_expiry_minutes: i64,
    needs_refresh: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total: u64,
    healthy: u64,
    warning: u64,
    /// Counts those that need a reconnect too.
    expired: u64,
    reconnect_required: u64,
    /// Since when connections were counted; null until all were counted once, when the figures are of those counted so far.
    as_of: Option<Timestamp>,
}

impl From<Counted> for Summary {
    fn from(Counted { tally, as_of }: Counted) -> Self {
        let TokenTally { total, healthy, warning, expired, reconnect_required, .. } = tally;
        Self { total, healthy, warning, expired, reconnect_required, as_of }
    }
}

/// `GET /api/tokens/status?tenantId=&limit=&cursor=`; connections that have ended have no tokens to use and are left out. The
/// summary is of all, not of the page: exact where one page holds them, else a minute or so old.
#[utoipa::path(
    get,
    path = "/api/tokens/status",
    params(
        OfTenant,
        ("limit" = Option<u32>, Query, description = "How many at most; 100 when left out", minimum = 1, maximum = 100),
        FromCursor,
    ),
    responses(
        (status = 200, description = "How each connection's access token stands", body = StatusBody),
        (status = 404, description = "The key is bound to another tenant"),
    ),
)]
pub(crate) async fn status(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let list = List::of("tokens").with("tenant", things.tenant_id().map(TenantId::as_str));
    let from = deps.cursors.open(&list, &query).await?;
    let page = things.connections(limit, from.as_deref()).await?;
    let counted = if from.is_none() && page.next.is_none() {
        things.counted_exactly(&page.connections)
    } else {
        things.counted().await?
    };
    let now = deps.clock.now();
    let shown = page.connections.into_iter().filter(has_grant);
    let tokens = shown.map(|connection| token(connection, &deps.policy, now)).collect();
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    Ok(call.json(StatusCode::OK, &StatusBody { tokens, summary: counted.into(), next_cursor }))
}

pub(crate) fn has_grant(connection: &Connection) -> bool {
    !connection.state.is_ended()
}

fn token(connection: Connection, policy: &RefreshPolicy, now: Timestamp) -> TokenBody {
    let health = TokenHealth::of(&Standing::from(&connection), policy, now);
    let expires_at = connection.tokens.as_ref().map(|tokens| tokens.access_expires_at);
    let minutes = expires_at.map_or(0, |at| at.duration_since(now).as_secs().max(0) / 60);
    TokenBody {
        provider: connection.provider,
        tenant_id: connection.key.tenant,
        connection_id: connection.key.connection,
        expires_at,
        status: TokenStatus {
            health,
            time_until_expiry_minutes: minutes,
            needs_refresh: matches!(health, TokenHealth::Warning | TokenHealth::Expired),
        },
    }
}

/// All connections to a provider that the caller may see, also ended ones, of up to [`MAX_SEARCHED_PAGES`].
pub(crate) async fn connections(things: &Within<'_>, provider: Provider) -> Result<Vec<Connection>, Refusal> {
    let (mut connections, mut from) = (Vec::new(), None::<String>);
    for _ in 0..MAX_SEARCHED_PAGES {
        let page = things.connections(MAX_LIMIT, from.as_deref()).await?;
        connections.extend(page.connections.into_iter().filter(|found| found.provider == provider));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    Ok(connections)
}

/// The provider that a path names.
pub(crate) fn parse_provider(name: &str) -> Result<Provider, ApiError> {
    name.parse().map_err(|_| {
        let known: Vec<_> = Provider::ALL.iter().map(|provider| provider.as_str()).collect();
        ApiError::new(ErrorCode::ProviderUnknown, "there is no such provider").with("providers", known)
    })
}
