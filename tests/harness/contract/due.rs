//! What the due index keeps.

use domain::{
    connection::ConnectionKey,
    refresh::{DueConnection, Ending, Settlement},
};
use futures::future::join_all;
use jiff::Timestamp;

use super::{
    RACERS, Stores,
    lease::{connected, take},
};
use crate::sample::{self, at, ids};

/// More than any table of a test holds.
const LIMIT: u32 = 1000;

pub(super) async fn contract(stores: Stores<'_>) {
    a_due_connection_is_in_one_shard_from_its_time_on(stores).await;
    the_most_urgent_come_first_and_no_more_than_asked_for(stores).await;
    a_connection_with_nothing_to_do_is_in_no_shard(stores).await;
    one_of_ten_sweeps_claims_a_due_connection(stores).await;
    a_claim_moves_the_due_time_and_only_from_where_it_was_seen(stores).await;
    a_settlement_moves_the_due_time_or_ends_it(stores).await;
    a_connection_whose_worker_was_killed_is_due_when_its_lease_ends(stores).await;
}

/// The entries of `key` in all shards.
async fn entries(stores: Stores<'_>, key: &ConnectionKey, now: Timestamp) -> Vec<(u32, DueConnection)> {
    let mut entries = vec![];
    for shard in 0..stores.due_shards {
        let due = stores.refresh.list_due(shard, now, LIMIT).await.unwrap();
        assert!(due.is_sorted_by_key(|entry| entry.due_at), "most urgent first");
        entries.extend(due.into_iter().filter(|entry| entry.key == *key).map(|entry| (shard, entry)));
    }
    entries
}

async fn a_due_connection_is_in_one_shard_from_its_time_on(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = Some(at(60))).await;

    assert_eq!(entries(stores, &key, at(59)).await, []);
    let due = entries(stores, &key, at(60)).await;

    assert_eq!(due.len(), 1);
    assert_eq!(due[0].1, DueConnection { key, due_at: at(60) });
}

async fn the_most_urgent_come_first_and_no_more_than_asked_for(stores: Stores<'_>) {
    let urgent = connected(stores, |connection| connection.due = Some(at(-1_000_000))).await;
    let (shard, entry) = entries(stores, &urgent, at(0)).await.remove(0);

    let first = stores.refresh.list_due(shard, at(0), 1).await.unwrap();

    assert_eq!(first.len(), 1);
    assert!(first[0].due_at <= entry.due_at);
    // Out of the way of the next run on this table.
    assert!(stores.refresh.claim_due(&entry, at(0)).await.unwrap());
}

async fn a_connection_with_nothing_to_do_is_in_no_shard(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = None).await;

    assert_eq!(entries(stores, &key, at(1_000_000)).await, []);
    let claimed = stores.refresh.claim_due(&DueConnection { key, due_at: at(0) }, at(300)).await.unwrap();
    assert!(!claimed);
}

async fn one_of_ten_sweeps_claims_a_due_connection(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let (_, entry) = entries(stores, &key, at(0)).await.remove(0);

    let claims = (0..RACERS).map(|_| stores.refresh.claim_due(&entry, at(300)));
    let claims = join_all(claims).await;

    assert_eq!(claims.iter().filter(|claim| matches!(claim, Ok(true))).count(), 1, "{claims:?}");
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Ok(false))).count(), RACERS - 1, "{claims:?}");
}

async fn a_claim_moves_the_due_time_and_only_from_where_it_was_seen(stores: Stores<'_>) {
    let key = connected(stores, |_| ()).await;
    let before = stores.connections.find(&key).await.unwrap().unwrap();
    let seen = DueConnection { key: key.clone(), due_at: at(0) };

    let stale = DueConnection { due_at: at(-1), ..seen.clone() };
    assert!(!stores.refresh.claim_due(&stale, at(300)).await.unwrap());
    assert!(stores.refresh.claim_due(&seen, at(300)).await.unwrap());

    assert_eq!(entries(stores, &key, at(299)).await, []);
    assert_eq!(entries(stores, &key, at(300)).await.len(), 1, "due again if its message is lost");
    let mut expected = before;
    expected.due_at = Some(at(300));
    assert_eq!(stores.connections.find(&key).await.unwrap(), Some(expected), "nothing else moves");
}

async fn a_settlement_moves_the_due_time_or_ends_it(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = None).await;
    for (started, due_at) in [(at(0), Some(at(60))), (at(10), None), (at(20), Some(at(90)))] {
        let (lease, _) = take(stores, &key, &sample::lease(started)).await;
        let settlement =
            Settlement { ending: Ending::Unchanged, due_at, attempt: None, write_id: ids().write() };

        stores.refresh.settle(&lease, &settlement).await.unwrap();

        let found = entries(stores, &key, at(100)).await;
        assert_eq!(found.first().map(|(_, entry)| entry.due_at), due_at);
    }
}

async fn a_connection_whose_worker_was_killed_is_due_when_its_lease_ends(stores: Stores<'_>) {
    for due_at in [None, Some(at(0)), Some(at(300))] {
        let key = connected(stores, |connection| connection.due = due_at).await;

        take(stores, &key, &sample::lease(at(0))).await;

        assert_eq!(entries(stores, &key, at(104)).await, []);
        let due = entries(stores, &key, at(105)).await;
        assert_eq!(due.len(), 1, "in one shard");
        assert_eq!(due[0].1, DueConnection { key, due_at: at(105) });
    }
}
