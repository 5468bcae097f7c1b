//! API keys in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    api_key::{ApiKey, ApiKeyPage, ApiKeyStore, KeyChange},
    id::{ApiKeyId, TenantId},
    store::StoreError,
};
use jiff::Timestamp;

use super::{bad_cursor, page};

/// API keys in memory; counts how often a key is looked up, and how often its use is noted.
#[derive(Debug, Default)]
pub struct InMemoryApiKeys {
    keys: Mutex<BTreeMap<ApiKeyId, ApiKey>>,
    look_ups: AtomicUsize,
    marks: AtomicUsize,
}

impl InMemoryApiKeys {
    /// How often a key was looked up.
    #[must_use]
    pub fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::Relaxed)
    }

    /// How often the use of a key was noted.
    #[must_use]
    pub fn marks(&self) -> usize {
        self.marks.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ApiKeyStore for InMemoryApiKeys {
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let mut keys = self.keys.lock().unwrap();
        let stored = keys.entry(key.id.clone()).or_insert_with(|| key.clone());
        Ok(stored.hash == key.hash)
    }

    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        Ok(self.keys.lock().unwrap().get(id).cloned())
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ApiKeyPage, StoreError> {
        let from = from.map(|from| from.parse::<ApiKeyId>().map_err(|_| bad_cursor())).transpose()?;
        let is_listed = |key: &&ApiKey| {
            let is_later = from.as_ref().is_none_or(|from| key.id > *from);
            is_later && tenant.is_none_or(|tenant| key.tenant.as_ref() == Some(tenant))
        };
        let keys = self.keys.lock().unwrap().values().filter(is_listed).cloned().collect();
        let (keys, more): (Vec<ApiKey>, _) = page(keys, limit);
        let next = keys.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(ApiKeyPage { keys, next })
    }

    async fn update(&self, key: &ApiKey, change: &KeyChange) -> Result<(), StoreError> {
        if let Some(stored) = self.keys.lock().unwrap().get_mut(&key.id) {
            change.apply(stored);
        }
        Ok(())
    }

    async fn mark_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.marks.fetch_add(1, Ordering::Relaxed);
        if let Some(key) = self.keys.lock().unwrap().get_mut(id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn remove(&self, key: &ApiKey) -> Result<(), StoreError> {
        self.keys.lock().unwrap().remove(&key.id);
        Ok(())
    }
}
