//! What the small stores of the control table keep.

use domain::{
    cursor::{CursorKey, CursorKeyStore},
    entropy::SystemEntropy,
    idempotency::{NamedRequest, RequestNames},
    store::StoreError,
    tenant::{Tenant, TenantLimits, TenantSettings, TenantState, TenantStore},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at};

/// What a store of tenants keeps.
pub async fn tenant_store_contract(store: &dyn TenantStore) {
    let id = sample::tenant();
    let limits = TenantLimits { integrations: Some(3), ..TenantLimits::default() };
    let tenant = |name: usize| Tenant {
        plan: (name == 0).then(|| "starter".to_owned()),
        limits,
        settings: TenantSettings { return_urls: vec!["https://a.example".to_owned()], ..Default::default() },
        ..Tenant::new(id.clone(), format!("Söhne {name}"), at(0))
    };
    let tenants: Vec<_> = (0..RACERS).map(tenant).collect();
    assert_eq!(store.find(&id).await.unwrap(), None);

    let inserted = join_all(tenants.iter().map(|tenant| store.insert(tenant))).await;

    let inserted: Vec<_> = inserted.into_iter().map(Result::unwrap).collect();
    assert_eq!(inserted.iter().filter(|inserted| **inserted).count(), 1, "an id is taken once");
    let winner = inserted.iter().position(|inserted| *inserted).unwrap();
    assert_eq!(store.find(&id).await.unwrap().as_ref(), Some(&tenants[winner]));
    assert!(!store.insert(&tenants[winner]).await.unwrap());
    of_those_who_change_a_tenant_at_once_one_does(store, tenants[winner].clone()).await;
    tenants_are_listed_by_id_page_by_page(store).await;
    only_a_tenant_that_is_being_deleted_is_removed(store).await;
}

async fn of_those_who_change_a_tenant_at_once_one_does(store: &dyn TenantStore, tenant: Tenant) {
    let change = |name: usize| Tenant { version: 2, name: format!("Change {name}"), ..tenant.clone() };
    let changes: Vec<_> = (0..RACERS).map(change).collect();

    let replaced = join_all(changes.iter().map(|change| store.replace(change))).await;

    let winners: Vec<_> =
        changes.iter().zip(replaced).filter(|(_, replaced)| *replaced.as_ref().unwrap()).collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].0;
    assert_eq!(store.find(&tenant.id).await.unwrap().as_ref(), Some(winner));
    assert!(store.replace(winner).await.unwrap(), "its own, whose answer was lost");
    for version in [1, 4] {
        assert!(!store.replace(&Tenant { version, ..tenant.clone() }).await.unwrap(), "{version}");
    }
    let plain = Tenant { version: 3, ..Tenant::new(tenant.id.clone(), "Plain", at(0)) };
    assert!(store.replace(&plain).await.unwrap());
    assert_eq!(store.find(&tenant.id).await.unwrap(), Some(plain), "what is unset is gone");
    let unknown = Tenant { version: 2, ..Tenant::new(sample::tenant(), "Nobody", at(0)) };
    assert!(!store.replace(&unknown).await.unwrap());
    assert_eq!(store.find(&unknown.id).await.unwrap(), None);
}

async fn tenants_are_listed_by_id_page_by_page(store: &dyn TenantStore) {
    let mut made: Vec<_> = (0..5).map(|_| Tenant::new(sample::tenant(), "Listed", at(0))).collect();
    for tenant in &made {
        assert!(store.insert(tenant).await.unwrap());
    }
    made.sort_by(|one, other| one.id.cmp(&other.id));
    let (mut found, mut from) = (vec![], None::<String>);
    loop {
        let page = store.list(3, from.as_deref()).await.unwrap();
        assert!(page.tenants.len() <= 3);
        found.extend(page.tenants);
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    assert!(found.is_sorted_by(|one, other| one.id < other.id), "each once");
    found.retain(|tenant| made.iter().any(|made| made.id == tenant.id));
    assert_eq!(found, made);
    let foreign = store.list(3, Some("no cursor")).await;
    assert!(matches!(foreign, Err(StoreError::InvalidCursor(_))), "{foreign:?}");
}

async fn only_a_tenant_that_is_being_deleted_is_removed(store: &dyn TenantStore) {
    let tenant = Tenant::new(sample::tenant(), "Ending", at(0));
    assert!(store.insert(&tenant).await.unwrap());
    for (version, state) in [(2, TenantState::Suspended), (3, TenantState::Deleting)] {
        store.remove(&tenant.id).await.unwrap();
        assert!(store.find(&tenant.id).await.unwrap().is_some());
        assert!(store.replace(&Tenant { version, state, ..tenant.clone() }).await.unwrap());
    }
    for _ in 0..2 {
        store.remove(&tenant.id).await.unwrap();
        assert_eq!(store.find(&tenant.id).await.unwrap(), None);
    }
    assert!(store.insert(&tenant).await.unwrap(), "its id is free again");
}

/// What the store of the one key of cursors keeps; a deployment may have it already.
pub async fn cursor_key_store_contract(store: &dyn CursorKeyStore) {
    let fresh: Vec<_> = (0..RACERS).map(|_| CursorKey::new(&SystemEntropy)).collect();

    let found = join_all(fresh.iter().map(|fresh| store.find_or_insert(fresh))).await;

    let found: Vec<_> = found.into_iter().map(|found| found.unwrap().expose().to_vec()).collect();
    assert!(found.iter().all(|key| *key == found[0]), "there is one");
    let again = store.find_or_insert(&CursorKey::new(&SystemEntropy)).await.unwrap();
    assert_eq!(again.expose(), found[0]);
}

/// What a store of names of requests keeps.
pub async fn request_names_contract(store: &dyn RequestNames) {
    let named =
        |name: &str, request: &str| NamedRequest { name: name.to_owned(), request: request.to_owned() };
    let (name, other) = (sample::ids().write(), sample::ids().write());
    let (now, until) = (at(0), at(60));

    for (request, expected) in [("one", true), ("one", true), ("two", false), ("one", true)] {
        assert_eq!(store.take(&named(&name, request), (now, until)).await.unwrap(), expected, "{request}");
    }
    assert!(store.take(&named(&other, "two"), (now, until)).await.unwrap(), "another name");
    assert!(!store.take(&named(&name, "two"), (at(59), at(119))).await.unwrap());
    assert!(store.take(&named(&name, "two"), (until, at(120))).await.unwrap(), "it stood long enough");
    assert!(!store.take(&named(&name, "one"), (until, at(120))).await.unwrap());
}
