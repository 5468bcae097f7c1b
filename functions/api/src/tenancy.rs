//! What belongs to tenants, and the one way to it: with a [`TenantScope`], which only authentication makes.
//!
//! No route holds a store of tenants' things, so none can forget whose they are: whatever is outside the scope is, for its
//! caller, not there.

mod tenants;

use std::sync::Arc;

use domain::{
    access::{Access, AccessError, AccessTokens},
    api_key::{ApiKey, ApiKeyPage, ApiKeyStore},
    audit::{AuditLog, AuditPage},
    call_counts::CallCounts,
    caller::TenantScope,
    connection::{
        Company, ConfirmOutcome, Connection, ConnectionKey, ConnectionPage, ConnectionStore, Route,
    },
    id::{ApiKeyId, ConnectionId, CorrelationId, Ids, JobId, ProviderCompanyId, TenantId, UserId},
    limits::UsageStore,
    provider::Provider,
    refresh::{AttemptLog, Counted, RefreshAttempt, Standing, Tallies, policy::later},
    store::StoreError,
    sync::{Entity, JobOrders, JobRecord, Lane, RecordPage, RecordPlace, RecordStore, SyncJob},
    tenant::{Tenant, TenantStore},
    user::{PutUser, User, UserStore},
};
use edge::http::ApiError;
use jiff::Timestamp;

use crate::{admission::REMEMBERED, call::Refusal, memory::Memory};

/// The stores of what belongs to tenants.
pub struct TenancyStores {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// What tenants used of the providers.
    pub usage: Arc<dyn UsageStore>,
    /// How often our own API was called.
    pub counts: Arc<dyn CallCounts>,
    /// Connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// Refresh attempts.
    pub attempts: Arc<dyn AttemptLog>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// Jobs.
    pub jobs: JobOrders,
    /// How connections stand, counted.
    pub tallies: Tallies,
    /// Access tokens.
    pub access: Arc<AccessTokens>,
    /// The audit log.
    pub acts: Arc<dyn AuditLog>,
}

/// What belongs to tenants.
pub struct Tenancy {
    stores: TenancyStores,
    known: Memory<TenantId, Tenant>,
}

impl From<TenancyStores> for Tenancy {
    fn from(stores: TenancyStores) -> Self {
        Self { stores, known: Memory::default() }
    }
}

impl Tenancy {
    /// What is within a scope.
    pub(crate) fn within(&self, scope: TenantScope, now: Timestamp) -> Within<'_> {
        Within { tenancy: self, stores: &self.stores, scope, now }
    }

    /// A tenant as it was at most half a minute ago: for limits and states, which need not be of this very moment. One that
    /// is not there is not remembered, so that it is there as soon as it is made.
    pub(crate) async fn remembered(
        &self,
        id: &TenantId,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        if let Some(tenant) = self.known.find(id, now) {
            return Ok(Some(tenant));
        }
        let found = self.stores.tenants.find(id).await?;
        if let Some(tenant) = &found {
            self.known.keep(id.clone(), tenant.clone(), (now, later(now, REMEMBERED)));
        }
        Ok(found)
    }

    /// Forgets what it remembers of a tenant that has changed.
    pub(crate) fn forget(&self, id: &TenantId) {
        self.known.forget(id);
    }
}

/// What is within a scope; all else is not there.
pub(crate) struct Within<'a> {
    tenancy: &'a Tenancy,
    stores: &'a TenancyStores,
    scope: TenantScope,
    now: Timestamp,
}

