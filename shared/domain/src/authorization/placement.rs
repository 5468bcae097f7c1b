//! What storing a grant takes: whose it is, what it holds, and the parts that it is stored with.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::GrantedCompanies;
use crate::{
    audit::{AuditAction, AuditEntry, AuditLog},
    clock::Clock,
    connection::{Company, ConnectionKey, ConnectionState, ConnectionStore, Replaces},
    entropy::Entropy,
    id::{ConnectionId, CorrelationId, Ids, Location, TenantId},
    provider::Provider,
    refresh::RefreshPolicy,
    sealing::{SealTokensError, TokenSealer},
    store::StoreError,
    tenant::{Halted, TenantStore},
    token::TokenSet,
};

/// Stores grants as connections: the one way in for new tokens, whether a callback brings them or another system.
pub struct Placer {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// Seals the new token set.
    pub sealer: TokenSealer,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// When the new token set is due.
    pub policy: RefreshPolicy,
    /// Whether several tenants may be connected to one company (`ALLOW_SHARED_COMPANIES`).
    pub shared_companies: bool,
}

/// Whose a grant is, and what its connection is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Who will own the connection.
    pub(crate) tenant: &'a TenantId,
    /// The provider that granted it.
    pub(crate) provider: Provider,
    /// What the provider was asked for.
    pub(crate) scopes: &'a [String],
    /// The connection that is to be connected again; none for whatever the companies decide.
    pub(crate) reconnects: Option<&'a ConnectionId>,
    /// Whether the connection waits for the product's backend to confirm it.
    pub(crate) confirm: bool,
    /// What the connection may be stored over.
    pub(crate) over: Over<'a>,
    /// Over how much time refreshes are spread that would be due at once.
    pub(crate) spread: Duration,
}

/// What a connection may be stored over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over<'a> {
    /// Whatever is there: the grant is newer, since a person has just given it.
    Whatever,
    /// Only what was read, or nothing where nothing was there.
    Only(Option<&'a Replaces>),
}

/// A new token set with what it was granted for.
pub(crate) struct Grant {
    pub(crate) tokens: TokenSet,
    pub(crate) scopes: Vec<String>,
    pub(crate) location: Option<Location>,
    pub(crate) companies: GrantedCompanies,
}

/// A stored connection with the companies that came to it.
pub(crate) struct Placed {
    pub(crate) key: ConnectionKey,
    pub(crate) state: ConnectionState,
    pub(crate) companies: Vec<Company>,
}

/// Why a grant was not stored.
#[derive(Debug, Error)]
pub(crate) enum PlaceFailure {
    /// Every company of the grant is connected to other tenants.
    #[error("the company is connected to another tenant")]
    OwnedElsewhere,
    /// None of the companies is one of the connection that was to be connected again.
    #[error("another company was chosen than the one to be connected again")]
    DifferentCompany,
    /// Nothing is connected for the tenant at present.
    #[error("nothing is connected for the tenant")]
    Halted(#[source] Halted),
    /// The tenant has as many connections as it may have.
    #[error("the tenant has {used} of {limit} connections")]
    OverQuota {
        /// How many it may have.
        limit: u64,
        /// How many it has.
        used: u64,
    },
    /// The token set could not be sealed.
    #[error("the token set could not be sealed")]
    Seal(#[from] SealTokensError),
    /// The store did not answer.
    #[error("the connection could not be stored")]
    Store(#[from] StoreError),
}

impl Placer {
    pub(crate) fn ids(&self) -> Ids<'_> {
        Ids::new(&*self.clock, &*self.entropy)
    }

    /// An entry of the audit log about a tenant's things at a provider.
    pub(crate) fn entry(
        &self,
        tenant: &TenantId,
        action: AuditAction,
        (provider, correlation): (Provider, &CorrelationId),
    ) -> AuditEntry {
        let mut entry = AuditEntry::new(self.ids().audit(), self.clock.now(), Some(tenant.clone()), action);
        entry.provider = Some(provider);
        entry.correlation = Some(correlation.clone());
        entry
    }
}
