//! The audit log: who let a tenant's books in, and who let them go.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    id::{ApiKeyId, AuditId, ConnectionId, CorrelationId, ProviderCompanyId, TenantId},
    provider::Provider,
    store::{StoreError, chain},
};

/// One act, in forms safe to show: ids and stable words only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    /// The entry; time-ordered.
    pub id: AuditId,
    /// When it happened.
    pub at: Timestamp,
    /// Whose books it is about.
    pub tenant: TenantId,
    /// What happened.
    pub action: AuditAction,
    /// The API key that asked for it; none where a person's browser or the clock did.
    pub actor: Option<ApiKeyId>,
    /// The provider concerned.
    pub provider: Option<Provider>,
    /// The connection concerned.
    pub connection: Option<ConnectionId>,
    /// The company concerned, by the provider's own id.
    pub company: Option<ProviderCompanyId>,
    /// Why, as a stable word: the name of an error code, or the provider's own error code.
    pub reason: Option<String>,
    /// What ties it to the log lines of the request.
    pub correlation: Option<CorrelationId>,
}

/// What is audited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditAction {
    /// A connect link was made.
    ConnectSessionOpened,
    /// A company was connected for the first time, or again.
    ConnectionConnected,
    /// An authorization that was begun did not become a connection.
    ConnectionRefused,
    /// A company was not connected, since another tenant has it: told to both tenants.
    CompanyOwnedElsewhere,
    /// A pending connection was confirmed.
    ConnectionConfirmed,
    /// Somebody asked for a connection to be ended.
    DisconnectRequested,
    /// A connection was ended, its tokens and keys destroyed.
    ConnectionDisconnected,
    /// One company of several was taken off a connection.
    CompanyRemoved,
    /// A key that is bound to one tenant asked for the things of another.
    AccessRefused,
}

impl AuditAction {
    /// The name in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectSessionOpened => "connect_session.opened",
            Self::ConnectionConnected => "connection.connected",
            Self::ConnectionRefused => "connection.refused",
            Self::CompanyOwnedElsewhere => "company.owned_elsewhere",
            Self::ConnectionConfirmed => "connection.confirmed",
            Self::DisconnectRequested => "connection.disconnect_requested",
            Self::ConnectionDisconnected => "connection.disconnected",
            Self::CompanyRemoved => "company.removed",
            Self::AccessRefused => "access.refused",
        }
    }
}

impl AuditEntry {
    /// An entry with nothing but its tenant, action and time.
    #[must_use]
    pub fn new(id: AuditId, at: Timestamp, tenant: TenantId, action: AuditAction) -> Self {
        Self {
            id,
            at,
            tenant,
            action,
            actor: None,
            provider: None,
            connection: None,
            company: None,
            reason: None,
            correlation: None,
        }
    }
}

/// Records an act that stands whether it is recorded or not: a failure is logged with all that the entry says.
pub async fn record(log: &dyn AuditLog, entry: &AuditEntry) {
    if let Err(error) = log.record(entry).await {
        tracing::error!(error = chain(&error), ?entry, "Act is not in the audit log");
    }
}

/// Where acts are recorded.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Records one act; recording it again changes nothing.
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
}
