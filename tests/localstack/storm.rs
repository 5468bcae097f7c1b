//! The refresh engine in a storm: two hundred connections, providers that fail in every way, messages that come several
//! times and in any order, and a worker that is killed between the providers' answers and their storing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    clock::{Clock as _, SystemClock},
    connection::{Connection, ConnectionKey, ConnectionState},
    provider::Provider,
    refresh::{Delayed, MAX_BATCH, RefreshMessage, RefreshQueue, Trigger, policy},
};
use futures::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};

use crate::driver::{Bundle, Fate, FunctionCopy, PATIENCE, Request, Resident, Room, Way, eventually};

/// Connections that meet the storm.
const CONNECTIONS: [(Provider, usize); 3] =
    [(Provider::QuickBooks, 62), (Provider::Xero, 62), (Provider::Zoho, 61)];
/// Connections of each provider that are in the hands of the worker that is killed.
const VICTIMS: usize = 5;
/// Connections that are made at once.
const AT_ONCE: usize = 16;
/// Connections in one message.
const IN_MESSAGE: usize = 20;
/// Switches set at each provider: about one for each connection.
const SWITCHES: usize = 60;
/// A storm of two hundred connections on a machine that is busy with other tests.
const STORM_PATIENCE: Duration = Duration::from_mins(3);

/// How long the provider may take, how long a worker has a connection, and when a message comes again that a worker took
/// with it: short, so that what was lost is followed within the test.
const POST_TIMEOUT: &str = "4";
const LEASE: &str = "20";
const INVISIBLE: Duration = Duration::from_secs(22);
/// Longer than [`POST_TIMEOUT`].
const TOO_LATE_MS: u64 = 6_000;

/// A room whose worker follows soon upon a lost one. Its breakers do not open: they would keep the storm from most
/// connections, and have a test of their own.
async fn room(bundle: &Bundle) -> Room<'_> {
    let own = [
        ("REFRESH_POST_TIMEOUT_SECONDS", POST_TIMEOUT),
        ("REFRESH_LEASE_SECONDS", LEASE),
        ("BREAKER_FAILURES", "1000"),
        ("OUTAGE_MINIMUM", "200"),
    ];
    let room = Room::open(bundle, INVISIBLE, &own).await;
    // As strict as a provider can be: a refresh token is good for one refresh, and forgotten at once.
    room.providers.patch_settings(json!({ "rotateEveryRefresh": true, "rotationGraceSeconds": 0 })).await;
    room
}

async fn connect(room: &Room<'_>, how_many: impl Iterator<Item = (Provider, usize)>) -> Vec<Resident> {
    let providers: Vec<_> = how_many.flat_map(|(provider, count)| vec![provider; count]).collect();
    let connecting = providers.into_iter().map(|provider| room.connect(provider));
    stream::iter(connecting).buffer_unordered(AT_ONCE).collect().await
}

fn keys(residents: &[Resident]) -> Vec<ConnectionKey> {
    residents.iter().map(|resident| resident.key.clone()).collect()
}

/// What goes wrong with one request in a row; an empty one stands for nothing.
fn fault(number: usize) -> Value {
    let status = |status: u16| json!({ "kind": "status", "status": status });
    match number % 12 {
        0 => json!({ "kind": "lostResponse" }),
        2 | 5 | 10 => status(503),
        3 => json!({ "kind": "delay", "delayMs": 1_500 }),
        4 => json!({ "kind": "status", "status": 429, "headers": { "Retry-After": "1" } }),
        6 => json!({ "kind": "unparsable" }),
        8 => json!({ "kind": "lostResponse", "delayMs": TOO_LATE_MS }),
        9 => json!({ "kind": "truncated" }),
        _ => json!({ "kind": "delay" }),
    }
}

/// Whether a call's answer was destroyed on its way, whatever the provider had done.
fn is_destroyed(call: &Value) -> bool {
    ["lostResponse", "unparsable", "truncated"].iter().any(|fault| call["fault"] == *fault)
}

async fn let_the_storm_begin(room: &Room<'_>) {
    for number in 0..SWITCHES {
        for provider in ["intuit", "xero", "zoho"] {
            let mut fault = fault(number);
            (fault["provider"], fault["endpoint"]) = (provider.into(), "token".into());
            room.providers.switch(fault).await;
        }
    }
}

