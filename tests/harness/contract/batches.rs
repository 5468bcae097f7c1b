//! What a store of records keeps when many come at once: what each of them would meet alone.

use domain::sync::{Record, RecordPlace, RecordStore};
use futures::future::{join, join_all};

use super::{
    RACERS,
    records::{INVOICES, all},
};
use crate::sample::{self, at, ids, invoice};

pub(super) async fn contract(store: &dyn RecordStore) {
    each_record_of_a_page_is_decided_as_if_it_came_alone(store).await;
    a_page_that_is_sent_again_says_the_same_again(store).await;
    what_a_record_no_longer_has_is_gone(store).await;
    of_an_id_that_comes_twice_the_newest_stands(store).await;
    a_digest_tells_of_a_change_that_the_time_does_not(store).await;
    of_ten_pages_at_once_the_newest_stands_whole(store).await;
    no_deletion_is_lost_to_a_page_that_was_read_before_it(store).await;
}

/// The books before a page comes: every state that a record of it can meet, by the id.
async fn stored_before(store: &dyn RecordStore, place: &RecordPlace) {
    for record in [
        invoice("older", at(5), 9),
        invoice("same", at(10), 3),
        invoice("newer", at(11), 0),
        invoice("version", at(10), 2),
        invoice("deleted-before", at(4), 1),
        invoice("deleted-after", at(10), 3),
    ] {
        store.put_if_newer(place, &[record], &ids().write()).await.unwrap();
    }
    for (id, deleted_at) in
        [("deleted-before", 6), ("deleted-after", 12), ("grave-old", 6), ("grave-new", 12)]
    {
        let id = id.parse().unwrap();
        store.mark_deleted(place, (INVOICES, &id), at(deleted_at), &ids().write()).await.unwrap();
    }
}

/// A page with a record for each of those, more than one call takes besides, and those of it that are newer.
fn page() -> (Vec<Record>, Vec<&'static str>) {
    let mut page: Vec<_> = (0..120).map(|n| invoice(&format!("fresh{n:03}"), at(10), 3)).collect();
    let newer = vec!["older", "version", "deleted-before", "grave-old"];
    let states = ["same", "newer", "deleted-after", "grave-new"].into_iter().chain(newer.clone());
    page.extend(states.map(|id| invoice(id, at(10), 3)));
    (page, newer)
}

async fn each_record_of_a_page_is_decided_as_if_it_came_alone(store: &dyn RecordStore) {
    let place = sample::place();
    stored_before(store, &place).await;
    let (page, newer) = page();

    let written = store.put_if_newer(&place, &page, &ids().write()).await.unwrap();

    assert_eq!(written, 120 + newer.len() as u64);
    let stored = all(store, &place).await;
    assert_eq!(stored.len(), page.len() - 1, "all but the one that was deleted before it was ever stored");
    for record in stored {
        let expected = match record.id.as_str() {
            "newer" => invoice("newer", at(11), 0),
            "deleted-after" => {
                Record { deleted: true, updated_at: at(12), ..invoice("deleted-after", at(10), 3) }
            }
            id => invoice(id, at(10), 3),
        };
        assert_eq!(record, expected);
    }
    assert_eq!(store.put_if_newer(&place, &page, &ids().write()).await.unwrap(), 0, "nothing is newer now");
}

async fn a_page_that_is_sent_again_says_the_same_again(store: &dyn RecordStore) {
    let place = sample::place();
    stored_before(store, &place).await;
    let (page, newer) = page();
    let own = ids().write();
    // A worker that died may have come as far as half of its page.
    store.put_if_newer(&place, &page[..60], &own).await.unwrap();

    for _ in 0..2 {
        let written = store.put_if_newer(&place, &page, &own).await.unwrap();
        assert_eq!(written, 120 + newer.len() as u64);
    }
}

