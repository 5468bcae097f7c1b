//! What a log of jobs keeps.

use domain::{
    id::JobId,
    provider::Provider,
    sync::{
        Entity, EntityProgress, JobCounts, JobError, JobLog, JobOrigin, JobProgress, JobRecord, JobState,
        Lane, SyncJob, SyncMode,
    },
};
use futures::future::join_all;

use super::{RACERS, endings};
use crate::sample::{self, at, ids};

/// What a log of jobs keeps, when nobody else makes jobs of Zoho in it.
pub async fn job_log_contract(log: &dyn JobLog) {
    a_job_comes_back_as_it_was_stored(log).await;
    a_job_that_is_made_again_stays_as_it_is(log).await;
    a_completed_job_is_final_and_a_failed_one_is_not(log).await;
    of_many_who_end_a_job_at_once_one_completes_it(log).await;
    jobs_are_counted_by_provider_and_state(log).await;
    endings::of_jobs(log).await;
}

fn job(company: &str) -> JobRecord {
    let job = SyncJob::full(ids().job(), sample::key(), company.parse().unwrap());
    JobRecord::new(job, Lane::Normal, at(10))
}

async fn found(log: &dyn JobLog, job: &JobRecord) -> JobRecord {
    log.find(&job.job.job_id).await.unwrap().unwrap()
}

async fn a_job_comes_back_as_it_was_stored(log: &dyn JobLog) {
    let made = job("xero_1");
    let of_catch_up = JobRecord {
        lane: Lane::Low,
        job: SyncJob {
            mode: SyncMode::Incremental,
            origin: Some(JobOrigin::CatchUp),
            correlation_id: Some("corr_1".parse().unwrap()),
            ..job("xero_1").job
        },
        ..made.clone()
    };
    log.create(&[made.clone(), of_catch_up.clone()]).await.unwrap();
    assert_eq!(found(log, &made).await, made);
    assert_eq!(found(log, &of_catch_up).await, of_catch_up);
    assert_eq!(log.find(&"job_unknown".parse::<JobId>().unwrap()).await.unwrap(), None);

    let of_customers = EntityProgress { pages: 2, read: 150, written: 3, total: Some(400), done: false };
    let of_invoices = EntityProgress { done: true, ..EntityProgress::default() };
    let delayed = JobRecord {
        state: JobState::Delayed,
        started_at: Some(at(11)),
        resumes_at: Some(at(99)),
        failures: 2,
        progress: JobProgress([(Entity::Customers, of_customers), (Entity::Invoices, of_invoices)].into()),
        error: Some(JobError { code: "ledger".to_owned(), number: 7, message: "503".to_owned() }),
        ..made.clone()
    };
    assert!(log.save(&delayed).await.unwrap());
    assert_eq!(found(log, &made).await, delayed);

    let bare = JobRecord { state: JobState::Active, started_at: Some(at(12)), ..made.clone() };
    assert!(log.save(&bare).await.unwrap());
    assert_eq!(found(log, &made).await, bare, "what is gone is gone");
}

async fn a_job_that_is_made_again_stays_as_it_is(log: &dyn JobLog) {
    // More than one call takes, and one among them that is there already.
    let made: Vec<_> = (0..60).map(|_| job("xero_1")).collect();
    let active = JobRecord { state: JobState::Active, started_at: Some(at(12)), ..made[30].clone() };
    assert!(log.save(&active).await.unwrap(), "one that nobody made is stored too");

    log.create(&made).await.unwrap();
    log.create(&made[29..31]).await.unwrap();
    log.create(&made[30..31]).await.unwrap();
    log.create(&[]).await.unwrap();

    assert_eq!(found(log, &made[30]).await, active);
    for index in [0, 24, 25, 29, 59] {
        assert_eq!(found(log, &made[index]).await, made[index]);
    }
}

async fn a_completed_job_is_final_and_a_failed_one_is_not(log: &dyn JobLog) {
    let made = job("xero_1");
    log.create(std::slice::from_ref(&made)).await.unwrap();
    let failed = JobRecord { state: JobState::Failed, ended_at: Some(at(20)), ..made.clone() };
    let active = JobRecord { state: JobState::Active, started_at: Some(at(21)), ..made.clone() };
    let completed = JobRecord { state: JobState::Completed, ended_at: Some(at(22)), ..active.clone() };

    for next in [&failed, &active, &completed] {
        assert!(log.save(next).await.unwrap());
    }
    for late in [&failed, &active] {
        assert!(!log.save(late).await.unwrap());
    }

    assert_eq!(found(log, &made).await, completed);
}

async fn of_many_who_end_a_job_at_once_one_completes_it(log: &dyn JobLog) {
    let made = job("xero_1");
    let ended = |n: usize| {
        let ended_at = Some(at(20 + i64::try_from(n).unwrap()));
        JobRecord { state: JobState::Completed, ended_at, ..made.clone() }
    };
    let ends: Vec<_> = (0..RACERS).map(ended).collect();

    let saved = join_all(ends.iter().map(|end| log.save(end))).await;

    let winners: Vec<_> = ends.iter().zip(saved).filter(|(_, saved)| *saved.as_ref().unwrap()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(found(log, &made).await, *winners[0].0);
}

async fn jobs_are_counted_by_provider_and_state(log: &dyn JobLog) {
    let before = log.counts(Provider::Zoho, at(100)).await.unwrap();
    let of_state =
        |state, ended_at: Option<i64>| JobRecord { state, ended_at: ended_at.map(at), ..job("zoho_1") };
    let jobs = [
        of_state(JobState::Waiting, None),
        of_state(JobState::Waiting, None),
        of_state(JobState::Active, None),
        of_state(JobState::Delayed, None),
        of_state(JobState::Completed, Some(99)),
        of_state(JobState::Completed, Some(100)),
        of_state(JobState::Completed, Some(101)),
        of_state(JobState::Failed, Some(100)),
        of_state(JobState::Failed, Some(1)),
    ];
    log.create(&jobs).await.unwrap();
    log.create(&[job("quickbooks_1"), job("unheardof_1")]).await.unwrap();

    let counts = async || {
        let now = log.counts(Provider::Zoho, at(100)).await.unwrap();
        JobCounts {
            waiting: now.waiting - before.waiting,
            active: now.active - before.active,
            completed: now.completed - before.completed,
            failed: now.failed - before.failed,
            delayed: now.delayed - before.delayed,
        }
    };

    assert_eq!(counts().await, JobCounts { waiting: 2, active: 1, completed: 2, failed: 1, delayed: 1 });
    let moved = JobRecord { state: JobState::Active, started_at: Some(at(11)), ..jobs[0].clone() };
    assert!(log.save(&moved).await.unwrap());
    assert_eq!(counts().await, JobCounts { waiting: 1, active: 2, completed: 2, failed: 1, delayed: 1 });
}
