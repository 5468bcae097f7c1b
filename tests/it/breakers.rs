//! Breakers and tallies shared by workers that know of each other only through the table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    clock::Clock as _,
    connection::{ConnectionKey, ConnectionState},
    event::EventKind,
    id::Location,
    provider::Provider,
    refresh::{
        BreakerState, BreakerStore as _, Breakers, FailureClass, ProviderHealth, RefreshOutcome,
        RefreshPolicy, Refresher, Trigger, policy::later,
    },
    sealing::TokenSealer,
    secret::RefreshToken,
    token::{CodeGrant, Refusal, TokenEndpoint, TokenEndpointError, TokenSet},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use tests::{ManualClock, ScriptedTokenEndpoint};
use tokio::sync::Semaphore;

use crate::world::{FUNCTION_LIFE, SETTINGS, World, class, invalid_grant};

const PROVIDER: Provider = Provider::QuickBooks;
const PROBERS: usize = 20;

/// A provider that works, fails, or does not accept our app; the first call it holds waits for its release.
struct Provided {
    inner: Arc<ScriptedTokenEndpoint>,
    fails: AtomicBool,
    refuses_us: AtomicBool,
    holds: AtomicBool,
    release: Semaphore,
    calls: AtomicUsize,
}

#[async_trait]
impl TokenEndpoint for Provided {
    async fn exchange(&self, grant: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError> {
        self.inner.exchange(grant).await
    }

    async fn refresh(
        &self,
        token: &RefreshToken,
        at: Option<&Location>,
    ) -> Result<TokenSet, TokenEndpointError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.holds.swap(false, Ordering::SeqCst) {
            self.release.acquire().await.unwrap().forget();
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(TokenEndpointError::Failed(Refusal { status: Some(503), ..Refusal::default() }));
        }
        if self.refuses_us.load(Ordering::SeqCst) {
            return Err(TokenEndpointError::AppRefused(Refusal::default()));
        }
        self.inner.refresh(token, at).await
    }
}

/// A world with many workers.
struct Workers {
    world: World,
    provider: Arc<Provided>,
}

impl Workers {
    fn new() -> Self {
        let world = World::new();
        let provider = Arc::new(Provided {
            inner: world.provider.clone(),
            fails: AtomicBool::default(),
            refuses_us: AtomicBool::default(),
            holds: AtomicBool::default(),
            release: Semaphore::new(0),
            calls: AtomicUsize::default(),
        });
        Self { world, provider }
    }

    /// A worker that just started.
    fn worker(&self) -> Refresher {
        let World { refresher, clock, bus, breakers, keys, .. } = &self.world;
        let clock: Arc<ManualClock> = clock.clone();
        Refresher {
            store: refresher.store.clone(),
            connections: refresher.connections.clone(),
            endpoints: [(PROVIDER, self.provider.clone() as _)].into(),
            revocations: [].into(),
            breakers: Breakers::new(breakers.clone(), clock.clone(), bus.clone(), SETTINGS),
            sealer: TokenSealer::new("test".to_owned(), keys.clone(), refresher.entropy.clone()),
            queue: refresher.queue.clone(),
            recovery: refresher.recovery.clone(),
            attempts: refresher.attempts.clone(),
            bus: bus.clone(),
            audit: refresher.audit.clone(),
            clock,
            entropy: refresher.entropy.clone(),
            policy: RefreshPolicy::default(),
            owner: "worker".to_owned(),
        }
    }

    async fn outcome(&self, worker: &Refresher, key: &ConnectionKey) -> RefreshOutcome {
        let deadline = later(self.world.clock.now(), FUNCTION_LIFE);
        worker.refresh(key, Trigger::Manual, deadline).await.unwrap().outcome
    }

    /// What comes of a refresh of a connection of its own, by a worker of its own.
    async fn refreshed(&self) -> RefreshOutcome {
        self.outcome(&self.worker(), &self.world.connected().await).await
    }

