//! What a list of records by time of change keeps.

use std::collections::BTreeMap;

use domain::{
    store::StoreError,
    sync::{Entity, Record, RecordPlace, RecordStore},
};

use super::records::INVOICES;
use crate::sample::{self, at, ids, invoice};

pub(super) async fn contract(store: &dyn RecordStore) {
    what_changed_since_a_moment_is_listed_by_its_time(store).await;
    pages_hold_each_record_once_however_many_share_a_time(store).await;
    what_changes_while_a_list_is_read_is_not_passed_over(store).await;
    a_page_holds_no_more_than_can_be_handed_over(store).await;
    a_cursor_of_another_making_is_refused(store).await;
}

/// All that changed since a time, page by page.
async fn changed(store: &dyn RecordStore, place: &RecordPlace, since: i64, limit: u32) -> Vec<Record> {
    let mut found = vec![];
    let mut from = None;
    loop {
        let page = store.list_changed(place, (INVOICES, at(since)), limit, from.as_deref()).await.unwrap();
        assert!(page.records.len() <= limit as usize);
        assert!(page.next.is_none() || !page.records.is_empty(), "an empty page would pass for the end");
        found.extend(page.records);
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

async fn what_changed_since_a_moment_is_listed_by_its_time(store: &dyn RecordStore) {
    let place = sample::place();
    let records =
        [("d", 10), ("c", 11), ("b", 12), ("a", 13)].map(|(id, seconds)| invoice(id, at(seconds), 0));
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();
    let customer = Record { entity: Entity::Customers, ..invoice("e", at(12), 0) };
    store.put_if_newer(&place, &[customer], &ids().write()).await.unwrap();
    let elsewhere = RecordPlace { company: sample::company(), ..place.clone() };
    store.put_if_newer(&elsewhere, &records, &ids().write()).await.unwrap();
    let delete = async |id: &str, seconds| {
        let id = id.parse().unwrap();
        store.mark_deleted(&place, (INVOICES, &id), at(seconds), &ids().write()).await.unwrap()
    };
    assert!(delete("c", 14).await);
    for id in ["never1", "never2", "never3"] {
        assert!(!delete(id, 12).await);
    }

    for limit in [1, 2, 1000] {
        let [d, c, b, a] = records.clone();
        let c = Record { deleted: true, updated_at: at(14), ..c };
        assert_eq!(changed(store, &place, 0, limit).await, [d, b.clone(), a.clone(), c.clone()]);
        assert_eq!(changed(store, &place, 12, limit).await, [b, a, c], "at the moment itself too");
        assert_eq!(changed(store, &place, 15, limit).await, []);
    }
}

async fn pages_hold_each_record_once_however_many_share_a_time(store: &dyn RecordStore) {
    let place = sample::place();
    let records: Vec<_> = (0..40).map(|n| invoice(&format!("{n:02}"), at(5 + n / 30), 0)).collect();
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();

    for limit in [1, 7, 30] {
        let mut found = changed(store, &place, 5, limit).await;

        assert!(found.is_sorted_by_key(|record| record.updated_at));
        found.sort_by_key(|record| record.id.clone());
        assert_eq!(found, records, "{limit} a page");
    }
}

async fn what_changes_while_a_list_is_read_is_not_passed_over(store: &dyn RecordStore) {
    let place = sample::place();
    let mut expected: BTreeMap<_, _> = (0..30)
        .map(|n| invoice(&format!("{n:02}"), at(n / 10), 0))
        .map(|record| (record.id.clone(), record))
        .collect();
    let all: Vec<_> = expected.values().cloned().collect();
    store.put_if_newer(&place, &all, &ids().write()).await.unwrap();

    let mut shown = BTreeMap::new();
    let mut from = None;
    for moment in 100.. {
        let page = store.list_changed(&place, (INVOICES, at(0)), 4, from.as_deref()).await.unwrap();
        shown.extend(page.records.into_iter().map(|record| (record.id.clone(), record)));
        // One that was shown, the one that the page ended with, and one that was not, while there is one.
        let last =
            shown.values().max_by_key(|record| (record.updated_at, record.id.clone())).unwrap().id.clone();
        let unseen = expected.keys().find(|id| !shown.contains_key(id)).cloned();
        let first = unseen.is_some().then(|| shown.keys().next().unwrap().clone());
        for id in unseen.iter().chain(first.iter()).chain(unseen.as_ref().map(|_| &last)) {
            let next = invoice(id.as_str(), at(moment), 0);
            store.put_if_newer(&place, std::slice::from_ref(&next), &ids().write()).await.unwrap();
            expected.insert(id.clone(), next);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }

    assert_eq!(shown, expected, "each was shown as it was in the end");
}

async fn a_page_holds_no_more_than_can_be_handed_over(store: &dyn RecordStore) {
    let place = sample::place();
    let raw = format!("\"{}\"", "a".repeat(300_000));
    let large = |n: i64| Record { raw: raw.clone(), ..invoice(&n.to_string(), at(n), 0) };
    let records: Vec<_> = (0..9).map(large).collect();
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();

    let page = store.list_changed(&place, (INVOICES, at(0)), 200, None).await.unwrap();

    assert_eq!(page.records, records[..4], "with the fourth there is a megabyte of content");
    assert_eq!(changed(store, &place, 0, 200).await, records);
}

async fn a_cursor_of_another_making_is_refused(store: &dyn RecordStore) {
    for cursor in ["!", "", "MTI"] {
        let refused = store.list_changed(&sample::place(), (INVOICES, at(0)), 3, Some(cursor)).await;
        assert!(matches!(refused, Err(StoreError::InvalidCursor(_))), "{cursor}");
    }
    let place = sample::place();
    let records = [("a", 10), ("b", 11)].map(|(id, seconds)| invoice(id, at(seconds), 0));
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();
    let page = store.list_changed(&place, (INVOICES, at(10)), 1, None).await.unwrap();
    let refused = store.list_changed(&place, (INVOICES, at(11)), 1, page.next.as_deref()).await;
    assert!(matches!(refused, Err(StoreError::InvalidCursor(_))), "it is of before the list begins");
}
