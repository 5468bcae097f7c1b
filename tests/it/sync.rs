//! Jobs, against books that change and fail.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    clock::Clock as _,
    connection::ConnectionKey,
    entropy::SystemEntropy,
    event::EventKind,
    provider::Provider,
    refresh::policy::later,
    sync::{
        Entity, JobRecord, Lane, LaneMessage, Ledger, LedgerError, Next, RecordPlace, RecordStore as _,
        RunError, RunOutcome, SilenceWatch, SyncJob, SyncMode, SyncRunner, WalkStore as _,
    },
};
use tests::{
    memory::{InMemoryJobs, InMemoryLeases, InMemoryRecords, InMemorySubscriptions, limits},
    sample,
};

use crate::{
    ledger::{InMemoryLedger, PAGE},
    world::World,
};

const REALM: &str = "4620816365";
/// Plenty of time.
const LONG: Duration = Duration::from_hours(1);
/// Time for a page and a half, since each page is reserved a minute.
const SHORT: Duration = Duration::from_secs(90);

pub(crate) struct Books {
    pub(crate) world: World,
    pub(crate) key: ConnectionKey,
    pub(crate) ledger: Arc<InMemoryLedger>,
    pub(crate) records: Arc<InMemoryRecords>,
    pub(crate) leases: Arc<InMemoryLeases>,
    pub(crate) jobs: Arc<InMemoryJobs>,
    pub(crate) subscriptions: Arc<InMemorySubscriptions>,
}

impl Books {
    pub(crate) async fn new() -> Self {
        let world = World::new();
        let key = world.connect(&sample::tenant(), REALM).await;
        Self {
            world,
            key,
            ledger: Arc::default(),
            records: Arc::default(),
            leases: Arc::default(),
            jobs: Arc::default(),
            subscriptions: Arc::default(),
        }
    }

    fn ledgers(&self) -> HashMap<Provider, Arc<dyn Ledger>> {
        let ledger: Arc<dyn Ledger> = self.ledger.clone();
        HashMap::from([(Provider::QuickBooks, ledger)])
    }

    pub(crate) fn runner(&self) -> SyncRunner {
        SyncRunner {
            tenants: self.world.tenants.clone(),
            access: Arc::new(self.world.access()),
            connections: self.world.connections.clone(),
            ledgers: self.ledgers(),
            limits: limits(&(self.world.clock.clone() as _)),
            records: self.records.clone(),
            walks: self.records.clone(),
            leases: self.leases.clone(),
            jobs: self.jobs.clone(),
            queue: self.world.sync_queue.clone(),
            silence: SilenceWatch {
                subscriptions: self.subscriptions.clone(),
                bus: self.world.bus.clone(),
                clock: self.world.clock.clone(),
            },
            bus: self.world.bus.clone(),
            clock: self.world.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        }
    }

    pub(crate) fn place(&self) -> RecordPlace {
        let company = format!("quickbooks_{REALM}").parse().unwrap();
        RecordPlace { tenant: self.key.tenant.clone(), company }
    }

    pub(crate) fn job(&self, mode: SyncMode) -> SyncJob {
        let job = SyncJob::full(sample::ids().job(), self.key.clone(), self.place().company);
        SyncJob { entities: vec![Entity::Invoices], mode, ..job }
    }

    pub(crate) async fn run(&self, job: &SyncJob, time: Duration) -> Result<RunOutcome, RunError> {
        let now = self.world.clock.now();
        let mut record = JobRecord::new(job.clone(), Lane::Low, now);
        self.runner().run(&mut record, later(now, time)).await
    }

    /// Works on a job that is put away, and gives the reason.
    async fn put_away(&self, job: &SyncJob) -> String {
        match self.runner().work(job, Lane::Low, later(self.world.clock.now(), LONG)).await {
            (Next::Bury(reason), _) => reason,
            (next, _) => panic!("it is put away: {next:?}"),
        }
    }

    /// Ids and versions of what is stored.
    pub(crate) async fn stored(&self) -> Vec<(String, u64)> {
        let page = self.records.list(&self.place(), Entity::Invoices, 1000, None).await.unwrap();
        page.records.into_iter().map(|record| (record.id.to_string(), record.version)).collect()
    }

