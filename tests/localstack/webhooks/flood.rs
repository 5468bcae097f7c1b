//! One company's flood waits in its own line: others are served in between.

use domain::{
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    id::Ids,
    provider::Provider,
    webhook::{EVENTS_VERSION, EventMessage, EventQueue as _, Operation, WebhookEvent},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::driver::{Bundle, Connected, PATIENCE, Told, correlation, eventually};

/// How the consumer tells of a message.
const CONSUMED: (&str, &str) = ("SYNC_FUNCTION", "Webhook events consumed");
/// Others than the one that floods.
const QUIET: usize = 3;
/// Deliveries of each of them, alone and beside the flood; `make bench` takes the time for a distribution.
const ROUNDS: (usize, usize) = (3, 12);
/// What the flood is of what each of the others sends.
const TIMES: usize = 100;
/// Messages of the flood that may be served between the delivery of another and its effect: those that are being worked on
/// when it comes, and those that are taken in the same breath, ten each.
const BETWEEN: usize = 30;

/// One delivery of a quiet company, by the times of the lines about it.
struct Served {
    came: Timestamp,
    served: Timestamp,
}

async fn connected(bundle: &Bundle) -> Connected<'_> {
    let realm = bundle.simulator.company(0, 4).await;
    bundle.tenant().await.connect_to(&crate::driver::Books::realm(&realm), false).await
}

/// The flood as the webhook function puts it on the queue.
fn flood(realm: &str, correlation: &str, size: usize) -> Vec<EventMessage> {
    let ids = Ids::new(&SystemClock, &SystemEntropy);
    let message = |number: usize| EventMessage {
        v: EVENTS_VERSION,
        delivery_id: ids.delivery(),
        part: 1,
        parts: 1,
        provider: Provider::QuickBooks,
        received_at: SystemClock.now(),
        correlation_id: correlation.parse().unwrap(),
        events: vec![WebhookEvent {
            key: format!("{correlation}-{number}"),
            provider_company_id: realm.parse().unwrap(),
            connection_id: None,
            entity: "invoice".to_owned(),
            id: (1 + number % 4).to_string().parse().unwrap(),
            operation: Operation::Updated,
            occurred_at: Some(SystemClock.now()),
        }],
        unknown: 0,
        unreadable: None,
        refused: vec![],
    };
    (0..size).map(message).collect()
}

/// When a function told of these deliveries, with the id of each, in the order of time.
async fn told(
    bundle: &Bundle,
    (function, message): (&str, &str),
    ids: &[String],
) -> Vec<(Timestamp, String)> {
    let lines = bundle.log(function).await;
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = lines.filter(|line| line["message"] == message).filter_map(|line| {
        let id = line["correlationId"].as_str()?.to_owned();
        ids.contains(&id).then(|| (line["timestamp"].as_str().unwrap().parse().unwrap(), id))
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

/// The quiet companies bring one delivery each at once, and again once all are served.
async fn quietly(bundle: &Bundle, quiet: &[Connected<'_>], rounds: usize) -> Vec<Served> {
    let mut all = vec![];
    for _ in 0..rounds {
        let mut brought = vec![];
        for connection in quiet {
            let address = connection.address().await;
            let told =
                Told { company: connection.realm().to_owned(), id: "1".to_owned(), at: SystemClock.now() };
            brought.push(bundle.bring(&address.sign(address.body(&[told]))).await);
        }
        let served = eventually("the quiet companies are served", PATIENCE, async || {
            let served = told(bundle, CONSUMED, &brought).await;
            (served.len() >= quiet.len()).then_some(served)
        })
        .await;
        for (came, id) in told(bundle, ("WEBHOOK_FUNCTION", "Webhook accepted"), &brought).await {
            let (served, _) = served.iter().find(|(_, served)| *served == id).unwrap();
            all.push(Served { came, served: *served });
        }
    }
    all
}

/// The median and the 95th percentile of the time from a delivery to its effect, in milliseconds.
fn percentiles(all: &[Served]) -> (i64, i64) {
    let mut times: Vec<_> =
        all.iter().map(|one| one.served.as_millisecond() - one.came.as_millisecond()).collect();
    times.sort_unstable();
    (times[times.len() / 2], times[(times.len() * 95).div_ceil(100) - 1])
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what was measured is for whoever runs it")]
async fn while_one_company_floods_the_others_are_served_in_between() {
    let bundle = Bundle::deployed().await;
    let noisy = connected(&bundle).await;
    let mut quiet = vec![];
    for _ in 0..QUIET {
        quiet.push(connected(&bundle).await);
    }
    let rounds = if edge::config::environment("BENCH").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    let flood_size = TIMES * rounds;
    let queue = aws::SqsEventQueue::new(
        aws::clients::sqs(&bundle.sdk),
        bundle.stack.value("EVENTS_QUEUE_URL").to_owned(),
    );

    let alone = quietly(&bundle, &quiet, rounds).await;
    let of_flood = [correlation()];
    for messages in flood(noisy.realm(), &of_flood[0], flood_size).chunks(10) {
        queue.send(messages).await.unwrap();
    }
    let beside = quietly(&bundle, &quiet, rounds).await;

    let flooded = told(&bundle, CONSUMED, &of_flood).await;
    assert!(flooded.len() < flood_size, "the flood was over before the others were done");
    for Served { came, served } in &beside {
        let between = flooded.iter().filter(|(at, _)| came < at && at < served).count();
        assert!(between <= BETWEEN, "{between} messages of the flood were served first");
    }
    let ((median, p95), (beside_median, beside_p95)) = (percentiles(&alone), percentiles(&beside));
    println!("from delivery to effect, of {} each, median and 95th percentile:", alone.len());
    println!(
        "  alone {median} and {p95} ms, beside a flood of {flood_size}: {beside_median} and {beside_p95} ms"
    );

    // Nothing of the flood is lost either.
    eventually("the flood is over", PATIENCE * 4, async || {
        (told(&bundle, CONSUMED, &of_flood).await.len() >= flood_size).then_some(())
    })
    .await;
}
