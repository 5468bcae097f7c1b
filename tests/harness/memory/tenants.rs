//! Tenants in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::TenantId,
    store::StoreError,
    tenant::{Tenant, TenantStore},
};

/// Tenants in memory.
#[derive(Debug, Default)]
pub struct InMemoryTenants(Mutex<HashMap<TenantId, Tenant>>);

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
}
