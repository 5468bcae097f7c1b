//! What ending a connection keeps: the mark, the lease for it, and a refresh that it comes upon.

use domain::{
    connection::{AttemptCounters, Connection, ConnectionKey, ConnectionState, Due},
    refresh::{Ending, LeaseOutcome, LeasePurpose, RefreshLease, Settlement},
};

use super::{
    Stores,
    lease::{connected, find, take, take_for},
    settle::{counters, dead, is_lost, kept, leased, rotated, settlement},
};
use crate::sample::{self, at, ids};

const END: LeasePurpose = LeasePurpose::Disconnect;

pub(super) async fn contract(stores: Stores<'_>) {
    a_lease_to_end_is_for_what_is_disconnecting_only(stores).await;
    a_refresh_under_way_stores_its_tokens_and_puts_nothing_off(stores).await;
    a_verdict_that_comes_too_late_changes_no_state(stores).await;
    an_unknown_outcome_keeps_its_lease_under_the_mark(stores).await;
    a_settlement_that_a_mark_came_upon_knows_itself_again(stores).await;
    a_settlement_that_a_confirmation_came_upon_knows_itself_again(stores).await;
    whatever_a_lease_to_end_brings_it_stays_disconnecting_and_due(stores).await;
    a_try_that_is_put_off_says_why_and_counts_as_no_attempt(stores).await;
    the_end_leaves_no_tokens_and_nothing_to_do(stores).await;
    only_a_lease_to_end_ends(stores).await;
    a_connection_that_was_connected_again_is_not_ended(stores).await;
}

async fn mark(stores: Stores<'_>, key: &ConnectionKey) -> Connection {
    let seen = find(stores, key).await;
    stores.connections.mark_disconnecting(&seen, at(2), &ids().write()).await.unwrap();
    find(stores, key).await
}

/// A disconnecting connection under a lease to end it, as it is before that is settled.
async fn leased_to_end(stores: Stores<'_>) -> (ConnectionKey, RefreshLease, Connection) {
    let key = connected(stores, |_| ()).await;
    mark(stores, &key).await;
    let (lease, _) = take_for(stores, &key, &sample::lease(at(2)), END).await;
    let connection = find(stores, &key).await;
    (key, lease, connection)
}

async fn a_lease_to_end_is_for_what_is_disconnecting_only(stores: Stores<'_>) {
    for state in [
        ConnectionState::Pending,
        ConnectionState::Active,
        ConnectionState::ReconnectRequired,
        ConnectionState::Disconnected,
    ] {
        let key = connected(stores, |connection| connection.state = state).await;
        let before = find(stores, &key).await;

        let outcome = stores.refresh.take_lease(&key, &sample::lease(at(0)), END).await.unwrap();

        assert!(
            matches!(outcome, LeaseOutcome::NotRefreshable { state: told } if told == state),
            "{outcome:?}"
        );
        assert_eq!(find(stores, &key).await, before);
    }
    let key = connected(stores, |connection| connection.state = ConnectionState::Disconnecting).await;
    let lease = sample::lease(at(0));
    let (first, before) = take_for(stores, &key, &lease, END).await;
    let (again, _) = take_for(stores, &key, &lease, END).await;
    assert_eq!((first.purpose, first.fence), (END, before.fence + 1));
    assert_eq!(again, first, "a lost answer gives the same lease again");
    let other = stores.refresh.take_lease(&key, &sample::lease(at(1)), END).await.unwrap();
    assert!(matches!(other, LeaseOutcome::Held { until } if until == at(105)), "{other:?}");
}

async fn a_refresh_under_way_stores_its_tokens_and_puts_nothing_off(stores: Stores<'_>) {
    let (key, lease, _) = leased(stores).await;
    let marked = mark(stores, &key).await;
    let held = stores.refresh.take_lease(&key, &sample::lease(at(3)), END).await.unwrap();
    assert!(matches!(held, LeaseOutcome::Held { .. }), "the mark ends no lease: {held:?}");
    let tokens = sample::tokens(2, at(1), 80);
    let settlement = settlement(Ending::Rotated(Box::new(tokens.clone())));

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    let expected = Connection {
        tokens: Some(tokens),
        attempts: counters(true),
        due: marked.due,
        ..kept(marked, &settlement)
    };
    assert_eq!((expected.state, expected.due), (ConnectionState::Disconnecting, Some(Due::At(at(2)))));
    assert_eq!(find(stores, &key).await, expected);
    stores.refresh.settle(&lease, &settlement).await.expect("the same settlement again is known");
    assert_eq!(find(stores, &key).await, expected);
    let (_, before) = take_for(stores, &key, &sample::lease(at(4)), END).await;
    assert_eq!(before, expected);
}

async fn a_verdict_that_comes_too_late_changes_no_state(stores: Stores<'_>) {
    let (key, lease, _) = leased(stores).await;
    let marked = mark(stores, &key).await;
    let dead = settlement(dead());

    stores.refresh.settle(&lease, &dead).await.unwrap();

    let expected = Connection { attempts: counters(false), due: marked.due, ..kept(marked, &dead) };
    assert_eq!(find(stores, &key).await, expected);
}

async fn an_unknown_outcome_keeps_its_lease_under_the_mark(stores: Stores<'_>) {
    let (key, lease, before) = leased(stores).await;
    let marked = mark(stores, &key).await;
    let unknown = settlement(Ending::Unknown);

    stores.refresh.settle(&lease, &unknown).await.unwrap();

    let after = find(stores, &key).await;
    assert_eq!((after.lease, after.due), (before.lease.clone(), marked.due));
    let (_, found) = take_for(stores, &key, &sample::lease(at(200)), END).await;
    assert_eq!(found.lease, before.lease, "who ends it is told");
}

