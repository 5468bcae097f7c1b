//! What all workers know of each provider: its breaker, and what came of their attempts.
//!
//! The table is the truth; a process keeps what it read for a moment, and counts what it saw until its invocation ends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, Semaphore};

use super::{
    Admission, Breaker, BreakerSettings, Endpoint, OutageSettings, Tally,
    outage::{self, REMEMBERED},
    policy::later,
};
use crate::{
    clock::Clock,
    event::{Event, EventBus, EventKind, announce},
    id::ConnectionId,
    provider::Provider,
    store::{StoreError, chain},
};

/// What a process read of a provider stands for this long: a breaker that opened elsewhere is heeded soon, and a batch of
/// a hundred connections costs one read.
const FRESH: Duration = Duration::from_secs(5);
/// How often a change is tried that another worker's came between.
const TRIES: usize = 4;
/// How long a verdict waits for the calls beside it.
const NEIGHBOURS: Duration = Duration::from_secs(2);
/// How often it looks.
const NEIGHBOURS_POLL: Duration = Duration::from_millis(100);
/// Calls to one provider at once in one process: a provider that hangs takes only its own places.
const AT_ONCE: usize = 50;

/// What the table knows of one provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProviderHealth {
    /// Its breaker.
    pub breaker: Breaker,
    /// What came of attempts from a minute on.
    pub tally: Tally,
}

/// Where the breakers of one endpoint are shared.
#[async_trait]
pub trait BreakerStore: Send + Sync {
    /// Reads a provider's breaker, and the tallies of the minutes (since 1970) from `minute` on, strongly consistent.
    async fn load(&self, provider: Provider, minute: i64) -> Result<ProviderHealth, StoreError>;

    /// Stores a breaker if the stored one still has the version before its own; false when somebody else's came between,
    /// though it were the very same: of those who see that one call may try, one hears true. An error leaves open whether
    /// it is stored.
    async fn replace(&self, provider: Provider, next: &Breaker) -> Result<bool, StoreError>;

    /// Adds attempts to the tally of a minute.
    async fn count(&self, provider: Provider, minute: i64, tally: &Tally) -> Result<(), StoreError>;
}

/// The breakers of one endpoint of all providers, as one process sees them.
pub struct Breakers {
    endpoint: Endpoint,
    store: Arc<dyn BreakerStore>,
    clock: Arc<dyn Clock>,
    bus: Arc<dyn EventBus>,
    settings: (BreakerSettings, OutageSettings),
    seen: BTreeMap<Provider, Seen>,
}

struct Seen {
    health: Mutex<Known>,
    places: Semaphore,
    /// How many of those who have a place wait for the others.
    judging: AtomicUsize,
}

/// One who waits for the others, for as long as it lives.
struct Judging<'a>(&'a AtomicUsize);

impl<'a> Judging<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Judging<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Known {
    read_at: Option<Timestamp>,
    stored: ProviderHealth,
    /// Counted here, and not yet in the table.
    uncounted: Tally,
}

/// What a call told of the provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// It answered; with a refusal too it is up.
    Answer,
    /// It failed.
    Failure,
    /// It failed over a company, by its digest.
    FailureFor(u32),
}

impl Breakers {
    /// Breakers of the token endpoints in `store`.
    #[must_use]
    pub fn new(
        store: Arc<dyn BreakerStore>,
        clock: Arc<dyn Clock>,
        bus: Arc<dyn EventBus>,
        settings: (BreakerSettings, OutageSettings),
    ) -> Self {
        let places = || Semaphore::new(AT_ONCE);
        let seen = || Seen { health: Mutex::default(), places: places(), judging: AtomicUsize::new(0) };
        let seen = Provider::ALL.into_iter().map(|provider| (provider, seen())).collect();
        Self { endpoint: Endpoint::Token, store, clock, bus, settings, seen }
    }

    /// The same of another endpoint, whose `store` this must be.
    #[must_use]
    pub fn of(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// One of the places for calls to a provider, free again when it is dropped.
    pub(super) async fn place(&self, provider: Provider) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.seen.get(&provider)?.places.acquire().await.ok()
    }

    /// What is known of a provider, read anew when that was a while ago; also what this process has not counted yet.
    pub async fn health(&self, provider: Provider) -> ProviderHealth {
        let Some(seen) = self.seen.get(&provider) else { return ProviderHealth::default() };
        let mut known = seen.health.lock().await;
        self.refreshed(provider, &mut known).await;
        let mut health = known.stored.clone();
        health.tally.add(&known.uncounted);
        health
    }

    /// Until when nobody may pass; none where a call may, be it as the one that tries.
    pub(crate) async fn open_until(&self, provider: Provider) -> Option<Timestamp> {
        let until = self.health(provider).await.breaker.state.until();
        until.filter(|until| *until > self.clock.now())
    }

    /// Until when a call must wait; none when it may pass, which makes it the one that tries where the breaker was open.
    pub(crate) async fn held_back(&self, provider: Provider) -> Option<Timestamp> {
        let seen = self.seen.get(&provider)?;
        let mut known = seen.health.lock().await;
        for _ in 0..TRIES {
            self.refreshed(provider, &mut known).await;
            match known.stored.breaker.admit(&self.settings.0, self.clock.now()) {
                Admission::Pass => return None,
                Admission::Wait(until) => return Some(until),
                Admission::Probe(next) if self.store(provider, &mut known, next).await => return None,
                Admission::Probe(_) => {}
            }
        }
        Some(later(self.clock.now(), self.settings.0.reset))
    }

