//! What becomes of token sets that come by the recovery queue.

use domain::{
    connection::{Connection, ConnectionKey, ConnectionState, Due, SealedTokens, Slot},
    refresh::{CompleteOutcome, Ending, RefreshLease, SPILL_VERSION, SettleError, SpilledTokens},
};
use futures::future::{join, join_all};

use super::{
    RACERS, Stores,
    lease::{connected, find, take},
    settle::{dead, is_lost, leased, rotated, settlement},
};
use crate::sample::{self, at, ids};

/// Where a completed connection is due.
const DUE: Due = Due::Slot(Slot { period: 40, minute: 7 });

pub(super) async fn contract(stores: Stores<'_>) {
    a_spilled_token_set_replaces_the_one_it_was_won_with_and_frees_the_lease(stores).await;
    a_second_delivery_is_stored_and_changes_nothing(stores).await;
    deliveries_at_once_are_all_stored_and_one_writes(stores).await;
    what_was_settled_meanwhile_is_stored_as_it_is(stores).await;
    a_newer_token_set_stands(stores).await;
    what_is_settled_at_the_same_moment_is_not_written_over(stores).await;
    the_lease_of_another_worker_stays(stores).await;
    a_verdict_on_the_token_set_before_is_taken_back(stores).await;
    a_verdict_on_a_pending_connection_leaves_it_pending(stores).await;
    a_connection_that_is_ending_takes_it_and_goes_on_ending(stores).await;
    what_has_ended_or_is_not_there_takes_nothing(stores).await;
    a_settlement_that_a_completion_came_upon_knows_itself_again(stores).await;
    the_worker_that_spilled_is_told_that_its_lease_is_gone(stores).await;
}

/// The token set that was won under a lease on a sample, as it comes by the queue.
fn spilled(lease: &RefreshLease, before: &Connection) -> SpilledTokens {
    let tokens = before.tokens.as_ref().unwrap();
    SpilledTokens {
        v: SPILL_VERSION,
        key: lease.key.clone(),
        fence: lease.fence,
        replaces: tokens.refresh_fingerprint.clone(),
        tokens: sample::tokens(tokens.generation + 1, at(1), 80),
    }
}

async fn complete(stores: Stores<'_>, spilled: &SpilledTokens) -> CompleteOutcome {
    stores.refresh.complete(spilled, DUE, &ids().write()).await.unwrap()
}

/// What a completion leaves of a connection, except that its mark is not known.
async fn assert_completed(stores: Stores<'_>, before: &Connection, expected: Connection) {
    let after = find(stores, &before.key).await;
    assert_ne!(after.write_id, before.write_id, "whoever read it before sees that it changed");
    assert_eq!(after, Connection { write_id: after.write_id.clone(), ..expected });
}

async fn a_spilled_token_set_replaces_the_one_it_was_won_with_and_frees_the_lease(stores: Stores<'_>) {
    let (_, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);

    assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);

    let tokens = Some(spilled.tokens.clone());
    let expected = Connection { tokens, lease: None, due: Some(DUE), ..before.clone() };
    assert_completed(stores, &before, expected.clone()).await;
    let (_, found) = take(stores, &before.key, &sample::lease(at(2))).await;
    assert_eq!((found.lease, found.due), (None, expected.due), "nothing unfinished is left");
}

async fn a_second_delivery_is_stored_and_changes_nothing(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);
    let write_id = ids().write();
    stores.refresh.complete(&spilled, DUE, &write_id).await.unwrap();
    // The next worker is not disturbed.
    take(stores, &key, &sample::lease(at(2))).await;
    let after = find(stores, &key).await;

    for again in [write_id, ids().write()] {
        let outcome = stores.refresh.complete(&spilled, Due::At(at(5)), &again).await.unwrap();

        assert_eq!(outcome, CompleteOutcome::Stored);
        assert_eq!(find(stores, &key).await, after);
    }
}

async fn deliveries_at_once_are_all_stored_and_one_writes(stores: Stores<'_>) {
    let (_, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);

    let outcomes = join_all((0..RACERS).map(|_| complete(stores, &spilled))).await;

    assert_eq!(outcomes, [CompleteOutcome::Stored; RACERS]);
    let tokens = Some(spilled.tokens.clone());
    let expected = Connection { tokens, lease: None, due: Some(DUE), ..before.clone() };
    assert_completed(stores, &before, expected).await;
}

