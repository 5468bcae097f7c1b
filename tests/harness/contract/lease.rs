//! What leases keep.

use domain::{
    connection::{Connection, ConnectionKey, ConnectionState, Lease},
    refresh::{Ending, LeaseOutcome, LeasePurpose, RefreshLease, Settlement},
};
use futures::future::join_all;

use super::{RACERS, Stores, settle::settlement};
use crate::sample::{self, at};

const REFRESH: LeasePurpose = LeasePurpose::Refresh;

pub(super) async fn contract(stores: Stores<'_>) {
    a_free_lease_is_taken_with_the_intent_written(stores).await;
    one_of_ten_workers_gets_the_lease(stores).await;
    a_held_lease_is_held_until_its_end_and_free_at_it(stores).await;
    an_unfinished_attempt_is_told_to_the_next_worker(stores).await;
    a_lost_answer_gives_the_same_lease_again(stores).await;
    a_lost_answer_does_not_hide_an_unfinished_attempt(stores).await;
    a_finished_attempt_is_not_taken_for_an_unfinished_one(stores).await;
    states_without_tokens_to_refresh_give_no_lease(stores).await;
    a_connection_without_tokens_gives_a_lease_that_spends_nothing(stores).await;
}

/// Stores a sample connection as `change` makes it.
pub(super) async fn connected(stores: Stores<'_>, change: impl FnOnce(&mut Connection)) -> ConnectionKey {
    let key = sample::key();
    let mut connection = sample::connection(&key);
    change(&mut connection);
    stores.connections.connect(&sample::new_connection(connection)).await.unwrap();
    key
}

/// Takes a lease that must be free, to refresh under it.
pub(super) async fn take(
    stores: Stores<'_>,
    key: &ConnectionKey,
    lease: &Lease,
) -> (RefreshLease, Connection) {
    take_for(stores, key, lease, LeasePurpose::Refresh).await
}

/// Takes a lease that must be free.
pub(super) async fn take_for(
    stores: Stores<'_>,
    key: &ConnectionKey,
    lease: &Lease,
    purpose: LeasePurpose,
) -> (RefreshLease, Connection) {
    match stores.refresh.take_lease(key, lease, purpose).await.unwrap() {
        LeaseOutcome::Taken { lease, before } => (lease, *before),
        other => panic!("the lease is not free: {other:?}"),
    }
}

pub(super) async fn find(stores: Stores<'_>, key: &ConnectionKey) -> Connection {
    stores.connections.find(key).await.unwrap().unwrap()
}

async fn a_free_lease_is_taken_with_the_intent_written(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let connection = find(stores, &key).await;
    let lease = sample::lease(at(0));

    let (taken, before) = take(stores, &key, &lease).await;

    assert_eq!(before, connection, "as it was just before");
    let (provider, fence) = (connection.provider, connection.fence + 1);
    assert_eq!(taken, RefreshLease { key: key.clone(), provider, fence, purpose: REFRESH });
    let spends = connection.tokens.as_ref().unwrap().refresh_fingerprint.clone();
    let expected =
        Connection { fence: taken.fence, lease: Some(Lease { spends, ..lease.clone() }), ..connection };
    assert_eq!(find(stores, &key).await, expected, "and nothing else moves, its due time included");
}

async fn one_of_ten_workers_gets_the_lease(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let leases: Vec<_> = (0..RACERS).map(|_| sample::lease(at(0))).collect();

    let outcomes = join_all(leases.iter().map(|lease| stores.refresh.take_lease(&key, lease, REFRESH))).await;

    let taken = |outcome: &&Result<_, _>| matches!(outcome, Ok(LeaseOutcome::Taken { .. }));
    let held =
        |outcome: &&Result<_, _>| matches!(outcome, Ok(LeaseOutcome::Held { until }) if *until == at(105));
    assert_eq!(outcomes.iter().filter(taken).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(held).count(), RACERS - 1, "{outcomes:?}");
    assert_eq!(find(stores, &key).await.fence, 8, "raised once");
}

