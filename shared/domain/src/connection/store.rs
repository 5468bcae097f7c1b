//! Where connections are kept.

use async_trait::async_trait;

use super::{Company, Connection, ConnectionKey};
use crate::{
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
    store::StoreError,
};

/// Which connection a provider's company belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The tenant and connection.
    pub key: ConnectionKey,
    /// Our id of the company.
    pub company: CompanyId,
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

/// A connection to store with its company, whole or not at all.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// The connection; on a reconnect with the id it had.
    pub connection: Connection,
    /// Its company.
    pub company: Company,
    /// On a reconnect what was read, which must still stand; none on a first connect.
    pub replaces: Option<Replaces>,
}

/// What became of a [`NewConnection`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectOutcome {
    /// It is stored.
    Stored,
    /// The company belongs to another tenant.
    OwnedElsewhere,
    /// The connection changed since it was read.
    Changed,
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

    /// Finds the connection that a provider's company belongs to.
    async fn find_route(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Option<Route>, StoreError>;

    /// Stores a connection, its company and the company's route, all or nothing.
    async fn connect(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError>;

    /// Lists connections of one tenant or of all, oldest first, from where the page before ended.
    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError>;

    /// Lists the companies of a connection.
    async fn list_companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError>;
}
