//! What a store of records keeps.

use domain::{
    store::StoreError,
    sync::{Entity, Record, RecordPlace, RecordStore},
};
use futures::future::join_all;

use super::{RACERS, batches, changes};
use crate::sample::{self, at, ids, invoice};

/// What a store of records keeps.
pub async fn record_store_contract(store: &dyn RecordStore) {
    only_what_is_newer_is_written(store).await;
    many_records_at_once_are_written_and_counted_once(store).await;
    the_newest_of_ten_writers_stands_in_any_order(store).await;
    a_deletion_keeps_the_content_and_is_told_once(store).await;
    a_write_that_is_sent_again_says_the_same_again(store).await;
    a_deletion_that_is_sent_again_says_the_same_again(store).await;
    a_deleted_record_does_not_come_back_by_a_late_page(store).await;
    a_record_deleted_before_it_was_stored_stays_out(store).await;
    tombstones_hide_nothing_behind_them(store).await;
    what_is_too_large_is_kept_without_the_providers_object(store).await;
    records_are_listed_by_id_within_their_own_list(store).await;
    batches::contract(store).await;
    changes::contract(store).await;
}

pub(super) const INVOICES: Entity = Entity::Invoices;

pub(super) async fn all(store: &dyn RecordStore, place: &RecordPlace) -> Vec<Record> {
    store.list(place, INVOICES, 1000, None).await.unwrap().records
}

async fn only_what_is_newer_is_written(store: &dyn RecordStore) {
    let place = sample::place();
    let put = async |record: &Record| {
        store.put_if_newer(&place, std::slice::from_ref(record), &ids().write()).await.unwrap()
    };

    assert_eq!(put(&invoice("1", at(10), 3)).await, 1);
    for (old, why) in [
        (invoice("1", at(10), 3), "the same again"),
        (invoice("1", at(9), 9), "an earlier time, whatever its version"),
        (invoice("1", at(10), 2), "the same time and an earlier version"),
    ] {
        assert_eq!(put(&old).await, 0, "{why}");
    }
    assert_eq!(all(store, &place).await, [invoice("1", at(10), 3)]);

    assert_eq!(put(&invoice("1", at(10), 4)).await, 1);
    let mut bare = invoice("1", at(11), 0);
    bare.document_number = None;
    bare.total = None;
    bare.currency = None;
    bare.counterparty = None;
    bare.deleted = true;
    assert_eq!(put(&bare).await, 1);
    assert_eq!(all(store, &place).await, [bare]);
}

async fn many_records_at_once_are_written_and_counted_once(store: &dyn RecordStore) {
    let place = sample::place();
    let records: Vec<_> = (0..60).map(|n| invoice(&format!("{n:03}"), at(n), 0)).collect();

    assert_eq!(store.put_if_newer(&place, &records, &ids().write()).await.unwrap(), 60);
    assert_eq!(store.put_if_newer(&place, &records, &ids().write()).await.unwrap(), 0);
    assert_eq!(store.put_if_newer(&place, &[], &ids().write()).await.unwrap(), 0);

    assert_eq!(all(store, &place).await, records);
}

async fn the_newest_of_ten_writers_stands_in_any_order(store: &dyn RecordStore) {
    let place = sample::place();
    let versions: Vec<_> = (0..RACERS as u64).map(|version| [invoice("1", at(0), version)]).collect();

    let put = async |record: &[Record; 1]| store.put_if_newer(&place, record, &ids().write()).await;
    join_all(versions.iter().map(put)).await;

    assert_eq!(all(store, &place).await, versions[RACERS - 1]);
}

async fn a_deletion_keeps_the_content_and_is_told_once(store: &dyn RecordStore) {
    let place = sample::place();
    let record = invoice("1", at(10), 3);
    store.put_if_newer(&place, std::slice::from_ref(&record), &ids().write()).await.unwrap();
    let delete =
        async || store.mark_deleted(&place, (INVOICES, &record.id), at(20), &ids().write()).await.unwrap();

    assert!(delete().await);
    assert!(!delete().await, "deleted already");

    assert_eq!(all(store, &place).await, [Record { deleted: true, updated_at: at(20), ..record.clone() }]);
    let unknown = "2".parse().unwrap();
    assert!(
        !store.mark_deleted(&place, (INVOICES, &unknown), at(20), &ids().write()).await.unwrap(),
        "never stored"
    );
    assert_eq!(all(store, &place).await.len(), 1);
}

async fn a_write_that_is_sent_again_says_the_same_again(store: &dyn RecordStore) {
    let place = sample::place();
    let (own, other) = (ids().write(), ids().write());
    let put = async |record: Record, id: &str| store.put_if_newer(&place, &[record], id).await.unwrap();

    for _ in 0..2 {
        assert_eq!(put(invoice("1", at(10), 3), &own).await, 1);
    }
    assert_eq!(put(invoice("1", at(10), 3), &other).await, 0, "another writer");

    // What others did to it since does not hide whose it is, until its content is another's.
    let id = "1".parse().unwrap();
    assert!(store.mark_deleted(&place, (INVOICES, &id), at(20), &other).await.unwrap());
    assert_eq!(put(invoice("1", at(10), 3), &own).await, 1, "deleted since");
    assert_eq!(put(invoice("1", at(21), 4), &other).await, 1);
    assert_eq!(put(invoice("1", at(10), 3), &own).await, 0, "written over since");
}

