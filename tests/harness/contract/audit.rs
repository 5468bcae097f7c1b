//! What the audit log keeps.

use domain::{
    audit::{AuditAction, AuditEntry, AuditLog},
    id::TenantId,
    provider::Provider,
};

use crate::sample::{self, at, ids};

/// Records two entries of a tenant of their own, one of them twice; gives the tenant and the entries, oldest first, of
/// which exactly these must then be in the log.
pub async fn audit_log_contract(log: &dyn AuditLog) -> (TenantId, Vec<AuditEntry>) {
    let key = sample::key();
    let plain =
        AuditEntry::new(ids().audit(), at(0), Some(key.tenant.clone()), AuditAction::ConnectSessionOpened);
    let full = AuditEntry {
        actor: Some("0123456789abcdef".parse().unwrap()),
        provider: Some(Provider::QuickBooks),
        connection: Some(key.connection),
        company: Some(sample::provider_company()),
        subject: Some("key_1".to_owned()),
        reason: Some("invalid_grant".to_owned()),
        correlation: Some(ids().correlation()),
        ..AuditEntry::new(ids().audit(), at(1), Some(key.tenant.clone()), AuditAction::ConnectionDisconnected)
    };
    let entries = vec![plain, full];
    for entry in entries.iter().chain(entries.last()) {
        log.record(entry).await.expect("recording again changes nothing");
    }
    (key.tenant, entries)
}