    /// Takes to the breaker that a call was answered.
    pub(crate) async fn answered(&self, provider: Provider) {
        self.heard(provider, Heard::Answer).await;
    }

    /// Takes to the breaker that a call over a company's books failed.
    pub(crate) async fn failed(&self, provider: Provider, company: &str) {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(company));
        self.heard(provider, Heard::FailureFor(u32::from_be_bytes([a, b, c, d]))).await;
    }

    /// Takes to the breaker what a call told.
    pub(super) async fn heard(&self, provider: Provider, heard: Heard) {
        let Some(seen) = self.seen.get(&provider) else { return };
        let mut known = seen.health.lock().await;
        for _ in 0..TRIES {
            self.refreshed(provider, &mut known).await;
            let (breaker, now) = (known.stored.breaker, self.clock.now());
            let next = match heard {
                Heard::Answer => breaker.after_answer(now),
                Heard::Failure => breaker.after_failure(&self.settings.0, now),
                Heard::FailureFor(whom) => breaker.after_failure_for(whom, &self.settings.0, now),
            };
            if next == breaker || self.store(provider, &mut known, next).await {
                return;
            }
        }
    }

    /// Counts one attempt that came to an end.
    pub(super) async fn count(&self, provider: Provider, connection: &ConnectionId, failed: bool) {
        let Some(seen) = self.seen.get(&provider) else { return };
        seen.health.lock().await.uncounted.count(connection, failed);
    }

    /// Counts an attempt on a connection that the provider refuses, and says whether so much fails at once that no
    /// connection may be judged by it.
    ///
    /// Waits a moment for the calls beside it: when a provider begins to refuse everybody, a batch of fifty hears of it
    /// within the same second, and the first of them must not be judged alone.
    pub(super) async fn is_outage(&self, provider: Provider, connection: &ConnectionId) -> bool {
        let Some(seen) = self.seen.get(&provider) else { return false };
        self.count(provider, connection, true).await;
        let _judging = Judging::of(&seen.judging);
        let give_up = later(self.clock.now(), NEIGHBOURS);
        while AT_ONCE - seen.places.available_permits() > seen.judging.load(Ordering::SeqCst)
            && self.clock.now() < give_up
        {
            self.clock.sleep(NEIGHBOURS_POLL).await;
        }
        self.health(provider).await.tally.is_outage(&self.settings.1)
    }

    /// Whether attempts fail on as many connections as it takes for an outage, whatever succeeds beside them.
    #[must_use]
    pub fn has_many_failing(&self, tally: &Tally) -> bool {
        tally.failing.len() >= self.settings.1.minimum
    }

    /// When a provider that is out, by its breaker or by what fails, is tried again; none when it is not.
    pub(super) async fn out_until(&self, provider: Provider) -> Option<Timestamp> {
        let health = self.health(provider).await;
        let soon = later(self.clock.now(), self.settings.0.reset);
        let fails = health.tally.is_outage(&self.settings.1).then_some(soon);
        health.breaker.state.until().map(|until| until.max(soon)).or(fails)
    }

    /// Adds what was counted here to the table, at the end of an invocation; while nothing fails, nothing is written.
    pub async fn flush(&self) {
        for (&provider, seen) in &self.seen {
            let mut known = seen.health.lock().await;
            let mut tally = std::mem::take(&mut known.uncounted);
            let nothing_fails = tally.failed == 0 && known.stored.tally.failed == 0;
            if tally.attempts == 0 || nothing_fails {
                continue;
            }
            while tally.failing.len() > self.settings.1.minimum * REMEMBERED {
                tally.failing.pop_last();
            }
            known.read_at = None;
            if let Err(error) = self.store.count(provider, outage::minute(self.clock.now()), &tally).await {
                tracing::error!(error = chain(&error), "Attempts are not counted");
            }
        }
    }

    /// Reads what is too old; a table that does not answer holds nobody back.
    async fn refreshed(&self, provider: Provider, known: &mut Known) {
        let now = self.clock.now();
        if known.read_at.is_some_and(|read_at| now < later(read_at, FRESH)) {
            return;
        }
        match self.store.load(provider, self.settings.1.first_minute(now)).await {
            // By the clock as it is now: the answer may have put it right.
            Ok(stored) => (known.stored, known.read_at) = (stored, Some(self.clock.now())),
            Err(error) => tracing::error!(error = chain(&error), "Breaker could not be read"),
        }
    }

    /// Stores a changed breaker and tells of it; false when it was changed elsewhere, and is to be read again.
    async fn store(&self, provider: Provider, known: &mut Known, next: Breaker) -> bool {
        let stored = self.store.replace(provider, &next).await;
        match stored {
            Ok(false) => {
                known.read_at = None;
                return false;
            }
            Ok(true) => {}
            Err(error) => tracing::error!(error = chain(&error), "Breaker could not be stored"),
        }
        let before = std::mem::replace(&mut known.stored.breaker, next);
        let kind = match (before.state.until(), next.state.until()) {
            (None, Some(_)) => EventKind::CircuitBreakerOpened,
            (Some(_), None) => EventKind::CircuitBreakerClosed,
            _ => return true,
        };
        let (name, endpoint) = (provider.as_str(), self.endpoint.as_str());
        tracing::warn!(provider = name, endpoint, state = next.state.as_str(), "Breaker changed");
        let mut event = Event::of_provider(kind, provider, self.clock.now());
        event.retry_at = next.state.until();
        event.endpoint = Some(endpoint);
        announce(&*self.bus, &event).await;
        true
    }
}
