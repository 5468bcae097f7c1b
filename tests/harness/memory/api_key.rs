//! API keys in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    api_key::{ApiKey, ApiKeyStore},
    id::ApiKeyId,
    store::StoreError,
};

/// API keys in memory.
#[derive(Debug, Default)]
pub struct InMemoryApiKeys(Mutex<HashMap<ApiKeyId, ApiKey>>);

#[async_trait]
impl ApiKeyStore for InMemoryApiKeys {
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let mut keys = self.0.lock().unwrap();
        let stored = keys.entry(key.id.clone()).or_insert_with(|| key.clone());
        Ok(stored.hash == key.hash)
    }

    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.0.lock().unwrap().get(id).cloned())
    }
}