async fn what_was_settled_meanwhile_is_stored_as_it_is(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);
    let settlement = settlement(Ending::Rotated(Box::new(spilled.tokens.clone())));
    stores.refresh.settle(&lease, &settlement).await.unwrap();
    let after = find(stores, &key).await;

    assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);

    assert_eq!(find(stores, &key).await, after);
}

async fn a_newer_token_set_stands(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let good = spilled(&lease, &before);
    let mut newer = good.clone();
    newer.replaces = "f".repeat(32);
    let mut older = good.clone();
    older.tokens.generation += 1;

    for other in [newer, older] {
        assert_eq!(complete(stores, &other).await, CompleteOutcome::Superseded);
        assert_eq!(find(stores, &key).await, before);
    }
    let (next, _) = take(stores, &key, &sample::lease(at(200))).await;
    let tokens = SealedTokens { refresh_fingerprint: "e".repeat(32), ..sample::tokens(2, at(201), 80) };
    let rotated = Ending::Rotated(Box::new(tokens));
    stores.refresh.settle(&next, &settlement(rotated)).await.unwrap();
    let after = find(stores, &key).await;
    assert_eq!(complete(stores, &good).await, CompleteOutcome::Superseded);
    assert_eq!(find(stores, &key).await, after);
}

async fn what_is_settled_at_the_same_moment_is_not_written_over(stores: Stores<'_>) {
    let race = async |_| {
        let (key, lost, before) = leased(stores).await;
        let spilled = spilled(&lost, &before);
        let (lease, _) = take(stores, &key, &sample::lease(at(200))).await;
        let tokens = SealedTokens { refresh_fingerprint: "e".repeat(32), ..sample::tokens(2, at(201), 80) };
        let settlement = settlement(Ending::Rotated(Box::new(tokens.clone())));

        let (_, settled) = join(complete(stores, &spilled), stores.refresh.settle(&lease, &settlement)).await;

        // Its worker holds the lease, so whichever came first, its token set is the one that stands.
        settled.unwrap();
        assert_eq!(find(stores, &key).await.tokens, Some(tokens));
    };
    join_all((0..RACERS).map(race)).await;
}

async fn the_lease_of_another_worker_stays(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);
    let lost = before.lease.clone();
    let (next, found) = take(stores, &key, &sample::lease(at(200))).await;
    assert_eq!(found.lease, lost);
    let held = find(stores, &key).await;

    assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);

    let expected = Connection { tokens: Some(spilled.tokens), due: Some(DUE), ..held.clone() };
    assert_completed(stores, &held, expected).await;
    // Its verdict was on the token set before.
    let settled = stores.refresh.settle(&next, &settlement(dead())).await;
    assert!(matches!(settled, Err(SettleError::Replaced)), "{settled:?}");
    stores.refresh.settle(&next, &settlement(Ending::Unchanged)).await.expect("it still may end its attempt");
}

/// A connection in `state` whose next worker was told that the grant is dead, and the token set that an earlier one won.
async fn condemned(stores: Stores<'_>, state: ConnectionState) -> (ConnectionKey, SpilledTokens) {
    let key = connected(stores, |connection| connection.state = state).await;
    let (lost, _) = take(stores, &key, &sample::lease(at(0))).await;
    let spilled = spilled(&lost, &find(stores, &key).await);
    let (lease, _) = take(stores, &key, &sample::lease(at(200))).await;
    stores.refresh.settle(&lease, &settlement(dead())).await.unwrap();
    assert_eq!(find(stores, &key).await.state, ConnectionState::ReconnectRequired);
    (key, spilled)
}

async fn a_verdict_on_the_token_set_before_is_taken_back(stores: Stores<'_>) {
    let (key, spilled) = condemned(stores, ConnectionState::Active).await;
    let before = find(stores, &key).await;

    assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);

    let expected = Connection {
        state: ConnectionState::Active,
        reason: None,
        tokens: Some(spilled.tokens),
        due: Some(DUE),
        ..before.clone()
    };
    assert_completed(stores, &before, expected).await;
    take(stores, &key, &sample::lease(at(300))).await;
}

