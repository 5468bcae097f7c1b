//! What the small stores of the control table keep.

use domain::{
    cursor::{CursorKey, CursorKeyStore},
    entropy::SystemEntropy,
    idempotency::{NamedRequest, RequestNames},
    tenant::{Tenant, TenantLimits, TenantSettings, TenantStore},
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
