//! What Ledgerbridge tells others on the bus.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    connection::ConnectionKey,
    id::{CompanyId, TenantId},
    provider::Provider,
    store::{StoreError, chain},
};

/// Something that happened to a connection, to a provider as a whole, or to a tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened; the event's name on the bus.
    #[serde(skip)]
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Whose connection, and which; none where it is about a provider or a tenant as a whole.
    #[serde(flatten)]
    pub key: Option<ConnectionKey>,
    /// The tenant, where it is about one as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// The connection's provider; none where it is about a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// When the new access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The class of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// What is near its end: `refresh_token` or `grant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'static str>,
    /// When that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The company concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_id: Option<CompanyId>,
    /// When the provider's webhooks were heard last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// How many records were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// What of the provider: `token` or `books`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'static str>,
    /// What of a tenant's quotas is used up by how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaUse>,
}

/// How much of a quota is used.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUse {
    /// The quota, as the tenant's limits name it.
    pub name: &'static str,
    /// What the tenant may use.
    pub limit: u64,
    /// What it used.
    pub used: u64,
    /// When it begins anew, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

impl Event {
    /// An event with nothing but its place and time.
    #[must_use]
    pub fn new(kind: EventKind, key: &ConnectionKey, provider: Provider, occurred_at: Timestamp) -> Self {
        Self { key: Some(key.clone()), ..Self::of_provider(kind, provider, occurred_at) }
    }

    /// An event about a provider as a whole.
    #[must_use]
    pub fn of_provider(kind: EventKind, provider: Provider, occurred_at: Timestamp) -> Self {
        Self { provider: Some(provider), ..Self::bare(kind, occurred_at) }
    }

    /// An event about a tenant as a whole.
    #[must_use]
    pub fn of_tenant(kind: EventKind, tenant: TenantId, occurred_at: Timestamp) -> Self {
        Self { tenant_id: Some(tenant), ..Self::bare(kind, occurred_at) }
    }

    fn bare(kind: EventKind, occurred_at: Timestamp) -> Self {
        Self {
            kind,
            occurred_at,
            key: None,
            tenant_id: None,
            provider: None,
            expires_at: None,
            error_code: None,
            limit: None,
            ends_at: None,
            retry_at: None,
            company_id: None,
            heard_at: None,
            records: None,
            endpoint: None,
            quota: None,
        }
    }
}

/// The names of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// A provider failed so often in a row that it is left in peace for a while.
    CircuitBreakerOpened,
    /// The provider answers again.
    CircuitBreakerClosed,
    /// A tenant connected a company, for the first time or again.
    ConnectionCreated,
    /// A connection was ended: revoked at the provider, tokens and keys destroyed.
    ConnectionDisconnected,
    /// The grant is dead: the customer must connect again.
    ConnectionReconnectRequired,
    /// A tenant used 80 % of a quota; at most once a month.
    QuotaNearLimit,
    /// Records were written.
    RecordsChanged,
    /// A sync job ended well.
    SyncCompleted,
    /// A sync job ended without having read everything, and does not come again.
    SyncFailed,
    /// An access token has ended and could not be replaced in time; at most once a day.
    TokenExpired,
    /// A refresh token, or the grant itself, comes near its end; 30 and 7 days before.
    TokenNearExpiry,
    /// A new token set is stored.
    TokenRefreshed,
    /// An attempt to refresh failed.
    TokenRefreshFailed,
    /// Books change, and no webhook told of anything for a day: the subscription is off at the provider; at most once a day.
    WebhookSilent,
}

impl EventKind {
    /// The name on the bus.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CircuitBreakerOpened => "circuit_breaker.opened",
            Self::CircuitBreakerClosed => "circuit_breaker.closed",
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionDisconnected => "connection.disconnected",
            Self::ConnectionReconnectRequired => "connection.reconnect_required",
            Self::QuotaNearLimit => "quota.near_limit",
            Self::RecordsChanged => "records.changed",
            Self::SyncCompleted => "sync.completed",
            Self::SyncFailed => "sync.failed",
            Self::TokenExpired => "token.expired",
            Self::TokenNearExpiry => "token.near_expiry",
            Self::TokenRefreshed => "token.refreshed",
            Self::TokenRefreshFailed => "token.refresh_failed",
            Self::WebhookSilent => "webhook.silent",
        }
    }
}

/// Publishes an event about something that stands whether anybody hears of it or not: a failure is logged and no more.
pub async fn announce(bus: &dyn EventBus, event: &Event) {
    if let Err(error) = bus.publish(event).await {
        tracing::error!(error = chain(&error), event = event.kind.as_str(), "Event is not published");
    }
}

/// Where events are published.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes one event.
    async fn publish(&self, event: &Event) -> Result<(), StoreError>;
}
