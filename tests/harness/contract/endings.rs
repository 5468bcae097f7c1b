//! What stores keep of the end of things: what is erased is gone, whole, and nothing else is.

use domain::{
    connection::{Connection, ConnectionState, ConnectionStore, NewConnection, PlacedCompany, Replaces},
    id::JobId,
    limits::{Usage, UsageStore},
    provider::Provider,
    refresh::Warmth,
    sync::{
        BooksErasure, Entity, JobLog, JobRecord, Lane, RecordPlace, RecordStore, SyncCursor, SyncJob,
        WalkStore,
    },
};
use jiff::civil::date;

use super::connections::stored;
use crate::sample::{self, at, ids};

/// What a store of connections keeps of wishes, of companies that leave, and of what is forgotten.
pub(super) async fn of_connections(store: &dyn ConnectionStore) {
    a_wish_for_warmth_is_kept_until_it_is_unset(store).await;
    a_company_that_is_taken_off_is_known_to_have_left(store).await;
    only_what_has_ended_is_forgotten_and_then_whole(store).await;
}

async fn a_wish_for_warmth_is_kept_until_it_is_unset(store: &dyn ConnectionStore) {
    let key = sample::key();
    let connection = stored(store, sample::connection(&key)).await.connection;
    let now = async || store.find(&key).await.unwrap().unwrap();

    for warmth in [Some(Warmth::Always), Some(Warmth::Always), Some(Warmth::Adaptive), None, None] {
        store.set_warmth(&key, warmth).await.unwrap();
        assert_eq!(now().await, Connection { warmth, ..connection.clone() }, "nothing else is touched");
    }

    let gone = sample::key();
    store.set_warmth(&gone, Some(Warmth::Always)).await.unwrap();
    assert_eq!(store.find(&gone).await.unwrap(), None, "nothing is made of a wish");
}

async fn a_company_that_is_taken_off_is_known_to_have_left(store: &dyn ConnectionStore) {
    let key = sample::key();
    let new = stored(store, sample::connection(&key)).await;
    let PlacedCompany { company, .. } = &new.companies[0];
    assert_eq!(store.list_left(&key).await.unwrap(), []);

    for _ in 0..2 {
        store.delete_company(&key, &company.id, new.connection.fence).await.unwrap();
        assert_eq!(store.list_left(&key).await.unwrap(), std::slice::from_ref(&company.id));
    }
    assert_eq!(store.list_companies(&key).await.unwrap(), []);
    assert_eq!(store.list_left(&sample::key()).await.unwrap(), []);
}

async fn only_what_has_ended_is_forgotten_and_then_whole(store: &dyn ConnectionStore) {
    let key = sample::key();
    let beside = domain::connection::ConnectionKey { connection: ids().connection(), ..key.clone() };
    let living = stored(store, sample::connection(&key)).await;
    let other = stored(store, sample::connection(&beside)).await;
    store.delete_company(&key, &sample::company(), living.connection.fence).await.unwrap();
    let routes_of = async |new: &NewConnection| {
        store.find_routes(new.connection.provider, &new.companies[0].company.provider_id).await.unwrap()
    };
    assert_eq!(routes_of(&living).await.len(), 1);
    for state in [ConnectionState::Active, ConnectionState::Disconnecting] {
        replaced(store, &key, state).await;
        assert!(!store.forget(&key).await.unwrap(), "{state}");
        assert_eq!(store.list_companies(&key).await.unwrap().len(), 1);
    }
    replaced(store, &key, ConnectionState::Disconnected).await;

    for _ in 0..2 {
        assert!(store.forget(&key).await.unwrap());
        assert_eq!(store.find(&key).await.unwrap(), None);
        assert_eq!(store.list_companies(&key).await.unwrap(), []);
        assert_eq!(store.list_left(&key).await.unwrap(), []);
        assert_eq!(routes_of(&living).await, []);
    }
    assert_eq!(routes_of(&other).await.len(), 1);
    assert_eq!(store.find(&beside).await.unwrap(), Some(other.connection));
    assert_eq!(store.list_companies(&beside).await.unwrap().len(), 1);
}

/// Stores a connection in another state, with the same company.
async fn replaced(
    store: &dyn ConnectionStore,
    key: &domain::connection::ConnectionKey,
    state: ConnectionState,
) {
    let stands = store.find(key).await.unwrap().unwrap();
    let company = store.list_companies(key).await.unwrap().remove(0);
    let replaces = Some(Replaces { fence: stands.fence, write_id: stands.write_id.clone() });
    let connection = Connection { state, write_id: ids().write(), ..stands };
    let new = NewConnection {
        connection,
        companies: vec![PlacedCompany { company, from: None }],
        replaces,
        shared: false,
    };
    assert_eq!(store.connect(&new).await.unwrap(), domain::connection::ConnectOutcome::Stored);
}