impl Within<'_> {
    /// The one tenant that the scope is of; none where it is of all.
    pub(crate) fn tenant_id(&self) -> Option<&TenantId> {
        self.scope.tenant()
    }

    /// A tenant.
    pub(crate) async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        if !self.scope.covers(id) {
            return Ok(None);
        }
        self.stores.tenants.find(id).await
    }

    /// Adds a tenant; false when the id is taken, or not the caller's to take.
    pub(crate) async fn insert_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        self.tenancy.forget(&tenant.id);
        Ok(self.scope.covers(&tenant.id) && self.stores.tenants.insert(tenant).await?)
    }

    /// Refuses to do anything for a tenant that is suspended or being deleted.
    pub(crate) async fn active(&self, tenant: &TenantId) -> Result<(), Refusal> {
        let found = self.tenancy.remembered(tenant, self.now).await?;
        match found.and_then(|tenant| tenant.state.halted()) {
            None => Ok(()),
            Some(halted) => Err(ApiError::new(halted.code(), halted.to_string()).into()),
        }
    }

    /// A key: of a scope of one tenant, only one that is bound to it.
    pub(crate) async fn key(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = self.stores.keys.find(id).await?;
        Ok(found.filter(|key| self.covers_key(key)))
    }

    /// Keys, by id.
    pub(crate) async fn keys(&self, limit: u32, from: Option<&str>) -> Result<ApiKeyPage, StoreError> {
        self.stores.keys.list(self.scope.tenant(), limit, from).await
    }

    /// Adds a key; false when its id is taken, or it is not within.
    pub(crate) async fn insert_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        Ok(self.covers_key(key) && self.stores.keys.insert(key).await?)
    }

    /// Stores what changed of a key.
    pub(crate) async fn update_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        if !self.covers_key(key) {
            return Ok(());
        }
        self.stores.keys.update(key).await
    }

    /// A user.
    pub(crate) async fn user(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(None);
        }
        self.stores.users.find(tenant, id).await
    }

    /// The users of a tenant, by id.
    pub(crate) async fn users(&self, tenant: &TenantId) -> Result<Vec<User>, StoreError> {
        if !self.scope.covers(tenant) {
            return Ok(Vec::new());
        }
        self.stores.users.list(tenant).await
    }

    /// Adds a user, or gives one another role.
    pub(crate) async fn put_user(&self, user: &User, limit: u64) -> Result<PutUser, StoreError> {
        if !self.scope.covers(&user.tenant) {
            return Ok(PutUser::Full);
        }
        self.stores.users.put(user, limit).await
    }

    /// Takes a user away; false when there was none.
    pub(crate) async fn remove_user(&self, tenant: &TenantId, id: &UserId) -> Result<bool, StoreError> {
        Ok(self.scope.covers(tenant) && self.stores.users.remove(tenant, id).await?)
    }

    /// Keys of no tenant are within where everything is.
    fn covers_key(&self, key: &ApiKey) -> bool {
        match &key.tenant {
            Some(tenant) => self.scope.covers(tenant),
            None => self.scope.tenant().is_none(),
        }
    }

    /// Connections, oldest first.
    pub(crate) async fn connections(
        &self,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError> {
        self.stores.connections.list(self.scope.tenant(), limit, from).await
    }

    /// A connection by its id: where the scope is one tenant's it is found the moment it is made, else a moment later.
    pub(crate) async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let key = match self.scope.tenant() {
            Some(tenant) => Some(ConnectionKey { tenant: tenant.clone(), connection: id.clone() }),
            None => self.stores.connections.find_key(id).await?,
        };
        match key {
            Some(key) => self.stores.connections.find(&key).await,
            None => Ok(None),
        }
    }

    /// A connection by its key.
    pub(crate) async fn connection_of(&self, key: &ConnectionKey) -> Result<Option<Connection>, StoreError> {
        if !self.scope.covers(&key.tenant) {
            return Ok(None);
        }
        self.stores.connections.find(key).await
    }

    /// How all connections stand: exact where they are few.
    pub(crate) async fn figures(&self) -> Result<Counted, StoreError> {
        self.stores.tallies.figures(self.scope.tenant()).await
    }

    /// How all connections stand, where they are known to be more than a page.
    pub(crate) async fn counted(&self) -> Result<Counted, StoreError> {
        self.stores.tallies.of(self.scope.tenant()).await
    }

    /// How these connections stand, which are all that are within the scope.
    pub(crate) fn counted_exactly(&self, connections: &[Connection]) -> Counted {
        let standings: Vec<_> = connections.iter().map(Standing::from).collect();
        self.stores.tallies.exact(&standings)
    }

    /// A valid access token of a connection.
    pub(crate) async fn access(&self, key: &ConnectionKey) -> Result<Access, AccessError> {
        if !self.scope.covers(&key.tenant) {
            return Err(AccessError::Missing);
        }
        self.stores.access.access_token(key).await
    }

    /// Acts of the audit log, oldest first: of all tenants and the deployment itself where the scope is of all.
    pub(crate) async fn acts(
        &self,
        before: Timestamp,
        limit: u32,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        self.stores.acts.list(self.scope.tenant(), before, limit, from).await
    }

    /// The companies of a connection.
    pub(crate) async fn companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError> {
        if !self.scope.covers(&key.tenant) {
            return Ok(Vec::new());
        }
        self.stores.connections.list_companies(key).await
    }

    /// The connections that a provider's company belongs or belonged to, one for each tenant.
    pub(crate) async fn routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError> {
        let mut routes = self.stores.connections.find_routes(provider, company).await?;
        routes.retain(|route| self.scope.covers(&route.key.tenant));
        Ok(routes)
    }

    /// Makes a pending connection active.
    pub(crate) async fn confirm(
        &self,
        key: &ConnectionKey,
        write_id: &str,
    ) -> Result<ConfirmOutcome, StoreError> {
        if !self.scope.covers(&key.tenant) {
            return Ok(ConfirmOutcome::Missing);
        }
        self.stores.connections.confirm(key, write_id).await
    }

    /// Refresh attempts at a provider, newest first.
    pub(crate) async fn attempts(
        &self,
        provider: Provider,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        self.stores.attempts.list(provider, self.scope.tenant(), limit).await
    }

    /// Refresh attempts of one connection, newest first.
    pub(crate) async fn attempts_of(
        &self,
        connection: &Connection,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        if !self.scope.covers(&connection.key.tenant) {
            return Ok(Vec::new());
        }
        self.stores.attempts.list_of(connection.provider, &connection.key, limit).await
    }

    /// A page of a company's records of a kind: by id, or what changed since a moment in the order of change.
    pub(crate) async fn records(
        &self,
        place: &RecordPlace,
        (entity, since): (Entity, Option<Timestamp>),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        if !self.scope.covers(&place.tenant) {
            return Ok(RecordPage::default());
        }
        match since {
            Some(since) => self.stores.records.list_changed(place, (entity, since), limit, from).await,
            None => self.stores.records.list(place, entity, limit, from).await,
        }
    }

    /// A job.
    pub(crate) async fn job(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        let found = self.stores.jobs.log.find(id).await?;
        Ok(found.filter(|job| self.scope.covers(&job.job.key.tenant)))
    }

    /// Puts a job on a lane.
    pub(crate) async fn order(&self, lane: Lane, job: SyncJob) -> Result<(), StoreError> {
        if !self.scope.covers(&job.key.tenant) {
            return Ok(());
        }
        self.stores.jobs.enqueue(lane, &[job]).await
    }

    /// Starts the first sync of a connection's companies.
    pub(crate) async fn start_first(
        &self,
        ids: Ids<'_>,
        of: (&ConnectionKey, &[Company]),
        correlation: &CorrelationId,
    ) {
        if self.scope.covers(&of.0.tenant) {
            self.stores.jobs.start_first(ids, of, correlation).await;
        }
    }
}
