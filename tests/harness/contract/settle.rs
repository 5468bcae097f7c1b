//! What settlements keep.

use domain::{
    connection::{AttemptCounters, Connection, ConnectionKey, ConnectionState, Replaces},
    refresh::{Ending, LeasePurpose, RefreshLease, SettleError, Settlement},
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
    nothing_is_counted_when_nothing_was_attempted(stores).await;
    an_old_fence_writes_nothing(stores).await;
    a_released_lease_writes_nothing_more(stores).await;
    one_of_ten_settlements_under_one_lease_is_stored(stores).await;
    a_lost_answer_is_known_again(stores).await;
    a_reconnect_ends_a_running_lease_for_good(stores).await;
    a_missing_connection_has_no_lease_to_lose(stores).await;
}

pub(super) fn settlement(ending: Ending) -> Settlement {
    Settlement { ending, due_at: Some(at(2400)), duration_ms: Some(250), write_id: ids().write() }
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

    let expected = Connection {
        tokens: Some(tokens),
        lease: None,
        due_at: Some(at(2400)),
        attempts: AttemptCounters { succeeded: 4, failed: 2, duration_ms: 1150, failed_in_a_row: 0 },
        write_id: settlement.write_id,
        ..before
    };
    assert_eq!(find(stores, &key).await, expected);
}

async fn an_unchanged_ending_keeps_the_tokens_and_releases_the_lease(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let settlement = settlement(Ending::Unchanged);

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection {
        lease: None,
        due_at: Some(at(2400)),
        attempts: AttemptCounters { succeeded: 3, failed: 3, duration_ms: 1150, failed_in_a_row: 2 },
        write_id: settlement.write_id,
        ..before
    };
    assert_eq!(find(stores, &key).await, expected);
}

async fn an_unknown_ending_keeps_the_lease_and_its_intent(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let settlement = settlement(Ending::Unknown);

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let after = find(stores, &key).await;
    assert!(after.lease.is_some());
    assert_eq!((&after.lease, &after.tokens), (&before.lease, &before.tokens));
    assert_eq!((after.due_at, after.attempts.failed), (Some(at(2400)), 3));
    let (_, found) = take(stores, &key, &sample::lease(at(200))).await;
    assert_eq!(found.lease, before.lease, "the next worker is told");
}

async fn a_death_takes_the_connection_out_of_everything(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let mut settlement = settlement(Ending::Dead { reason: "invalid_grant".to_owned() });
    settlement.due_at = None;

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection {
        state: ConnectionState::ReconnectRequired,
        reason: Some("invalid_grant".to_owned()),
        lease: None,
        due_at: None,
        attempts: AttemptCounters { succeeded: 3, failed: 3, duration_ms: 1150, failed_in_a_row: 2 },
        write_id: settlement.write_id.clone(),
        ..before
    };
    assert_eq!(find(stores, &key).await, expected);
    stores.refresh.settle(&lease, &settlement).await.expect("the same death again is known");
}

async fn nothing_is_counted_when_nothing_was_attempted(stores: Stores<'_>) {
    for ending in [Ending::Unchanged, rotated()] {
        let (key, lease, before) = leased(stores).await;
        let settlement = Settlement { attempt: None, due_at: None, ..settlement(ending) };

        stores.refresh.settle(&lease, &settlement).await.unwrap();

        let after = find(stores, &key).await;
        assert_eq!((after.attempts, after.due_at), (before.attempts, None));
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
    for ending in [rotated(), Ending::Unchanged, Ending::Unknown] {
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
    let lease = RefreshLease { key: sample::key(), fence: 1, purpose: LeasePurpose::Refresh };

    let settled = stores.refresh.settle(&lease, &settlement(rotated())).await;

    assert!(is_lost(&settled), "{settled:?}");
    assert_eq!(stores.connections.find(&lease.key).await.unwrap(), None);
}
