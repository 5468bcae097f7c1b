//! Connections in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use domain::{
    connection::{
        Company, ConfirmOutcome, ConnectOutcome, Connection, ConnectionKey, ConnectionPage, ConnectionState,
        ConnectionStore, Due, Lease, MarkOutcome, NewConnection, Replaces, Route,
    },
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::{Standing, StandingPage, Standings, Warmth},
    store::StoreError,
};
use jiff::Timestamp;

use super::{bad_cursor, page, routes::Routes};

/// Connections with their companies, routes and leases, in memory.
#[derive(Debug)]
pub struct InMemoryConnections {
    state: Mutex<State>,
    pub(super) due_shards: u32,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) connections: BTreeMap<ConnectionKey, Stored>,
    /// Companies, each with the fence with which it came.
    companies: BTreeMap<(ConnectionKey, CompanyId), (Company, u64)>,
    /// Companies that were taken off.
    left: BTreeSet<(ConnectionKey, CompanyId)>,
    routes: Routes,
    /// The write ids of what was stored, by which the same call again is known.
    connected: HashSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) connection: Connection,
    /// The lease that the present one replaced, if its worker never ended its attempt.
    pub(super) former: Option<Lease>,
    /// The state before the provider's verdict, which a token set from the recovery queue takes back.
    pub(super) before_verdict: Option<ConnectionState>,
    /// The mark of the last settlement, which the mark of a later write does not hide.
    pub(super) settled: Option<String>,
}

impl InMemoryConnections {
    /// No connections; a due index of `due_shards` shards.
    #[must_use]
    pub fn new(due_shards: u32) -> Self {
        Self { state: Mutex::default(), due_shards }
    }

    /// Changes a stored connection behind every port's back.
    pub fn edit(&self, key: &ConnectionKey, change: impl FnOnce(&mut Connection)) {
        let mut state = self.state();
        change(&mut state.connections.get_mut(key).expect("the connection is stored").connection);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn refusal(&self, new: &NewConnection) -> Option<ConnectOutcome> {
        let key = &new.connection.key;
        let refused = self.routes.refused(new);
        if let Some(elsewhere) =
            refused.iter().find(|route| route.key.tenant != key.tenant).or(refused.first())
        {
            let is_elsewhere = elsewhere.key.tenant != key.tenant;
            return Some(if is_elsewhere { ConnectOutcome::OwnedElsewhere } else { ConnectOutcome::Changed });
        }
        let stored = self.connections.get(key).map(|stored| &stored.connection);
        let stands = stored.map(|stored| Replaces { fence: stored.fence, write_id: stored.write_id.clone() });
        (stands != new.replaces).then_some(ConnectOutcome::Changed)
    }
}

#[async_trait]
impl ConnectionStore for InMemoryConnections {
    async fn find(&self, key: &ConnectionKey) -> Result<Option<Connection>, StoreError> {
        Ok(self.state().connections.get(key).map(|stored| stored.connection.clone()))
    }

    async fn find_key(&self, id: &ConnectionId) -> Result<Option<ConnectionKey>, StoreError> {
        Ok(self.state().connections.keys().find(|key| key.connection == *id).cloned())
    }

    async fn find_routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError> {
        Ok(self.state().routes.of(provider, company))
    }

    async fn connect(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError> {
        let mut state = self.state();
        let NewConnection { connection, companies, .. } = new.clone();
        if state.connected.contains(&connection.write_id) {
            return Ok(ConnectOutcome::Stored);
        }
        if let Some(refusal) = state.refusal(new) {
            return Ok(refusal);
        }
        let key = connection.key.clone();
        state.connected.insert(connection.write_id.clone());
        state.routes.put(new);
        for placed in companies {
            if let Some(from) = placed.from {
                let from = ConnectionKey { tenant: key.tenant.clone(), connection: from };
                state.companies.remove(&(from, placed.company.id.clone()));
            }
            let place = (key.clone(), placed.company.id.clone());
            state.companies.insert(place, (placed.company, connection.fence));
        }
        state
            .connections
            .insert(key, Stored { connection, former: None, before_verdict: None, settled: None });
        Ok(ConnectOutcome::Stored)
    }

    async fn confirm(&self, key: &ConnectionKey, write_id: &str) -> Result<ConfirmOutcome, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.connections.get_mut(key) else { return Ok(ConfirmOutcome::Missing) };
        let connection = &mut stored.connection;
        match connection.state {
            ConnectionState::Active => {}
            ConnectionState::Pending => {
                connection.state = ConnectionState::Active;
                write_id.clone_into(&mut connection.write_id);
            }
            state => return Ok(ConfirmOutcome::NotPending(state)),
        }
        Ok(ConfirmOutcome::Active)
    }

