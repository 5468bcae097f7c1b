//! Breakers in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    provider::Provider,
    refresh::{Breaker, BreakerStore, ProviderHealth, Tally},
    store::StoreError,
};

/// Breakers and tallies in memory.
#[derive(Debug, Default)]
pub struct InMemoryBreakers {
    state: Mutex<HashMap<Provider, Stored>>,
    down: Mutex<bool>,
    counts: AtomicUsize,
}

#[derive(Debug, Default)]
struct Stored {
    breaker: Breaker,
    minutes: BTreeMap<i64, Tally>,
}

impl InMemoryBreakers {
    /// Makes every call fail, or no longer.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    /// How often a tally was added.
    #[must_use]
    pub fn counts(&self) -> usize {
        self.counts.load(Ordering::SeqCst)
    }

    fn with<T>(&self, provider: Provider, work: impl FnOnce(&mut Stored) -> T) -> Result<T, StoreError> {
        if *self.down.lock().unwrap() {
            return Err(StoreError::Unavailable { operation: "breakers", source: "made to fail".into() });
        }
        Ok(work(self.state.lock().unwrap().entry(provider).or_default()))
    }
}

#[async_trait]
impl BreakerStore for InMemoryBreakers {
    async fn load(&self, provider: Provider, minute: i64) -> Result<ProviderHealth, StoreError> {
        self.with(provider, |stored| {
            let mut tally = Tally::default();
            stored.minutes.range(minute..).for_each(|(_, counted)| tally.add(counted));
            ProviderHealth { breaker: stored.breaker, tally }
        })
    }

    async fn replace(&self, provider: Provider, next: &Breaker) -> Result<bool, StoreError> {
        self.with(provider, |stored| {
            let follows = stored.breaker.version + 1 == next.version;
            if follows {
                stored.breaker = *next;
            }
            follows
        })
    }

    async fn count(&self, provider: Provider, minute: i64, tally: &Tally) -> Result<(), StoreError> {
        self.counts.fetch_add(1, Ordering::SeqCst);
        self.with(provider, |stored| stored.minutes.entry(minute).or_default().add(tally))
    }
}
