//! What a connection weighs, that it comes back as it was, and what is refused.

use domain::{
    connection::{ConnectionKey, ConnectionState, Due, Slot},
    provider::Provider,
    refresh::FailureClass,
};

use super::*;
use crate::item::weight;

const SHARDS: u32 = 16;
/// A begun one of these is a write unit, of the greater of the item before and after.
const WRITE_UNIT: usize = 1024;
/// The length of a data key as KMS wraps it.
const WRAPPED_KEY: usize = 184;
/// What else sealing adds to a token, after its header of five bytes: salt, commitment, nonce, tag.
const SEALING: usize = 32 + 32 + 12 + 16;
/// The access envelope's data key, which a refresh envelope carries before the token.
const CARRIED_KEY: usize = 32;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_689_000 + second).unwrap()
}

/// An id as they are made, all of them different.
fn id(prefix: &str, number: u32) -> String {
    format!("{prefix}0199f0a5c0de7000a0000000{number:08x}")
}

/// An envelope of `length` bytes under a wrapped key; nothing else in it is like any other.
fn envelope(wrapped_key: u8, length: usize, own: u8) -> Vec<u8> {
    let header = [1, 1, 1, 0, 184];
    [header.to_vec(), vec![wrapped_key; WRAPPED_KEY], vec![own; SEALING + length]].concat()
}

/// The token set after a second refresh.
fn tokens(access: usize, refresh: usize) -> SealedTokens {
    let refresh = |own| envelope(8, CARRIED_KEY + refresh, own);
    SealedTokens {
        generation: 1000,
        access: envelope(7, access, 1),
        refresh: refresh(2),
        refresh_fingerprint: id("", 1),
        issued_at: at(1),
        refreshed: true,
        access_expires_at: at(3601),
        refresh_expires_at: Some(at(8_640_001)),
        hard_expires_at: Some(at(157_680_000)),
        keys_made_at: at(-5_000_000),
        previous: Some(PreviousRefresh { refresh: refresh(3), generation: 999, usable_until: at(86_401) }),
    }
}

/// A connection with these tokens in its daily life, under a lease.
fn leased(provider: Provider, tokens: SealedTokens) -> Connection {
    let connection = id("conn_", 2).parse().unwrap();
    let due = Due::Slot(Slot::of(&connection, 40));
    Connection {
        key: ConnectionKey { tenant: "customer-0000001".parse().unwrap(), connection },
        provider,
        state: ConnectionState::Active,
        reason: None,
        scopes: vec!["com.intuit.quickbooks.accounting".to_owned()],
        location: None,
        created_at: at(0),
        tokens: Some(tokens),
        fence: 12_345,
        lease: Some(Lease {
            owner: id("w_", 3),
            expires_at: at(105),
            attempt: id("att_", 4).parse().unwrap(),
            spends: id("", 5),
            started_at: at(0),
        }),
        due: Some(due),
        used_at: at(0),
        warmth: None,
        attempts: AttemptCounters {
            succeeded: 12_345,
            failed: 10,
            duration_ms: 9_876_543,
            failed_in_a_row: 0,
        },
        last: Some(LastAttempt { id: id("att_", 6).parse().unwrap(), ended_at: at(1), failure: None }),
        chain: ChainHead { sequence: 12_355, hash: [9; 32] },
        calls: vec![],
        notices: Notices::default(),
        write_id: id("w_", 7),
    }
}

/// An Intuit access token of `length`, and one of its refresh tokens.
fn quickbooks(length: usize) -> Connection {
    leased(Provider::QuickBooks, tokens(length, 50))
}

/// An organization with the longest token and scopes that Xero is known to give.
fn xero() -> Connection {
    Connection { scopes: vec!["s".repeat(99); 3], ..leased(Provider::Xero, tokens(1500, 50)) }
}

/// What it weighs at its heaviest, which is what taking its lease and settling it cost: with the lease, and with what
/// taking it copies.
fn heaviest(connection: &Connection) -> usize {
    let item = write(connection, SHARDS);
    weight(&item.put(keys::FORMER_LEASE, AttributeValue::Null(true)).put(keys::FORMER_SPENDS, text("")))
}

#[test]
fn a_connection_costs_three_write_units_and_with_a_token_of_760_bytes_two() {
    let weights = [quickbooks(1000), xero(), quickbooks(760)].map(|connection| heaviest(&connection));

    assert_eq!(weights, [2284, 3039, 2044]);
    assert_eq!(weights.map(|weight| weight.div_ceil(WRITE_UNIT)), [3, 3, 2]);
}

