//! What the cache of data keys promises.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use zeroize::ZeroizeOnDrop;

use super::*;
use crate::{
    connection::ConnectionKey,
    provider::Provider,
    sealing::{Purpose, envelope::derive},
};

#[derive(Default)]
struct CountingKeys {
    calls: AtomicUsize,
    refuses: AtomicBool,
}

#[async_trait]
impl DataKeys for CountingKeys {
    async fn generate(&self, _: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        Ok((DataKey::new([0; 32]), WrappedKey(vec![1])))
    }

    async fn unwrap_key(&self, _: &[u8], _: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) {
            return Err(KeyError::Refused("the right was revoked".into()));
        }
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

    /// Unwraps a key and tells how often the key service was asked so far.
    async fn unwrap_key(&self, wrapped: &[u8], connection: &str) -> usize {
        self.try_unwrap_key(wrapped, connection).await.unwrap();
        self.keys.calls.load(Ordering::Relaxed)
    }

    async fn try_unwrap_key(&self, wrapped: &[u8], connection: &str) -> Result<DataKey, KeyError> {
        let key = ConnectionKey { tenant: "t".parse().unwrap(), connection: connection.parse().unwrap() };
        let context = SealingContext {
            environment: "test",
            key: &key,
            provider: Provider::QuickBooks,
            purpose: Purpose::Access,
        };
        self.cache.unwrap_key(wrapped, &context).await
    }

    /// How many keys are in memory.
    fn held(&self) -> usize {
        self.cache.entries.lock().unwrap().len()
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
async fn a_key_is_asked_for_again_when_the_clock_went_back() {
    let cache = Fixture::new();
    cache.hands.0.store(100, Ordering::Relaxed);
    cache.unwrap_key(b"k", "c").await;

    cache.hands.0.store(99, Ordering::Relaxed);

    assert_eq!(cache.unwrap_key(b"k", "c").await, 2);
}

#[tokio::test]
async fn a_key_is_asked_for_again_after_ten_thousand_uses() {
    let cache = Fixture::new();

    for _ in 0..10_000 {
        assert_eq!(cache.unwrap_key(b"k", "c").await, 1);
    }

    assert_eq!(cache.unwrap_key(b"k", "c").await, 2);
}

#[tokio::test]
async fn the_cache_never_holds_more_than_its_limit_and_the_oldest_key_goes_first() {
    let cache = Fixture::new();
    let name = |number: i64| number.to_be_bytes();
    for number in 0..500 {
        cache.hands.0.store(number / 5, Ordering::Relaxed);
        cache.unwrap_key(&name(number), if number == 0 { "oldest" } else { "c" }).await;
    }
    // The keys of the first moment are used at the last: age counts, not use.
    assert_eq!(cache.unwrap_key(&name(0), "oldest").await, 500);

    for number in 500..505 {
        cache.unwrap_key(&name(number), "c").await;
    }

    assert_eq!(cache.held(), 500);
    assert_eq!(cache.unwrap_key(&name(5), "c").await, 505, "a younger key stayed");
    assert_eq!(cache.unwrap_key(&name(0), "oldest").await, 506, "the oldest went");
}

#[tokio::test]
async fn a_key_that_is_too_old_leaves_memory_even_when_no_other_comes() {
    let cache = Fixture::new();
    for wrapped in [b"one", b"two"] {
        cache.unwrap_key(wrapped, "c").await;
    }
    cache.hands.0.store(300, Ordering::Relaxed);
    cache.keys.refuses.store(true, Ordering::Relaxed);

    assert!(cache.try_unwrap_key(b"one", "c").await.is_err());

    assert_eq!(cache.held(), 0);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let cache = Fixture::new();
    cache.keys.refuses.store(true, Ordering::Relaxed);
    assert!(cache.try_unwrap_key(b"k", "c").await.is_err());

    cache.keys.refuses.store(false, Ordering::Relaxed);

    assert_eq!(cache.unwrap_key(b"k", "c").await, 2);
}

#[tokio::test]
async fn an_evicted_key_has_no_holder_left_to_keep_it_from_being_wiped() {
    let cache = Fixture::new();
    let DataKey(bytes) = cache.try_unwrap_key(b"k", "c").await.unwrap();
    assert_eq!(Arc::strong_count(&bytes), 2, "the cache and its user hold one and the same key");

    cache.hands.0.store(300, Ordering::Relaxed);
    cache.unwrap_key(b"other", "c").await;

    assert_eq!(Arc::strong_count(&bytes), 1);
}

#[test]
fn key_bytes_are_of_types_that_wipe_themselves() {
    fn wiped<T: ZeroizeOnDrop>(_: &T) {}

    let key = DataKey::new([7; DATA_KEY_BYTES]);
    wiped(&*key.0);
    let (cipher, _) = derive(&key, &[0; 32]);
    wiped(&cipher);
}

#[test]
fn a_data_key_never_prints_its_bytes() {
    assert_eq!(format!("{:?}", DataKey::new([7; DATA_KEY_BYTES])), "DataKey([redacted])");
}

#[test]
fn only_a_slice_of_256_bits_is_a_data_key() {
    for length in (0..=64).filter(|length| *length != DATA_KEY_BYTES) {
        assert!(DataKey::from_slice(&vec![7; length]).is_none(), "{length}");
    }
    assert_eq!(DataKey::from_slice(&[7; 32]).unwrap().expose(), [7; 32]);
}
