//! Many refreshes in one invocation: how many are under way at once, and how long they take together.
//!
//! Only the provider is real, behind the functions' own HTTP client; what is kept is in memory, since an emulator's
//! milliseconds would be what is measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::post};
use domain::{
    clock::{Clock, SystemClock},
    connection::ConnectionStore as _,
    entropy::SystemEntropy,
    event::EventBus,
    provider::Provider,
    refresh::{
        BreakerSettings, Breakers, DEFAULT_FAILURES, DEFAULT_MINIMUM, DEFAULT_RESET, DEFAULT_SHARE,
        DEFAULT_WINDOW, OutageSettings, RefreshMessage, Trigger,
        policy::{DEFAULT_LEASE, later},
    },
    sealing::TokenSealer,
};
use serde_json::{Value, json};
use tests::{
    memory::{
        InMemoryAttempts, InMemoryAudit, InMemoryBreakers, InMemoryBus, InMemoryConnections,
        InMemoryDataKeys, InMemoryRecoveryQueue, InMemoryRefreshQueue,
    },
    sample,
};
use tokio::{net::TcpListener, sync::Barrier};

use crate::{
    is_full,
    measured::{DUE_SHARDS, Measured, alone},
    refresh::{Kind, Visit},
    table::Table,
};

/// Calls to one provider at once in one process.
const AT_ONCE: usize = 50;
/// How long a provider takes to answer.
const ANSWERS_IN: Duration = Duration::from_millis(300);
/// For so long those that came together stay, so that one too many would be seen among them.
const MOMENT: Duration = Duration::from_millis(100);
/// The function's own.
const LIFE: Duration = Duration::from_secs(75);
/// When breakers open and what is an outage, as by default.
const SETTINGS: (BreakerSettings, OutageSettings) = (
    BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: DEFAULT_LEASE },
    OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW },
);

/// A token endpoint that knows how many calls it has at once.
struct Endpoint {
    in_flight: AtomicUsize,
    most: AtomicUsize,
    answers: Answers,
}

/// When it answers.
enum Answers {
    /// When that many have come.
    Together(Barrier),
    After(Duration),
}

impl Endpoint {
    /// Starts it; gives its address, too.
    async fn start(answers: Answers) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let endpoint = Arc::new(Self { in_flight: 0.into(), most: 0.into(), answers });
        let router = Router::new().route("/token", post(token)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (endpoint, url)
    }
}

async fn token(State(endpoint): State<Arc<Endpoint>>) -> Json<Value> {
    let now = endpoint.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    endpoint.most.fetch_max(now, Ordering::SeqCst);
    match &endpoint.answers {
        Answers::Together(all) => {
            all.wait().await;
            tokio::time::sleep(MOMENT).await;
        }
        Answers::After(time) => tokio::time::sleep(*time).await,
    }
    endpoint.in_flight.fetch_sub(1, Ordering::SeqCst);
    Json(json!({
        "access_token": "a".repeat(1000), "refresh_token": "r".repeat(50), "token_type": "bearer",
        "expires_in": 3600, "x_refresh_token_expires_in": 8_640_000,
    }))
}

/// The `refresh` function with its own HTTP client in front of a token endpoint, and with everything else in memory.
struct InMemory {
    deps: refresh::Deps,
    connections: Arc<InMemoryConnections>,
}

impl InMemory {
    async fn before(token_url: String) -> Self {
        let mut deps = Measured::new().await.with("QUICKBOOKS_TOKEN_URL", token_url).worker();
        let connections = Arc::new(InMemoryConnections::new(DUE_SHARDS));
        let (clock, bus): (Arc<dyn Clock>, Arc<dyn EventBus>) =
            (Arc::new(SystemClock), Arc::<InMemoryBus>::default());
        let refresher = alone(&mut deps.refresher);
        refresher.store = connections.clone();
        refresher.connections = connections.clone();
        refresher.queue = Arc::<InMemoryRefreshQueue>::default();
        refresher.recovery = Arc::<InMemoryRecoveryQueue>::default();
        refresher.attempts = Arc::<InMemoryAttempts>::default();
        refresher.audit = Arc::<InMemoryAudit>::default();
        refresher.sealer =
            TokenSealer::new("test".to_owned(), Arc::<InMemoryDataKeys>::default(), Arc::new(SystemEntropy));
        let breakers = Arc::<InMemoryBreakers>::default();
        refresher.breakers = Breakers::new(breakers, clock.clone(), bus.clone(), SETTINGS);
        refresher.bus = bus;
        refresher.clock = clock;
        Self { deps, connections }
    }

    /// Refreshes so many connections in one invocation; gives how long it took.
    async fn refresh(&self, count: usize) -> Duration {
        let mut keys = vec![];
        for _ in 0..count {
            let connection = Kind::of(Provider::QuickBooks).connection(&self.deps, Visit::Wheel).await;
            keys.push(connection.key.clone());
            self.connections.connect(&sample::new_connection(connection)).await.unwrap();
        }
        let message = json!(RefreshMessage::new(keys, Trigger::Scheduled));
        let began = SystemClock.now();

        let reply = refresh::handle(&self.deps, message, later(began, LIFE)).await.unwrap();

        let took = SystemClock.now().duration_since(began);
        let answers = serde_json::to_value(reply).unwrap();
        let refreshed = |answer: &&Value| answer["result"] == "refreshed";
        assert_eq!(answers.as_array().unwrap().iter().filter(refreshed).count(), count);
        Duration::try_from(took).unwrap()
    }
}

#[tokio::test]
async fn fifty_refreshes_of_one_provider_are_under_way_at_once_and_never_more() {
    let (endpoint, url) = Endpoint::start(Answers::Together(Barrier::new(AT_ONCE))).await;

    InMemory::before(url).await.refresh(2 * AT_ONCE).await;

    assert_eq!(endpoint.most.load(Ordering::SeqCst), AT_ONCE);
}

/// Prints the ratio; what it should be is for `docs/costs.md` to say, since a time is none to rely on.
#[tokio::test]
async fn fifty_refreshes_take_little_longer_than_one() {
    let (_, url) = Endpoint::start(Answers::After(ANSWERS_IN)).await;
    let function = InMemory::before(url).await;
    let rounds = if is_full() { 9 } else { 1 };
    let mut took = (vec![], vec![]);

    for _ in 0..rounds {
        took.0.push(function.refresh(1).await.as_millis());
        took.1.push(function.refresh(AT_ONCE).await.as_millis());
    }

    let median = |times: &mut Vec<u128>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (one, fifty) = (median(&mut took.0), median(&mut took.1));
    let mut table = Table::new(&["in one invocation", "median ms", "times the one"]);
    table.row(["1 refresh".to_owned(), one.to_string(), "1.00".to_owned()]);
    let hundredths = 100 * fifty / one;
    let ratio = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    table.row([format!("{AT_ONCE} refreshes"), fifty.to_string(), ratio]);
    table.print(&format!("At a provider that answers in {} ms, in {rounds} rounds", ANSWERS_IN.as_millis()));
}
