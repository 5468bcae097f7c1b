//! The audit log: who let a tenant's books in and who let them go, every act of administration, every credential given out.

use std::{str::FromStr, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

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
    /// Whose things it is about; none where it is about the deployment itself.
    pub tenant: Option<TenantId>,
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
    /// The key, user or job concerned, by its id.
    pub subject: Option<String>,
    /// Why it was refused or what brought it about, as a stable word: the name of an error code, or the provider's own error code.
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
    /// A tenant was made.
    TenantCreated,
    /// A tenant's name, plan, limits or settings were changed.
    TenantUpdated,
    /// A tenant was suspended.
    TenantSuspended,
    /// A suspended tenant was made active again.
    TenantResumed,
    /// Somebody asked for a tenant to be deleted.
    TenantDeletionRequested,
    /// A tenant is gone, with all that was kept of it.
    TenantDeleted,
    /// A user was added, or given another role.
    UserSaved,
    /// A user was taken away.
    UserRemoved,
    /// An API key was made.
    KeyCreated,
    /// An API key was replaced by a new one.
    KeyRotated,
    /// An API key was revoked.
    KeyRevoked,
    /// A well-formed key was refused: unknown, wrong, expired or revoked; told once a minute for each.
    KeyRefused,
    /// An access token was given out.
    TokenIssued,
    /// Somebody asked for a refresh.
    RefreshRequested,
    /// Somebody asked for a sync.
    JobOrdered,
    /// A connection was brought in from another system.
    ConnectionImported,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 25] = [
        Self::ConnectSessionOpened,
        Self::ConnectionConnected,
        Self::ConnectionRefused,
        Self::CompanyOwnedElsewhere,
        Self::ConnectionConfirmed,
        Self::DisconnectRequested,
        Self::ConnectionDisconnected,
        Self::CompanyRemoved,
        Self::AccessRefused,
        Self::TenantCreated,
        Self::TenantUpdated,
        Self::TenantSuspended,
        Self::TenantResumed,
        Self::TenantDeletionRequested,
        Self::TenantDeleted,
        Self::UserSaved,
        Self::UserRemoved,
        Self::KeyCreated,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::KeyRefused,
        Self::TokenIssued,
        Self::RefreshRequested,
        Self::JobOrdered,
        Self::ConnectionImported,
    ];

    /// The name in answers and in the table.
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
            Self::TenantCreated => "tenant.created",
            Self::TenantUpdated => "tenant.updated",
            Self::TenantSuspended => "tenant.suspended",
            Self::TenantResumed => "tenant.resumed",
            Self::TenantDeletionRequested => "tenant.deletion_requested",
            Self::TenantDeleted => "tenant.deleted",
            Self::UserSaved => "user.saved",
            Self::UserRemoved => "user.removed",
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyRefused => "key.refused",
            Self::TokenIssued => "token.issued",
            Self::RefreshRequested => "refresh.requested",
            Self::JobOrdered => "job.ordered",
            Self::ConnectionImported => "connection.imported",
        }
    }

    /// The outcome in answers: `refused` for what was tried and not let through, else `succeeded`.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::AccessRefused
            | Self::CompanyOwnedElsewhere
            | Self::ConnectionRefused
            | Self::KeyRefused => "refused",
            _ => "succeeded",
        }
    }
}

/// A name that is no action's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no action has this name")]
pub struct UnknownAction;

impl FromStr for AuditAction {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

impl AuditEntry {
    /// An entry with nothing but its action and time, and the tenant where it is about one.
    #[must_use]
    pub fn new(id: AuditId, at: Timestamp, tenant: Option<TenantId>, action: AuditAction) -> Self {
        Self {
            id,
            at,
            tenant,
            action,
            actor: None,
            provider: None,
            connection: None,
            company: None,
            subject: None,
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
    /// Records one act, in the log of its tenant and in that of all; recording it again changes nothing.
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Lists the acts about one tenant, or all of them, oldest first, from where the page before ended: those before a time
    /// that lies at least [`SETTLED`] back. What is recorded after it was listed is never before what was listed, so that
    /// whoever keeps a page's end and goes on from there misses nothing.
    async fn list(
        &self,
        tenant: Option<&TenantId>,
        before: Timestamp,
        limit: u32,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError>;
}

/// How long recording an act may take, tries included.
pub const RECORD_WITHIN: Duration = Duration::from_secs(20);
/// After which no act comes before one that is listed: what recording one may take, what a write that its sender gave up
/// may still be under way, and by how much clocks of machines differ.
pub const SETTLED: Duration = Duration::from_secs(30);

/// One page of the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditPage {
    /// The acts, oldest first.
    pub entries: Vec<AuditEntry>,
    /// Where the log goes on; none only where nothing is in it yet.
    pub next: Option<String>,
}
