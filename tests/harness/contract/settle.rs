//! What settlements keep.

use domain::{
    connection::{
        AttemptCounters, ChainHead, Connection, ConnectionKey, ConnectionState, Due, LastAttempt, Notices,
        Replaces,
    },
    provider::Provider,
    refresh::{
        AttemptFailure, Attempted, Ending, FailureClass, LeasePurpose, RefreshLease, SettleError, Settlement,
    },
};
use futures::future::join_all;

use super::{
    RACERS, Stores,
    lease::{connected, find, take},
};
use crate::sample::{self, at, ids};

pub(super) async fn contract(stores: Stores<'_>) {
    a_rotation_replaces_the_tokens_and_releases_the_lease(stores).await;
    an_unchanged_ending_keeps_the_tokens_and_releases_the_lease(stores).await;
    an_unknown_ending_keeps_the_lease_and_its_intent(stores).await;
    a_death_takes_the_connection_out_of_everything(stores).await;
    a_death_stands_only_while_the_token_set_does_that_was_judged(stores).await;
    what_is_kept_of_an_attempt_is_that_of_the_newest(stores).await;
    nothing_is_counted_when_nothing_was_attempted(stores).await;
    an_old_fence_writes_nothing(stores).await;
    a_released_lease_writes_nothing_more(stores).await;
    one_of_ten_settlements_under_one_lease_is_stored(stores).await;
    a_lost_answer_is_known_again(stores).await;
    a_reconnect_ends_a_running_lease_for_good(stores).await;
    a_missing_connection_has_no_lease_to_lose(stores).await;
}

pub(super) fn settlement(ending: Ending) -> Settlement {
    let attempt = Attempted {
        duration_ms: 250,
        last: LastAttempt { id: ids().attempt(), ended_at: at(1), failure: None },
        chain: ChainHead { sequence: 6, hash: [6; 32] },
        calls: vec![at(-1), at(0)],
        notices: Notices { grant: Some(at(1)), ..Notices::default() },
    };
    Settlement {
        ending,
        due: Some(Due::At(at(2400))),
        used_at: at(-60),
        attempt: Some(attempt),
        write_id: ids().write(),
    }
}

/// What every settlement of an attempt leaves of a connection that stays due; the rest depends on its ending.
pub(super) fn kept(before: Connection, settlement: &Settlement) -> Connection {
    let Settlement { due, used_at, attempt, write_id, .. } = settlement.clone();
    let Attempted { last, chain, calls, notices, .. } = attempt.unwrap();
    Connection { lease: None, due, used_at, last: Some(last), chain, calls, notices, write_id, ..before }
}

/// The counters of a sample after one attempt more.
pub(super) fn counters(succeeded: bool) -> AttemptCounters {
    if succeeded {
        AttemptCounters { succeeded: 4, failed: 2, duration_ms: 1150, failed_in_a_row: 0 }
    } else {
        AttemptCounters { succeeded: 3, failed: 3, duration_ms: 1150, failed_in_a_row: 2 }
    }
}

/// The verdict on the token set of a sample.
pub(super) fn dead() -> Ending {
    Ending::Dead { reason: "invalid_grant".to_owned(), generation: 1 }
}

pub(super) fn rotated() -> Ending {
    Ending::Rotated(Box::new(sample::tokens(2, at(1), 80)))
}

pub(super) fn is_lost(settled: &Result<(), SettleError>) -> bool {
    matches!(settled, Err(SettleError::LeaseLost))
}

/// A connection under a lease, as it is before it is settled.
pub(super) async fn leased(stores: Stores<'_>) -> (ConnectionKey, RefreshLease, Connection) {
    let key = connected(stores, |_| ()).await;
    let (lease, _) = take(stores, &key, &sample::lease(at(0))).await;
    let connection = find(stores, &key).await;
    (key, lease, connection)
}

