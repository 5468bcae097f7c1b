//! Token status: how each connection's access token stands.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    connection::Connection,
    error::ErrorCode,
    id::{ConnectionId, TenantId},
    provider::Provider,
    refresh::TokenHealth,
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome, Parameters, Refusal},
    openapi::{FromCursor, OfTenant},
    tenancy::Within,
};

/// The greatest `limit` of the token routes.
pub(crate) const MAX_LIMIT: u32 = 100;
/// Pages of connections over which health and statistics are summed at most.
const MAX_COUNTED_PAGES: usize = 10;

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

#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) total: usize,
    pub(crate) healthy: usize,
    pub(crate) warning: usize,
    /// Counts those that need a reconnect too.
    pub(crate) expired: usize,
    pub(crate) reconnect_required: usize,
}

impl Summary {
    pub(crate) fn count(&mut self, health: TokenHealth) {
        self.total += 1;
        match health {
            TokenHealth::Healthy => self.healthy += 1,
            TokenHealth::Warning => self.warning += 1,
            TokenHealth::Expired => self.expired += 1,
            TokenHealth::ReconnectRequired => {
                self.expired += 1;
                self.reconnect_required += 1;
            }
        }
    }
}

/// `GET /api/tokens/status?tenantId=&limit=&cursor=`; connections that have ended have no tokens to use and are left out.
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
    call.require(Scope::TokensRead)?;
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let page = things.connections(limit, query.get("cursor")).await?;
    let now = deps.clock.now();
    let mut summary = Summary::default();
    let mut tokens = Vec::with_capacity(page.connections.len());
    for connection in page.connections.into_iter().filter(has_grant) {
        let health = TokenHealth::of(&connection, &deps.policy, now);
        summary.count(health);
        tokens.push(token(connection, health, now));
    }
    Ok(call.json(StatusCode::OK, &StatusBody { tokens, summary, next_cursor: page.next }))
}

fn has_grant(connection: &Connection) -> bool {
    !connection.state.is_ended()
}

fn token(connection: Connection, health: TokenHealth, now: Timestamp) -> TokenBody {
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

/// All connections that the caller may see, up to [`MAX_COUNTED_PAGES`].
pub(crate) async fn connections(things: &Within<'_>) -> Result<Vec<Connection>, Refusal> {
    let (mut connections, mut from) = (Vec::new(), None::<String>);
    for _ in 0..MAX_COUNTED_PAGES {
        let page = things.connections(MAX_LIMIT, from.as_deref()).await?;
        connections.extend(page.connections.into_iter().filter(has_grant));
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