async fn a_verdict_on_a_pending_connection_leaves_it_pending(stores: Stores<'_>) {
    let (key, first) = condemned(stores, ConnectionState::Pending).await;

    assert_eq!(complete(stores, &first).await, CompleteOutcome::Stored);

    let after = find(stores, &key).await;
    assert_eq!((after.state, after.reason), (ConnectionState::Pending, None));
    // Nothing is left of the verdict: the next one on the connection once it is active is taken back to active.
    stores.connections.confirm(&key, &ids().write()).await.unwrap();
    let (lost, _) = take(stores, &key, &sample::lease(at(300))).await;
    let again = spilled(&lost, &find(stores, &key).await);
    let (lease, _) = take(stores, &key, &sample::lease(at(500))).await;
    let judged = Ending::Dead { reason: "invalid_grant".to_owned(), generation: 2 };
    stores.refresh.settle(&lease, &settlement(judged)).await.unwrap();
    assert_eq!(complete(stores, &again).await, CompleteOutcome::Stored);
    assert_eq!(find(stores, &key).await.state, ConnectionState::Active);
}

async fn a_connection_that_is_ending_takes_it_and_goes_on_ending(stores: Stores<'_>) {
    let (alive, lease, before) = leased(stores).await;
    let good = spilled(&lease, &before);
    let (judged, other) = condemned(stores, ConnectionState::Active).await;
    for (key, spilled) in [(alive, good), (judged, other)] {
        let seen = find(stores, &key).await;
        stores.connections.mark_disconnecting(&seen, at(3), &ids().write()).await.unwrap();
        let marked = find(stores, &key).await;

        assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);

        let lease = marked.lease.clone().filter(|_| marked.fence != spilled.fence);
        let expected = Connection { tokens: Some(spilled.tokens), lease, ..marked.clone() };
        assert_eq!((expected.state, expected.due), (ConnectionState::Disconnecting, Some(Due::At(at(3)))));
        assert_completed(stores, &marked, expected).await;
    }
}

async fn what_has_ended_or_is_not_there_takes_nothing(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let mut spilled = spilled(&lease, &before);
    let state = ConnectionState::Disconnected;
    for tokens in [None, before.tokens.clone()] {
        let key = connected(stores, |connection| {
            (connection.state, connection.tokens) = (state, tokens.clone());
        })
        .await;
        let ended = find(stores, &key).await;
        spilled.key = key.clone();

        assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Superseded);

        assert_eq!(find(stores, &key).await, ended);
    }
    spilled.key = sample::key();
    assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Superseded);
    assert_eq!(stores.connections.find(&spilled.key).await.unwrap(), None, "nothing is made up");
    assert_eq!(find(stores, &key).await, before);
}

async fn a_settlement_that_a_completion_came_upon_knows_itself_again(stores: Stores<'_>) {
    for ending in [Ending::Unchanged, Ending::Unknown] {
        let (key, lost, before) = leased(stores).await;
        let spilled = spilled(&lost, &before);
        let (lease, _) = take(stores, &key, &sample::lease(at(200))).await;
        let settlement = settlement(ending);
        stores.refresh.settle(&lease, &settlement).await.unwrap();
        assert_eq!(complete(stores, &spilled).await, CompleteOutcome::Stored);
        let after = find(stores, &key).await;

        stores.refresh.settle(&lease, &settlement).await.expect("its own, under a completion");

        assert_eq!(find(stores, &key).await, after, "counted once");
    }
}

async fn the_worker_that_spilled_is_told_that_its_lease_is_gone(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let spilled = spilled(&lease, &before);
    complete(stores, &spilled).await;
    let after = find(stores, &key).await;

    for ending in [Ending::Rotated(Box::new(spilled.tokens)), rotated()] {
        let settled = stores.refresh.settle(&lease, &settlement(ending)).await;

        assert!(is_lost(&settled), "{settled:?}");
        assert_eq!(find(stores, &key).await, after);
    }
    take(stores, &key, &sample::lease(at(2))).await;
}
