//! What a store of connections keeps.

use domain::{
    connection::{
        ChainHead, ConnectOutcome, Connection, ConnectionKey, ConnectionState, ConnectionStore, Due,
        LastAttempt, NewConnection, Notices, Replaces, Route, Slot,
    },
    id::TenantId,
    provider::Provider,
    store::StoreError,
};
use futures::future::join_all;

use super::{RACERS, endings, routes, transitions};
use crate::sample::{self, at, ids};

/// What a store of connections keeps.
pub async fn connection_store_contract(store: &dyn ConnectionStore) {
    what_was_never_stored_is_not_found(store).await;
    a_connection_comes_back_as_it_was(store).await;
    a_connection_without_anything_optional_comes_back_too(store).await;
    routes::contract(store).await;
    transitions::contract(store).await;
    endings::of_connections(store).await;
    one_of_many_that_connect_a_company_at_once_wins(store).await;
    a_reconnect_needs_the_connection_as_it_was_read(store).await;
    the_same_connect_again_is_the_same_success(store).await;
    a_tenants_list_is_its_own_oldest_first_page_by_page(store).await;
    the_list_of_all_tenants_has_every_connection_once(store).await;
    a_cursor_of_another_making_is_refused(store).await;
}

/// Stores a connection for the first time.
pub(super) async fn stored(store: &dyn ConnectionStore, connection: Connection) -> NewConnection {
    let new = sample::new_connection(connection);
    assert_eq!(store.connect(&new).await.unwrap(), ConnectOutcome::Stored);
    new
}

async fn what_was_never_stored_is_not_found(store: &dyn ConnectionStore) {
    let company = sample::provider_company();

    assert_eq!(store.find(&sample::key()).await.unwrap(), None);
    assert_eq!(store.find_key(&sample::key().connection).await.unwrap(), None);
    assert_eq!(store.find_routes(Provider::QuickBooks, &company).await.unwrap(), []);
    assert_eq!(store.list_companies(&sample::key()).await.unwrap(), []);
    let page = store.list(Some(&sample::tenant()), 10, None).await.unwrap();
    assert_eq!((page.connections, page.next), (vec![], None));
}

async fn a_connection_comes_back_as_it_was(store: &dyn ConnectionStore) {
    let key = sample::key();
    let mut connection = sample::connection(&key);
    connection.reason = Some("invalid_grant".to_owned());
    connection.location = Some("eu".parse().unwrap());
    connection.lease = Some(sample::lease(at(1)));
    connection.due = Some(Due::Slot(Slot::of(&key.connection, 40)));
    connection.last = Some(LastAttempt { id: ids().attempt(), ended_at: at(-1), failure: None });
    connection.chain = ChainHead { sequence: 5, hash: [5; 32] };
    connection.calls = vec![at(-2), at(-1)];
    connection.notices = Notices { refresh: Some(at(-3)), grant: Some(at(-2)), expired: Some(at(-1)) };

    let new = stored(store, connection).await;

    assert_eq!(store.find(&key).await.unwrap().as_ref(), Some(&new.connection));
    assert_eq!(store.find_key(&key.connection).await.unwrap().as_ref(), Some(&key));
    let company = &new.companies[0].company;
    assert_eq!(store.list_companies(&key).await.unwrap(), std::slice::from_ref(company));
    let routes = store.find_routes(Provider::QuickBooks, &company.provider_id).await.unwrap();
    assert_eq!(routes, [Route { key, company: company.id.clone(), released: false }]);
    let elsewhere = store.find_routes(Provider::Xero, &company.provider_id).await.unwrap();
    assert_eq!(elsewhere, [], "ids of companies are per provider");
}

async fn a_connection_without_anything_optional_comes_back_too(store: &dyn ConnectionStore) {
    let key = sample::key();
    let connection = Connection {
        state: ConnectionState::Disconnected,
        scopes: vec![],
        tokens: None,
        due: None,
        ..sample::connection(&key)
    };

    let new = stored(store, connection).await;

    assert_eq!(store.find(&key).await.unwrap(), Some(new.connection));
}

async fn one_of_many_that_connect_a_company_at_once_wins(store: &dyn ConnectionStore) {
    let company = sample::placed(Provider::QuickBooks);
    let connection = || NewConnection {
        companies: vec![company.clone()],
        ..sample::new_connection(sample::connection(&sample::key()))
    };
    let racers: Vec<_> = (0..RACERS).map(|_| connection()).collect();

    let outcomes = join_all(racers.iter().map(|new| store.connect(new))).await;

    // One that meets another's transaction may be told to try again instead; nobody else may be told that it is stored.
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Ok(ConnectOutcome::Stored))).count();
    assert_eq!(won, 1, "{outcomes:?}");
    assert!(!outcomes.iter().any(|outcome| matches!(outcome, Ok(ConnectOutcome::Changed))), "{outcomes:?}");
}

