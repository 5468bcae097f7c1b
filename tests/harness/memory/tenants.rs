//! Tenants in memory.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::TenantId,
    store::StoreError,
    tenant::{Tenant, TenantPage, TenantState, TenantStore},
};

use super::{bad_cursor, page};

/// Tenants in memory.
#[derive(Debug, Default)]
pub struct InMemoryTenants(Mutex<BTreeMap<TenantId, Tenant>>);

impl InMemoryTenants {
    /// Changes a tenant, which is made where there is none, behind the port's back.
    pub fn edit(&self, tenant: Tenant, change: impl FnOnce(&mut Tenant)) {
        change(self.0.lock().unwrap().entry(tenant.id.clone()).or_insert(tenant));
    }
}

#[async_trait]
impl TenantStore for InMemoryTenants {
    async fn insert(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        match self.0.lock().unwrap().entry(tenant.id.clone()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(vacant) => {
                vacant.insert(tenant.clone());
                Ok(true)
            }
        }
    }

    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(self.0.lock().unwrap().get(id).cloned())
    }

    async fn list(&self, limit: u32, from: Option<&str>) -> Result<TenantPage, StoreError> {
        let from: Option<TenantId> = from.map(str::parse).transpose().map_err(|_| bad_cursor())?;
        let behind = (from.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let all: Vec<_> = self.0.lock().unwrap().range(behind).map(|(_, tenant)| tenant.clone()).collect();
        let (tenants, more) = page(all, limit);
        let next = tenants.last().filter(|_| more).map(|last: &Tenant| last.id.to_string());
        Ok(TenantPage { tenants, next })
    }

    async fn replace(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let mut tenants = self.0.lock().unwrap();
        let Some(stored) = tenants.get_mut(&tenant.id) else { return Ok(false) };
        if stored.version + 1 == tenant.version {
            stored.clone_from(tenant);
        }
        Ok(stored == tenant)
    }

    async fn remove(&self, id: &TenantId) -> Result<(), StoreError> {
        let mut tenants = self.0.lock().unwrap();
        if tenants.get(id).is_some_and(|tenant| tenant.state == TenantState::Deleting) {
            tenants.remove(id);
        }
        Ok(())
    }
}
