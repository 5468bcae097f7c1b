//! Values to test with; each call gives new ids, so that tests can share a table.

use std::time::Duration;

use domain::{
    connection::{
        AttemptCounters, ChainHead, Company, Connection, ConnectionKey, ConnectionState, Due, Lease,
        NewConnection, Notices, PlacedCompany, PreviousRefresh, SealedTokens,
    },
    entropy::{self, SystemEntropy},
    id::{CompanyId, Ids, ProviderCompanyId, RecordId, TenantId},
    provider::Provider,
    refresh::policy::{earlier, later},
    sync::{Entity, Record, RecordPlace},
};
use jiff::Timestamp;

use crate::clock::RisingClock;

/// The present of every sample: so far ahead that no sweep of a running stack ever finds a sample due.
pub const NOW: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// Ids that nobody else has, in the order of their making.
#[must_use]
pub fn ids() -> Ids<'static> {
    Ids::new(&RisingClock, &SystemEntropy)
}

/// `seconds` after [`NOW`].
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { earlier(NOW, by) } else { later(NOW, by) }
}

/// A tenant of its own.
#[must_use]
pub fn tenant() -> TenantId {
    ids().write().parse().unwrap()
}

/// A connection of a tenant of its own.
#[must_use]
pub fn key() -> ConnectionKey {
    ConnectionKey { tenant: tenant(), connection: ids().connection() }
}

/// A provider's company that nobody connected.
#[must_use]
pub fn provider_company() -> ProviderCompanyId {
    entropy::up_to(&SystemEntropy, u64::MAX - 1).to_string().parse().unwrap()
}

/// A company that nobody connected.
#[must_use]
pub fn company() -> CompanyId {
    CompanyId::of(Provider::QuickBooks, &provider_company())
}

/// Sealed tokens whose envelopes are `size` random bytes, as a refresh at `issued_at` stores them.
#[must_use]
pub fn tokens(generation: u64, issued_at: Timestamp, size: usize) -> SealedTokens {
    let bytes = |size| {
        let mut bytes = vec![0; size];
        entropy::Entropy::fill(&SystemEntropy, &mut bytes);
        bytes
    };
    SealedTokens {
        generation,
        access: bytes(size),
        refresh: bytes(64),
        refresh_fingerprint: format!("{generation:032x}"),
        issued_at,
        refreshed: true,
        access_expires_at: later(issued_at, Duration::from_hours(1)),
        refresh_expires_at: Some(later(issued_at, Duration::from_hours(100 * 24))),
        hard_expires_at: None,
        keys_made_at: issued_at,
        previous: Some(PreviousRefresh {
            refresh: bytes(64),
            generation: generation.saturating_sub(1),
            usable_until: later(issued_at, Duration::from_hours(24)),
        }),
    }
}

/// An active connection that is due at [`NOW`].
#[must_use]
pub fn connection(key: &ConnectionKey) -> Connection {
    Connection {
        key: key.clone(),
        provider: Provider::QuickBooks,
        state: ConnectionState::Active,
        reason: None,
        scopes: vec!["openid".to_owned(), "com.intuit.quickbooks.accounting".to_owned()],
        location: None,
        created_at: at(-3600),
        tokens: Some(tokens(1, at(-3600), 64)),
        fence: 7,
        lease: None,
        due: Some(Due::At(NOW)),
        used_at: NOW,
        warmth: None,
        attempts: AttemptCounters { succeeded: 3, failed: 2, duration_ms: 900, failed_in_a_row: 1 },
        last: None,
        chain: ChainHead::default(),
        calls: vec![],
        notices: Notices::default(),
        write_id: ids().write(),
    }
}

/// A connection with a company of its own, to be stored for the first time.
#[must_use]
pub fn new_connection(connection: Connection) -> NewConnection {
    let companies = vec![placed(connection.provider)];
    NewConnection { connection, companies, replaces: None, shared: false }
}

/// A company that nobody connected, as it comes to a connection.
#[must_use]
pub fn placed(provider: Provider) -> PlacedCompany {
    let provider_id = provider_company();
    let id = CompanyId::of(provider, &provider_id);
    PlacedCompany { company: Company { id, provider_id, name: "Größe & Söhne".to_owned() }, from: None }
}

/// A lease from `started_at` for 105 seconds, for an attempt of its own.
#[must_use]
pub fn lease(started_at: Timestamp) -> Lease {
    Lease {
        owner: "worker".to_owned(),
        expires_at: later(started_at, Duration::from_secs(105)),
        attempt: ids().attempt(),
        spends: String::new(),
        started_at,
    }
}

/// The books of a tenant of its own.
#[must_use]
pub fn place() -> RecordPlace {
    RecordPlace { tenant: tenant(), company: company() }
}

/// An invoice that was changed at `updated_at`.
#[must_use]
pub fn invoice(id: &str, updated_at: Timestamp, version: u64) -> Record {
    Record {
        entity: Entity::Invoices,
        id: id.parse::<RecordId>().unwrap(),
        updated_at,
        version,
        deleted: false,
        document_number: Some("INV-1".to_owned()),
        total: Some("1234.50".to_owned()),
        currency: Some("EUR".to_owned()),
        counterparty: Some("Müller".to_owned()),
        status: None,
        raw: format!(r#"{{"Id":"{id}","SyncToken":"{version}"}}"#),
        digest: None,
    }
}
