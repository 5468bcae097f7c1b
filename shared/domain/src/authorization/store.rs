//! What is kept between the steps of connecting, by the hash of a one-time value.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::begin::SESSION_LIFE;
use crate::{
    id::{ConnectionId, TenantId},
    provider::Provider,
    refresh::policy::later,
    secret::OneTimeValue,
    store::StoreError,
    tenant::Tenant,
};

/// A one-time connect link, made by the product's backend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectSession {
    /// SHA-256 of the link's code, in hex.
    pub code_hash: String,
    /// Who will own the connection.
    pub tenant: TenantId,
    /// The provider to connect; none lets the person choose.
    pub provider: Option<Provider>,
    /// What to ask the provider for; nothing for all that the app is configured with.
    pub scopes: Vec<String>,
    /// The connection that is to be connected again; none for whatever the person chooses.
    pub reconnects: Option<ConnectionId>,
    /// Whether the connection waits for the product's backend to confirm it.
    pub confirm: bool,
    /// Where the browser ends up; none for our own page.
    pub return_url: Option<String>,
    /// Whether a full sync starts once connected.
    pub sync: bool,
    /// When the link stops working.
    pub expires_at: Timestamp,
}

/// How far the clocks of two functions may be apart; far less than it takes to delete a tenant.
const CLOCKS_APART: Duration = Duration::from_mins(1);

impl ConnectSession {
    /// Whether the link was made for this tenant, and not for a former one that had its id.
    #[must_use]
    pub fn is_for(&self, tenant: &Tenant) -> bool {
        let made_before = later(self.expires_at, CLOCKS_APART) < later(tenant.created_at, SESSION_LIFE);
        self.tenant == tenant.id && !made_before
    }
}

/// An authorization request under way (RFC 6749 section 4.1.1), kept until its callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorizationRequest {
    /// SHA-256 of `state`, in hex.
    pub state_hash: String,
    /// SHA-256 of the value of the cookie that binds the request to the browser that began it, in hex.
    pub browser_hash: String,
    /// What the link said.
    pub session: ConnectSession,
    /// The provider that the browser was sent to.
    pub provider: Provider,
    /// What it was asked for.
    pub scopes: Vec<String>,
    /// Whether a challenge was sent, so that the exchange needs its verifier (RFC 7636).
    pub pkce: bool,
    /// When the request stops being answerable.
    pub expires_at: Timestamp,
}

/// What came of using a one-time value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConsumeOutcome<T> {
    /// It was good and is now used up.
    Consumed(T),
    /// It was used before.
    Used,
    /// It is unknown, has ended, or belongs to another provider or browser.
    Refused,
}

/// Where one-time values are kept.
#[async_trait]
pub trait AuthorizationStore: Send + Sync {
    /// Adds a connect link.
    async fn insert_session(&self, session: &ConnectSession) -> Result<(), StoreError>;

    /// Counts a connect link of `tenant` within the minute of `now`, and gives how many that makes.
    async fn count_session(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreError>;

    /// Finds a connect link that is good at `now`, without using it up.
    async fn find_session(
        &self,
        code_hash: &str,
        now: Timestamp,
    ) -> Result<Option<ConnectSession>, StoreError>;

    /// Uses up a connect link of this provider, or of none in particular, that is good at `now`.
    async fn consume_session(
        &self,
        code_hash: &str,
        provider: Provider,
        now: Timestamp,
    ) -> Result<ConsumeOutcome<ConnectSession>, StoreError>;

    /// Adds an authorization request.
    async fn insert_request(&self, request: &AuthorizationRequest) -> Result<(), StoreError>;

    /// Uses up the request of this state, provider and browser that is good at `now`, with one conditional write.
    async fn consume_request(
        &self,
        state_hash: &str,
        (provider, browser_hash): (Provider, &str),
        now: Timestamp,
    ) -> Result<ConsumeOutcome<AuthorizationRequest>, StoreError>;
}

/// The form in which a one-time value is stored and looked up: SHA-256 in hex, so that a copy of the table opens nothing.
#[must_use]
pub fn hash(value: &OneTimeValue) -> String {
    hex::encode(Sha256::digest(value.expose().as_bytes()))
}