    pub(crate) fn fill(&self, count: u32, moment: impl Fn(u32) -> i64) {
        for number in 0..count {
            self.ledger.put(sample::invoice(
                &format!("{number:04}"),
                sample::at(moment(number) - 100_000),
                0,
            ));
        }
    }
}

fn all(count: u32) -> Vec<(String, u64)> {
    (0..count).map(|number| (format!("{number:04}"), 0)).collect()
}

#[tokio::test]
async fn what_the_customer_did_not_allow_is_named_and_everything_else_is_read() {
    let books = Books::new().await;
    books.fill(1, |_| 0);
    books.ledger.close(Entity::Customers);
    books.world.kinds();
    let job = SyncJob { entities: vec![Entity::Customers, Entity::Invoices], ..books.job(SyncMode::Full) };

    let reason = books.put_away(&job).await;

    let expected = "1010 AUTH_PROVIDER_SCOPE_MISSING: the connection lacks the scope books.read, which reading customers takes";
    assert_eq!(reason, expected);
    assert_eq!(books.stored().await, all(1));
    let events = books.world.bus.take();
    let failed = events.iter().find(|event| event.kind == EventKind::SyncFailed).unwrap();
    assert_eq!(failed.error_code.as_deref(), Some("AUTH_PROVIDER_SCOPE_MISSING"));
}

#[tokio::test]
async fn a_full_sync_brings_every_object_over_many_pages() {
    let books = Books::new().await;
    books.fill(95, i64::from);

    let outcome = books.run(&books.job(SyncMode::Full), LONG).await.unwrap();

    assert_eq!(outcome, RunOutcome::Completed { written: 95 });
    assert_eq!(books.stored().await, all(95));
}

#[tokio::test]
async fn more_objects_of_one_moment_than_a_page_holds_are_all_read() {
    let books = Books::new().await;
    books.fill(47, |number| if number < 40 { 7 } else { 8 });

    books.run(&books.job(SyncMode::Full), LONG).await.unwrap();

    assert_eq!(books.stored().await, all(47));
}

#[tokio::test]
async fn an_object_that_changes_during_the_walk_hides_no_other() {
    let books = Books::new().await;
    books.fill(30, i64::from);
    books.ledger.change_meanwhile(sample::invoice("0003", sample::at(0), 1));

    books.run(&books.job(SyncMode::Full), LONG).await.unwrap();

    let mut expected = all(30);
    expected[3].1 = 1;
    assert_eq!(books.stored().await, expected);
}

#[tokio::test]
async fn a_job_without_time_goes_back_on_its_lane_and_goes_on_where_it_was() {
    let books = Books::new().await;
    books.fill(35, i64::from);
    let job = books.job(SyncMode::Full);
    drop(books.world.sync_queue.take());

    assert_eq!(books.run(&job, Duration::from_secs(30)).await.unwrap(), RunOutcome::Continued { written: 0 });
    assert_eq!(books.world.sync_queue.take(), [(Lane::Low, LaneMessage::Job(job.clone()))]);
    assert!(matches!(books.run(&job, LONG).await.unwrap(), RunOutcome::Completed { written: 35 }));
    let pages = books.ledger.pages();
    assert_eq!(
        books.run(&job, SHORT).await.unwrap(),
        RunOutcome::Completed { written: 0 },
        "run again: done already"
    );
    assert_eq!(books.ledger.pages(), pages, "nothing is read again");
}

#[tokio::test]
async fn a_cursor_never_passes_a_page_that_was_not_read() {
    let books = Books::new().await;
    books.fill(35, i64::from);
    let job = books.job(SyncMode::Full);
    for _ in 0..3 {
        books.ledger.fail_next(LedgerError::Unavailable("stream timeout".into()));
    }

    assert!(matches!(books.run(&job, LONG).await, Err(RunError::Ledger(LedgerError::Unavailable(_)))));
    assert_eq!(books.records.find_cursor(&books.place(), Entity::Invoices).await.unwrap(), None);

    books.run(&job, LONG).await.unwrap();
    assert_eq!(books.stored().await, all(35));
}