async fn a_deletion_that_is_sent_again_says_the_same_again(store: &dyn RecordStore) {
    let place = sample::place();
    let deleted = Record { deleted: true, ..invoice("deleted", at(10), 3) };
    for record in [invoice("1", at(10), 3), invoice("2", at(10), 3), deleted] {
        store.put_if_newer(&place, &[record], &ids().write()).await.unwrap();
    }
    let (own, other) = (ids().write(), ids().write());
    let delete = async |id: &str, deleted_at, write_id: &str| {
        let id = id.parse().unwrap();
        store.mark_deleted(&place, (INVOICES, &id), deleted_at, write_id).await.unwrap()
    };

    // The provider's clock may be behind the time of its last change.
    for (id, deleted_at) in [("1", at(20)), ("2", at(5))] {
        for _ in 0..2 {
            assert!(delete(id, deleted_at, &own).await, "{id}");
        }
        assert!(!delete(id, at(30), &other).await, "another's comes second, {id}");
        assert!(delete(id, deleted_at, &own).await, "and changes nothing of whose it is, {id}");
    }
    for id in ["deleted", "unknown"] {
        for _ in 0..2 {
            assert!(!delete(id, at(20), &own).await, "{id}");
        }
    }
    // What came back can be deleted anew.
    store.put_if_newer(&place, &[invoice("1", at(40), 4)], &other).await.unwrap();
    assert!(delete("1", at(50), &other).await);
    assert!(!delete("1", at(50), &own).await);
}

async fn a_deleted_record_does_not_come_back_by_a_late_page(store: &dyn RecordStore) {
    let place = sample::place();
    let record = invoice("1", at(10), 3);
    store.put_if_newer(&place, std::slice::from_ref(&record), &ids().write()).await.unwrap();

    // The provider's clock may be behind the time of its last change.
    assert!(store.mark_deleted(&place, (INVOICES, &record.id), at(5), &ids().write()).await.unwrap());

    assert_eq!(store.put_if_newer(&place, std::slice::from_ref(&record), &ids().write()).await.unwrap(), 0);
    assert_eq!(all(store, &place).await, [Record { deleted: true, ..record.clone() }]);
    // What the provider changed after that is there again.
    assert_eq!(store.put_if_newer(&place, &[invoice("1", at(11), 4)], &ids().write()).await.unwrap(), 1);
}

async fn a_record_deleted_before_it_was_stored_stays_out(store: &dyn RecordStore) {
    let place = sample::place();
    let put = async |record: Record| store.put_if_newer(&place, &[record], &ids().write()).await.unwrap();
    let id = "1".parse().unwrap();

    // A later deletion counts, an earlier one that comes late does not.
    for deleted_at in [at(5), at(20), at(6)] {
        let listed = store.mark_deleted(&place, (INVOICES, &id), deleted_at, &ids().write()).await.unwrap();
        assert!(!listed, "nothing that is listed changed");
    }

    assert_eq!(all(store, &place).await, []);
    assert_eq!(put(invoice("1", at(10), 3)).await, 0, "read before the deletion");
    assert_eq!(put(invoice("1", at(20), 9)).await, 0, "of the same moment");
    assert_eq!(all(store, &place).await, []);
    assert_eq!(put(invoice("1", at(21), 0)).await, 1, "changed after it");
    assert_eq!(all(store, &place).await, [invoice("1", at(21), 0)]);
}

async fn tombstones_hide_nothing_behind_them(store: &dyn RecordStore) {
    let place = sample::place();
    for id in ["1", "2", "3"] {
        store.mark_deleted(&place, (INVOICES, &id.parse().unwrap()), at(0), &ids().write()).await.unwrap();
    }
    let record = invoice("4", at(0), 0);
    store.put_if_newer(&place, std::slice::from_ref(&record), &ids().write()).await.unwrap();

    let page = store.list(&place, INVOICES, 1, None).await.unwrap();

    assert_eq!(page.records, [record]);
}

async fn what_is_too_large_is_kept_without_the_providers_object(store: &dyn RecordStore) {
    let place = sample::place();
    let of_size = |id, size| Record { raw: format!("\"{}\"", "x".repeat(size)), ..invoice(id, at(0), 0) };
    let (large, too_large) = (of_size("1", 390 * 1024), of_size("2", 400 * 1024));

    let written =
        store.put_if_newer(&place, &[too_large.clone(), large.clone()], &ids().write()).await.unwrap();

    assert_eq!(written, 2);
    assert_eq!(all(store, &place).await, [large, Record { raw: String::new(), ..too_large }]);
}

async fn records_are_listed_by_id_within_their_own_list(store: &dyn RecordStore) {
    let place = sample::place();
    let records: Vec<_> = ["1", "10", "2", "a:b"].map(|id| invoice(id, at(0), 0)).to_vec();
    store.put_if_newer(&place, &records, &ids().write()).await.unwrap();
    let customer = Record { entity: Entity::Customers, ..invoice("1", at(0), 0) };
    store.put_if_newer(&place, &[customer], &ids().write()).await.unwrap();
    let other = RecordPlace { company: sample::company(), ..place.clone() };
    store.put_if_newer(&other, &records, &ids().write()).await.unwrap();

    let mut found = vec![];
    let mut from = None;
    loop {
        let page = store.list(&place, INVOICES, 3, from.as_deref()).await.unwrap();
        assert!(page.records.len() <= 3);
        found.extend(page.records);
        from = page.next;
        if from.is_none() {
            break;
        }
    }

    assert_eq!(found, records);
    let refused = store.list(&place, INVOICES, 3, Some("!")).await;
    assert!(matches!(refused, Err(StoreError::InvalidCursor(_))), "a cursor of another making");
}
