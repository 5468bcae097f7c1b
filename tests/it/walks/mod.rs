//! Whole walks, sweeps, counts and the feed of changes: what is stored ends as the provider has it, whatever happened
//! meanwhile and wherever a worker died.

mod crashes;

use std::time::Duration;

use domain::{
    clock::Clock as _,
    refresh::policy::earlier,
    sync::{
        Entity, JobOrigin, LedgerError, Record, RecordStore as _, RunError, RunOutcome, SyncJob, SyncMode,
        Told,
    },
};
use tests::sample;

use crate::sync::Books;

/// Plenty of time.
pub(crate) const LONG: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Everything that is stored of invoices and customers and not deleted, by kind and id.
async fn live(books: &Books) -> Vec<Record> {
    let mut live = vec![];
    for entity in [Entity::Customers, Entity::Invoices] {
        let page = books.records.list(&books.place(), entity, 10_000, None).await.unwrap();
        live.extend(page.records.into_iter().filter(|record| !record.deleted));
    }
    live
}

async fn deleted(books: &Books) -> Vec<String> {
    let page = books.records.list(&books.place(), Entity::Invoices, 10_000, None).await.unwrap();
    page.records.into_iter().filter(|record| record.deleted).map(|record| record.id.to_string()).collect()
}

fn both(books: &Books, mode: SyncMode) -> SyncJob {
    SyncJob { entities: vec![Entity::Customers, Entity::Invoices], ..books.job(mode) }
}

/// Books of 35 invoices and 12 customers that are synced, a minute ago.
async fn synced() -> Books {
    let books = Books::new().await;
    books.fill(35, |number| i64::from(number) * 600);
    for number in 0..12 {
        books.ledger.put(customer(&format!("c{number:02}"), -50_000 + number * 600, 0));
    }
    books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();
    books.world.clock.advance(Duration::from_mins(1));
    books
}

fn customer(id: &str, second: i64, version: u64) -> Record {
    Record { entity: Entity::Customers, ..sample::invoice(id, sample::at(second), version) }
}

/// Changes, makes and deletes a few; none of it by more than the feed tells at once.
fn change(books: &Books) {
    let now = books.world.clock.now();
    books.ledger.put(sample::invoice("0003", now, 1));
    books.ledger.put(sample::invoice("9999", now, 0));
    books.ledger.delete("0007", now);
    books.ledger.delete("c04", now);
}

#[tokio::test]
async fn a_full_run_finds_what_is_gone() {
    let books = synced().await;
    change(&books);

    let outcome = books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();

    assert_eq!(outcome, RunOutcome::Completed { written: 4 });
    assert_eq!(live(&books).await, books.ledger.all());
    assert_eq!(deleted(&books).await, ["0007"]);
}

#[tokio::test]
async fn what_a_list_leaves_out_although_it_is_there_is_not_marked_deleted() {
    let books = synced().await;
    books.ledger.hide("0007");

    books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();

    assert!(deleted(&books).await.is_empty());
    assert!(books.ledger.asked().iter().any(|(_, ids)| ids == &["0007"]), "it is asked for");
}

#[tokio::test]
async fn an_incremental_run_counts_and_finds_what_is_gone() {
    let books = synced().await;
    change(&books);
    let pages = books.ledger.pages();

    books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(live(&books).await, books.ledger.all());
    assert!(books.ledger.pages() - pages > 6, "both kinds are walked over whole");
}

#[tokio::test]
async fn where_the_count_is_right_nothing_is_walked_over_whole() {
    let books = synced().await;
    books.ledger.put(sample::invoice("0003", books.world.clock.now(), 1));
    let pages = books.ledger.pages();

    books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(live(&books).await, books.ledger.all());
    assert_eq!((books.ledger.pages() - pages, books.ledger.feeds_and_counts()), (2, (0, 1)));
}

#[tokio::test]
async fn what_can_never_be_counted_right_costs_a_whole_walk_a_day() {
    let books = synced().await;
    // The provider counts it and gives it to nobody.
    books.ledger.put(sample::invoice("dark", sample::at(-90_000), 0));
    books.ledger.hide("dark");
    let mut pages = vec![];
    for hours in [0, 1, 23] {
        books.world.clock.advance(Duration::from_hours(hours));
        let before = books.ledger.pages();
        books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();
        pages.push(books.ledger.pages() - before);
    }

    assert_eq!(pages, [6, 2, 6]);
}

#[tokio::test]
async fn a_feed_of_changes_tells_of_everything_with_one_request() {
    let books = synced().await;
    books.ledger.feed(1_000);
    change(&books);
    let pages = books.ledger.pages();

    let outcome = books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(outcome, RunOutcome::Completed { written: 4 });
    assert_eq!(live(&books).await, books.ledger.all());
    assert_eq!((books.ledger.pages() - pages, books.ledger.feeds_and_counts()), (0, (1, 0)));
}

