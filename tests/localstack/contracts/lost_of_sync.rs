//! Answers lost on the wire, as in `lost_answers`, of what a sync writes.

use aws::{DynamoJobs, DynamoLeases, DynamoRecords};
use domain::sync::{
    CompanyLeases as _, Entity, Holder, JobLog as _, JobRecord, JobState, Kept, Lane, Record,
    RecordStore as _, SyncJob, Taken,
};
use tests::sample::{self, at, ids};

use super::lost_answers::{LossyWay, lossy_client};
use crate::stack::Stack;

fn table() -> String {
    Stack::running().value("RECORDS_TABLE").to_owned()
}

fn page(seconds: i64) -> Vec<Record> {
    (0..20).map(|n| sample::invoice(&format!("{n:02}"), at(seconds), 0)).collect()
}

#[tokio::test]
async fn a_page_of_records_is_written_once_and_known_to_be() {
    let (way, client) = lossy_client().await;
    let store = DynamoRecords::new(client, table());
    let place = sample::place();

    // New ones, then newer ones: the read comes first, and what the second try is refused is put one by one.
    for seconds in [1, 2] {
        way.lose_answer_after(1);
        let written = store.put_if_newer(&place, &page(seconds), &ids().write()).await.unwrap();

        assert_eq!(written, 20);
        assert!(way.was_sent(3 + 20));
        let listed = store.list(&place, Entity::Invoices, 100, None).await.unwrap();
        assert_eq!(listed.records, page(seconds));
    }
}

async fn lossy_jobs() -> (LossyWay, DynamoJobs, Vec<JobRecord>) {
    let (way, client) = lossy_client().await;
    let job =
        || JobRecord::new(SyncJob::full(ids().job(), sample::key(), sample::company()), Lane::Low, at(0));
    (way, DynamoJobs::new(client, table()), vec![job(), job(), job()])
}

#[tokio::test]
async fn jobs_are_made_once_and_known_to_be() {
    let (way, log, jobs) = lossy_jobs().await;
    // One job and its entry among its tenant's, each in a request; several with theirs in one.
    for (made, requests) in [(&jobs[..1], 2), (&jobs[1..], 1)] {
        way.lose_next_answer();

        log.create(made).await.unwrap();

        assert!(way.was_sent(requests + 1));
    }
    for job in jobs {
        assert_eq!(log.find(&job.job.job_id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn a_job_is_completed_once_and_known_to_be_by_whoever_did() {
    let (way, log, jobs) = lossy_jobs().await;
    let completed = JobRecord { state: JobState::Completed, ended_at: Some(at(5)), ..jobs[0].clone() };
    way.lose_next_answer();

    assert!(log.save(&completed).await.unwrap());

    assert!(way.was_sent_twice());
    let by_another = JobRecord { ended_at: Some(at(6)), ..completed };
    assert!(!log.save(&by_another).await.unwrap());
}

#[tokio::test]
async fn a_company_is_taken_kept_and_given_back_although_nobody_hears_of_it() {
    let (way, client) = lossy_client().await;
    let leases = DynamoLeases::new(client, table());
    let place = sample::place();
    let [low, high] = [Lane::Low, Lane::High].map(|lane| Holder { name: ids().write(), lane });

    way.lose_next_answer();
    assert_eq!(leases.take(&place, &low, (at(0), at(60))).await.unwrap(), Taken::Mine);
    assert!(way.was_sent_twice());
    way.lose_answer_after(1);
    assert_eq!(leases.take(&place, &high, (at(1), at(61))).await.unwrap(), Taken::Busy { until: at(60) });
    assert!(way.was_sent(3), "refused, told, and told again");
    way.lose_next_answer();
    assert_eq!(leases.keep(&place, &low, at(70)).await.unwrap(), Kept::Wanted);
    assert!(way.was_sent_twice());
    way.lose_next_answer();
    leases.release(&place, &low).await.unwrap();
    assert!(way.was_sent_twice());

    assert_eq!(leases.take(&place, &high, (at(2), at(62))).await.unwrap(), Taken::Mine);
}