async fn a_held_lease_is_held_until_its_end_and_free_at_it(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let (first, _) = take(stores, &key, &sample::lease(at(0))).await;

    let early = stores.refresh.take_lease(&key, &sample::lease(at(104)), REFRESH).await.unwrap();
    let (second, _) = take(stores, &key, &sample::lease(at(105))).await;

    assert!(matches!(early, LeaseOutcome::Held { until } if until == at(105)), "{early:?}");
    assert_eq!(second.fence, first.fence + 1);
}

async fn an_unfinished_attempt_is_told_to_the_next_worker(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let lost = sample::lease(at(0));
    take(stores, &key, &lost).await;
    let between = find(stores, &key).await;

    let (_, before) = take(stores, &key, &sample::lease(at(200))).await;

    assert_eq!(before, between);
    assert_eq!(before.lease.unwrap().attempt, lost.attempt);
}

async fn a_lost_answer_gives_the_same_lease_again(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let lease = sample::lease(at(0));

    let (first, before) = take(stores, &key, &lease).await;
    let (again, before_again) = take(stores, &key, &lease).await;

    assert_eq!(first, again);
    assert_eq!(before_again, before);
    assert_eq!(before_again.lease, None, "our own lease is not an unfinished one");
    assert_eq!(find(stores, &key).await.fence, first.fence, "raised once");
}

async fn a_lost_answer_does_not_hide_an_unfinished_attempt(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let unfinished = sample::lease(at(0));
    take(stores, &key, &unfinished).await;
    let lease = sample::lease(at(200));

    let (first, before) = take(stores, &key, &lease).await;
    let (again, before_again) = take(stores, &key, &lease).await;

    assert_eq!(first, again);
    assert_eq!(before_again, before);
    let spends = before.tokens.as_ref().unwrap().refresh_fingerprint.clone();
    assert_eq!(before_again.lease, Some(Lease { spends, ..unfinished }));
}

async fn a_finished_attempt_is_not_taken_for_an_unfinished_one(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    take(stores, &key, &sample::lease(at(0))).await;
    let (second, _) = take(stores, &key, &sample::lease(at(200))).await;
    let settlement = Settlement { attempt: None, ..settlement(Ending::Unchanged) };
    stores.refresh.settle(&second, &settlement).await.unwrap();
    let lease = sample::lease(at(400));

    let (_, before) = take(stores, &key, &lease).await;
    let (_, before_again) = take(stores, &key, &lease).await;

    assert_eq!((before.lease, before_again.lease), (None, None));
}

async fn states_without_tokens_to_refresh_give_no_lease(stores: Stores<'_>) {
    for state in
        [ConnectionState::ReconnectRequired, ConnectionState::Disconnecting, ConnectionState::Disconnected]
    {
        let key = connected(stores, |connection| connection.state = state).await;
        let connection = find(stores, &key).await;

        let outcome = stores.refresh.take_lease(&key, &sample::lease(at(0)), REFRESH).await.unwrap();

        assert!(
            matches!(outcome, LeaseOutcome::NotRefreshable { state: told } if told == state),
            "{outcome:?}"
        );
        assert_eq!(find(stores, &key).await, connection);
    }
    let pending = connected(stores, |connection| connection.state = ConnectionState::Pending).await;
    take(stores, &pending, &sample::lease(at(0))).await;
    let missing = stores.refresh.take_lease(&sample::key(), &sample::lease(at(0)), REFRESH).await.unwrap();
    assert!(matches!(missing, LeaseOutcome::Missing), "{missing:?}");
}

async fn a_connection_without_tokens_gives_a_lease_that_spends_nothing(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.tokens = None).await;

    let (_, before) = take(stores, &key, &sample::lease(at(0))).await;

    assert_eq!(before.tokens, None);
    assert_eq!(find(stores, &key).await.lease.unwrap().spends, "");
}