    async fn mark_disconnecting(
        &self,
        seen: &Connection,
        now: Timestamp,
        write_id: &str,
    ) -> Result<MarkOutcome, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.connections.get_mut(&seen.key) else { return Ok(MarkOutcome::Missing) };
        let connection = &mut stored.connection;
        if connection.state == ConnectionState::Disconnected {
            return Ok(MarkOutcome::Disconnected);
        }
        if connection.write_id == write_id {
            return Ok(MarkOutcome::Disconnecting);
        }
        if connection.write_id != seen.write_id {
            return Ok(MarkOutcome::Changed);
        }
        connection.state = ConnectionState::Disconnecting;
        connection.reason = None;
        connection.due = Some(Due::At(now));
        write_id.clone_into(&mut connection.write_id);
        Ok(MarkOutcome::Disconnecting)
    }

    async fn mark_used(&self, key: &ConnectionKey, at: Timestamp) -> Result<(), StoreError> {
        if let Some(stored) = self.state().connections.get_mut(key) {
            stored.connection.used_at = at;
        }
        Ok(())
    }

    async fn set_warmth(&self, key: &ConnectionKey, warmth: Option<Warmth>) -> Result<(), StoreError> {
        if let Some(stored) = self.state().connections.get_mut(key) {
            stored.connection.warmth = warmth;
        }
        Ok(())
    }

    async fn release_route(
        &self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
        fence: u64,
    ) -> Result<(), StoreError> {
        self.state().routes.release(key, (provider, company), fence);
        Ok(())
    }

    async fn delete_company(
        &self,
        key: &ConnectionKey,
        company: &CompanyId,
        fence: u64,
    ) -> Result<(), StoreError> {
        let is_it = |place: &(ConnectionKey, CompanyId)| place.0 == *key && place.1 == *company;
        let mut state = self.state();
        state.left.insert((key.clone(), company.clone()));
        state.companies.retain(|place, (_, with)| !is_it(place) || *with > fence);
        Ok(())
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError> {
        let from = from.map(parse_cursor).transpose()?;
        if from.as_ref().is_some_and(|(_, of)| tenant.is_some_and(|tenant| tenant != of)) {
            return Err(bad_cursor());
        }
        let place = |key: &ConnectionKey| (key.connection.clone(), key.tenant.clone());
        let state = self.state();
        let all = state.connections.values().map(|stored| stored.connection.clone());
        let mut all: Vec<_> = all
            .filter(|connection| tenant.is_none_or(|tenant| connection.key.tenant == *tenant))
            .filter(|connection| from.as_ref().is_none_or(|from| place(&connection.key) > *from))
            .collect();
        all.sort_by_key(|connection| place(&connection.key));
        let (connections, more) = page(all, limit);
        let last = connections.last().filter(|_| more).map(|last| &last.key);
        let next = last.map(|key| format!("{}#{}", key.tenant, key.connection));
        Ok(ConnectionPage { connections, next })
    }

    async fn list_companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError> {
        let state = self.state();
        let of_key = state.companies.iter().filter(|((of, _), _)| of == key);
        Ok(of_key.map(|(_, (company, _))| company.clone()).collect())
    }

    async fn list_left(&self, key: &ConnectionKey) -> Result<Vec<CompanyId>, StoreError> {
        let state = self.state();
        Ok(state.left.iter().filter(|(of, _)| of == key).map(|(_, company)| company.clone()).collect())
    }

    async fn forget(&self, key: &ConnectionKey) -> Result<bool, StoreError> {
        let mut state = self.state();
        let found = state.connections.get(key).map(|stored| stored.connection.state);
        if found.is_some_and(|found| found != ConnectionState::Disconnected) {
            return Ok(false);
        }
        state.companies.retain(|(of, _), _| of != key);
        state.left.retain(|(of, _)| of != key);
        state.routes.forget(key);
        state.connections.remove(key);
        Ok(true)
    }
}

#[async_trait]
impl Standings for InMemoryConnections {
    async fn list_standings(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<StandingPage, StoreError> {
        let page = self.list(tenant, limit, from).await?;
        Ok(StandingPage { standings: page.connections.iter().map(Standing::from).collect(), next: page.next })
    }
}

fn parse_cursor(cursor: &str) -> Result<(ConnectionId, TenantId), StoreError> {
    let (tenant, connection) = cursor.split_once('#').ok_or_else(bad_cursor)?;
    let tenant = tenant.parse().map_err(|_| bad_cursor())?;
    Ok((connection.parse().map_err(|_| bad_cursor())?, tenant))
}
