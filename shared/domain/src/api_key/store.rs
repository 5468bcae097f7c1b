//! Where API keys are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ApiKey;
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

    /// Stores what may change of a key: its scopes, when it retires and when it was revoked. A key that is gone stays so, and
    /// one that was revoked stays as it is.
    async fn update(&self, key: &ApiKey) -> Result<(), StoreError>;

    /// Notes that a key is used; one that is gone meanwhile is passed over.
    async fn mark_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Forgets a key. Again is harmless.
    async fn remove(&self, key: &ApiKey) -> Result<(), StoreError>;
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyPage {
    /// The keys, by id.
    pub keys: Vec<ApiKey>,
    /// Where the next page begins.
    pub next: Option<String>,
}
