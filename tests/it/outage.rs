//! Half an hour in which a provider is out: nobody is disconnected or told, and when it is back it is not overrun.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _},
    entropy::Entropy,
    event::EventKind,
    id::Location,
    provider::Provider,
    refresh::{BreakerState, Breakers, Delayed, RefreshPolicy, Refresher, Sweep, policy::later},
    sealing::{TokenSealer, fingerprint},
    secret::{AccessToken, RefreshToken},
    token::{CodeGrant, Refusal, TokenEndpoint, TokenEndpointError, TokenSet},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use rstest::rstest;
use tests::{
    PausedClock, SeededEntropy,
    memory::{
        InMemoryAttempts, InMemoryAudit, InMemoryBreakers, InMemoryBus, InMemoryConnections,
        InMemoryDataKeys, InMemoryRecoveryQueue, InMemoryRefreshQueue, InMemorySweepLog,
    },
    sample,
};

use crate::world::{FUNCTION_LIFE, SETTINGS, invalid_grant};

const CONNECTIONS: usize = 1000;
const WORKERS: usize = 3;
/// More than a turn of the wheel: every connection has its place by then.
const BEFORE: Duration = Duration::from_mins(50);
const OUTAGE: Duration = Duration::from_mins(30);
const RECOVERY: Duration = Duration::from_mins(5);
/// What a provider takes to answer.
const ANSWER: Duration = Duration::from_millis(300);

/// A provider that rotates, and is out between two times.
struct Provided {
    clock: PausedClock,
    out: (Timestamp, Timestamp),
    failure: fn() -> TokenEndpointError,
    calls: Mutex<Vec<Timestamp>>,
    issued: AtomicU64,
}

impl Provided {
    fn token_set(&self) -> TokenSet {
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let now = self.clock.now();
        TokenSet {
            access: AccessToken::new(format!("access-{number}")),
            refresh: RefreshToken::new(format!("refresh-{number}")),
            access_expires_at: later(now, Duration::from_hours(1)),
            refresh_expires_at: Some(later(now, Duration::from_hours(100 * 24))),
            hard_expires_at: None,
            scopes: None,
        }
    }
}

#[async_trait]
impl TokenEndpoint for Provided {
    async fn exchange(&self, _: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError> {
        Ok(self.token_set())
    }

    async fn refresh(&self, _: &RefreshToken, _: Option<&Location>) -> Result<TokenSet, TokenEndpointError> {
        let now = self.clock.now();
        self.calls.lock().unwrap().push(now);
        self.clock.sleep(ANSWER).await;
        if self.out.0 <= now && now < self.out.1 { Err((self.failure)()) } else { Ok(self.token_set()) }
    }
}

/// What all workers share.
struct Shared {
    clock: PausedClock,
    provider: Arc<Provided>,
    connections: Arc<InMemoryConnections>,
    keys: Arc<InMemoryDataKeys>,
    breakers: Arc<InMemoryBreakers>,
    queue: Arc<InMemoryRefreshQueue>,
    bus: Arc<InMemoryBus>,
    log: Arc<InMemorySweepLog>,
    entropy: Arc<dyn Entropy>,
}

impl Shared {
    fn new(failure: fn() -> TokenEndpointError) -> Self {
        let clock = PausedClock::at(sample::NOW);
        let out = later(sample::NOW, BEFORE);
        let provider = Arc::new(Provided {
            clock,
            out: (out, later(out, OUTAGE)),
            failure,
            calls: Mutex::default(),
            issued: AtomicU64::default(),
        });
        Self {
            clock,
            provider,
            connections: Arc::new(InMemoryConnections::new(4)),
            keys: Arc::default(),
            breakers: Arc::default(),
            queue: Arc::default(),
            bus: Arc::default(),
            log: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(7)),
        }
    }

    fn sealer(&self) -> TokenSealer {
        TokenSealer::new("test".to_owned(), self.keys.clone(), self.entropy.clone())
    }

    fn worker(&self, number: usize) -> Arc<Refresher> {
        let clock = Arc::new(self.clock);
        Arc::new(Refresher {
            store: self.connections.clone(),
            connections: self.connections.clone(),
            endpoints: [(Provider::QuickBooks, self.provider.clone() as _)].into(),
            revocations: [].into(),
            breakers: Breakers::new(self.breakers.clone(), clock.clone(), self.bus.clone(), SETTINGS),
            sealer: self.sealer(),
            queue: self.queue.clone(),
            recovery: Arc::new(InMemoryRecoveryQueue::default()),
            attempts: Arc::new(InMemoryAttempts::default()),
            bus: self.bus.clone(),
            audit: Arc::new(InMemoryAudit::default()),
            clock,
            entropy: self.entropy.clone(),
            policy: RefreshPolicy::default(),
            owner: format!("worker-{number}"),
        })
    }

