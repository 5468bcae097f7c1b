//! What the small stores of the control table keep.

use domain::tenant::{Tenant, TenantLimits, TenantSettings, TenantStore};
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
