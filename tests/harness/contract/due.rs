//! What the due index keeps.

use domain::{
    connection::{ConnectionKey, ConnectionState, Due, DuePartition, Slot},
    provider::Provider,
    refresh::{Ending, Settlement},
};
use jiff::Timestamp;

use super::{
    Stores,
    lease::{connected, take},
    settle::{dead, rotated, settlement},
};
use crate::sample::{self, at};

const PROVIDER: Provider = Provider::QuickBooks;
/// The wheel of the samples.
const PERIOD: u16 = 50;

pub(super) async fn contract(stores: Stores<'_>) {
    a_due_connection_is_in_one_shard_of_its_provider_at_its_time(stores).await;
    the_most_urgent_come_first(stores).await;
    a_connection_in_a_slot_is_there_at_any_time_and_nowhere_else(stores).await;
    a_connection_with_nothing_to_do_is_nowhere(stores).await;
    a_span_without_an_instant_holds_nothing(stores).await;
    a_settlement_moves_the_entry_or_ends_it(stores).await;
    a_lease_leaves_the_entry_alone(stores).await;
}

fn timed(stores: Stores<'_>) -> impl Iterator<Item = DuePartition> {
    (0..stores.due_shards).map(|shard| DuePartition::Timed { provider: PROVIDER, shard })
}

fn slots() -> impl Iterator<Item = DuePartition> {
    let slot = |minute| DuePartition::Slot { provider: PROVIDER, slot: Slot { period: PERIOD, minute } };
    (0..PERIOD).map(slot)
}

/// The connections of a partition, page by page.
async fn list(
    stores: Stores<'_>,
    partition: DuePartition,
    times: (Timestamp, Timestamp),
) -> Vec<ConnectionKey> {
    let (mut keys, mut from) = (vec![], None);
    loop {
        let page = stores.due.list_due(partition, times, from.as_deref()).await.unwrap();
        keys.extend(page.keys);
        from = page.next;
        if from.is_none() {
            return keys;
        }
    }
}

/// The partitions with a time in which `key` is after the first and up to the second of `times`.
async fn places(stores: Stores<'_>, key: &ConnectionKey, times: (Timestamp, Timestamp)) -> Vec<DuePartition> {
    let mut places = vec![];
    for partition in timed(stores) {
        let entries = list(stores, partition, times).await.iter().filter(|found| *found == key).count();
        places.extend(std::iter::repeat_n(partition, entries));
    }
    places
}

/// The slots in which `key` is, whatever the times.
async fn slots_of(stores: Stores<'_>, key: &ConnectionKey) -> Vec<DuePartition> {
    let mut places = vec![];
    for partition in slots() {
        if list(stores, partition, (at(9), at(10))).await.contains(key) {
            places.push(partition);
        }
    }
    places
}

const ALL_TIMES: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

async fn a_due_connection_is_in_one_shard_of_its_provider_at_its_time(stores: Stores<'_>) {
    let due = Due::At(at(60));
    let key = connected(stores, |connection| connection.due = Some(due)).await;
    let own = DuePartition::of(PROVIDER, &key.connection, due, stores.due_shards);

    for times in [(at(59), at(60)), (at(59), at(61)), ALL_TIMES] {
        assert_eq!(places(stores, &key, times).await, [own], "{times:?}");
    }
    for times in [(at(0), at(59)), (at(60), at(61)), (Timestamp::MIN, at(59))] {
        assert_eq!(places(stores, &key, times).await, [], "{times:?}");
    }
    let DuePartition::Timed { shard, .. } = own else { panic!("{own:?}") };
    let elsewhere = DuePartition::Timed { provider: Provider::Xero, shard };
    assert!(!list(stores, elsewhere, ALL_TIMES).await.contains(&key), "of another provider");
    assert_eq!(slots_of(stores, &key).await, []);
}

