//! What records cost to keep: calls and units of a page of a thousand, and of looking them over.

use std::{slice, sync::Arc, time::Duration};

use aws::DynamoRecords;
use axum::{Json, Router, body::Bytes, http::HeaderMap, routing::post};
use domain::{
    clock::{Clock as _, SystemClock},
    sync::{
        Entity, EntityProgress, Holder, JobProgress, JobRecord, JobState, Kept, Lane, Record, RecordPlace,
        RecordStore, SyncJob, Taken, WalkStore,
    },
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tests::sample::{self, at, ids};
use tokio::net::TcpListener;

use crate::{
    is_full,
    measured::Measured,
    meter::Usage,
    refresh::{COLUMNS, cells},
    table::Table,
};

/// The greatest page of a provider.
const PAGE: usize = 1_000;
/// An invoice as Intuit gives it out, with a few lines.
const OBJECT_BYTES: usize = 2_500;
/// Records written one by one at once, where they are.
const AT_ONCE: usize = 16;
/// How long a table takes to answer, in the comparison of times: about that of a write in one region.
const ANSWERS_IN: Duration = Duration::from_millis(8);

/// The records of a page, the first so many of which changed a moment later.
fn page(changed: usize) -> Vec<Record> {
    let record = |n: usize| Record {
        raw: "x".repeat(OBJECT_BYTES),
        ..sample::invoice(&n.to_string(), at(i64::from(n < changed)), 0)
    };
    (0..PAGE).map(record).collect()
}

/// Writes records one by one.
async fn put_each(store: &dyn RecordStore, place: &RecordPlace, page: &[Record]) {
    let put = async |record| {
        store.put_if_newer(place, slice::from_ref(record), &ids().write()).await.unwrap();
    };
    stream::iter(page).map(put).buffer_unordered(AT_ONCE).collect::<()>().await;
}

#[tokio::test]
async fn a_thousand_new_records_take_fifty_calls_and_what_is_not_newer_takes_no_write() {
    let measured = Measured::new().await;
    let store = measured.reader().consumer.records;
    let [together, each] = [(); 2].map(|()| sample::place());
    let mut table = Table::new(&[&["a page of 1,000 invoices"], &COLUMNS[..]].concat());
    let mut used = vec![];
    for (name, changed, written) in [
        ("first copy", 0, PAGE as u64),
        ("again, nothing changed", 0, 0),
        ("again, a tenth changed", PAGE / 10, 100),
    ] {
        let page = page(changed);
        assert_eq!(store.put_if_newer(&together, &page, &ids().write()).await.unwrap(), written);
        let usage = measured.meter.take();
        table.row([name.to_owned()].into_iter().chain(cells(&usage, 1)));
        used.push(usage);

        put_each(&*store, &each, &page).await;
        table.row([format!("{name}, one by one")].into_iter().chain(cells(&measured.meter.take(), 1)));
    }
    table.print("Keeping records: a page of a thousand");

    let [first, unchanged, tenth]: [Usage; 3] = used.try_into().unwrap();
    assert!(first.total() <= 50 && first.writes <= 4_000.0 && first.reads <= 500.0, "{first:?}");
    assert!(unchanged.total() <= 10 && unchanged.writes <= 0.0 && unchanged.reads <= 500.0, "{unchanged:?}");
    assert!(tenth.total() <= 14 && tenth.writes <= 500.0 && tenth.reads <= 500.0, "{tenth:?}");
}

#[tokio::test]
async fn counting_and_comparing_a_thousand_records_reads_a_small_part_of_them() {
    let measured = Measured::new().await;
    let deps = measured.reader();
    let (store, walks): (_, Arc<dyn WalkStore>) = (deps.consumer.records, deps.runner.walks);
    let (place, walk, page) = (sample::place(), ids().job(), page(0));
    store.put_if_newer(&place, &page, &ids().write()).await.unwrap();
    measured.meter.take();
    let seen: Vec<_> = page.iter().map(|record| record.id.clone()).collect();
    let of_walk = (Entity::Invoices, &walk);

    let mut table = Table::new(&[&["of 1,000 invoices"], &COLUMNS[..]].concat());
    let mut used = |name: &str| {
        let usage = measured.meter.take();
        table.row([name.to_owned()].into_iter().chain(cells(&usage, 1)));
        usage
    };
    assert_eq!(walks.count(&place, Entity::Invoices).await.unwrap(), 1_000);
    let count = used("count them");
    assert_eq!(walks.list_ids(&place, Entity::Invoices, None).await.unwrap().ids.len(), PAGE);
    let listed = used("list their ids");
    walks.note_seen(&place, of_walk, 0, &seen).await.unwrap();
    let noted = used("note that a page showed them");
    assert!(walks.find_seen(&place, of_walk, 1).await.unwrap().contains(&seen[PAGE - 1]));
    let found = used("know which a walk saw");
    let changes = store.list_changed(&place, (Entity::Invoices, at(0)), 100, None).await.unwrap();
    assert_eq!(changes.records.len(), 100);
    let changes = used("list a hundred that changed");
    table.print("Looking records over");

    assert!(count.reads <= 20.0 && listed.reads <= 20.0, "{count:?} {listed:?}");
    assert!((noted.total(), found.total()) == (1, 1) && noted.writes <= 9.0 && found.reads <= 3.0);
    assert!(changes.total() == 2 && changes.reads <= 103.0, "{changes:?}");
}

#[tokio::test]
async fn a_job_and_its_company_cost_a_few_units_each_time_they_move() {
    let measured = Measured::new().await;
    let runner = measured.reader().runner;
    let (place, holder) = (sample::place(), Holder { name: ids().write(), lane: Lane::Low });
    let job =
        || JobRecord::new(SyncJob::full(ids().job(), sample::key(), sample::company()), Lane::Low, at(0));
    let waiting = job();
    let active = JobRecord { state: JobState::Active, started_at: Some(at(1)), ..waiting.clone() };
    let done = EntityProgress { pages: 9, read: 900, written: 90, total: Some(900), done: true };
    let all_done = JobProgress(Entity::ALL.iter().map(|entity| (*entity, done)).collect());
    let on_its_way = JobRecord { progress: all_done, ..active.clone() };
    let ended = JobRecord { state: JobState::Completed, ended_at: Some(at(2)), ..on_its_way.clone() };

    let mut table = Table::new(&[&["of a job"], &COLUMNS[..]].concat());
    let mut writes = vec![];
    let mut used = |name: &str, count| {
        let usage = measured.meter.take();
        table.row([name.to_owned()].into_iter().chain(cells(&usage, count)));
        writes.push(usage.writes);
    };
    runner.jobs.create(slice::from_ref(&waiting)).await.unwrap();
    used("make it", 1);
    runner.jobs.create(&(0..100).map(|_| job()).collect::<Vec<_>>()).await.unwrap();
    used("make it among a hundred", 100);
    for (name, next) in [("begin it", &active), ("note its progress", &on_its_way), ("complete it", &ended)] {
        assert!(runner.jobs.save(next).await.unwrap());
        used(name, 1);
    }
    assert_eq!(runner.leases.take(&place, &holder, (at(0), at(9))).await.unwrap(), Taken::Mine);
    used("take its company", 1);
    assert_eq!(runner.leases.keep(&place, &holder, at(10)).await.unwrap(), Kept::Mine);
    used("keep it", 1);
    runner.leases.release(&place, &holder).await.unwrap();
    used("give it back", 1);
    table.print("Jobs and leases on companies");

    let most = [3.0, 300.0, 3.0, 2.0, 4.0, 1.0, 1.0, 1.0];
    assert!(writes.iter().zip(most).all(|(used, most)| *used <= most), "{writes:?}");
}

/// A table that has nothing, takes everything, and answers each call after the same time.
async fn steady_table() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = async |headers: HeaderMap, body: Bytes| {
        let request: Value = serde_json::from_slice(&body).unwrap();
        tokio::time::sleep(ANSWERS_IN).await;
        let target = headers["x-amz-target"].to_str().unwrap();
        Json(match target.rsplit('.').next() {
            Some("BatchExecuteStatement") => {
                let statements = request["Statements"].as_array().unwrap().len();
                json!({"Responses": vec![json!({}); statements]})
            }
            _ => json!({"Responses": {}, "UnprocessedKeys": {}}),
        })
    };
    let router = Router::new().fallback(post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Prints the ratio; what it should be is for `docs/costs.md` to say, since a time is none to rely on.
#[tokio::test]
async fn a_page_at_once_is_written_in_a_part_of_the_time_of_its_records_one_by_one() {
    let sdk = Measured::new().await.sdk.into_builder().endpoint_url(steady_table().await).build();
    let store = DynamoRecords::new(aws::clients::dynamodb(&sdk), "records".to_owned());
    let (place, page) = (sample::place(), page(0));
    let rounds = if is_full() { 9 } else { 1 };
    let mut took = (vec![], vec![]);
    let since = |began| SystemClock.now().duration_since(began).as_micros();

    for _ in 0..rounds {
        let began = SystemClock.now();
        assert_eq!(store.put_if_newer(&place, &page, &ids().write()).await.unwrap(), PAGE as u64);
        took.0.push(since(began));
        let began = SystemClock.now();
        put_each(&store, &place, &page).await;
        took.1.push(since(began));
    }

    let median = |times: &mut Vec<i128>| {
        times.sort_unstable();
        times[times.len() / 2].max(1)
    };
    let (together, each) = (median(&mut took.0), median(&mut took.1));
    let mut table = Table::new(&["1,000 records", "a second", "times one by one"]);
    for (name, time) in [("one by one", each), ("together", together)] {
        let tenths = 10 * each / time;
        let a_second = 1_000 * 1_000_000 / time;
        table.row([name.to_owned(), a_second.to_string(), format!("{}.{}", tenths / 10, tenths % 10)]);
    }
    table.print(&format!("At a table that answers in {} ms, in {rounds} rounds", ANSWERS_IN.as_millis()));
}