#[tokio::test]
async fn a_feed_that_is_cut_is_made_good_by_pages_a_count_and_a_whole_walk() {
    let books = synced().await;
    books.ledger.feed(3);
    change(&books);

    books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(live(&books).await, books.ledger.all());
    assert_eq!(books.ledger.feeds_and_counts().0, 1);
}

#[tokio::test]
async fn quiet_books_are_read_by_the_feed_for_months_although_nothing_in_them_is_new() {
    let books = synced().await;
    books.ledger.feed(1_000);
    let pages = books.ledger.pages();
    for _ in 0..8 {
        books.world.clock.advance(DAY * 7);
        books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();
    }
    books.world.clock.advance(DAY * 7);
    books.ledger.delete("0007", earlier(books.world.clock.now(), DAY));

    books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(deleted(&books).await, ["0007"]);
    assert_eq!((books.ledger.pages() - pages, books.ledger.feeds_and_counts()), (0, (9, 0)));
}

#[tokio::test]
async fn what_the_feed_no_longer_tells_of_is_found_by_pages_and_a_count() {
    let books = synced().await;
    books.ledger.feed(1_000);
    change(&books);
    books.world.clock.advance(DAY * 30);

    books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();

    assert_eq!(live(&books).await, books.ledger.all());
    assert_eq!(books.ledger.feeds_and_counts().0, 0);
}

#[tokio::test]
async fn the_daily_catch_up_counts_even_where_the_feed_tells_of_everything() {
    let books = synced().await;
    books.ledger.feed(1_000);
    let job = SyncJob { origin: Some(JobOrigin::CatchUp), ..both(&books, SyncMode::Incremental) };

    books.run(&job, LONG).await.unwrap();

    assert_eq!(books.ledger.feeds_and_counts(), (1, 1));
}

#[tokio::test]
async fn books_whose_pages_leave_out_changes_are_read_whole_every_week() {
    let books = synced().await;
    books.ledger.tell(Told::All);
    books.ledger.whole_every(DAY * 7);
    let mut pages = vec![];
    for days in [0, 3, 3, 3] {
        books.world.clock.advance(DAY * days);
        let before = books.ledger.pages();
        books.run(&both(&books, SyncMode::Incremental), LONG).await.unwrap();
        pages.push(books.ledger.pages() - before);
    }

    assert_eq!(pages, [2, 2, 2, 6]);
}

#[tokio::test]
async fn what_is_there_although_the_walk_missed_it_is_asked_for_once_however_often_the_sweep_stops() {
    let books = synced().await;
    for id in ["0003", "0007", "0011"] {
        books.ledger.hide(id);
    }
    let job = books.job(SyncMode::Full);

    for _ in 0..2 {
        books.ledger.throttle_after(1);
        let stopped = books.run(&job, LONG).await;
        assert!(matches!(stopped, Err(RunError::Ledger(LedgerError::Throttled { .. }))), "{stopped:?}");
    }
    books.run(&job, LONG).await.unwrap();

    let asked: Vec<_> = books.ledger.asked().into_iter().map(|(_, ids)| ids.join(" ")).collect();
    assert_eq!(asked, ["0003", "0007 0011", "0011"], "one was answered each time");
    assert!(deleted(&books).await.is_empty());
}

#[tokio::test]
async fn a_contact_that_becomes_one_of_another_kind_and_comes_back_is_there_again_whatever_its_time() {
    let books = synced().await;
    let as_of = |entity, digest| Record { entity, digest: Some(digest), ..customer("c04", -47_600, 1) };
    let ids = async || live(&books).await.into_iter().filter(|record| record.id.as_str() == "c04").count();
    books.ledger.put(as_of(Entity::Customers, 1));
    books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();

    books.ledger.remove("c04");
    books.ledger.put(as_of(Entity::Vendors, 2));
    books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();
    assert_eq!(ids().await, 0, "it buys nothing any more");

    books.ledger.remove("c04");
    books.ledger.put(as_of(Entity::Customers, 1));
    books.run(&both(&books, SyncMode::Full), LONG).await.unwrap();
    assert_eq!(ids().await, 1, "the very same as it was before");
}

#[tokio::test]
async fn a_stumbling_provider_is_asked_again_at_once_and_then_left_alone() {
    let books = Books::new().await;
    books.fill(35, i64::from);
    let stumble = || books.ledger.fail_next(LedgerError::Unavailable("stream timeout".into()));
    stumble();
    stumble();
    let job = books.job(SyncMode::Full);
    books.run(&job, LONG).await.unwrap();
    assert_eq!(books.ledger.pages(), 6);

    let job = books.job(SyncMode::Full);
    for _ in 0..3 {
        stumble();
    }
    let error = books.run(&job, LONG).await.unwrap_err();
    assert!(matches!(error, RunError::Ledger(LedgerError::Unavailable(_))));
    assert_eq!(books.ledger.pages(), 9);
}
