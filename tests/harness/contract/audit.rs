//! What the audit log keeps, and in which order it tells it.

use std::time::Duration;

use domain::{
    audit::{AuditAction, AuditEntry, AuditLog, AuditPage},
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    id::{Ids, TenantId},
    provider::Provider,
    refresh::policy::{earlier, later},
};
use jiff::Timestamp;

use crate::{ManualClock, sample};

/// Entries of a page; fewer than there are.
const LIMIT: u32 = 2;

/// Records three entries of a tenant of their own, one of them twice, and one of another; gives the tenant and its entries,
/// oldest first, of which exactly these must then be in its log.
pub async fn audit_log_contract(log: &dyn AuditLog) -> (TenantId, Vec<AuditEntry>) {
    let now = SystemClock.now();
    let key = sample::key();
    let made = |ago: u64, tenant: Option<TenantId>, action| {
        let at = earlier(now, Duration::from_secs(ago));
        let id = Ids::new(&ManualClock::at(at), &SystemEntropy).audit();
        AuditEntry::new(id, at, tenant, action)
    };
    let plain = made(9, Some(key.tenant.clone()), AuditAction::ConnectSessionOpened);
    let full = AuditEntry {
        actor: Some("0123456789abcdef".parse().unwrap()),
        provider: Some(Provider::QuickBooks),
        connection: Some(key.connection),
        company: Some(sample::provider_company()),
        subject: Some("key_1".to_owned()),
        reason: Some("invalid_grant".to_owned()),
        correlation: Some(sample::ids().correlation()),
        ..made(8, Some(key.tenant.clone()), AuditAction::ConnectionDisconnected)
    };
    let last = made(6, Some(key.tenant.clone()), AuditAction::AccessRefused);
    let of_other = made(7, Some(sample::tenant()), AuditAction::TenantCreated);
    let of_nobody = made(5, None, AuditAction::KeyCreated);
    let entries = vec![plain, full, last];

    // Not in the order of their time, and one twice.
    for entry in entries.iter().rev().chain([&of_other, &of_nobody]).chain(entries.last()) {
        log.record(entry).await.expect("recording again changes nothing");
    }

    of_tenant(log, &key.tenant, &entries, now).await;
    let all: Vec<_> = [&entries[0], &entries[1], &of_other, &entries[2], &of_nobody].into_iter().collect();
    of_all(log, &all, now).await;
    (key.tenant, entries)
}

async fn of_tenant(log: &dyn AuditLog, tenant: &TenantId, entries: &[AuditEntry], now: Timestamp) {
    let list = async |before, from: Option<&str>| log.list(Some(tenant), before, LIMIT, from).await.unwrap();
    let first = list(now, None).await;
    assert_eq!(first.entries, entries[..2]);
    let second = list(now, first.next.as_deref()).await;
    assert_eq!(second.entries, entries[2..]);
    let end = list(now, second.next.as_deref()).await;
    assert_eq!((end.entries.len(), &end.next), (0, &second.next), "the end stays where it is");
    let back = list(entries[0].at, second.next.as_deref()).await;
    assert_eq!((back.entries.len(), &back.next), (0, &second.next), "also by a clock that is behind");

    assert_eq!(list(entries[0].at, None).await, AuditPage::default(), "what has not settled is not told");
    assert_eq!(list(entries[1].at, None).await.entries, entries[..1]);
    assert!(log.list(Some(tenant), now, LIMIT, Some("%")).await.is_err());
}

/// The log of all holds what others record as well, whose entries are passed over here.
async fn of_all(log: &dyn AuditLog, expected: &[&AuditEntry], now: Timestamp) {
    let (mut found, mut from) = (vec![], None::<String>);
    let until = later(now, Duration::from_millis(1));
    loop {
        let page = log.list(None, until, 1000, from.as_deref()).await.unwrap();
        assert!(page.next.is_some(), "where something is, it goes on");
        let is_end = page.entries.is_empty();
        found.extend(
            page.entries.into_iter().filter(|entry| expected.iter().any(|wanted| wanted.id == entry.id)),
        );
        from = page.next;
        if is_end {
            break;
        }
    }
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    assert!(log.list(None, now, LIMIT, Some("%")).await.is_err());
}
