//! Everything else that a worker calls: connections, breakers, the sweep's marks, history, keys, the bus.

use async_trait::async_trait;
use domain::{
    audit::{AuditEntry, AuditLog, AuditPage},
    connection::{
        Company, ConfirmOutcome, ConnectOutcome, Connection, ConnectionKey, ConnectionPage, ConnectionStore,
        MarkOutcome, NewConnection, Route,
    },
    entropy,
    event::{Event, EventBus},
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::{
        AttemptLog, Breaker, BreakerStore, ClaimOutcome, ProviderHealth, RefreshAttempt, SweepLog,
        SweepProgress, Tally, Trigger, Warmth,
    },
    sealing::{DataKey, DataKeys, KeyError, SealingContext, WrappedKey},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    caller::Caller,
    faults::Service::{Bus, Keys, Table},
    world::index,
};

#[async_trait]
impl ConnectionStore for Caller {
    async fn find(&self, key: &ConnectionKey) -> Result<Option<Connection>, StoreError> {
        let store = &self.world.connections;
        self.call((Table, "find"), || store.find(key)).await
    }

    async fn find_key(&self, id: &ConnectionId) -> Result<Option<ConnectionKey>, StoreError> {
        self.world.connections.find_key(id).await
    }

    async fn find_routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError> {
        self.world.connections.find_routes(provider, company).await
    }

    async fn connect(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError> {
        self.world.connections.connect(new).await
    }

    async fn confirm(&self, key: &ConnectionKey, write_id: &str) -> Result<ConfirmOutcome, StoreError> {
        self.world.connections.confirm(key, write_id).await
    }

    async fn mark_disconnecting(
        &self,
        seen: &Connection,
        now: Timestamp,
        write_id: &str,
    ) -> Result<MarkOutcome, StoreError> {
        self.world.connections.mark_disconnecting(seen, now, write_id).await
    }

    async fn mark_used(&self, key: &ConnectionKey, at: Timestamp) -> Result<(), StoreError> {
        let store = &self.world.connections;
        self.call((Table, "mark_used"), || store.mark_used(key, at)).await
    }

    async fn release_route(
        &self,
        key: &ConnectionKey,
        company: (Provider, &ProviderCompanyId),
        fence: u64,
    ) -> Result<(), StoreError> {
        self.world.connections.release_route(key, company, fence).await
    }

    async fn delete_company(
        &self,
        key: &ConnectionKey,
        company: &CompanyId,
        fence: u64,
    ) -> Result<(), StoreError> {
        self.world.connections.delete_company(key, company, fence).await
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError> {
        self.world.connections.list(tenant, limit, from).await
    }

    async fn list_companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError> {
        self.world.connections.list_companies(key).await
    }

    async fn set_warmth(&self, key: &ConnectionKey, warmth: Option<Warmth>) -> Result<(), StoreError> {
        self.world.connections.set_warmth(key, warmth).await
    }

    async fn list_left(&self, key: &ConnectionKey) -> Result<Vec<CompanyId>, StoreError> {
        self.world.connections.list_left(key).await
    }

    async fn forget(&self, key: &ConnectionKey) -> Result<bool, StoreError> {
        self.world.connections.forget(key).await
    }
}

#[async_trait]
impl BreakerStore for Caller {
    async fn load(&self, provider: Provider, minute: i64) -> Result<ProviderHealth, StoreError> {
        self.call((Table, "load"), || self.world.breakers.load(provider, minute)).await
    }

    async fn replace(&self, provider: Provider, next: &Breaker) -> Result<bool, StoreError> {
        self.call((Table, "replace"), || self.world.breakers.replace(provider, next)).await
    }

    async fn count(&self, provider: Provider, minute: i64, tally: &Tally) -> Result<(), StoreError> {
        self.call((Table, "count"), || self.world.breakers.count(provider, minute, tally)).await
    }
}

#[async_trait]
impl SweepLog for Caller {
    async fn note(&self, at: Timestamp) -> Result<(), StoreError> {
        self.call((Table, "note"), || self.world.sweeps.note(at)).await
    }

    async fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        self.call((Table, "last"), || self.world.sweeps.last()).await
    }

    async fn claim(
        &self,
        provider: Provider,
        owner: &str,
        times: (Timestamp, Timestamp),
    ) -> Result<ClaimOutcome, StoreError> {
        self.call((Table, "claim"), || self.world.sweeps.claim(provider, owner, times)).await
    }

    async fn advance(
        &self,
        provider: Provider,
        owner: &str,
        progress: (&SweepProgress, bool),
    ) -> Result<bool, StoreError> {
        self.call((Table, "advance"), || self.world.sweeps.advance(provider, owner, progress)).await
    }
}

#[async_trait]
impl AttemptLog for Caller {
    /// Counts what it is told; a run of a million refreshes keeps no history.
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError> {
        if attempt.trigger == Trigger::Recovery && attempt.failure.is_none() {
            self.world.count(index(&attempt.key), |row| row.recoveries += 1);
        }
        self.call((Table, "record"), || Box::pin(async { Ok(()) })).await
    }

    async fn list(
        &self,
        _provider: Provider,
        _tenant: Option<&TenantId>,
        _limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        Ok(vec![])
    }

    async fn list_of(
        &self,
        _provider: Provider,
        _key: &ConnectionKey,
        _limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        Ok(vec![])
    }
}

/// A key service's wrapped key is the key itself: what a ciphertext is bound to, the envelope checks.
pub(crate) fn new_key(entropy: &dyn entropy::Entropy) -> (DataKey, WrappedKey) {
    let key = entropy::bytes(entropy);
    (DataKey::new(key), WrappedKey(key.to_vec()))
}

/// The key that was wrapped.
pub(crate) fn unwrapped(wrapped: &[u8]) -> Result<DataKey, KeyError> {
    DataKey::from_slice(wrapped).ok_or_else(|| KeyError::Refused("not wrapped here".into()))
}

/// Why a key could not be had, from why its service could not be reached.
fn unavailable(error: StoreError) -> KeyError {
    KeyError::Unavailable(error.into())
}

#[async_trait]
impl DataKeys for Caller {
    async fn generate(&self, _context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        let key = self.call((Keys, "generate"), || Box::pin(async { Ok(new_key(&*self.world.chance)) }));
        key.await.map_err(unavailable)
    }

    async fn unwrap_key(&self, wrapped: &[u8], _context: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        let called: Result<(), StoreError> =
            self.call((Keys, "unwrap_key"), || Box::pin(async { Ok(()) })).await;
        called.map_err(unavailable)?;
        unwrapped(wrapped)
    }
}

#[async_trait]
impl EventBus for Caller {
    async fn publish(&self, _event: &Event) -> Result<(), StoreError> {
        self.call((Bus, "publish"), || Box::pin(async { Ok(()) })).await
    }
}

#[async_trait]
impl AuditLog for Caller {
    async fn record(&self, _entry: &AuditEntry) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(
        &self,
        _tenant: Option<&TenantId>,
        _before: Timestamp,
        _limit: u32,
        _from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        Ok(AuditPage::default())
    }
}
