//! What the cache of data keys promises.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;
use crate::{connection::ConnectionKey, provider::Provider, sealing::Purpose};

#[derive(Default)]
struct CountingKeys(AtomicUsize);

#[async_trait]
impl DataKeys for CountingKeys {
    async fn generate(&self, _: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        Ok((DataKey::new([0; 32]), WrappedKey(vec![1])))
    }

    async fn unwrap_key(&self, _: &[u8], _: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(DataKey::new([0; 32]))
    }
}

#[derive(Default)]
struct Hands(AtomicI64);

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

struct Fixture {
    keys: Arc<CountingKeys>,
    hands: Arc<Hands>,
    cache: CachedDataKeys,
}

impl Fixture {
    fn new() -> Self {
        let (keys, hands) = (Arc::new(CountingKeys::default()), Arc::new(Hands::default()));
        let cache = CachedDataKeys::new(keys.clone(), hands.clone());
        Self { keys, hands, cache }
    }

    async fn unwrap_key(&self, wrapped: &[u8], connection: &str) -> usize {
        let key = ConnectionKey { tenant: "t".parse().unwrap(), connection: connection.parse().unwrap() };
        let context = SealingContext {
            environment: "test",
            key: &key,
            provider: Provider::QuickBooks,
            purpose: Purpose::Access,
        };
        self.cache.unwrap_key(wrapped, &context).await.unwrap();
        self.keys.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_warm_key_costs_no_call() {
    let cache = Fixture::new();

    assert_eq!(cache.unwrap_key(b"k", "c").await, 1);
    assert_eq!(cache.unwrap_key(b"k", "c").await, 1);
}

#[tokio::test]
async fn a_key_cached_for_one_place_is_not_handed_out_in_another() {
    let cache = Fixture::new();

    cache.unwrap_key(b"k", "c").await;

    assert_eq!(cache.unwrap_key(b"k", "other").await, 2);
}

#[tokio::test]
async fn a_key_is_asked_for_again_after_five_minutes() {
    let cache = Fixture::new();
    cache.unwrap_key(b"k", "c").await;

    cache.hands.0.store(299, Ordering::Relaxed);
    assert_eq!(cache.unwrap_key(b"k", "c").await, 1);

    cache.hands.0.store(300, Ordering::Relaxed);
    assert_eq!(cache.unwrap_key(b"k", "c").await, 2);
}

#[tokio::test]
async fn the_cache_never_holds_more_than_its_limit() {
    let cache = Fixture::new();

    for number in 0..MAX_ENTRIES + 20 {
        cache.unwrap_key(&number.to_be_bytes(), "c").await;
    }

    assert_eq!(cache.cache.entries.lock().unwrap().len(), MAX_ENTRIES);
}