/// Puts connections on the refresh queue: each message twice, the second time in the opposite order.
async fn enqueue(room: &Room<'_>, connections: &[ConnectionKey]) {
    let message = |keys: &[ConnectionKey]| RefreshMessage::new(keys.to_vec(), Trigger::Scheduled);
    let messages: Vec<_> = connections.chunks(IN_MESSAGE).map(message).collect();
    let twice = messages.iter().chain(messages.iter().rev());
    let twice: Vec<_> =
        twice.map(|message| Delayed { message: message.clone(), delay: Duration::ZERO }).collect();
    for batch in twice.chunks(MAX_BATCH) {
        room.refresher.queue.send(batch).await.unwrap();
    }
}

/// Gives connections to a worker that is killed when the providers have answered for all of them and nothing is stored.
/// Their message comes again to the worker after it.
async fn lose_a_worker(room: &Room<'_>, victims: &[ConnectionKey]) {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let fate = move |request: &Request| {
        let holds = !over.load(Ordering::SeqCst) && request.stores_tokens();
        if holds { Fate::Hold } else { Fate::Pass }
    };
    let way = Way::to(room.bundle.stack.value("AWS_ENDPOINT_URL"), fate).await;
    let queue = room.bundle.make_queue(INVISIBLE).await;
    let mut settings = room.settings.clone();
    settings.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), way.address.clone());
    settings.insert("REFRESH_QUEUE_URL".to_owned(), queue.clone());
    let worker = room.bundle.copy_with("REFRESH_FUNCTION", settings).await;
    worker.consume(&queue).await;
    let message = RefreshMessage::new(victims.to_vec(), Trigger::Scheduled);
    let sqs = aws::SqsRefreshQueue::new(aws::clients::sqs(&room.bundle.sdk), queue.clone());
    sqs.send(&[Delayed { message, delay: Duration::ZERO }]).await.unwrap();

    eventually("every answer is there and none is stored", PATIENCE, async || {
        (way.met(Fate::Hold) == victims.len()).then_some(())
    })
    .await;
    worker.kill();
    is_over.store(true, Ordering::SeqCst);

    eventually("the message came again", STORM_PATIENCE, async || {
        room.bundle.is_empty(&queue).await.then_some(())
    })
    .await;
    worker.remove().await;
}

/// Refreshes connections by workers that were started side by side, whether they need it or not; gives their answers.
async fn refresh_all(
    worker: &FunctionCopy<'_>,
    connections: &[ConnectionKey],
    reason: Trigger,
) -> Vec<Value> {
    let parts = connections.chunks(50).map(|part| worker.refresh(part.to_vec(), reason));
    join_all(parts).await.into_iter().flat_map(Result::unwrap).collect()
}

async fn stored(room: &Room<'_>, connections: &[ConnectionKey]) -> Vec<Connection> {
    stream::iter(connections.iter().map(|key| room.stored(key))).buffered(AT_ONCE).collect().await
}

/// Waits until no lease stands in the way of a refresh, and none is so recent that the next would join it.
async fn calm(connections: &[Connection]) {
    let held = connections.iter().filter_map(|connection| Some(connection.lease.as_ref()?.expires_at));
    let issued = connections.iter().filter_map(|connection| Some(connection.tokens.as_ref()?.issued_at));
    let calm = held.chain(issued.map(|at| policy::later(at, policy::JOIN))).max().unwrap();
    eventually("the leases have ended", PATIENCE, async || (SystemClock.now() > calm).then_some(())).await;
}

/// What became of one provider's connections.
#[derive(Debug, Default)]
struct Tally {
    connections: usize,
    active: usize,
    /// Refused for ever.
    lost: usize,
    /// Calls, those whose answer was destroyed on the wire, and those that failed.
    calls: usize,
    cut: usize,
    failed: usize,
    /// Refreshes that the provider carried out, and those whose token set is stored.
    carried_out: u64,
    stored: u64,
}

impl Tally {
    /// Token sets that nobody ever heard of.
    fn destroyed(&self) -> u64 {
        self.carried_out - self.stored
    }
}

async fn tallies(room: &Room<'_>, connections: &[Connection]) -> BTreeMap<Provider, Tally> {
    let mut tallies = BTreeMap::<Provider, Tally>::new();
    for connection in connections {
        let tally = tallies.entry(connection.provider).or_default();
        tally.connections += 1;
        tally.active += usize::from(connection.state == ConnectionState::Active);
        tally.lost += usize::from(connection.state == ConnectionState::ReconnectRequired);
        tally.stored += connection.tokens.as_ref().unwrap().generation - 1;
    }
    for (provider, tally) in &mut tallies {
        let calls = room.providers.refresh_calls(*provider).await;
        tally.calls = calls.len();
        tally.cut = calls.iter().filter(|call| is_destroyed(call)).count();
        tally.failed = calls.iter().filter(|call| call["status"].as_u64() >= Some(400)).count();
        tally.carried_out = room.providers.refreshes(*provider).await;
    }
    tallies
}

