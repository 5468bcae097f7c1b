//! Where API keys are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{ApiKey, Scope};
use crate::{
    id::{ApiKeyId, TenantId},
    store::StoreError,
};

/// Where API keys are kept. One that has ended is kept for another 90 days, and then forgotten.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key; false when the id is taken.
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// Finds a key by its public part.
    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Lists the keys of one tenant, or all there are, by id, from where the page before ended.
    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ApiKeyPage, StoreError>;

    /// Changes a key in one point, whatever else of it somebody changes at the same time. A key that is gone stays so, and one
    /// that was revoked stays as it is.
    async fn update(&self, key: &ApiKey, change: &KeyChange) -> Result<(), StoreError>;

    /// Notes that a key is used; one that is gone meanwhile is passed over.
    async fn mark_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Forgets a key. Again is harmless.
    async fn remove(&self, key: &ApiKey) -> Result<(), StoreError>;
}

/// What may change of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyChange {
    /// When it ends because another replaces it; no later than it would have anyway.
    Retires(Timestamp),
    /// That it ended, before its time.
    Revoked(Timestamp),
    /// What it may do.
    Scopes(Vec<Scope>),
}

impl KeyChange {
    /// Changes a key as a store does.
    pub fn apply(&self, key: &mut ApiKey) {
        if key.revoked_at.is_some() {
            return;
        }
        match self {
            Self::Retires(at) => key.retires_at = Some(key.retires_at.map_or(*at, |before| before.min(*at))),
            Self::Revoked(at) => key.revoked_at = Some(*at),
            Self::Scopes(scopes) => key.scopes.clone_from(scopes),
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyPage {
    /// The keys, by id.
    pub keys: Vec<ApiKey>,
    /// Where the next page begins.
    pub next: Option<String>,
}
