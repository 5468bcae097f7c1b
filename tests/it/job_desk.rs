//! What becomes of a job's message, and what the log says of it.

use std::time::Duration;

use domain::{
    access::AccessError,
    clock::Clock as _,
    event::EventKind,
    refresh::policy::later,
    store::StoreError,
    sync::{
        CompanyLeases as _, Entity, Holder, JobLog as _, JobRecord, JobState, Kept, Lane, LedgerError, Next,
        RunError, SyncJob, SyncMode, Taken,
    },
};
use tests::sample;

use crate::sync::Books;

/// Plenty of time.
const LONG: Duration = Duration::from_hours(1);

async fn work(books: &Books, job: &SyncJob, lane: Lane, time: Duration) -> Next {
    books.runner().work(job, lane, later(books.world.clock.now(), time)).await.0
}

async fn record(books: &Books, job: &SyncJob) -> JobRecord {
    books.jobs.find(&job.job_id).await.unwrap().unwrap()
}

async fn filled(count: u32) -> Books {
    let books = Books::new().await;
    books.fill(count, i64::from);
    books
}

fn waits(next: &Next) -> Duration {
    match next {
        Next::Again { after: Some(after) } => *after,
        next => panic!("it is to come again at a time: {next:?}"),
    }
}

#[tokio::test]
async fn a_job_is_waited_for_worked_on_and_done_and_tells_how_far_it_is() {
    let books = filled(35).await;
    let job = SyncJob { entities: vec![Entity::Customers, Entity::Invoices], ..books.job(SyncMode::Full) };
    books.jobs.create(&[JobRecord::new(job.clone(), Lane::Low, sample::at(0))]).await.unwrap();
    assert_eq!(record(&books, &job).await.state, JobState::Waiting);

    assert_eq!(work(&books, &job, Lane::Low, Duration::from_secs(30)).await, Next::Done);
    let without_time = record(&books, &job).await;
    assert_eq!(
        (without_time.state, without_time.progress.percent(&job.entities)),
        (JobState::Waiting, Some(0))
    );

    assert_eq!(work(&books, &job, Lane::Low, LONG).await, Next::Done);
    let done = record(&books, &job).await;
    assert_eq!((done.state, done.created_at), (JobState::Completed, sample::at(0)));
    assert_eq!(done.progress.percent(&job.entities), Some(100));
    let invoices = done.progress.0[&Entity::Invoices];
    // Each page begins with the moment at which the one before it ended.
    assert_eq!((invoices.pages, invoices.read, invoices.written, invoices.done), (4, 38, 35, true));
}

#[tokio::test]
async fn a_job_that_is_handed_out_again_after_it_was_done_does_nothing() {
    let books = filled(5).await;
    let job = books.job(SyncMode::Full);
    work(&books, &job, Lane::Low, LONG).await;
    let pages = books.ledger.pages();

    assert_eq!(work(&books, &job, Lane::Low, LONG).await, Next::Done);

    assert_eq!(books.ledger.pages(), pages);
}

#[tokio::test]
async fn a_job_that_fails_comes_again_ever_later_and_is_put_away_at_the_fifth_time() {
    let books = filled(5).await;
    let job = books.job(SyncMode::Full);
    let mut waited = vec![];
    for failure in 1..=4_u32 {
        for _ in 0..3 {
            books.ledger.fail_next(LedgerError::Unavailable("stream timeout".into()));
        }
        waited.push(waits(&work(&books, &job, Lane::Low, LONG).await).as_secs());
        let failed = record(&books, &job).await;
        assert_eq!((failed.state, failed.failures), (JobState::Delayed, failure));
        assert!(failed.resumes_at > Some(books.world.clock.now()));
        assert_eq!(failed.error.unwrap().code, "PROVIDER_API_ERROR");
    }
    for (waited, least) in waited.into_iter().zip([30, 120, 480, 1920]) {
        assert!((least..=least + 11).contains(&waited), "{waited}");
    }

    drop(books.world.bus.take());
    for _ in 0..3 {
        books.ledger.fail_next(LedgerError::Unavailable("stream timeout".into()));
    }
    let Next::Bury(reason) = work(&books, &job, Lane::Low, LONG).await else { panic!("it is put away") };

    assert!(reason.starts_with("5001 PROVIDER_API_ERROR: the books could not be read"), "{reason}");
    assert_eq!(record(&books, &job).await.state, JobState::Failed);
    assert!(books.world.bus.take().iter().any(|event| event.kind == EventKind::SyncFailed));
}

#[tokio::test]
async fn a_job_that_is_put_back_from_the_dead_letters_begins_anew() {
    let books = filled(5).await;
    let job = books.job(SyncMode::Full);
    books.ledger.fail_next(LedgerError::Forbidden);
    assert!(matches!(work(&books, &job, Lane::Low, LONG).await, Next::Bury(_)));

    assert_eq!(work(&books, &job, Lane::Low, LONG).await, Next::Done);

    let done = record(&books, &job).await;
    assert_eq!((done.state, done.failures, done.error), (JobState::Completed, 0, None));
}