/// What a store of books keeps of what is erased.
pub async fn books_erasure_contract(store: &(impl BooksErasure + RecordStore + WalkStore)) {
    let (place, walk) = (sample::place(), ids().job());
    let beside = [
        RecordPlace { company: sample::company(), ..place.clone() },
        RecordPlace { tenant: sample::tenant(), ..place.clone() },
    ];
    for place in [&place, &beside[0], &beside[1]] {
        fill(store, place, &walk).await;
    }
    let erased = async |place: &RecordPlace| {
        let records = store.list(place, Entity::Invoices, 10, None).await.unwrap().records;
        let cursor = store.find_cursor(place, Entity::Invoices).await.unwrap();
        let seen = store.find_seen(place, (Entity::Invoices, &walk), 9).await.unwrap();
        (records.len(), cursor.is_some(), seen.contains(&"1".parse().unwrap()))
    };
    assert_eq!(erased(&place).await, (5, true, true));

    let mut goes = 1;
    while !store.erase(&place).await.unwrap() {
        goes += 1;
        assert!(goes < 100, "it comes to an end");
    }

    assert_eq!(erased(&place).await, (0, false, false));
    assert!(store.erase(&place).await.unwrap(), "again is harmless");
    for place in &beside {
        assert_eq!(erased(place).await, (5, true, true));
    }
}

async fn fill(store: &(impl RecordStore + WalkStore), place: &RecordPlace, walk: &JobId) {
    let records: Vec<_> = (1..=5).map(|n| sample::invoice(&n.to_string(), at(n), 1)).collect();
    assert_eq!(store.put_if_newer(place, &records, &ids().write()).await.unwrap(), 5);
    let deleted = (Entity::Invoices, &"9".parse().unwrap());
    store.mark_deleted(place, deleted, at(9), &ids().write()).await.unwrap();
    store.note_seen(place, (Entity::Invoices, walk), 0, &["1".parse().unwrap()]).await.unwrap();
    let cursor = SyncCursor { job: Some(ids().job()), ..SyncCursor::default() };
    assert!(store.save_cursor(place, Entity::Invoices, &cursor).await.unwrap());
}

/// What a log of jobs keeps of tenants whose jobs are forgotten.
pub(super) async fn of_jobs(log: &dyn JobLog) {
    let (key, other) = (sample::key(), sample::key());
    let job = |key: &domain::connection::ConnectionKey| {
        let job = SyncJob::full(ids().job(), key.clone(), "xero_1".parse().unwrap());
        JobRecord::new(job, Lane::Low, at(10))
    };
    let own: Vec<_> = (0..5).map(|_| job(&key)).collect();
    let alone = job(&key);
    let theirs = job(&other);
    log.create(&own).await.unwrap();
    log.create(std::slice::from_ref(&alone)).await.unwrap();
    log.create(std::slice::from_ref(&theirs)).await.unwrap();

    let mut goes = 1;
    while !log.erase(&key.tenant).await.unwrap() {
        goes += 1;
        assert!(goes < 100, "it comes to an end");
    }

    for job in own.iter().chain([&alone]) {
        assert_eq!(log.find(&job.job.job_id).await.unwrap(), None);
    }
    assert_eq!(log.find(&theirs.job.job_id).await.unwrap(), Some(theirs));
    assert!(log.erase(&key.tenant).await.unwrap(), "again is harmless");
}

/// What a store of usage keeps of tenants whose usage is forgotten.
pub(super) async fn of_usage(store: &dyn UsageStore) {
    let (tenant, other) = (sample::tenant(), sample::tenant());
    let days = (date(2026, 1, 1), date(2026, 12, 31));
    for day in 1..=9 {
        for tenant in [&tenant, &other] {
            let of = (Provider::Xero, date(2026, 3, day));
            store.add(tenant, of, &Usage { calls: 1, bytes: 1 }).await.unwrap();
        }
    }

    for _ in 0..2 {
        store.erase(&tenant).await.unwrap();
        assert_eq!(store.list(&tenant, days).await.unwrap(), []);
    }
    assert_eq!(store.list(&other, days).await.unwrap().len(), 9);
}