async fn a_reconnect_needs_the_connection_as_it_was_read(store: &dyn ConnectionStore) {
    let first = stored(store, sample::connection(&sample::key())).await;
    let mut renewed = first.clone();
    renewed.connection.fence = first.connection.fence + 1;
    renewed.connection.write_id = ids().write();
    renewed.connection.tokens = Some(sample::tokens(2, at(10), 64));

    // What replaces nothing is a first connect, which the stored connection forbids.
    assert_eq!(store.connect(&renewed).await.unwrap(), ConnectOutcome::Changed);
    let read = Replaces { fence: first.connection.fence, write_id: first.connection.write_id.clone() };
    for (stale, why) in [
        (Replaces { fence: read.fence - 1, ..read.clone() }, "a lease was taken since"),
        (Replaces { write_id: ids().write(), ..read.clone() }, "something was written since"),
    ] {
        renewed.replaces = Some(stale);
        renewed.connection.write_id = ids().write();
        assert_eq!(store.connect(&renewed).await.unwrap(), ConnectOutcome::Changed, "{why}");
    }
    assert_eq!(store.find(&first.connection.key).await.unwrap(), Some(first.connection.clone()));

    renewed.replaces = Some(read);
    renewed.connection.write_id = ids().write();
    assert_eq!(store.connect(&renewed).await.unwrap(), ConnectOutcome::Stored);

    assert_eq!(store.find(&first.connection.key).await.unwrap(), Some(renewed.connection));
    assert_eq!(
        store.list_companies(&first.connection.key).await.unwrap(),
        [first.companies[0].company.clone()]
    );
}

async fn the_same_connect_again_is_the_same_success(store: &dyn ConnectionStore) {
    let new = stored(store, sample::connection(&sample::key())).await;

    assert_eq!(store.connect(&new).await.unwrap(), ConnectOutcome::Stored);

    assert_eq!(store.find(&new.connection.key).await.unwrap(), Some(new.connection));
}

async fn a_tenants_list_is_its_own_oldest_first_page_by_page(store: &dyn ConnectionStore) {
    let tenant = sample::tenant();
    let mut keys = connect_three(store, &tenant).await;
    keys.sort();
    // A tenant whose name begins alike must not be in the list.
    let other: TenantId = format!("{tenant}x").parse().unwrap();
    connect_three(store, &other).await;

    let mut found = vec![];
    let mut from = None;
    loop {
        let page = store.list(Some(&tenant), 2, from.as_deref()).await.unwrap();
        assert!(page.connections.len() <= 2);
        found.extend(page.connections.into_iter().map(|connection| connection.key));
        from = page.next;
        if from.is_none() {
            break;
        }
    }

    assert_eq!(found, keys);
}

async fn connect_three(store: &dyn ConnectionStore, tenant: &TenantId) -> Vec<ConnectionKey> {
    let mut keys = vec![];
    for _ in 0..3 {
        let key = ConnectionKey { tenant: tenant.clone(), connection: ids().connection() };
        stored(store, sample::connection(&key)).await;
        keys.push(key);
    }
    keys
}

async fn the_list_of_all_tenants_has_every_connection_once(store: &dyn ConnectionStore) {
    let mut keys = [sample::key(), sample::key(), sample::key()].to_vec();
    for key in &keys {
        stored(store, sample::connection(key)).await;
    }

    let mut found = vec![];
    let mut from = None;
    loop {
        let page = store.list(None, 2, from.as_deref()).await.unwrap();
        found.extend(page.connections.into_iter().map(|connection| connection.key));
        from = page.next;
        if from.is_none() {
            break;
        }
    }

    let age = |key: &ConnectionKey| key.connection.clone();
    assert!(found.is_sorted_by_key(age), "oldest first");
    found.retain(|key| keys.contains(key));
    keys.sort_by_key(age);
    assert_eq!(found, keys);
}

async fn a_cursor_of_another_making_is_refused(store: &dyn ConnectionStore) {
    let tenant = sample::tenant();
    connect_three(store, &tenant).await;
    let next = store.list(Some(&tenant), 1, None).await.unwrap().next.unwrap();

    for (tenant, cursor) in [(&tenant, "!"), (&tenant, ""), (&sample::tenant(), next.as_str())] {
        let listed = store.list(Some(tenant), 1, Some(cursor)).await;
        assert!(matches!(listed, Err(StoreError::InvalidCursor(_))), "{cursor}");
    }
}
