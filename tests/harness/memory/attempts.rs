//! The history of refresh attempts in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    connection::ConnectionKey,
    id::{AttemptId, TenantId},
    provider::Provider,
    refresh::{AttemptLog, RefreshAttempt},
    store::StoreError,
};

/// Refresh attempts in memory.
#[derive(Debug, Default)]
pub struct InMemoryAttempts(Mutex<BTreeMap<AttemptId, RefreshAttempt>>);

impl InMemoryAttempts {
    /// Every attempt, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<RefreshAttempt> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    /// Takes an attempt out, as nobody should.
    pub fn remove(&self, id: &AttemptId) {
        self.0.lock().unwrap().remove(id);
    }
}

#[async_trait]
impl AttemptLog for InMemoryAttempts {
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(attempt.id.clone(), attempt.clone());
        Ok(())
    }

    async fn list(
        &self,
        provider: Provider,
        tenant: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        let attempts = self.0.lock().unwrap();
        let wanted = attempts.values().rev().filter(|attempt| {
            attempt.provider == provider && tenant.is_none_or(|tenant| attempt.key.tenant == *tenant)
        });
        Ok(wanted.take(limit.max(1) as usize).cloned().collect())
    }

    async fn list_of(
        &self,
        provider: Provider,
        key: &ConnectionKey,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        let attempts = self.0.lock().unwrap();
        let wanted = attempts.values().rev();
        let wanted = wanted.filter(|attempt| attempt.provider == provider && attempt.key == *key);
        Ok(wanted.take(limit.max(1) as usize).cloned().collect())
    }
}
