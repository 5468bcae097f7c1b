//! What is kept between the steps of connecting, by the hash of a one-time value.

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{id::TenantId, provider::Provider, secret::OneTimeValue, store::StoreError};

/// A one-time connect link, made by the product's backend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectSession {
    /// SHA-256 of the link's code, in hex.
    pub code_hash: String,
    /// Who will own the connection.
    pub tenant: TenantId,
    /// The provider to connect.
    pub provider: Provider,
    /// Where the browser ends up; none for our own page.
    pub return_url: Option<String>,
    /// Whether a full sync starts once connected.
    pub sync: bool,
    /// When the link stops working.
    pub expires_at: Timestamp,
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

    /// Uses up a connect link of this provider that is good at `now`.
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