async fn what_a_record_no_longer_has_is_gone(store: &dyn RecordStore) {
    let place = sample::place();
    let ids_of_three = ["1", "2", "3"];
    let full = |id| Record { status: Some("Paid".to_owned()), digest: Some(7), ..invoice(id, at(1), 0) };
    store.put_if_newer(&place, &ids_of_three.map(full), &ids().write()).await.unwrap();
    let id = "2".parse().unwrap();
    assert!(store.mark_deleted(&place, (INVOICES, &id), at(2), &ids().write()).await.unwrap());
    let bare = |id| Record {
        document_number: None,
        total: None,
        currency: None,
        counterparty: None,
        ..invoice(id, at(3), 0)
    };

    let bare = ids_of_three.map(bare);
    assert_eq!(store.put_if_newer(&place, &bare, &ids().write()).await.unwrap(), 3);

    assert_eq!(all(store, &place).await, bare);
    let deleted = store.mark_deleted(&place, (INVOICES, &id), at(4), &ids().write()).await.unwrap();
    assert!(deleted, "what came back can be deleted anew");
}

async fn of_an_id_that_comes_twice_the_newest_stands(store: &dyn RecordStore) {
    let place = sample::place();
    let page =
        [invoice("1", at(1), 1), invoice("2", at(1), 1), invoice("1", at(2), 2), invoice("2", at(0), 0)];

    store.put_if_newer(&place, &page, &ids().write()).await.unwrap();

    assert_eq!(all(store, &place).await, [invoice("1", at(2), 2), invoice("2", at(1), 1)]);
}

/// Alone and among others, since the ways are two.
async fn a_digest_tells_of_a_change_that_the_time_does_not(store: &dyn RecordStore) {
    for others in [0, 3] {
        let place = sample::place();
        let with = |digest: Option<u64>, seconds| Record {
            digest,
            raw: format!("{digest:?}"),
            ..invoice("1", at(seconds), 3)
        };
        let put = async |record: Record| {
            let other = |n| Record { id: format!("other{n}").parse().unwrap(), ..record.clone() };
            let page: Vec<_> = (0..others).map(other).chain([record.clone()]).collect();
            let written = store.put_if_newer(&place, &page, &ids().write()).await.unwrap();
            assert_eq!(all(store, &place).await.len(), page.len());
            written > 0
        };
        assert!(put(with(None, 10)).await);
        assert!(!put(with(Some(1), 10)).await, "what is stored has none, {others}");
        assert!(put(with(Some(1), 11)).await);
        assert!(!put(with(Some(1), 11)).await, "the same, {others}");
        assert!(put(with(Some(u64::MAX), 11)).await, "another, {others}");
        assert!(!put(with(Some(2), 10)).await, "another of an earlier time, {others}");
        assert!(!put(with(None, 11)).await, "it has none itself, {others}");

        let stored = all(store, &place).await;
        assert_eq!(stored[0], with(Some(u64::MAX), 11));
    }
}

/// Over nothing, and over what is stored, since the ways are two; the newest first, so that none stands for coming last.
async fn of_ten_pages_at_once_the_newest_stands_whole(store: &dyn RecordStore) {
    let page = |version| (0..30).map(|n| invoice(&format!("{n:02}"), at(0), version)).collect::<Vec<_>>();
    for is_stored in [false, true] {
        let place = sample::place();
        let put = async |page: &Vec<Record>| store.put_if_newer(&place, page, &ids().write()).await.unwrap();
        if is_stored {
            put(&page(0)).await;
        }
        let pages: Vec<_> = (1..=RACERS as u64).rev().map(page).collect();

        let written = join_all(pages.iter().map(put)).await;

        assert_eq!(all(store, &place).await, pages[0]);
        assert_eq!(written[0], 30, "the newest page meets nothing newer");
    }
}

async fn no_deletion_is_lost_to_a_page_that_was_read_before_it(store: &dyn RecordStore) {
    let place = sample::place();
    let page: Vec<_> = (0..30).map(|n| invoice(&format!("{n:02}"), at(10), 0)).collect();
    let (stored, fresh) = page.split_at(15);
    store.put_if_newer(&place, stored, &ids().write()).await.unwrap();
    let newer: Vec<_> = page.iter().map(|record| Record { updated_at: at(11), ..record.clone() }).collect();
    let delete = async |record: &Record| {
        store.mark_deleted(&place, (INVOICES, &record.id), at(20), &ids().write()).await.unwrap()
    };

    let (_, written) = join(
        join_all(stored.iter().chain(fresh).map(delete)),
        store.put_if_newer(&place, &newer, &ids().write()),
    )
    .await;

    assert!(written.is_ok());
    let left = all(store, &place).await;
    assert!(left.len() >= 15 && left.iter().all(|record| record.deleted && record.updated_at == at(20)));
}