    /// Lets the provider fail until the breaker opens, and lets as many workers as there will be connections read that
    /// when it is almost over: they all know then that one may try, and no more. The provider works again.
    async fn opened(&self) -> Vec<(Refresher, ConnectionKey)> {
        self.provider.fails.store(true, Ordering::SeqCst);
        for _ in 0..SETTINGS.0.failures {
            self.refreshed().await;
        }
        self.provider.fails.store(false, Ordering::SeqCst);
        let mut probers = vec![];
        for _ in 0..PROBERS {
            probers.push((self.worker(), self.world.connected().await));
        }
        let BreakerState::Open { until } = self.stored().await.breaker.state else { panic!("it is open") };
        let left = Duration::try_from(until.duration_since(self.world.clock.now())).unwrap();
        self.world.clock.advance(left.saturating_sub(Duration::from_secs(1)));
        for (worker, _) in &probers {
            assert_eq!(worker.breakers.health(PROVIDER).await.breaker.state, BreakerState::Open { until });
        }
        self.world.clock.advance(Duration::from_secs(1));
        self.calls();
        probers
    }

    /// Lets all of them try at once.
    fn probes<'a>(
        &'a self,
        probers: &'a [(Refresher, ConnectionKey)],
    ) -> FuturesUnordered<impl Future<Output = RefreshOutcome>> {
        probers.iter().map(|(worker, key)| self.outcome(worker, key)).collect()
    }

    async fn stored(&self) -> ProviderHealth {
        self.world.breakers.load(PROVIDER, 0).await.unwrap()
    }

    fn calls(&self) -> usize {
        self.provider.calls.swap(0, Ordering::SeqCst)
    }
}

async fn connected(workers: &Workers) -> Vec<ConnectionKey> {
    let mut keys = vec![];
    for _ in 0..PROBERS {
        keys.push(workers.world.connected().await);
    }
    keys
}

#[tokio::test]
async fn three_failures_of_three_workers_open_the_breaker_for_all() {
    let workers = Workers::new();
    workers.provider.fails.store(true, Ordering::SeqCst);
    for failures in 1..=3 {
        assert_eq!(class(&workers.refreshed().await), Some(FailureClass::Transient));

        let breaker = workers.stored().await.breaker;
        assert_eq!(breaker.failures, failures, "an attempt fails once, however often it tries");
        assert_eq!(breaker.state == BreakerState::Closed, failures < 3);
    }
    assert_eq!(
        workers.world.kinds().iter().filter(|kind| **kind == EventKind::CircuitBreakerOpened).count(),
        1
    );
    workers.calls();

    let held = workers.refreshed().await;

    assert!(matches!(held, RefreshOutcome::HeldBack { .. }), "{held:?}");
    assert_eq!(workers.calls(), 0);
}

#[tokio::test]
async fn one_answer_to_any_worker_begins_the_count_anew() {
    let workers = Workers::new();
    for fails in [true, true, false, true, true] {
        workers.provider.fails.store(fails, Ordering::SeqCst);
        workers.refreshed().await;
    }

    let breaker = workers.stored().await.breaker;

    assert_eq!((breaker.state, breaker.failures), (BreakerState::Closed, 2));
}

#[tokio::test]
async fn of_twenty_workers_one_tries_whether_the_provider_is_back_and_its_answer_lets_all_pass() {
    let workers = Workers::new();
    let probers = workers.opened().await;
    workers.provider.holds.store(true, Ordering::SeqCst);

    let mut trying = workers.probes(&probers);
    for _ in 1..PROBERS {
        let outcome = trying.next().await.unwrap();
        assert!(matches!(outcome, RefreshOutcome::HeldBack { .. }), "{outcome:?}");
    }
    assert_eq!(workers.calls(), 1, "one asked, and hears nothing yet");
    workers.provider.release.add_permits(1);

    assert_eq!(trying.next().await, Some(RefreshOutcome::Refreshed));
    assert_eq!(workers.stored().await.breaker.state, BreakerState::Closed);
    assert_eq!(workers.refreshed().await, RefreshOutcome::Refreshed);
    assert!(workers.world.kinds().contains(&EventKind::CircuitBreakerClosed));
}