#[expect(clippy::print_stderr, reason = "the figures are what the test is for, besides its verdict")]
fn show(tallies: &BTreeMap<Provider, Tally>) {
    let row = |cells: [&str; 10]| {
        let cells = cells.map(|cell| format!("{cell:>11}"));
        eprintln!("{}", cells.join(" "));
    };
    row([
        "provider",
        "connections",
        "active",
        "lost",
        "calls",
        "failed",
        "cut",
        "killed",
        "carried out",
        "stored",
    ]);
    for (provider, tally) in tallies {
        let Tally { connections, active, lost, calls, cut, failed, carried_out, stored } = tally;
        let figures = [*connections, *active, *lost, *calls, *failed, *cut, VICTIMS].map(|it| it.to_string());
        let [connections, active, lost, calls, failed, cut, killed] = figures;
        let (carried_out, stored) = (carried_out.to_string(), stored.to_string());
        row([
            provider.as_str(),
            &connections,
            &active,
            &lost,
            &calls,
            &failed,
            &cut,
            &killed,
            &carried_out,
            &stored,
        ]);
    }
}

/// The connections whose history, which must be as it was written, names a worker that was lost.
async fn followed(room: &Room<'_>, connections: &[Connection]) -> BTreeSet<ConnectionKey> {
    let histories = connections.iter().map(|connection| async move {
        let history = room.history(connection).await;
        let codes = history.iter().filter_map(|attempt| attempt.failure.as_ref()?.code.as_deref());
        codes.into_iter().any(|code| code == "worker_lost").then(|| connection.key.clone())
    });
    let found: Vec<_> = stream::iter(histories).buffered(AT_ONCE).collect().await;
    found.into_iter().flatten().collect()
}

#[tokio::test]
async fn two_hundred_connections_outlive_a_storm_and_a_lost_worker() {
    let bundle = Bundle::deployed().await;
    let room = room(&bundle).await;
    let (residents, victims, worker) = tokio::join!(
        connect(&room, CONNECTIONS.into_iter()),
        connect(&room, Provider::ALL.into_iter().map(|provider| (provider, VICTIMS))),
        room.worker(),
    );
    let (residents, victims) = (keys(&residents), keys(&victims));
    let all: Vec<_> = residents.iter().chain(&victims).cloned().collect();

    worker.consume(room.setting("REFRESH_QUEUE_URL")).await;
    let storm = async {
        let_the_storm_begin(&room).await;
        enqueue(&room, &residents).await;
        refresh_all(&worker, &residents, Trigger::Scheduled).await;
        eventually("every message is done with", STORM_PATIENCE, async || {
            bundle.is_empty(room.setting("REFRESH_QUEUE_URL")).await.then_some(())
        })
        .await;
    };
    tokio::join!(storm, lose_a_worker(&room, &victims));

    let after = stored(&room, &all).await;
    for connection in &after {
        let generation = connection.tokens.as_ref().unwrap().generation;
        assert!(generation <= 2, "however often it was asked for: {connection:?}");
    }
    room.providers.mend_all().await;
    calm(&after).await;
    let answers = refresh_all(&worker, &all, Trigger::Manual).await;

    let after = stored(&room, &all).await;
    let tallies = tallies(&room, &after).await;
    show(&tallies);
    for (provider, tally) in &tallies {
        let sure = tally.cut + VICTIMS;
        assert!(
            tally.destroyed() <= sure as u64,
            "{provider}: an answer that was heard is not stored: {tally:?}"
        );
        assert_eq!(tally.active + tally.lost, tally.connections, "{provider}");
        let may_lose = if *provider == Provider::QuickBooks { tally.destroyed() } else { 0 };
        assert!(tally.lost as u64 <= may_lose, "{provider}: {tally:?}");
        assert!(tally.cut > 0 && tally.failed > 0, "{provider}: there was no storm");
    }
    let refreshed = answers.iter().filter(|answer| answer["result"] == "refreshed").count();
    let active: usize = tallies.values().map(|tally| tally.active).sum();
    assert_eq!(refreshed, active, "whatever is active can be refreshed: {answers:?}");
    assert_eq!(followed(&room, &after).await, victims.into_iter().collect(), "each lost attempt is told of");
    worker.remove().await;
    room.close().await;
}
