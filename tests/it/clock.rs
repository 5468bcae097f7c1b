//! Workers tell time by the clock of their table, whatever their own shows.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::{DynamoTenants, SdkConfig, clients};
use aws_config::retry::RetryConfig;
use domain::{
    clock::{Clock as _, CorrectedClock, SystemClock},
    refresh::policy::{earlier, later},
    store::StoreError,
    tenant::TenantStore as _,
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use rstest::rstest;
use tests::{ManualClock, sample};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{aws_endpoint::sdk, events, world::FUNCTION_LIFE};

const HOUR: Duration = Duration::from_hours(1);

/// The status and the `Date` of one answer.
type Answer = (u16, Option<String>);

/// A table that does nothing and whose answers are stamped by a script; no HTTP library, which would stamp them itself.
struct StampedTable {
    sdk: SdkConfig,
    targets: Arc<Mutex<Vec<String>>>,
}

impl StampedTable {
    /// Each request is answered by `script`, which is told how many came before.
    async fn start(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sdk = sdk(&format!("http://{}", listener.local_addr().unwrap())).await;
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let seen = targets.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                exchange(stream, &script, &seen).await;
            }
        });
        Self { sdk, targets }
    }

    /// Makes one call with a client that keeps `clock` right.
    async fn call(&self, clock: &Arc<CorrectedClock>) -> Result<(), StoreError> {
        let client = clients::dynamodb_observed(&self.sdk, clock);
        DynamoTenants::new(client, "control".to_owned()).find(&sample::tenant()).await.map(drop)
    }
}

