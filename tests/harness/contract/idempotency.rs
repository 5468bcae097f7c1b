//! What the guard of events keeps.

use domain::{
    provider::Provider,
    webhook::{Begin, IN_PROGRESS_LIFE, IdempotencyStore},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{at, ids};

const PROVIDER: Provider = Provider::QuickBooks;
const STARTED: Begin = Begin::Started { again: false };

/// What the guard of events keeps.
pub async fn idempotency_store_contract(store: &dyn IdempotencyStore) {
    one_of_ten_consumers_begins_with_an_event(store).await;
    a_completed_event_stays_completed(store).await;
    an_abandoned_event_may_be_tried_at_once(store).await;
    a_worker_that_never_came_back_is_replaced_when_its_time_is_over(store).await;
}

/// A key with everything that a provider may put into one.
fn new_key() -> String {
    format!("intuit.a/b c+ü=#{}", ids().write())
}

async fn one_of_ten_consumers_begins_with_an_event(store: &dyn IdempotencyStore) {
    let key = new_key();

    let begun = join_all((0..RACERS).map(|_| store.begin(PROVIDER, &key, at(0)))).await;

    let begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().filter(|begin| **begin == STARTED).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|begin| **begin == Begin::InProgress).count(), RACERS - 1, "{begun:?}");
    assert_eq!(store.begin(Provider::Xero, &key, at(0)).await.unwrap(), STARTED, "keys are per provider");
}

async fn a_completed_event_stays_completed(store: &dyn IdempotencyStore) {
    let key = new_key();
    let by = ids().delivery();
    assert_eq!(store.begin(PROVIDER, &key, at(0)).await.unwrap(), STARTED);

    store.complete(PROVIDER, &key, &by, at(1)).await.unwrap();

    assert_eq!(store.begin(PROVIDER, &key, at(2)).await.unwrap(), Begin::Completed { by: by.clone() });
    assert_eq!(
        store.begin(PROVIDER, &key, at(1_000_000)).await.unwrap(),
        Begin::Completed { by: by.clone() }
    );
    // A worker that was too slow gives back what another has completed.
    store.abandon(PROVIDER, &key).await.unwrap();
    assert_eq!(store.begin(PROVIDER, &key, at(3)).await.unwrap(), Begin::Completed { by: by.clone() });
}

async fn an_abandoned_event_may_be_tried_at_once(store: &dyn IdempotencyStore) {
    let key = new_key();
    store.abandon(PROVIDER, &key).await.expect("nothing to give back");
    store.begin(PROVIDER, &key, at(0)).await.unwrap();

    store.abandon(PROVIDER, &key).await.unwrap();

    assert_eq!(store.begin(PROVIDER, &key, at(0)).await.unwrap(), STARTED);
}

async fn a_worker_that_never_came_back_is_replaced_when_its_time_is_over(store: &dyn IdempotencyStore) {
    let key = new_key();
    store.begin(PROVIDER, &key, at(0)).await.unwrap();
    let over = i64::try_from(IN_PROGRESS_LIFE.as_secs()).unwrap();

    assert_eq!(store.begin(PROVIDER, &key, at(over - 1)).await.unwrap(), Begin::InProgress);
    assert_eq!(store.begin(PROVIDER, &key, at(over)).await.unwrap(), Begin::Started { again: true });
    assert_eq!(store.begin(PROVIDER, &key, at(over)).await.unwrap(), Begin::InProgress);
}