async fn a_rotation_replaces_the_tokens_and_releases_the_lease(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let tokens = sample::tokens(2, at(1), 80);
    let settlement = settlement(Ending::Rotated(Box::new(tokens.clone())));

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection { tokens: Some(tokens), attempts: counters(true), ..kept(before, &settlement) };
    assert_eq!(find(stores, &key).await, expected);
}

async fn an_unchanged_ending_keeps_the_tokens_and_releases_the_lease(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let settlement = settlement(Ending::Unchanged);

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection { attempts: counters(false), ..kept(before, &settlement) };
    assert_eq!(find(stores, &key).await, expected);
}

async fn an_unknown_ending_keeps_the_lease_and_its_intent(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let settlement = settlement(Ending::Unknown);

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection {
        lease: before.lease.clone(),
        attempts: counters(false),
        ..kept(before.clone(), &settlement)
    };
    assert_eq!(find(stores, &key).await, expected);
    let (_, found) = take(stores, &key, &sample::lease(at(200))).await;
    assert_eq!(found.lease, before.lease, "the next worker is told");
}

async fn a_death_takes_the_connection_out_of_everything(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let settlement = settlement(dead());

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection {
        state: ConnectionState::ReconnectRequired,
        reason: Some("invalid_grant".to_owned()),
        due: None,
        attempts: counters(false),
        ..kept(before, &settlement)
    };
    assert_eq!(find(stores, &key).await, expected);
    stores.refresh.settle(&lease, &settlement).await.expect("the same death again is known");
}

async fn a_death_stands_only_while_the_token_set_does_that_was_judged(stores: Stores<'_>) {
    for generation in [0, 2] {
        let (key, lease, before) = leased(stores).await;
        let late = settlement(Ending::Dead { reason: "invalid_grant".to_owned(), generation });

        let settled = stores.refresh.settle(&lease, &late).await;

        assert!(matches!(settled, Err(SettleError::Replaced)), "{settled:?}");
        assert_eq!(find(stores, &key).await, before, "the lease is still held");
        stores.refresh.settle(&lease, &settlement(rotated())).await.unwrap();
        let settled = stores.refresh.settle(&lease, &late).await;
        assert!(is_lost(&settled), "{settled:?}");
    }
}

async fn what_is_kept_of_an_attempt_is_that_of_the_newest(stores: Stores<'_>) {
    let (key, lease, _) = leased(stores).await;
    stores.refresh.settle(&lease, &settlement(Ending::Unchanged)).await.unwrap();
    let (lease, _) = take(stores, &key, &sample::lease(at(200))).await;
    let failure = AttemptFailure {
        class: FailureClass::Transient,
        code: Some("http_503".to_owned()),
        trace_id: Some("1-abc".to_owned()),
    };
    let newest = Attempted {
        duration_ms: 1,
        last: LastAttempt { id: ids().attempt(), ended_at: at(201), failure: Some(failure) },
        chain: ChainHead { sequence: 7, hash: [7; 32] },
        calls: vec![],
        notices: Notices::default(),
    };

    let settlement = Settlement { attempt: Some(newest), used_at: at(200), ..settlement(Ending::Unchanged) };
    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let after = find(stores, &key).await;
    assert_eq!(after, kept(after.clone(), &settlement));
}

async fn nothing_is_counted_when_nothing_was_attempted(stores: Stores<'_>) {
    for ending in [Ending::Unchanged, rotated()] {
        let (key, lease, _) = leased(stores).await;
        stores.refresh.settle(&lease, &settlement(Ending::Unchanged)).await.unwrap();
        let before = find(stores, &key).await;
        let (lease, _) = take(stores, &key, &sample::lease(at(200))).await;
        let settlement = Settlement { attempt: None, due: None, used_at: at(200), ..settlement(ending) };

        stores.refresh.settle(&lease, &settlement).await.unwrap();

        let after = find(stores, &key).await;
        let (fence, tokens) = (lease.fence, after.tokens.clone());
        let (used_at, write_id) = (at(200), settlement.write_id);
        assert_eq!(after, Connection { due: None, used_at, fence, tokens, write_id, ..before });
    }
}

