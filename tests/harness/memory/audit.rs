//! The audit log in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    audit::{AuditEntry, AuditLog},
    id::AuditId,
    store::StoreError,
};

/// The audit log in memory.
#[derive(Debug, Default)]
pub struct InMemoryAudit(Mutex<BTreeMap<AuditId, AuditEntry>>);

impl InMemoryAudit {
    /// Every entry, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<AuditEntry> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    /// Takes out every entry, oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<AuditEntry> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_values().collect()
    }
}

#[async_trait]
impl AuditLog for InMemoryAudit {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(entry.id.clone(), entry.clone());
        Ok(())
    }
}
