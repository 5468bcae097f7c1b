//! The daily catch-up: what no webhook told of is found, and a subscription that is off is noticed.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    event::{Event, EventKind},
    provider::Provider,
    refresh::policy::later,
    sync::{CatchUp, CatchUpMark, CaughtUp, Entity, Lane, LaneMessage, RunOutcome, SyncJob, SyncMode},
    webhook::{Subscription, Subscriptions as _},
};
use jiff::Timestamp;
use tests::sample;

use crate::{sync::Books, world::World};

/// Plenty of time.
const LONG: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl World {
    /// The daily walk over all companies.
    pub(crate) fn catch_up(&self) -> CatchUp {
        CatchUp {
            tenants: self.tenants.clone(),
            connections: self.connections.clone(),
            jobs: self.orders(),
            clock: self.clock.clone(),
        }
    }
}

fn mark(started_at: Timestamp) -> CatchUpMark {
    CatchUpMark { started_at, tenant: None, from: None }
}

async fn walk(world: &World, mark: CatchUpMark, time: Duration) -> CaughtUp {
    world.catch_up().run(mark, later(world.clock.now(), time)).await.unwrap()
}

/// The jobs on the low lane, and the mark behind them.
fn on_the_lane(world: &World) -> (Vec<SyncJob>, Option<CatchUpMark>) {
    let (mut jobs, mut mark) = (vec![], None);
    for (lane, message) in world.sync_queue.take() {
        assert_eq!(lane, Lane::Low);
        match message {
            LaneMessage::Job(job) => jobs.push(job),
            LaneMessage::CatchUp(left) => mark = Some(left),
            LaneMessage::Erase(mark) => panic!("nobody is deleted: {mark:?}"),
        }
    }
    (jobs, mark)
}

/// Everything that the catch-up of today asks of the one company there is.
async fn caught_up(books: &Books) -> Vec<RunOutcome> {
    drop(books.world.sync_queue.take());
    // No two ticks are of the same moment.
    books.world.clock.advance(Duration::from_secs(1));
    walk(&books.world, mark(books.world.clock.now()), LONG).await;
    let mut outcomes = vec![];
    for job in on_the_lane(&books.world).0 {
        outcomes.push(books.run(&job, LONG).await.unwrap());
    }
    outcomes
}

fn silences(books: &Books) -> Vec<Event> {
    let events = books.world.bus.take().into_iter();
    events.filter(|event| event.kind == EventKind::WebhookSilent).collect()
}

fn change(books: &Books, id: &str, version: u64) {
    books.ledger.put(sample::invoice(id, books.world.clock.now(), version));
}

#[tokio::test]
async fn every_company_of_every_usable_connection_is_asked_for_what_changed() {
    let world = World::new();
    let keys = [world.connected().await, world.connected().await, world.connected().await];
    world.disconnect(&keys[1], None).await;
    drop(world.sync_queue.take());

    let walked = walk(&world, mark(world.clock.now()), LONG).await;

    assert_eq!(walked, CaughtUp { jobs: 2, done: true });
    let (jobs, _) = on_the_lane(&world);
    assert_eq!(jobs.iter().map(|job| &job.key).collect::<Vec<_>>(), [&keys[0], &keys[2]]);
    assert!(jobs.iter().all(|job| job.mode == SyncMode::Incremental));
}

#[tokio::test]
async fn a_tick_that_is_told_twice_makes_the_same_jobs() {
    let world = World::new();
    world.connected().await;
    drop(world.sync_queue.take());
    let tick = world.clock.now();

    walk(&world, mark(tick), LONG).await;
    world.clock.advance(Duration::from_mins(3));
    walk(&world, mark(tick), LONG).await;
    walk(&world, mark(later(tick, DAY)), LONG).await;

    let (jobs, _) = on_the_lane(&world);
    assert_eq!(jobs[0], jobs[1]);
    assert!(jobs[2].job_id > jobs[1].job_id, "tomorrow's is newer");
}