#[tokio::test]
async fn a_job_that_ends_every_worker_is_put_away_unless_each_came_further() {
    let books = filled(5).await;
    let job = books.job(SyncMode::Full);
    let died = JobRecord { state: JobState::Active, ..JobRecord::new(job.clone(), Lane::Low, sample::at(0)) };
    let often = JobRecord { failures: 4, ..died.clone() };
    books.jobs.create(&[often]).await.unwrap();

    let Next::Bury(reason) = work(&books, &job, Lane::Low, LONG).await else { panic!("it is put away") };

    assert!(reason.starts_with("7003 INTERNAL_ERROR"), "{reason}");
    assert_eq!((record(&books, &job).await.state, books.ledger.pages()), (JobState::Failed, 0));

    let job = books.job(SyncMode::Full);
    books.jobs.create(&[JobRecord { job: job.clone(), failures: 3, ..died }]).await.unwrap();
    books.ledger.fail_at_page(0, LedgerError::Forbidden);
    assert!(matches!(work(&books, &job, Lane::Low, LONG).await, Next::Bury(_)));
    assert_eq!(record(&books, &job).await.failures, 5, "no page was read");
    assert_eq!(work(&books, &job, Lane::Low, LONG).await, Next::Done);
    assert_eq!(record(&books, &job).await.failures, 0);
}

#[tokio::test]
async fn waiting_for_a_provider_that_throttles_is_no_failure_however_long_it_takes() {
    let books = filled(25).await;
    let job = books.job(SyncMode::Full);
    for _ in 0..20 {
        let retry_after = Some(Duration::from_secs(90));
        books.ledger.fail_next(LedgerError::Throttled { retry_after });
        let wait = waits(&work(&books, &job, Lane::Low, LONG).await);
        assert!((90..=101).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(record(&books, &job).await.failures, 0);
    }

    assert_eq!(work(&books, &job, Lane::Low, LONG).await, Next::Done);
    assert_eq!(books.stored().await.len(), 25);
}

#[tokio::test]
async fn a_job_of_a_connection_that_is_gone_fails_and_troubles_nobody() {
    let books = filled(1).await;
    let job = books.job(SyncMode::Full);
    let elsewhere = SyncJob { company_id: "quickbooks_1".parse().unwrap(), ..job };

    assert_eq!(work(&books, &elsewhere, Lane::Low, LONG).await, Next::Done);

    let failed = record(&books, &elsewhere).await;
    assert_eq!((failed.state, failed.error.unwrap().number), (JobState::Failed, 4003));
}

#[tokio::test]
async fn two_jobs_of_one_company_never_run_at_once() {
    let books = filled(25).await;
    let now = books.world.clock.now();
    let other = Holder { name: "another run".to_owned(), lane: Lane::Low };
    let until = later(now, Duration::from_mins(5));
    assert_eq!(books.leases.take(&books.place(), &other, (now, until)).await.unwrap(), Taken::Mine);
    let job = books.job(SyncMode::Full);

    let wait = waits(&work(&books, &job, Lane::Low, LONG).await);

    assert_eq!((wait, books.ledger.pages()), (Duration::from_secs(20), 0));
    assert_eq!(record(&books, &job).await.state, JobState::Delayed);
    assert_eq!(books.leases.keep(&books.place(), &other, until).await.unwrap(), Kept::Mine);

    books.world.clock.advance(Duration::from_mins(5));
    assert_eq!(
        work(&books, &job, Lane::Low, LONG).await,
        Next::Done,
        "the lease of a dead run ends by itself"
    );
}

#[tokio::test]
async fn a_job_of_a_higher_lane_makes_the_other_one_yield_after_its_page() {
    let books = filled(95).await;
    let (low, high) = (books.job(SyncMode::Full), books.job(SyncMode::Incremental));
    let lane = Lane::High;
    // The other asks for the company while the first page is read.
    let (runner, deadline) = (books.runner(), later(books.world.clock.now(), LONG));
    books.ledger.meanwhile(Box::new(move || {
        let (runner, high) = (runner, high.clone());
        Box::pin(async move {
            let (next, _) = runner.work(&high, lane, deadline).await;
            assert_eq!(waits(&next), Duration::from_secs(2));
        })
    }));

    let wait = waits(&work(&books, &low, Lane::Low, LONG).await);

    assert_eq!((wait, books.ledger.pages()), (Duration::from_secs(10), 1));
    assert_eq!(work(&books, &low, Lane::Low, LONG).await, Next::Done, "it goes on where it was");
    assert_eq!(books.stored().await.len(), 95);
    assert_eq!(books.ledger.pages(), 11, "as many as without it");
}

#[test]
fn what_a_job_tells_of_its_failure_names_no_role_and_no_account() {
    let source = || StoreError::Unavailable { operation: "save", source: "arn:aws:sts::1:role/x".into() };
    for error in [RunError::Store(source()), RunError::Access(AccessError::Store(source()))] {
        assert!(!error.told().contains("arn:"), "{}", error.told());
    }
    let refused = RunError::Ledger(LedgerError::Refused { status: 400 });
    assert!(refused.told().contains("400"), "{}", refused.told());
}
