//! What is done with a tenant as a whole.

use domain::{
    call_counts::Month,
    connection::{count_live, keep_warm},
    erasure::ErasureMark,
    id::TenantId,
    limits::Usage,
    provider::Provider,
    refresh::Warmth,
    store::StoreError,
    sync::{CatchUpMark, Lane},
    tenant::{Tenant, TenantPage},
};
use jiff::{Timestamp, civil::Date};

use super::Within;

impl Within<'_> {
    /// Tenants, by id: of a scope of one tenant only that one.
    pub(crate) async fn tenants(&self, limit: u32, from: Option<&str>) -> Result<TenantPage, StoreError> {
        match self.scope.tenant() {
            None => self.stores.tenants.list(limit, from).await,
            Some(own) => {
                let tenants = self.stores.tenants.find(own).await?.into_iter().collect();
                Ok(TenantPage { tenants, next: None })
            }
        }
    }

    /// Stores a tenant in place of the version before it; false where that is not what is stored, or not the caller's.
    pub(crate) async fn replace_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let replaced = self.scope.covers(&tenant.id) && self.stores.tenants.replace(tenant).await?;
        self.tenancy.forget(&tenant.id);
        Ok(replaced)
    }

    /// Has all connections of a tenant kept as warm as it wishes. Again is harmless, and goes on where it failed.
    pub(crate) async fn keep_warm(&self, tenant: &TenantId, wish: Option<Warmth>) -> Result<(), StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(());
        }
        keep_warm(&*self.stores.connections, tenant, wish).await
    }

    /// Has all companies of a tenant asked for what changed.
    pub(crate) async fn catch_up(&self, tenant: &TenantId, started_at: Timestamp) -> Result<(), StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(());
        }
        let mark = CatchUpMark { started_at, tenant: Some(tenant.clone()), from: None };
        self.stores.jobs.queue.send_mark(Lane::Low, &mark).await
    }

    /// Has a tenant that is being deleted ended, or goes on with that. Again is harmless.
    pub(crate) async fn erase(&self, tenant: &TenantId) -> Result<(), StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(());
        }
        let mark = ErasureMark { tenant: tenant.clone(), ended_at: None };
        self.stores.jobs.queue.send_erasure(Lane::Low, &mark).await
    }

    /// How many connections of a tenant have not ended.
    pub(crate) async fn live_connections(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(0);
        }
        count_live(&*self.stores.connections, tenant).await
    }

    /// What a tenant used of the providers on some days.
    pub(crate) async fn usage(
        &self,
        tenant: &TenantId,
        days: (Date, Date),
    ) -> Result<Vec<(Date, Provider, Usage)>, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(Vec::new());
        }
        self.stores.usage.list(tenant, days).await
    }

    /// How often our own API was called about a tenant in a month.
    pub(crate) async fn calls(&self, tenant: &TenantId, month: Month) -> Result<u64, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(0);
        }
        self.stores.counts.month(tenant, month).await
    }

    /// How many people of a tenant have a role.
    pub(crate) async fn count_users(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(0);
        }
        Ok(self.stores.users.list(tenant).await?.len() as u64)
    }
}
