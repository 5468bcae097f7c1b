//! The audit log in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    audit::{AuditEntry, AuditLog, AuditPage},
    id::{AuditId, TenantId},
    store::StoreError,
};
use jiff::Timestamp;

use super::bad_cursor;

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

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        before: Timestamp,
        limit: u32,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        let before = AuditId::first_at(before);
        let from: Option<AuditId> = from.map(str::parse).transpose().map_err(|_| bad_cursor())?;
        let mut entries = self.entries();
        entries.retain(|entry| {
            tenant.is_none_or(|tenant| entry.tenant.as_ref() == Some(tenant))
                && entry.id < before
                && from.as_ref().is_none_or(|from| entry.id > *from)
        });
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        entries.truncate(limit.max(1) as usize);
        let end = entries.last().map(|entry| entry.id.clone()).or(from);
        Ok(AuditPage { entries, next: end.map(|end| end.to_string()) })
    }
}