/// Reads one request and answers it; the connection ends with it.
async fn exchange(stream: TcpStream, script: &(impl Fn(usize) -> Answer + Sync), seen: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let (mut length, mut target, mut line) = (0, String::new(), String::new());
    while stream.read_line(&mut line).await.unwrap() > 2 {
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "x-amz-target" => value.trim().clone_into(&mut target),
            _ => {}
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    let (status, date) = {
        let mut seen = seen.lock().unwrap();
        seen.push(target);
        script(seen.len() - 1)
    };
    let date = date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let answer = format!("HTTP/1.1 {status} -\r\n{date}connection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn stamp(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
}

/// A worker's clock over a machine's that stands still.
fn worker() -> (Arc<ManualClock>, Arc<CorrectedClock>) {
    let machine = Arc::new(ManualClock::at(sample::NOW));
    (machine.clone(), Arc::new(CorrectedClock::new(machine)))
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.duration_since(other).unsigned_abs()
}

#[rstest]
#[tokio::test]
async fn after_one_answer_of_any_kind_a_worker_follows_the_table(
    #[values(200, 400, 503)] status: u16,
    #[values(later(sample::NOW, HOUR), earlier(sample::NOW, HOUR))] there: Timestamp,
) {
    let table = StampedTable::start(move |_| (status, Some(stamp(there)))).await;
    let (_, clock) = worker();

    let answer = table.call(&clock).await;

    assert_eq!(answer.is_ok(), status == 200);
    assert!(apart(clock.now(), there) <= Duration::from_secs(1), "{} for {there}", clock.now());
}

#[tokio::test]
async fn two_workers_whose_clocks_are_four_minutes_apart_agree_to_two_seconds() {
    let table = StampedTable::start(|_| (200, Some(stamp(sample::NOW)))).await;
    let machine = |shows| Arc::new(CorrectedClock::new(Arc::new(ManualClock::at(shows))));
    let wrong = Duration::from_mins(2);
    let (fast, slow) = (machine(later(sample::NOW, wrong)), machine(earlier(sample::NOW, wrong)));

    table.call(&fast).await.unwrap();
    table.call(&slow).await.unwrap();

    assert!(apart(fast.now(), slow.now()) <= Duration::from_secs(2), "{} and {}", fast.now(), slow.now());
}

#[rstest]
#[case::missing(None)]
#[case::empty(Some(""))]
#[case::garbage(Some("yesterday"))]
#[case::impossible(Some("Sun, 32 Nov 2026 08:49:37 GMT"))]
#[case::another_format(Some("2026-11-06T08:49:37Z"))]
#[tokio::test]
async fn an_answer_that_does_not_say_when_changes_nothing(#[case] date: Option<&'static str>) {
    let table = StampedTable::start(move |_| (200, date.map(str::to_owned))).await;
    let (_, clock) = worker();

    table.call(&clock).await.unwrap();

    assert_eq!(clock.now(), sample::NOW);
}

#[tokio::test]
async fn the_time_that_a_failed_attempt_took_blurs_no_later_one() {
    let (machine, clock) = worker();
    let first_took = Duration::from_secs(30);
    let behind = Duration::from_secs(10);
    let passing = machine.clone();
    let mut table = StampedTable::start(move |before| {
        if before == 0 {
            passing.advance(first_took);
            return (503, None);
        }
        (200, Some(stamp(earlier(passing.now(), behind))))
    })
    .await;
    let at_once = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    table.sdk = table.sdk.into_builder().retry_config(at_once).build();

    table.call(&clock).await.unwrap();

    assert_eq!(table.targets.lock().unwrap().len(), 2);
    assert!(apart(clock.now(), earlier(machine.now(), behind)) <= Duration::from_secs(1), "{}", clock.now());
}

/// The environment of the function, but for what may be left out.
fn variables(name: &str) -> Option<String> {
    let value = match name {
        "ENVIRONMENT" => "test",
        "QUICKBOOKS_CLIENT_ID" | "QUICKBOOKS_CLIENT_SECRET" => "app",
        "CONNECTIONS_TABLE" | "HISTORY_TABLE" | "CONTROL_TABLE" => "table",
        "REFRESH_QUEUE_URL" | "REFRESH_DLQ_URL" | "RECOVERY_QUEUE_URL" | "RECOVERY_DLQ_URL" | "EVENT_BUS"
        | "TOKEN_KEY_ID" => "unused",
        _ => return None,
    };
    Some(value.to_owned())
}

#[tokio::test]
async fn the_whole_refresh_function_goes_by_the_tables_clock_its_own_end_included() {
    let table = StampedTable::start(|_| (200, Some(stamp(later(SystemClock.now(), HOUR))))).await;
    let config = refresh::Config::from_lookup(&variables).unwrap();
    let deps = refresh::wire(config, &table.sdk).unwrap();

    let deadline = later(SystemClock.now(), FUNCTION_LIFE);
    refresh::handle(&deps, events::json("refresh-schedule.json"), deadline).await.unwrap();

    for clock in [&deps.refresher.clock, &deps.sweep.clock] {
        // The stamp is up to a second old, and this test does not run in no time.
        assert!(apart(clock.now(), later(SystemClock.now(), HOUR)) < Duration::from_secs(30));
    }
    let targets = table.targets.lock().unwrap();
    let is_swept = targets.iter().any(|target| target.ends_with(".Query"));
    assert!(is_swept, "an hour's difference does not count as time that is up: {targets:?}");
}

#[tokio::test]
async fn no_lease_is_judged_before_the_table_has_told_the_time() {
    let table = StampedTable::start(|_| (200, Some(stamp(later(SystemClock.now(), HOUR))))).await;
    let deps = refresh::wire(refresh::Config::from_lookup(&variables).unwrap(), &table.sdk).unwrap();

    let deadline = later(SystemClock.now(), FUNCTION_LIFE);
    refresh::handle(&deps, events::json("refresh-direct.json"), deadline).await.unwrap();

    let targets = table.targets.lock().unwrap();
    assert!(targets[0].ends_with(".Query"), "{targets:?}");
    assert!(targets.iter().any(|target| target.ends_with(".UpdateItem")), "{targets:?}");
}