#[tokio::test]
async fn a_walk_without_time_leaves_a_mark_and_goes_on_from_there() {
    let world = World::new();
    for _ in 0..3 {
        world.connected().await;
    }
    drop(world.sync_queue.take());

    let walked = walk(&world, mark(world.clock.now()), Duration::from_secs(10)).await;

    assert_eq!(walked, CaughtUp { jobs: 0, done: false });
    let (jobs, left) = on_the_lane(&world);
    assert_eq!(jobs, []);
    assert_eq!(walk(&world, left.unwrap(), LONG).await, CaughtUp { jobs: 3, done: true });
}

#[tokio::test]
async fn a_change_whose_webhook_was_lost_is_found_within_a_day() {
    let books = Books::new().await;
    caught_up(&books).await;
    books.world.clock.advance(DAY);
    change(&books, "7", 1);

    let outcomes = caught_up(&books).await;

    assert_eq!(outcomes, [RunOutcome::Completed { written: 1 }]);
    assert_eq!(books.stored().await, [("7".to_owned(), 1)]);
}

#[tokio::test]
async fn changes_without_any_webhook_for_a_day_are_reported_once_a_day() {
    let books = Books::new().await;
    let realm = "4620816365".parse().unwrap();
    let subscription = Subscription::of(Provider::QuickBooks, &realm);
    let heard_at = books.world.clock.now();
    books.subscriptions.note_heard(&subscription, heard_at).await.unwrap();
    caught_up(&books).await;
    drop(books.world.bus.take());

    books.world.clock.advance(Duration::from_hours(23));
    change(&books, "7", 1);
    caught_up(&books).await;
    assert_eq!(silences(&books), [], "not silent for long enough");

    books.world.clock.advance(Duration::from_hours(1));
    caught_up(&books).await;
    assert_eq!(silences(&books), [], "silent, but nothing changed");

    change(&books, "7", 2);
    caught_up(&books).await;
    let reports = silences(&books);
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].provider, &reports[0].key), (Some(Provider::QuickBooks), &None));
    assert_eq!((reports[0].heard_at, reports[0].records), (Some(heard_at), Some(1)));

    change(&books, "7", 3);
    caught_up(&books).await;
    assert_eq!(silences(&books), [], "reported already");
    books.world.clock.advance(DAY);
    change(&books, "7", 4);
    caught_up(&books).await;
    assert_eq!(silences(&books).len(), 1, "still silent a day later");
}

#[tokio::test]
async fn a_subscription_that_was_heard_is_not_reported_whatever_was_missed() {
    let books = Books::new().await;
    caught_up(&books).await;
    books.world.clock.advance(DAY);
    let subscription = Subscription::of(Provider::QuickBooks, &"1".parse().unwrap());
    books.subscriptions.note_heard(&subscription, books.world.clock.now()).await.unwrap();
    drop(books.world.bus.take());
    change(&books, "7", 1);

    caught_up(&books).await;

    assert_eq!(silences(&books), []);
}

#[tokio::test]
async fn a_first_copy_of_the_books_is_no_sign_of_silence() {
    let books = Books::new().await;
    books.fill(3, i64::from);
    let company = format!("quickbooks_{}", "4620816365").parse().unwrap();
    let first = SyncJob::full(sample::ids().job(), books.key.clone(), company);

    books.run(&first, LONG).await.unwrap();
    assert_eq!(silences(&books), []);

    let new = Books::new().await;
    new.fill(3, i64::from);
    assert_eq!(caught_up(&new).await, [RunOutcome::Completed { written: 3 }]);
    assert_eq!(silences(&new), [], "nor where the catch-up comes before it");
}

#[tokio::test]
async fn a_scope_that_was_never_granted_does_not_fail_every_day() {
    let books = Books::new().await;
    books.fill(1, |_| 0);
    books.ledger.close(Entity::Customers);

    let outcomes = caught_up(&books).await;

    assert_eq!(outcomes, [RunOutcome::Completed { written: 1 }]);
    assert!(!books.world.kinds().contains(&EventKind::SyncFailed));
}