#[tokio::test]
async fn one_that_tried_and_was_lost_is_followed_by_another_when_its_time_is_over() {
    let workers = Workers::new();
    let probers = workers.opened().await;
    workers.provider.holds.store(true, Ordering::SeqCst);
    let mut trying = workers.probes(&probers);
    for _ in 1..PROBERS {
        trying.next().await.unwrap();
    }
    drop(trying);

    workers.world.clock.advance(SETTINGS.0.probe.saturating_sub(Duration::from_secs(1)));
    let early = workers.refreshed().await;
    workers.world.clock.advance(Duration::from_secs(1));
    let next = workers.refreshed().await;

    assert!(matches!(early, RefreshOutcome::HeldBack { .. }), "{early:?}");
    assert_eq!(next, RefreshOutcome::Refreshed);
}

#[tokio::test]
async fn a_table_that_does_not_answer_holds_nobody_back() {
    let workers = Workers::new();
    workers.opened().await;
    workers.world.breakers.set_down(true);

    for _ in 0..5 {
        assert_eq!(workers.refreshed().await, RefreshOutcome::Refreshed);
    }

    workers.provider.fails.store(true, Ordering::SeqCst);
    let worker = workers.worker();
    for key in connected(&workers).await.iter().take(3) {
        assert_eq!(class(&workers.outcome(&worker, key).await), Some(FailureClass::Transient));
    }
    let held = workers.outcome(&worker, &workers.world.connected().await).await;
    assert!(matches!(held, RefreshOutcome::HeldBack { .. }), "what a worker sees itself counts all the same");
}

#[tokio::test]
async fn nothing_is_counted_in_the_table_while_nothing_fails() {
    let workers = Workers::new();
    let worker = workers.worker();
    for key in connected(&workers).await {
        assert_eq!(workers.outcome(&worker, &key).await, RefreshOutcome::Refreshed);
    }

    worker.breakers.flush().await;

    assert_eq!(workers.world.breakers.counts(), 0);
}

#[tokio::test]
async fn while_something_fails_every_worker_counts_what_it_did_and_who_did_nothing_nothing() {
    let workers = Workers::new();
    let [failing, working, idle] = [workers.worker(), workers.worker(), workers.worker()];
    let keys = connected(&workers).await;
    workers.provider.refuses_us.store(true, Ordering::SeqCst);
    workers.outcome(&failing, &keys[0]).await;
    failing.breakers.flush().await;
    workers.provider.refuses_us.store(false, Ordering::SeqCst);
    workers.outcome(&working, &keys[1]).await;
    workers.outcome(&working, &keys[2]).await;
    idle.breakers.health(PROVIDER).await;

    working.breakers.flush().await;
    idle.breakers.flush().await;
    working.breakers.flush().await;

    let tally = workers.stored().await.tally;
    assert_eq!((tally.attempts, tally.failed), (3, 1));
    assert_eq!(tally.failing.into_iter().collect::<Vec<_>>(), [keys[0].connection.clone()]);
    assert_eq!(workers.world.breakers.counts(), 2, "each once");
}

/// Lets so many connections fail twice, each time at another worker, and another be refused then; gives its state.
async fn refused_beside(failing: usize) -> ConnectionState {
    let workers = Workers::new();
    let keys = connected(&workers).await;
    workers.provider.refuses_us.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        for keys in keys[..failing].chunks(4) {
            let worker = workers.worker();
            for key in keys {
                assert_eq!(class(&workers.outcome(&worker, key).await), Some(FailureClass::Configuration));
            }
            worker.breakers.flush().await;
        }
    }
    workers.provider.refuses_us.store(false, Ordering::SeqCst);
    workers.world.provider.answer(Err(invalid_grant()));
    let refused = &keys[failing];

    workers.outcome(&workers.worker(), refused).await;

    workers.world.find(refused).await.state
}

#[tokio::test]
async fn a_verdict_waits_while_ten_connections_fail_at_all_workers_together_and_none_counts_twice() {
    assert_eq!(refused_beside(8).await, ConnectionState::ReconnectRequired, "with itself these are nine");
    assert_eq!(refused_beside(9).await, ConnectionState::Active);
}
