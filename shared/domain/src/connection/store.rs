//! Where connections are kept.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::{Company, Connection, ConnectionKey, ConnectionState};
use crate::{
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::Warmth,
    store::StoreError,
};

/// The most companies of one connection: each takes up to three writes of the one transaction that connects, which may
/// have a hundred.
pub const MAX_COMPANIES: usize = 33;

/// Which connection a provider's company belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The tenant and connection.
    pub key: ConnectionKey,
    /// Our id of the company.
    pub company: CompanyId,
    /// Whether the company was given up: kept so that the same tenant finds its connection again, free for any other.
    pub released: bool,
}

/// What a reconnect replaces: the connection as it was read.
///
/// The fence alone would not do: a settlement does not raise it, so a token set that was stored since, or the end of an
/// attempt, would be written over unseen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaces {
    /// The fence that was read.
    pub fence: u64,
    /// The write id that was read.
    pub write_id: String,
}

impl From<&Connection> for Replaces {
    fn from(read: &Connection) -> Self {
        Self { fence: read.fence, write_id: read.write_id.clone() }
    }
}

/// A company that comes to a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedCompany {
    /// The company.
    pub company: Company,
    /// The connection of the same tenant that it is taken from, as it was read; it has the company no longer.
    pub from: Option<ConnectionId>,
}

/// A connection to store with its companies, whole or not at all.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// The connection; on a reconnect with the id it had.
    pub connection: Connection,
    /// The companies of the new grant, 1 to [`MAX_COMPANIES`].
    pub companies: Vec<PlacedCompany>,
    /// On a reconnect what was read, which must still stand; none on a first connect.
    pub replaces: Option<Replaces>,
    /// Whether other tenants may be connected to the same companies (`ALLOW_SHARED_COMPANIES`).
    pub shared: bool,
}

/// What became of a [`NewConnection`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectOutcome {
    /// It is stored.
    Stored,
    /// A company belongs to another tenant.
    OwnedElsewhere,
    /// The connection, or the place of a company, changed since it was read.
    Changed,
}

/// What became of confirming a pending connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfirmOutcome {
    /// It is active, since now or before.
    Active,
    /// It is in another state.
    NotPending(ConnectionState),
    /// There is no such connection.
    Missing,
}

/// What came of asking for a connection to be ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MarkOutcome {
    /// It is disconnecting, since now or before, and due at once.
    Disconnecting,
    /// It was ended before.
    Disconnected,
    /// It was connected again, or its token set was replaced, since it was read.
    Changed,
    /// There is no such connection.
    Missing,
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct ConnectionPage {
    /// The connections, oldest first.
    pub connections: Vec<Connection>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Where connections are kept.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Finds a connection, strongly consistent.
    async fn find(&self, key: &ConnectionKey) -> Result<Option<Connection>, StoreError>;

    /// Finds whose a connection is, by its id alone; a connection made a moment ago may not be found yet.
    async fn find_key(&self, id: &ConnectionId) -> Result<Option<ConnectionKey>, StoreError>;

    /// Finds the connections that a provider's company belongs to or belonged to, one for each tenant, strongly
    /// consistent; several only where companies may be shared.
    async fn find_routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError>;

    /// Stores a connection, its companies and their routes, all or nothing; each route bears the connection's fence and is
    /// no longer released.
    async fn connect(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError>;

    /// Makes a pending connection active.
    async fn confirm(&self, key: &ConnectionKey, write_id: &str) -> Result<ConfirmOutcome, StoreError>;

    /// Marks a connection that still is as it was `seen`, in any state but the last, as disconnecting and due at `now`,
    /// whoever holds its lease: from then on its tokens are not used, and a refresh under way may still store its token set,
    /// but change neither state nor due time.
    async fn mark_disconnecting(
        &self,
        seen: &Connection,
        now: Timestamp,
        write_id: &str,
    ) -> Result<MarkOutcome, StoreError>;

    /// Notes that the tokens of a connection are used; one that is gone meanwhile is passed over.
    async fn mark_used(&self, key: &ConnectionKey, at: Timestamp) -> Result<(), StoreError>;

    /// Notes whether a connection is always kept warm, or that it is as the deployment has it; one that is gone meanwhile is
    /// passed over.
    async fn set_warmth(&self, key: &ConnectionKey, warmth: Option<Warmth>) -> Result<(), StoreError>;

    /// Gives a company up for others, if its route is this connection's and was written with no greater fence than
    /// `fence`: a route that was renewed since stays. Again is harmless.
    async fn release_route(
        &self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
        fence: u64,
    ) -> Result<(), StoreError>;

    /// Takes a company off a connection, unless it came there with a greater fence than `fence`; its route stays as it is,
    /// and it is noted as left, since what was synced of it is still kept. Again is harmless.
    async fn delete_company(
        &self,
        key: &ConnectionKey,
        company: &CompanyId,
        fence: u64,
    ) -> Result<(), StoreError>;

    /// Lists connections of one tenant or of all, oldest first, from where the page before ended.
    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError>;

    /// Lists the companies of a connection, those of a disconnected one included.
    async fn list_companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError>;

    /// Lists the companies that were taken off a connection; some may have come back to it.
    async fn list_left(&self, key: &ConnectionKey) -> Result<Vec<CompanyId>, StoreError>;

    /// Forgets a connection that has ended, with its companies, those that left it included, and the routes that led to it.
    /// False where it has not ended. Again is harmless.
    async fn forget(&self, key: &ConnectionKey) -> Result<bool, StoreError>;
}

/// Connections that are read at once where all of a tenant's are meant.
const PAGE: u32 = 100;
/// Writes under way at once: enough to hide the round trip.
const AT_ONCE: usize = 16;

/// Has all connections of a tenant kept as warm as it wishes, each from its next refresh on. Again is harmless, and goes on
/// where it failed.
pub async fn keep_warm(
    connections: &dyn ConnectionStore,
    tenant: &TenantId,
    wish: Option<Warmth>,
) -> Result<(), StoreError> {
    let mut from = None;
    loop {
        let page = connections.list(Some(tenant), PAGE, from.as_deref()).await?;
        let others = page.connections.into_iter().filter(|connection| connection.warmth != wish);
        let writes = others.map(async |Connection { key, .. }| connections.set_warmth(&key, wish).await);
        let writes: Vec<_> = writes.collect();
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// How many connections of a tenant have not ended: what its limit of integrations is about.
pub async fn count_live(connections: &dyn ConnectionStore, tenant: &TenantId) -> Result<u64, StoreError> {
    let (mut live, mut from) = (0, None);
    loop {
        let page = connections.list(Some(tenant), PAGE, from.as_deref()).await?;
        live += page.connections.iter().filter(|connection| !connection.state.is_ended()).count() as u64;
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(live),
        }
    }
}
