//! What shared breakers keep.

use std::collections::BTreeSet;

use domain::{
    id::ConnectionId,
    provider::Provider,
    refresh::{Breaker, BreakerState, BreakerStore, ProviderHealth, Tally},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{at, ids};

/// A minute since 1970 of which the numbers of those around it do not have as many digits.
const MINUTE: i64 = 10_000_000;
/// So many failing connections of a minute are remembered, whoever counts them.
const REMEMBERED: usize = 500;

/// What a store of breakers keeps; nobody else may use it.
pub async fn breaker_store_contract(store: &dyn BreakerStore) {
    a_breaker_reads_back_as_it_was_stored_and_only_its_successor_follows(store).await;
    of_those_who_store_the_very_same_one_is_told_so(store).await;
    a_tally_is_of_its_minute_and_counts_a_connection_once(store).await;
    a_flood_of_failures_is_counted_whole(store).await;
}

async fn breaker(store: &dyn BreakerStore, provider: Provider) -> Breaker {
    store.load(provider, 0).await.unwrap().breaker
}

async fn a_breaker_reads_back_as_it_was_stored_and_only_its_successor_follows(store: &dyn BreakerStore) {
    let provider = Provider::QuickBooks;
    assert_eq!(store.load(provider, 0).await.unwrap(), ProviderHealth::default());
    let states = [
        (BreakerState::Closed, 2, None),
        (BreakerState::Open { until: at(60) }, 3, Some(at(0))),
        (BreakerState::HalfOpen { until: at(165) }, 3, Some(at(0))),
        (BreakerState::Closed, 0, Some(at(61))),
    ];
    for (version, (state, failures, changed_at)) in (1..).zip(states) {
        let before = breaker(store, provider).await;
        let failed_for = changed_at.map(|_| u32::MAX);
        let next = Breaker { state, failures, failed_for, changed_at, version };
        let skips = Breaker { version: version + 1, ..next };
        assert!(!store.replace(provider, &skips).await.unwrap());
        assert_eq!(breaker(store, provider).await, before);

        assert!(store.replace(provider, &next).await.unwrap());

        let late = Breaker { failures: 99, ..next };
        assert!(!store.replace(provider, &late).await.unwrap());
        assert_eq!(breaker(store, provider).await, next);
        assert_eq!(breaker(store, Provider::Xero).await, Breaker::default(), "each provider has its own");
    }
}

async fn of_those_who_store_the_very_same_one_is_told_so(store: &dyn BreakerStore) {
    let provider = Provider::Xero;
    for version in 1..=3 {
        let next = Breaker { state: BreakerState::HalfOpen { until: at(60) }, version, ..Breaker::default() };

        let stored = join_all((0..RACERS).map(|_| store.replace(provider, &next))).await;

        assert_eq!(stored.iter().filter(|stored| matches!(stored, Ok(true))).count(), 1, "{stored:?}");
        assert_eq!(
            stored.iter().filter(|stored| matches!(stored, Ok(false))).count(),
            RACERS - 1,
            "{stored:?}"
        );
    }
}

async fn a_tally_is_of_its_minute_and_counts_a_connection_once(store: &dyn BreakerStore) {
    let provider = Provider::Zoho;
    let [first, second] = [ids().connection(), ids().connection()];
    let tally = |attempts, failing: &[&ConnectionId]| Tally {
        attempts,
        failed: u64::try_from(failing.len()).unwrap(),
        failing: failing.iter().map(|connection| (*connection).clone()).collect(),
    };
    for (minute, counted) in [
        (MINUTE - 1, tally(5, &[&first])),
        (MINUTE - 1, tally(3, &[])),
        (MINUTE, tally(4, &[&first, &second])),
        (MINUTE + 1, tally(2, &[&second])),
        (MINUTE + 1, tally(1, &[&second])),
    ] {
        store.count(provider, minute, &counted).await.unwrap();
    }

    for (from, attempts, failed, failing) in [
        (0, 15, 5, vec![&first, &second]),
        (MINUTE - 1, 15, 5, vec![&first, &second]),
        (MINUTE, 7, 4, vec![&first, &second]),
        (MINUTE + 1, 3, 2, vec![&second]),
        (MINUTE + 2, 0, 0, vec![]),
    ] {
        let expected = Tally { failed, ..tally(attempts, &failing) };
        assert_eq!(store.load(provider, from).await.unwrap().tally, expected, "from minute {from} on");
    }
    assert_eq!(breaker(store, provider).await, Breaker::default(), "a tally makes no breaker");
    let next = Breaker { version: 1, failures: 1, ..Breaker::default() };
    assert!(store.replace(provider, &next).await.unwrap(), "nor is it in the way of one");
    assert_eq!(store.load(provider, MINUTE + 2).await.unwrap().breaker, next, "which no minute hides");
}

async fn a_flood_of_failures_is_counted_whole(store: &dyn BreakerStore) {
    let (provider, minute) = (Provider::QuickBooks, MINUTE);
    let tallies = (0..15).map(|_| {
        let failing: BTreeSet<_> = (0..40).map(|_| ids().connection()).collect();
        Tally { attempts: 50, failed: 40, failing }
    });
    for tally in tallies {
        store.count(provider, minute, &tally).await.unwrap();
    }

    let tally = store.load(provider, minute).await.unwrap().tally;

    assert_eq!((tally.attempts, tally.failed), (750, 600));
    assert!((REMEMBERED..=600).contains(&tally.failing.len()), "{} are remembered", tally.failing.len());
}
