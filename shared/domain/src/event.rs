//! What Ledgerbridge tells others on the bus.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    connection::ConnectionKey,
    id::CompanyId,
    provider::Provider,
    store::{StoreError, chain},
};

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened; the event's name on the bus.
    #[serde(skip)]
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Whose connection, and which.
    #[serde(flatten)]
    pub key: ConnectionKey,
    /// The connection's provider.
    pub provider: Provider,
    /// When the new access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The class of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The company concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_id: Option<CompanyId>,
    /// How many records were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

impl Event {
    /// An event with nothing but its place and time.
    #[must_use]
    pub fn new(kind: EventKind, key: &ConnectionKey, provider: Provider, occurred_at: Timestamp) -> Self {
        Self {
            kind,
            occurred_at,
            key: key.clone(),
            provider,
            expires_at: None,
            error_code: None,
            company_id: None,
            records: None,
        }
    }
}

/// The names of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// A tenant connected a company, for the first time or again.
    ConnectionCreated,
    /// A connection was ended: revoked at the provider, tokens and keys destroyed.
    ConnectionDisconnected,
    /// The grant is dead: the customer must connect again.
    ConnectionReconnectRequired,
    /// Records were written.
    RecordsChanged,
    /// A sync job ended well.
    SyncCompleted,
    /// A sync job ended without having read everything, and does not come again.
    SyncFailed,
    /// A new token set is stored.
    TokenRefreshed,
    /// An attempt to refresh failed.
    TokenRefreshFailed,
}

impl EventKind {
    /// The name on the bus.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionDisconnected => "connection.disconnected",
            Self::ConnectionReconnectRequired => "connection.reconnect_required",
            Self::RecordsChanged => "records.changed",
            Self::SyncCompleted => "sync.completed",
            Self::SyncFailed => "sync.failed",
            Self::TokenRefreshed => "token.refreshed",
            Self::TokenRefreshFailed => "token.refresh_failed",
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