#[tokio::test]
async fn of_two_jobs_on_one_company_the_newer_finishes_and_the_older_steps_back() {
    let books = Books::new().await;
    books.fill(35, i64::from);
    let (older, newer) = (books.job(SyncMode::Full), books.job(SyncMode::Full));
    assert!(older.job_id < newer.job_id);
    books.run(&newer, LONG).await.unwrap();
    let pages = books.ledger.pages();

    assert_eq!(books.run(&older, LONG).await.unwrap(), RunOutcome::Superseded);

    assert_eq!(books.ledger.pages(), pages);
}

#[tokio::test]
async fn an_incremental_run_reads_what_changed_and_little_else() {
    let books = Books::new().await;
    books.fill(95, |number| i64::from(number) * 60);
    books.run(&books.job(SyncMode::Full), LONG).await.unwrap();
    books.ledger.put(sample::invoice("0003", sample::at(0), 1));
    let pages = books.ledger.pages();

    let outcome = books.run(&books.job(SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(outcome, RunOutcome::Completed { written: 1 });
    assert!(books.ledger.pages() - pages <= 2, "of {} pages", 95 / PAGE);
    assert_eq!(books.stored().await[3], ("0003".to_owned(), 1));
}

#[tokio::test]
async fn a_token_refused_in_the_middle_is_renewed_once_and_not_in_a_loop() {
    let books = Books::new().await;
    books.fill(5, i64::from);
    books.ledger.fail_next(LedgerError::Unauthorized);
    books.run(&books.job(SyncMode::Full), LONG).await.unwrap();
    assert_eq!(books.world.refreshes(), 1);

    books.world.clock.advance(Duration::from_mins(1));
    books.ledger.fail_next(LedgerError::Unauthorized);
    books.ledger.fail_next(LedgerError::Unauthorized);
    let refused = books.run(&books.job(SyncMode::Full), LONG).await;
    assert!(matches!(refused, Err(RunError::Ledger(LedgerError::Unauthorized))));
    assert_eq!(books.world.refreshes(), 2);
}

#[tokio::test]
async fn a_newer_job_for_one_kind_of_object_leaves_the_others_to_the_older_one() {
    let books = Books::new().await;
    books.fill(35, i64::from);
    let both = vec![Entity::Customers, Entity::Invoices];
    let older = SyncJob { entities: both, ..books.job(SyncMode::Full) };
    let newer = SyncJob { entities: vec![Entity::Customers], ..books.job(SyncMode::Full) };
    books.run(&newer, LONG).await.unwrap();

    assert_eq!(books.run(&older, LONG).await.unwrap(), RunOutcome::Completed { written: 35 });
    assert_eq!(books.stored().await, all(35));
}

#[tokio::test]
async fn a_kind_that_the_provider_refuses_keeps_no_other_from_being_read() {
    let books = Books::new().await;
    books.fill(1, |_| 0);
    let both = vec![Entity::Customers, Entity::Invoices];
    let job = SyncJob { entities: both, ..books.job(SyncMode::Full) };
    drop(books.world.bus.take());
    books.ledger.fail_next(LedgerError::Refused { status: 400 });

    let reason = books.put_away(&job).await;

    assert!(reason.starts_with("5001 PROVIDER_API_ERROR"), "{reason}");
    assert_eq!(books.stored().await, all(1));
    assert!(books.world.bus.take().iter().any(|event| event.kind == EventKind::SyncFailed));
}

fn announced(books: &Books) -> u64 {
    let events = books.world.bus.take().into_iter();
    events.filter(|event| event.kind == EventKind::RecordsChanged).filter_map(|event| event.records).sum()
}

#[tokio::test]
async fn what_a_run_wrote_before_it_failed_is_announced_although_the_next_one_finds_nothing_new() {
    let books = Books::new().await;
    // The last page is empty, as at a provider that does not count.
    books.fill(u32::try_from(PAGE).unwrap() - 1, i64::from);
    let job = SyncJob { entities: vec![Entity::Invoices, Entity::Bills], ..books.job(SyncMode::Full) };
    drop(books.world.bus.take());
    books.ledger.fail_at_page(1, LedgerError::Forbidden);

    books.run(&job, LONG).await.unwrap_err();
    let failed = announced(&books);
    books.run(&job, LONG).await.unwrap();

    assert_eq!(failed, 9);
    assert_eq!(announced(&books), 9, "once more, for a run that died would not have said it");
}