async fn the_most_urgent_come_first(stores: Stores<'_>) {
    let mut keys = vec![];
    for second in [70, 50, 60] {
        let due = |key: &ConnectionKey| {
            DuePartition::of(PROVIDER, &key.connection, Due::At(at(second)), stores.due_shards)
        };
        // As many as it takes to have one in the first shard.
        let key = loop {
            let key = connected(stores, |connection| connection.due = Some(Due::At(at(second)))).await;
            if due(&key) == (DuePartition::Timed { provider: PROVIDER, shard: 0 }) {
                break key;
            }
        };
        keys.push(key);
    }

    let shard = DuePartition::Timed { provider: PROVIDER, shard: 0 };
    let mut found = list(stores, shard, (at(49), at(70))).await;

    found.retain(|key| keys.contains(key));
    assert_eq!(found, [keys[1].clone(), keys[2].clone(), keys[0].clone()]);
}

async fn a_connection_in_a_slot_is_there_at_any_time_and_nowhere_else(stores: Stores<'_>) {
    let slot = Slot { period: PERIOD, minute: 17 };
    let key = connected(stores, |connection| connection.due = Some(Due::Slot(slot))).await;

    assert_eq!(slots_of(stores, &key).await, [DuePartition::Slot { provider: PROVIDER, slot }]);
    assert_eq!(places(stores, &key, ALL_TIMES).await, []);
    let elsewhere = DuePartition::Slot { provider: Provider::Zoho, slot };
    assert!(!list(stores, elsewhere, ALL_TIMES).await.contains(&key), "of another provider");
}

async fn a_connection_with_nothing_to_do_is_nowhere(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = None).await;

    assert_eq!(places(stores, &key, ALL_TIMES).await, []);
    assert_eq!(slots_of(stores, &key).await, []);
}

async fn a_span_without_an_instant_holds_nothing(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = Some(Due::At(at(60)))).await;

    for times in [(at(60), at(60)), (at(61), at(59)), (Timestamp::MAX, Timestamp::MIN)] {
        assert_eq!(places(stores, &key, times).await, [], "{times:?}");
    }
}

async fn a_settlement_moves_the_entry_or_ends_it(stores: Stores<'_>) {
    let key = connected(stores, |connection| connection.due = None).await;
    let slot = Due::Slot(Slot { period: PERIOD, minute: 3 });
    for (started, due) in [
        (0, Some(Due::At(at(60)))),
        (10, None),
        (20, Some(slot)),
        (30, Some(Due::At(at(90)))),
        (40, Some(slot)),
    ] {
        let (lease, _) = take(stores, &key, &sample::lease(at(started))).await;

        stores.refresh.settle(&lease, &Settlement { due, ..settlement(rotated()) }).await.unwrap();

        assert_eq!(stores.connections.find(&key).await.unwrap().unwrap().due, due);
        let mut found = places(stores, &key, ALL_TIMES).await;
        found.extend(slots_of(stores, &key).await);
        let expected = due.map(|due| DuePartition::of(PROVIDER, &key.connection, due, stores.due_shards));
        assert_eq!(found, Vec::from_iter(expected), "{due:?}");
    }
    let generation = stores.connections.find(&key).await.unwrap().unwrap().tokens.unwrap().generation;
    let (lease, _) = take(stores, &key, &sample::lease(at(50))).await;
    let mut death = settlement(dead());
    if let Ending::Dead { generation: judged, .. } = &mut death.ending {
        *judged = generation;
    }
    stores.refresh.settle(&lease, &death).await.unwrap();
    let dead = stores.connections.find(&key).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.due), (ConnectionState::ReconnectRequired, None), "the dead are not due");
    assert_eq!(slots_of(stores, &key).await, []);
}

async fn a_lease_leaves_the_entry_alone(stores: Stores<'_>) {
    let due = Due::At(at(60));
    let key = connected(stores, |connection| connection.due = Some(due)).await;

    take(stores, &key, &sample::lease(at(0))).await;

    let own = DuePartition::of(PROVIDER, &key.connection, due, stores.due_shards);
    assert_eq!(places(stores, &key, ALL_TIMES).await, [own]);
}
