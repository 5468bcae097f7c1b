//! Users in memory.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::{TenantId, UserId},
    store::StoreError,
    user::{PutUser, User, UserStore},
};

/// Users in memory.
#[derive(Debug, Default)]
pub struct InMemoryUsers(Mutex<BTreeMap<(TenantId, UserId), User>>);

#[async_trait]
impl UserStore for InMemoryUsers {
    async fn put(&self, user: &User, limit: u64) -> Result<PutUser, StoreError> {
        let mut users = self.0.lock().unwrap();
        let count = users.values().filter(|other| other.tenant == user.tenant).count() as u64;
        Ok(match users.entry((user.tenant.clone(), user.id.clone())) {
            Entry::Occupied(mut there) => {
                there.get_mut().role = user.role;
                PutUser::Changed
            }
            Entry::Vacant(_) if count >= limit => PutUser::Full,
            Entry::Vacant(free) => {
                free.insert(user.clone());
                PutUser::Added
            }
        })
    }

    async fn find(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.lock().unwrap().get(&(tenant.clone(), id.clone())).cloned())
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<User>, StoreError> {
        Ok(self.0.lock().unwrap().values().filter(|user| user.tenant == *tenant).cloned().collect())
    }

    async fn remove(&self, tenant: &TenantId, id: &UserId) -> Result<bool, StoreError> {
        Ok(self.0.lock().unwrap().remove(&(tenant.clone(), id.clone())).is_some())
    }

    async fn clear(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.0.lock().unwrap().retain(|(of, _), _| of != tenant);
        Ok(())
    }
}