async fn a_settlement_that_a_mark_came_upon_knows_itself_again(stores: Stores<'_>) {
    for ending in [rotated(), Ending::Unchanged, Ending::Unknown] {
        let (key, lease, _) = leased(stores).await;
        let settlement = settlement(ending);
        stores.refresh.settle(&lease, &settlement).await.unwrap();
        mark(stores, &key).await;
        let after = mark(stores, &key).await;

        stores.refresh.settle(&lease, &settlement).await.expect("its own, under two marks");

        assert_eq!(find(stores, &key).await, after, "counted once");
    }
}

async fn a_settlement_that_a_confirmation_came_upon_knows_itself_again(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.state = ConnectionState::Pending).await;
    let (lease, _) = take(stores, &key, &sample::lease(at(0))).await;
    let settlement = settlement(Ending::Unknown);
    stores.refresh.settle(&lease, &settlement).await.unwrap();
    stores.connections.confirm(&key, &ids().write()).await.unwrap();
    let after = find(stores, &key).await;

    stores.refresh.settle(&lease, &settlement).await.unwrap();

    assert_eq!(find(stores, &key).await, after, "counted once");
}

async fn whatever_a_lease_to_end_brings_it_stays_disconnecting_and_due(stores: Stores<'_>) {
    for ending in [rotated(), Ending::Unchanged, Ending::Unknown, dead()] {
        let (key, lease, _) = leased_to_end(stores).await;
        let settlement = settlement(ending);

        stores.refresh.settle(&lease, &settlement).await.unwrap();

        let after = find(stores, &key).await;
        assert_eq!((after.state, after.reason), (ConnectionState::Disconnecting, None));
        assert_eq!(after.due, Some(Due::At(at(2400))), "{:?}", settlement.ending);
        assert_eq!(after.lease.is_some(), matches!(settlement.ending, Ending::Unknown));
    }
}

async fn a_try_that_is_put_off_says_why_and_counts_as_no_attempt(stores: Stores<'_>) {
    let (key, lease, before) = leased_to_end(stores).await;
    let ending = Ending::Postponed { reason: "http_503".to_owned() };
    let settlement = Settlement { attempt: None, ..settlement(ending) };

    for again in ["once", "twice"] {
        stores.refresh.settle(&lease, &settlement).await.unwrap();

        let failed_in_a_row = before.attempts.failed_in_a_row + 1;
        let expected = Connection {
            reason: Some("http_503".to_owned()),
            lease: None,
            due: settlement.due,
            used_at: settlement.used_at,
            attempts: AttemptCounters { failed_in_a_row, ..before.attempts },
            write_id: settlement.write_id.clone(),
            ..before.clone()
        };
        assert_eq!(find(stores, &key).await, expected, "{again}");
    }
}

async fn the_end_leaves_no_tokens_and_nothing_to_do(stores: Stores<'_>) {
    let (key, lease, before) = leased_to_end(stores).await;
    let companies = stores.connections.list_companies(&key).await.unwrap();
    let end = Settlement { attempt: None, ..settlement(Ending::Disconnected) };

    stores.refresh.settle(&lease, &end).await.unwrap();

    let expected = Connection {
        state: ConnectionState::Disconnected,
        reason: None,
        tokens: None,
        lease: None,
        due: None,
        used_at: end.used_at,
        write_id: end.write_id.clone(),
        ..before
    };
    assert_eq!(find(stores, &key).await, expected);
    assert_eq!(stores.connections.list_companies(&key).await.unwrap(), companies, "still listed");
    stores.refresh.settle(&lease, &end).await.expect("the same end again is known");
    assert_eq!(find(stores, &key).await, expected);
    for purpose in [LeasePurpose::Refresh, END] {
        let outcome = stores.refresh.take_lease(&key, &sample::lease(at(200)), purpose).await.unwrap();
        assert!(matches!(outcome, LeaseOutcome::NotRefreshable { .. }), "{outcome:?}");
    }
}

async fn only_a_lease_to_end_ends(stores: Stores<'_>) {
    for is_marked in [false, true] {
        let (key, lease, _) = leased(stores).await;
        if is_marked {
            mark(stores, &key).await;
        }
        let before = find(stores, &key).await;

        for ending in [Ending::Disconnected, Ending::Postponed { reason: "http_503".to_owned() }] {
            let settled = stores.refresh.settle(&lease, &settlement(ending)).await;

            assert!(is_lost(&settled), "{settled:?}");
            assert_eq!(find(stores, &key).await, before);
        }
    }
}

async fn a_connection_that_was_connected_again_is_not_ended(stores: Stores<'_>) {
    let (key, lease, before) = leased_to_end(stores).await;
    let mut again = sample::new_connection(sample::connection(&key));
    again.replaces = Some(domain::connection::Replaces { fence: before.fence, write_id: before.write_id });
    again.connection.fence = before.fence + 1;
    stores.connections.connect(&again).await.unwrap();

    for ending in [Ending::Disconnected, rotated(), Ending::Unchanged] {
        let settled = stores.refresh.settle(&lease, &settlement(ending)).await;
        assert!(is_lost(&settled), "{settled:?}");
    }

    assert_eq!(find(stores, &key).await, again.connection);
    let (_, found) = take(stores, &key, &sample::lease(at(6))).await;
    assert_eq!(found, again.connection, "and refreshed as ever");
}