    /// A connection in its slot.
    async fn connect(&self) -> ConnectionKey {
        let key = sample::key();
        let answer = self.provider.token_set();
        let sealed =
            self.sealer().seal_under_new_keys((&key, Provider::QuickBooks), 1, &answer).await.unwrap();
        let mut connection = sample::connection(&key);
        let tokens = connection.tokens.as_mut().unwrap();
        (tokens.access, tokens.refresh) = (sealed.access, sealed.refresh);
        tokens.refresh_fingerprint = fingerprint(&answer.refresh);
        (tokens.issued_at, tokens.keys_made_at) = (self.clock.now(), self.clock.now());
        tokens.access_expires_at = answer.access_expires_at;
        tokens.previous = None;
        connection.used_at = self.clock.now();
        connection.due =
            Some(RefreshPolicy::default().next(&key.connection, tokens, connection.used_at, &*self.entropy));
        self.connections.connect(&sample::new_connection(connection)).await.unwrap();
        key
    }
}

/// One invocation of the function for one message.
async fn invoked(worker: Arc<Refresher>, delayed: Delayed) {
    worker.clock.sleep(delayed.delay).await;
    let deadline = later(worker.clock.now(), FUNCTION_LIFE);
    let refreshes =
        delayed.message.connections.iter().map(|key| worker.refresh(key, delayed.message.reason, deadline));
    for report in futures::future::join_all(refreshes).await {
        report.unwrap();
    }
    worker.breakers.flush().await;
}

/// Lets the schedule and the workers run until a time.
async fn run(shared: &Shared, workers: &[Arc<Refresher>], until: Timestamp) {
    let mut invocations = FuturesUnordered::new();
    let mut turn = 0;
    let mut tick = later(shared.clock.now(), Duration::from_mins(1));
    while shared.clock.now() < until {
        tokio::select! {
            Some(()) = invocations.next() => {}
            () = shared.clock.sleep(Duration::try_from(tick.duration_since(shared.clock.now())).unwrap_or_default()) => {
                tick = later(tick, Duration::from_mins(1));
                turn += 1;
                let worker = &workers[turn % workers.len()];
                let sweep = Sweep {
                    index: shared.connections.clone(),
                    queue: shared.queue.clone(),
                    log: shared.log.clone(),
                    clock: worker.clock.clone(),
                    shards: 4,
                    owner: format!("sweep-{turn}"),
                };
                sweep.run(&worker.breakers, later(shared.clock.now(), FUNCTION_LIFE)).await.unwrap();
            }
        }
        for delayed in shared.queue.take() {
            turn += 1;
            invocations.push(invoked(workers[turn % workers.len()].clone(), delayed));
        }
    }
    invocations.collect::<Vec<_>>().await;
}

fn failed() -> TokenEndpointError {
    TokenEndpointError::Failed(Refusal { status: Some(503), ..Refusal::default() })
}

fn lost() -> TokenEndpointError {
    TokenEndpointError::Unknown { refusal: Refusal::default(), source: None }
}

#[rstest]
#[case::it_answers_with_errors(failed)]
#[case::it_is_not_reached(|| TokenEndpointError::Unreached("refused".into()))]
#[case::its_answers_are_lost(lost)]
#[tokio::test(start_paused = true)]
async fn half_an_hour_out_disconnects_nobody_and_ends_without_a_rush(
    #[case] failure: fn() -> TokenEndpointError,
) {
    let shared = survived(failure).await;

    let (out, back) = shared.provider.out;
    let calls = shared.provider.calls.lock().unwrap();
    let during = calls.iter().filter(|call| (out..back).contains(call)).count();
    assert!(during < CONNECTIONS / 10, "{during} calls while the provider was out");
    let mut seconds = BTreeMap::<i64, usize>::new();
    let after = back..later(back, RECOVERY);
    for call in calls.iter().filter(|call| after.contains(call)) {
        *seconds.entry(call.as_second()).or_default() += 1;
    }
    let lasted = seconds.keys().next_back().unwrap() - seconds.keys().next().unwrap() + 1;
    let (total, busiest) = (seconds.values().sum::<usize>(), *seconds.values().max().unwrap());
    assert!(total > CONNECTIONS * 3 / 4, "{total} were made up for");
    let lasted = usize::try_from(lasted).unwrap();
    assert!(busiest * lasted <= 2 * total, "{busiest} in one second, {total} in {lasted}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_everybody_for_half_an_hour_ends_nobody() {
    survived(invalid_grant).await;
}

/// Lets an outage pass, after which every connection is as if it had not been.
async fn survived(failure: fn() -> TokenEndpointError) -> Shared {
    let shared = Shared::new(failure);
    let workers: Vec<_> = (0..WORKERS).map(|number| shared.worker(number)).collect();
    let mut keys = vec![];
    for _ in 0..CONNECTIONS {
        keys.push(shared.connect().await);
    }

    run(&shared, &workers, later(shared.provider.out.1, RECOVERY)).await;

    for key in &keys {
        let connection = shared.connections.find(key).await.unwrap().unwrap();
        assert_eq!(connection.state, ConnectionState::Active);
        let tokens = connection.tokens.unwrap();
        assert!(tokens.access_expires_at > shared.clock.now(), "fresh since {}", tokens.issued_at);
    }
    let told = shared.bus.take().into_iter().map(|event| event.kind).filter(|kind| {
        matches!(
            kind,
            EventKind::ConnectionReconnectRequired | EventKind::TokenExpired | EventKind::TokenNearExpiry
        )
    });
    assert_eq!(told.count(), 0, "nobody is told of what they cannot mend");
    let health = workers[0].breakers.health(Provider::QuickBooks).await;
    assert_eq!(health.breaker.state, BreakerState::Closed);

    shared
}
