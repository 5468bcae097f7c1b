//! The audit log in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    audit::{AuditEntry, AuditLog},
    store::StoreError,
};

/// The audit log in memory, in the order in which it was told.
#[derive(Debug, Default)]
pub struct InMemoryAudit(Mutex<Vec<AuditEntry>>);

impl InMemoryAudit {
    /// Every entry, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<AuditEntry> {
        self.0.lock().unwrap().clone()
    }

    /// Takes out every entry, oldest first.
    pub fn take(&self) -> Vec<AuditEntry> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl AuditLog for InMemoryAudit {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut entries = self.0.lock().unwrap();
        entries.retain(|known| known.id != entry.id);
        entries.push(entry.clone());
        Ok(())
    }
}
