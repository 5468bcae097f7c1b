//! A worker dies at each call that it makes, before or after it had its effect; the one that comes after finishes, and what
//! is stored is what the provider has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::{
    clock::Clock as _,
    id::{JobId, RecordId},
    refresh::policy::later,
    store::StoreError,
    sync::{
        Entity, IdPage, JobRecord, Lane, Record, RecordPage, RecordPlace, RecordStore, RunOutcome, SeenIds,
        SyncCursor, SyncJob, SyncMode, SyncRunner, WalkStore,
    },
};
use jiff::Timestamp;
use tests::{memory::InMemoryRecords, sample};

use super::{LONG, both, change, deleted, live, synced};
use crate::sync::Books;

/// Stores of a worker that dies at one of its calls: that one has its effect or has it not, and none after it.
struct Mortal {
    stores: Arc<InMemoryRecords>,
    calls: AtomicUsize,
    last: usize,
    has_effect: bool,
}

fn died() -> StoreError {
    StoreError::Unavailable { operation: "any", source: "the worker is dead".into() }
}

impl Mortal {
    fn new(books: &Books, last: usize, has_effect: bool) -> Arc<Self> {
        Arc::new(Self { stores: books.records.clone(), calls: AtomicUsize::new(0), last, has_effect })
    }

    async fn call<T>(&self, act: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            call if call < self.last => act.await,
            call if call == self.last && self.has_effect => {
                act.await?;
                Err(died())
            }
            _ => Err(died()),
        }
    }

    fn is_dead(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.last
    }
}

#[async_trait]
impl RecordStore for Mortal {
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        self.call(self.stores.put_if_newer(place, records, write_id)).await
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        record: (Entity, &RecordId),
        at: Timestamp,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        self.call(self.stores.mark_deleted(place, record, at, write_id)).await
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.call(self.stores.list(place, entity, limit, from)).await
    }

    async fn list_changed(
        &self,
        place: &RecordPlace,
        of: (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.call(self.stores.list_changed(place, of, limit, from)).await
    }
}

#[async_trait]
impl WalkStore for Mortal {
    async fn list_ids(
        &self,
        place: &RecordPlace,
        entity: Entity,
        from: Option<&str>,
    ) -> Result<IdPage, StoreError> {
        self.call(self.stores.list_ids(place, entity, from)).await
    }

    async fn count(&self, place: &RecordPlace, entity: Entity) -> Result<u64, StoreError> {
        self.call(self.stores.count(place, entity)).await
    }

    async fn note_seen(
        &self,
        place: &RecordPlace,
        walk: (Entity, &JobId),
        page: u64,
        ids: &[RecordId],
    ) -> Result<(), StoreError> {
        self.call(self.stores.note_seen(place, walk, page, ids)).await
    }

    async fn find_seen(
        &self,
        place: &RecordPlace,
        walk: (Entity, &JobId),
        pages: u64,
    ) -> Result<SeenIds, StoreError> {
        self.call(self.stores.find_seen(place, walk, pages)).await
    }

    async fn find_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
    ) -> Result<Option<SyncCursor>, StoreError> {
        self.call(self.stores.find_cursor(place, entity)).await
    }

    async fn save_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
        cursor: &SyncCursor,
    ) -> Result<bool, StoreError> {
        self.call(self.stores.save_cursor(place, entity, cursor)).await
    }
}

/// Runs a job with a worker that dies; true if it was done before that.
async fn run_mortal(books: &Books, job: &SyncJob, mortal: &Arc<Mortal>) -> bool {
    let runner = SyncRunner { records: mortal.clone(), walks: mortal.clone(), ..books.runner() };
    let now = books.world.clock.now();
    let mut record = JobRecord::new(job.clone(), Lane::Low, now);
    let ended = runner.run(&mut record, later(now, LONG)).await;
    assert_eq!(ended.is_err(), mortal.is_dead(), "{ended:?}");
    !mortal.is_dead()
}

/// Lets a worker die at each call of a job that follows `change`, and the next finish it.
async fn at_each_call(mode: SyncMode, prepare: impl Fn(&Books)) {
    for has_effect in [false, true] {
        let mut calls = 0;
        loop {
            let books = synced().await;
            prepare(&books);
            change(&books);
            let job = both(&books, mode);
            let is_done = run_mortal(&books, &job, &Mortal::new(&books, calls, has_effect)).await;
            if !is_done {
                // The next one is another job half of the time, as by hand or on the next day.
                let next = if calls % 2 == 0 { job } else { both(&books, SyncMode::Incremental) };
                let ended = books.run(&next, LONG).await.unwrap();
                assert!(matches!(ended, RunOutcome::Completed { .. }), "{ended:?}");
            }

            assert_eq!(live(&books).await, books.ledger.all(), "died at call {calls}");
            assert_eq!(deleted(&books).await, ["0007"], "died at call {calls}");
            if is_done {
                break;
            }
            calls += 1;
        }
        assert!(calls > 5, "{calls} calls");
    }
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_in_a_full_run_leaves_no_gap_and_nothing_twice() {
    at_each_call(SyncMode::Full, |_| ()).await;
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_in_an_incremental_run_leaves_no_gap_and_nothing_twice() {
    at_each_call(SyncMode::Incremental, |_| ()).await;
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_in_a_feed_leaves_no_gap_and_nothing_twice() {
    at_each_call(SyncMode::Incremental, |books| books.ledger.feed(1_000)).await;
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_behind_a_cut_feed_leaves_no_gap_and_nothing_twice() {
    at_each_call(SyncMode::Incremental, |books| books.ledger.feed(3)).await;
}

#[tokio::test]
async fn a_first_copy_whose_workers_all_die_after_a_few_calls_comes_to_its_end() {
    let books = Books::new().await;
    books.fill(95, i64::from);
    books.ledger.put(sample::invoice("dead", sample::at(-1), 0));
    let job = books.job(SyncMode::Full);
    let mut workers = 0;
    while !run_mortal(&books, &job, &Mortal::new(&books, 5, workers % 2 == 0)).await {
        workers += 1;
        if workers == 3 {
            books.ledger.delete("dead", books.world.clock.now());
        }
        assert!(workers < 40);
    }

    assert!(workers > 6);
    assert_eq!(live(&books).await, books.ledger.all());
}