async fn an_old_fence_writes_nothing(stores: Stores<'_>) {
    let (key, old, _) = leased(stores).await;
    take(stores, &key, &sample::lease(at(200))).await;
    let before = find(stores, &key).await;

    let settled = stores.refresh.settle(&old, &settlement(rotated())).await;

    assert!(is_lost(&settled), "{settled:?}");
    assert_eq!(find(stores, &key).await, before);
}

async fn a_released_lease_writes_nothing_more(stores: Stores<'_>) {
    let (key, lease, _) = leased(stores).await;
    stores.refresh.settle(&lease, &settlement(rotated())).await.unwrap();
    let before = find(stores, &key).await;

    let settled = stores.refresh.settle(&lease, &settlement(rotated())).await;

    assert!(is_lost(&settled), "{settled:?}");
    assert_eq!(find(stores, &key).await, before);
}

async fn one_of_ten_settlements_under_one_lease_is_stored(stores: Stores<'_>) {
    let (key, lease, _) = leased(stores).await;
    let settlements: Vec<_> = (0..RACERS).map(|_| settlement(rotated())).collect();

    let settled = join_all(settlements.iter().map(|one| stores.refresh.settle(&lease, one))).await;

    let won = settled.iter().position(Result::is_ok).unwrap();
    assert_eq!(settled.iter().filter(|one| is_lost(one)).count(), RACERS - 1, "{settled:?}");
    let after = find(stores, &key).await;
    assert_eq!((after.write_id, after.attempts.succeeded), (settlements[won].write_id.clone(), 4));
}

async fn a_lost_answer_is_known_again(stores: Stores<'_>) {
    for ending in [rotated(), Ending::Unchanged, Ending::Unknown, dead()] {
        let (key, lease, before) = leased(stores).await;
        let settlement = settlement(ending);
        stores.refresh.settle(&lease, &settlement).await.unwrap();
        let after = find(stores, &key).await;
        let attempts = |connection: &Connection| connection.attempts.succeeded + connection.attempts.failed;
        assert_eq!(attempts(&after), attempts(&before) + 1);

        stores.refresh.settle(&lease, &settlement).await.unwrap();

        assert_eq!(find(stores, &key).await, after, "counted once");
    }
}

async fn a_reconnect_ends_a_running_lease_for_good(stores: Stores<'_>) {
    let key = sample::key();
    let first = sample::new_connection(sample::connection(&key));
    stores.connections.connect(&first).await.unwrap();
    let (running, before) = take(stores, &key, &sample::lease(at(0))).await;
    let mut again = first.clone();
    again.replaces = Some(Replaces { fence: running.fence, write_id: before.write_id.clone() });
    again.connection = Connection {
        fence: running.fence + 1,
        write_id: ids().write(),
        tokens: Some(sample::tokens(before.tokens.unwrap().generation + 1, at(5), 64)),
        ..again.connection
    };
    stores.connections.connect(&again).await.unwrap();

    let settled = stores.refresh.settle(&running, &settlement(rotated())).await;

    assert!(is_lost(&settled), "{settled:?}");
    assert_eq!(find(stores, &key).await, again.connection);
    let (next, found) = take(stores, &key, &sample::lease(at(6))).await;
    assert_eq!((next.fence, found.lease), (running.fence + 2, None));
}

async fn a_missing_connection_has_no_lease_to_lose(stores: Stores<'_>) {
    let lease = RefreshLease {
        key: sample::key(),
        provider: Provider::QuickBooks,
        fence: 1,
        purpose: LeasePurpose::Refresh,
    };

    let settled = stores.refresh.settle(&lease, &settlement(rotated())).await;

    assert!(is_lost(&settled), "{settled:?}");
    assert_eq!(stores.connections.find(&lease.key).await.unwrap(), None);
}
