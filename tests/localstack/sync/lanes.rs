//! Lanes under load: a noisy tenant, a provider that throttles everybody, and a job that cannot be done.

use std::time::Duration;

use domain::{
    provider::Provider,
    sync::{Entity, JobRecord, JobState, Lane, SyncJob, SyncMode, SyncQueue as _},
};
use serde_json::json;

use crate::driver::{Books, Bundle, Connected, Lanes, PATIENCE, eventually};

/// Jobs of one tenant on the low lane.
const NOISE: usize = 10_000;
/// Jobs of another tenant on the high lane.
const QUIET: usize = 5;
/// Longer than a job takes.
const INVISIBLE: Duration = Duration::from_mins(10);

async fn connected(bundle: &Bundle, invoices: usize) -> Connected<'_> {
    let realm = bundle.simulator.company(1, invoices).await;
    bundle.tenant().await.connect_to(&Books::realm(&realm), false).await
}

async fn ended(bundle: &Bundle, job: &SyncJob) -> JobRecord {
    eventually("the job ends", PATIENCE * 3, async || {
        bundle.job(job).await.filter(|record| record.ended_at.is_some())
    })
    .await
}

#[tokio::test]
async fn ten_thousand_jobs_of_one_tenant_do_not_keep_anothers_waiting() {
    let bundle = Bundle::deployed().await;
    let (noisy, quiet) = (connected(&bundle, 3).await, connected(&bundle, 3).await);
    let lanes = Lanes::open(&bundle, INVISIBLE).await;
    let worker = lanes.worker().await;
    for lane in [Lane::High, Lane::Low] {
        worker.consume_one_by_one(lanes.queue(lane)).await;
    }
    let flood: Vec<_> = (0..NOISE).map(|_| noisy.job(SyncMode::Incremental, &[Entity::Invoices])).collect();
    lanes.senders().send(Lane::Low, &flood).await.unwrap();
    eventually("the noise is worked on", PATIENCE, async || bundle.job(&flood[0]).await).await;

    for _ in 0..QUIET {
        let job = quiet.job(SyncMode::Incremental, &[Entity::Invoices]);
        lanes.senders().send(Lane::High, std::slice::from_ref(&job)).await.unwrap();
        assert_eq!(ended(&bundle, &job).await.state, JobState::Completed);
    }

    let waiting = bundle.count_in(lanes.queue(Lane::Low)).await;
    assert!(waiting > NOISE / 2, "{waiting} still wait");
    worker.remove().await;
}

#[tokio::test]
async fn a_job_outlasts_a_storm_of_throttling_and_fails_not_once() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.books_of(Provider::Xero, (3, 1_250)).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let lanes = Lanes::open(&bundle, INVISIBLE).await;
    let worker = lanes.worker().await;
    worker.consume_one_by_one(lanes.queue(Lane::Normal)).await;
    let storm = json!({
        "provider": "xero", "endpoint": "api", "company": connection.realm(), "kind": "status", "status": 429,
        "headers": { "X-Rate-Limit-Problem": "minute", "Retry-After": "1" }, "times": 6,
    });
    bundle.simulator.switch(storm).await;
    let job = connection.job(SyncMode::Full, &[Entity::Customers, Entity::Invoices]);

    lanes.senders().send(Lane::Normal, std::slice::from_ref(&job)).await.unwrap();

    let record = ended(&bundle, &job).await;
    assert_eq!((record.state, record.failures), (JobState::Completed, 0), "{record:?}");
    assert_eq!(connection.records("invoices", 200).await.len(), 1_000, "one in five is a bill");
    worker.remove().await;
}

#[tokio::test]
async fn a_job_that_cannot_be_done_is_put_away_with_its_reason_and_done_when_it_is_put_back() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, 3).await;
    let lanes = Lanes::open(&bundle, INVISIBLE).await;
    let worker = lanes.worker().await;
    worker.consume_one_by_one(lanes.queue(Lane::Normal)).await;
    let refused = json!({
        "provider": "intuit", "endpoint": "api", "company": connection.realm(), "kind": "status", "status": 403,
        "untilCleared": true,
    });
    let switch = bundle.simulator.switch(refused).await;
    let job = connection.job(SyncMode::Full, &[Entity::Invoices]);
    lanes.senders().send(Lane::Normal, std::slice::from_ref(&job)).await.unwrap();

    let failed = ended(&bundle, &job).await;
    assert_eq!(
        (failed.state, failed.error.unwrap().code),
        (JobState::Failed, "PROVIDER_API_ERROR".to_owned())
    );
    let (letter, reason) = bundle.letter_from(lanes.dead_letters(Lane::Normal)).await;
    assert!(reason.starts_with("5001 PROVIDER_API_ERROR"), "{reason}");
    assert_eq!(serde_json::from_str::<SyncJob>(&letter).unwrap(), job);

    bundle.simulator.mend(switch).await;
    bundle.redrive(lanes.dead_letters(Lane::Normal), lanes.queue(Lane::Normal)).await;
    eventually("the job is done", PATIENCE, async || {
        bundle.job(&job).await.filter(|record| record.state == JobState::Completed)
    })
    .await;
    assert_eq!(connection.records("invoices", 200).await.len(), 3);
    worker.remove().await;
}