#[test]
fn what_envelopes_begin_with_alike_is_stored_once() {
    let connection = quickbooks(1000);
    let Some(AttributeValue::M(stored)) = write(&connection, SHARDS).remove(keys::TOKENS) else {
        panic!("tokens are a map")
    };
    let sealed = |name: &str| stored[name].as_b().unwrap().as_ref().len();
    let whole = SEALING + CARRIED_KEY + 50 + WRAPPED_KEY + 5;

    assert_eq!(sealed(keys::REFRESH), whole - 5 + 1, "all but its header");
    let previous = whole - WRAPPED_KEY - 5;
    assert!((previous..previous + 12).contains(&sealed(keys::PREVIOUS)), "all but header and wrapped key");
}

#[test]
fn a_connection_reads_as_it_was_written() {
    let failure = AttemptFailure {
        class: FailureClass::Transient,
        code: Some("http_503".to_owned()),
        trace_id: Some("1-abc".to_owned()),
    };
    let last = |failure| Some(LastAttempt { id: id("att_", 6).parse().unwrap(), ended_at: at(1), failure });
    let first = SealedTokens {
        refreshed: false,
        refresh_expires_at: None,
        hard_expires_at: None,
        previous: None,
        ..tokens(0, 0)
    };
    for connection in [
        quickbooks(1000),
        Connection { tokens: Some(first), lease: None, due: Some(Due::At(at(-1))), ..quickbooks(0) },
        Connection { location: Some("eu".parse().unwrap()), ..leased(Provider::Zoho, tokens(70, 70)) },
        Connection { calls: vec![at(0), at(-1), at(60)], last: last(Some(failure)), ..quickbooks(0) },
        Connection {
            notices: Notices { refresh: Some(at(1)), grant: Some(at(2)), expired: Some(at(3)) },
            reason: Some("invalid_grant".to_owned()),
            ..quickbooks(0)
        },
        Connection { write_id: "by hand".to_owned(), ..quickbooks(0) },
    ] {
        assert_eq!(read(&write(&connection, SHARDS)).unwrap(), connection);
    }
}

#[test]
fn what_is_optional_and_missing_reads_as_nothing() {
    let mut item = write(&quickbooks(1000), SHARDS);
    for name in [
        keys::TOKENS,
        keys::LEASE,
        keys::DUE_SHARD,
        keys::USED_AT,
        keys::LAST,
        keys::CHAIN,
        keys::CALLS,
        keys::NOTICES,
    ] {
        item.remove(name);
    }

    let bare = Connection {
        tokens: None,
        lease: None,
        due: None,
        used_at: at(0),
        warmth: None,
        last: None,
        chain: ChainHead::default(),
        calls: vec![],
        notices: Notices::default(),
        ..quickbooks(1000)
    };
    assert_eq!(read(&item).unwrap(), bare);
    assert!(weight(&write(&bare, SHARDS)) < weight(&item), "what is not there is not written");
}

#[test]
fn a_connection_that_is_not_due_is_in_no_partition() {
    let item = write(&Connection { due: None, ..quickbooks(0) }, SHARDS);

    assert!(!item.contains_key(keys::DUE_SHARD) && !item.contains_key(keys::DUE_AT));
}

#[test]
fn an_envelope_that_does_not_fit_the_others_is_refused() {
    let item = write(&quickbooks(0), SHARDS);
    let Some(AttributeValue::M(tokens)) = item.get(keys::TOKENS) else { panic!("tokens are a map") };
    for (name, spoiled) in [
        (keys::ACCESS, &[][..]),
        (keys::REFRESH, &[][..]),
        (keys::TIMES, &[0][..]),
        (keys::PREVIOUS, &[1][..]),
    ] {
        let spoiled = tokens.clone().put(name, bytes(spoiled));
        let item = item.clone().put(keys::TOKENS, AttributeValue::M(spoiled));

        assert!(matches!(read(&item), Err(StoreError::Corrupt { what: "connection", .. })), "{name}");
    }
}

#[test]
fn an_item_of_a_later_schema_is_refused() {
    let item = Item::new().put(keys::SCHEMA, number(SCHEMA_VERSION + 1));

    assert!(matches!(read(&item), Err(StoreError::Corrupt { what: "connection", .. })));
}
