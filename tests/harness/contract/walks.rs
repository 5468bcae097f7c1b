//! What a store of walks keeps, beside the records that they are over.

use std::collections::BTreeSet;

use domain::{
    id::RecordId,
    store::StoreError,
    sync::{Entity, RecordPlace, RecordStore, SyncCursor, Walk, WalkStore},
};
use futures::future::join_all;
use jiff::Timestamp;

use super::{RACERS, records::INVOICES};
use crate::sample::{self, at, ids, invoice};

/// What a store of walks keeps.
pub async fn walk_store_contract(store: &(impl WalkStore + RecordStore)) {
    the_ids_of_what_is_not_deleted_are_listed_and_counted(store).await;
    ids_are_listed_while_records_change(store).await;
    what_a_walk_saw_is_known_page_by_page(store).await;
    pages_noted_at_once_are_all_remembered(store).await;
    a_cursor_comes_back_to_the_last_digit(store).await;
    an_older_job_does_not_set_a_newer_jobs_cursor_back(store).await;
}

fn id(n: usize) -> RecordId {
    format!("{n:03}").parse().unwrap()
}

/// All ids, page by page, each once.
async fn listed(store: &dyn WalkStore, place: &RecordPlace) -> BTreeSet<RecordId> {
    let mut found = BTreeSet::new();
    let mut from: Option<String> = None;
    loop {
        let page = store.list_ids(place, INVOICES, from.as_deref()).await.unwrap();
        found.extend(page.ids);
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

async fn the_ids_of_what_is_not_deleted_are_listed_and_counted(store: &(impl WalkStore + RecordStore)) {
    let place = sample::place();
    assert_eq!(
        (listed(store, &place).await, store.count(&place, INVOICES).await.unwrap()),
        (BTreeSet::new(), 0)
    );
    // Times that run against the ids.
    let records: Vec<_> = (0..60).map(|n| invoice(&format!("{n:03}"), at(100 - i64::from(n)), 0)).collect();
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();
    let elsewhere = RecordPlace { company: sample::company(), ..place.clone() };
    store.put_if_newer(&elsewhere, &records[..3], &ids().write()).await.unwrap();
    store.note_seen(&place, (INVOICES, &ids().job()), 0, &[id(7)]).await.unwrap();
    // Two that are stored, and one that never was.
    for n in [30, 31, 90] {
        store.mark_deleted(&place, (INVOICES, &id(n)), at(200), &ids().write()).await.unwrap();
    }

    let live: BTreeSet<_> = (0..60).filter(|n| ![30, 31].contains(n)).map(id).collect();
    assert_eq!(listed(store, &place).await, live);
    let foreign = store.list_ids(&place, INVOICES, Some("no place of ours")).await;
    assert!(matches!(foreign, Err(StoreError::InvalidCursor(_))), "{foreign:?}");
    assert_eq!(store.count(&place, INVOICES).await.unwrap(), 58);
    assert_eq!(store.count(&place, Entity::Customers).await.unwrap(), 0);
}

async fn ids_are_listed_while_records_change(store: &(impl WalkStore + RecordStore)) {
    let place = sample::place();
    let records = |seconds| (0..60).map(|n| invoice(&format!("{n:03}"), at(seconds), 0)).collect::<Vec<_>>();
    store.put_if_newer(&place, &records(0), &ids().write()).await.unwrap();

    let change = async |seconds| store.put_if_newer(&place, &records(seconds), &ids().write()).await.unwrap();
    let looks = (0..RACERS).map(|_| listed(store, &place));
    let (found, ..) = futures::join!(join_all(looks), change(1), change(2));

    for found in found {
        assert_eq!(found, (0..60).map(id).collect::<BTreeSet<_>>());
    }
}

async fn what_a_walk_saw_is_known_page_by_page(store: &dyn WalkStore) {
    let (place, walk, other) = (sample::place(), ids().job(), ids().job());
    let note = async |walk, page, seen: &[usize]| {
        let seen: Vec<_> = seen.iter().copied().map(id).collect();
        store.note_seen(&place, (INVOICES, walk), page, &seen).await.unwrap();
    };
    let seen = async |walk, pages| {
        let seen = store.find_seen(&place, (INVOICES, walk), pages).await.unwrap();
        (0..20).filter(|n| seen.contains(&id(*n))).collect::<Vec<_>>()
    };
    note(&walk, 0, &[1, 2]).await;
    note(&walk, 1, &[2, 3]).await;
    note(&walk, 2, &[]).await;
    note(&walk, 10, &[4]).await;
    note(&other, 0, &[5]).await;

    assert_eq!(seen(&walk, 0).await, [0; 0]);
    assert_eq!(seen(&walk, 1).await, [1, 2]);
    assert_eq!(seen(&walk, 3).await, [1, 2, 3]);
    assert_eq!(seen(&walk, 10).await, [1, 2, 3], "none of a page that it was not asked for");
    assert_eq!(seen(&walk, 11).await, [1, 2, 3, 4]);
    assert_eq!(seen(&other, 99).await, [5]);
    note(&walk, 1, &[6]).await;
    assert_eq!(seen(&walk, 11).await, [1, 2, 4, 6], "a page that is noted again is replaced");
    let of_customers = store.find_seen(&place, (Entity::Customers, &walk), 11).await.unwrap();
    assert!(!of_customers.contains(&id(1)), "another kind");
}

async fn pages_noted_at_once_are_all_remembered(store: &dyn WalkStore) {
    let (place, walk) = (sample::place(), ids().job());
    let pages: Vec<Vec<_>> = (0..RACERS).map(|page| (0..100).map(|n| id(page * 100 + n)).collect()).collect();

    let note = |(page, seen): (u64, _)| store.note_seen(&place, (INVOICES, &walk), page, seen);
    join_all((0..).zip(pages.iter().map(Vec::as_slice)).map(note)).await;

    let seen = store.find_seen(&place, (INVOICES, &walk), RACERS as u64).await.unwrap();
    assert!(pages.iter().flatten().all(|id| seen.contains(id)));
    assert!(!seen.contains(&id(RACERS * 100)));
}

async fn a_cursor_comes_back_to_the_last_digit(store: &dyn WalkStore) {
    let place = sample::place();
    assert_eq!(store.find_cursor(&place, INVOICES).await.unwrap(), None);
    let after: Timestamp = "2025-09-10T21:31:25.179851517Z".parse().unwrap();
    let under_way = SyncCursor {
        job: Some(ids().job()),
        after: Some(after),
        skip: 7,
        records: 9,
        completed_at: None,
        ..SyncCursor::default()
    };
    let completed = SyncCursor {
        began_at: Some(at(0)),
        completed_at: Some(at(1)),
        whole_at: Some(at(2)),
        miscounted_at: Some(at(3)),
        ..under_way.clone()
    };
    let (name, pages) = (ids().job(), 12);
    let sweeps = [None, Some("a:b".to_owned())].map(|from| Walk::Sweep { name: name.clone(), pages, from });
    let walks = [Walk::Count, Walk::Whole { name: name.clone(), pages }].into_iter().chain(sweeps);
    let walks = walks.map(|walk| SyncCursor { walk, ..completed.clone() });

    for cursor in [SyncCursor::default(), under_way].into_iter().chain(walks).chain([completed.clone()]) {
        assert!(store.save_cursor(&place, INVOICES, &cursor).await.unwrap());
        assert_eq!(store.find_cursor(&place, INVOICES).await.unwrap(), Some(cursor));
    }
    assert_eq!(store.find_cursor(&place, Entity::Customers).await.unwrap(), None);
}

async fn an_older_job_does_not_set_a_newer_jobs_cursor_back(store: &dyn WalkStore) {
    let place = sample::place();
    let cursor = |job: Option<&str>, skip| SyncCursor {
        job: job.map(|job| job.parse().unwrap()),
        skip,
        ..SyncCursor::default()
    };
    let save = async |cursor: &SyncCursor| store.save_cursor(&place, INVOICES, cursor).await.unwrap();
    let (older, newer) = (Some("job_0199a"), Some("job_0199b"));

    assert!(save(&cursor(older, 1)).await);
    assert!(save(&cursor(older, 2)).await, "a job moves its own cursor");
    assert!(save(&cursor(newer, 0)).await, "a newer job takes over");
    assert!(!save(&cursor(older, 3)).await, "an older job");
    assert!(!save(&cursor(None, 4)).await, "no job at all");

    assert_eq!(store.find_cursor(&place, INVOICES).await.unwrap(), Some(cursor(newer, 0)));
}
