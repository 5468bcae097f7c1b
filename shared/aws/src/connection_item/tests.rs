//! Where a connection is kept, what it weighs, and what is refused.

use std::collections::HashSet;

use domain::{
    connection::{ConnectionKey, ConnectionState},
    provider::Provider,
};
use jiff::Timestamp;

use super::*;
use crate::item::weight;

/// What sealing adds to a token: header, wrapped key as KMS makes it, salt, commitment, nonce, tag.
const ENVELOPE: usize = 5 + 184 + 32 + 32 + 12 + 16;
/// The access key that a refresh envelope carries, and a refresh token of Intuit's usual length.
const REFRESH: usize = ENVELOPE + 32 + 50;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_689_000 + second).unwrap()
}

/// A connection with an access token of 1 KiB, after its second refresh, under a lease.
fn heavy() -> Connection {
    let id = "0199f0a5c0de7000a000000000000001";
    Connection {
        key: ConnectionKey {
            tenant: "customer-0000001".parse().unwrap(),
            connection: format!("conn_{id}").parse().unwrap(),
        },
        provider: Provider::QuickBooks,
        state: ConnectionState::Active,
        reason: None,
        scopes: vec!["com.intuit.quickbooks.accounting".to_owned()],
        location: None,
        created_at: at(0),
        tokens: Some(SealedTokens {
            generation: 2,
            access: vec![1; 1024 + ENVELOPE],
            refresh: vec![2; REFRESH],
            refresh_fingerprint: id.to_owned(),
            issued_at: at(1),
            refreshed: true,
            access_expires_at: at(3600),
            refresh_expires_at: Some(at(8_640_000)),
            hard_expires_at: Some(at(157_680_000)),
            keys_made_at: at(0),
            previous: Some(PreviousRefresh {
                refresh: vec![3; REFRESH],
                generation: 1,
                usable_until: at(86_400),
            }),
        }),
        fence: 12,
        lease: Some(Lease {
            owner: format!("w_{id}"),
            expires_at: at(105),
            attempt: format!("att_{id}").parse().unwrap(),
            spends: id.to_owned(),
            started_at: at(0),
        }),
        due_at: Some(at(2400)),
        attempts: AttemptCounters { succeeded: 1000, failed: 10, duration_ms: 1_000_000, failed_in_a_row: 0 },
        write_id: format!("w_{id}"),
    }
}

#[test]
fn a_connection_with_a_token_of_a_kibibyte_costs_three_write_units() {
    let free = Connection { lease: None, ..heavy() };

    // A write costs a unit for each begun KiB of the greater of the item before and after.
    assert_eq!((weight(&write(&free, 16)), weight(&write(&heavy(), 16))), (2415, 2556));
}

#[test]
fn a_connection_reads_as_it_was_written() {
    let elsewhere = Some("eu".parse().unwrap());
    for connection in [
        heavy(),
        Connection { tokens: None, lease: None, due_at: None, ..heavy() },
        Connection { provider: Provider::Zoho, location: elsewhere, ..heavy() },
    ] {
        assert_eq!(read(&write(&connection, 16)).unwrap(), connection);
    }
}

#[test]
fn a_connection_that_is_not_due_is_in_no_shard() {
    let item = write(&Connection { due_at: None, ..heavy() }, 16);

    assert!(!item.contains_key(keys::DUE_SHARD) && !item.contains_key(keys::DUE_AT));
}

#[test]
fn a_connection_stays_in_its_shard_for_life() {
    let shard = |id: &str| shard_of(&id.parse().unwrap(), 16);

    assert_eq!(shard("conn_0199f0a5c0de7000a000000000000002"), 9);
    assert_eq!(shard_of(&"a".parse().unwrap(), 0), 0);
}

#[test]
fn connections_made_together_spread_over_all_shards() {
    let ids = (0..200).map(|n| format!("conn_0199f0a5c0de7000a0000000000{n:05}"));

    let shards: HashSet<u32> = ids.map(|id| shard_of(&id.parse().unwrap(), 8)).collect();

    assert_eq!(shards.len(), 8);
}

#[test]
fn an_item_of_a_later_schema_is_refused() {
    let item = Item::new().put(keys::SCHEMA, number(SCHEMA_VERSION + 1));

    assert!(matches!(read(&item), Err(StoreError::Corrupt { what: "connection", .. })));
}
