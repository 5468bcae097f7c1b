//! Connections in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, operation::query::builders::QueryFluentBuilder};
use domain::{
    connection::{
        Company, ConfirmOutcome, ConnectOutcome, Connection, ConnectionKey, ConnectionPage, ConnectionStore,
        MarkOutcome, NewConnection, Route,
    },
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::Warmth,
    store::{StoreError, chain},
};
use jiff::Timestamp;

use crate::{
    batch_get::{self, MAX_KEYS, Reading},
    connection_item, cursor,
    failure::unavailable,
    item::{Item, Put as _, Reader, names, text},
    keys::{self, Key, LISTING, PK, SK},
};

/// The table of connections, their companies and routes.
#[derive(Clone, Debug)]
pub struct DynamoConnections {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) due_shards: u32,
}

impl DynamoConnections {
    /// Uses `table`, whose due index has `due_shards` shards.
    #[must_use]
    pub fn new(client: Client, table: String, due_shards: u32) -> Self {
        Self { client, table, due_shards }
    }

    /// Uses `table` in a function that makes no connection due, to which it does not matter how the due index is sharded.
    #[must_use]
    pub fn without_due_index(client: Client, table: String) -> Self {
        Self::new(client, table, 1)
    }

    /// The item of a connection, strongly consistent.
    pub(crate) async fn find_item(
        &self,
        key: &ConnectionKey,
        operation: &'static str,
    ) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::connection(key).into_item()));
        Ok(request.send().await.map_err(unavailable(operation))?.item)
    }

    /// Asks for the items of a tenant whose sort keys begin with `prefix`; consistent, since a product lists, and the
    /// first sync reads, right after a connect.
    pub(crate) fn query_tenant(&self, tenant: &TenantId, prefix: &str) -> QueryFluentBuilder {
        let condition = format!("#{PK} = :pk AND begins_with(#{SK}, :sk)");
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(keys::tenant_partition(tenant)))
            .expression_attribute_values(":sk", text(prefix))
    }

    async fn list_of_tenant(
        &self,
        tenant: &TenantId,
        limit: i32,
        from: Option<&ConnectionKey>,
    ) -> Result<ConnectionPage, StoreError> {
        let start = from.map(|key| Key::connection(key).into_item());
        let query = self.query_tenant(tenant, keys::CONNECTION_PREFIX);
        let query = query.limit(limit).set_exclusive_start_key(start);
        let output = query.send().await.map_err(unavailable("list"))?;
        let connections = output.items().iter().filter_map(readable).collect();
        Ok(ConnectionPage { connections, next: next(output.last_evaluated_key())? })
    }

    /// The index holds keys only, so that a refresh does not rewrite it; the items are read by key.
    async fn list_of_all(
        &self,
        limit: i32,
        from: Option<&ConnectionKey>,
    ) -> Result<ConnectionPage, StoreError> {
        let (found, next) = self.list_keys(limit, from).await?;
        let mut connections = Vec::with_capacity(found.len());
        for batch in found.chunks(MAX_KEYS) {
            connections.extend(self.read_batch(batch).await?);
        }
        Ok(ConnectionPage { connections, next })
    }

    /// The keys of all connections, oldest first, and the cursor behind them.
    pub(crate) async fn list_keys(
        &self,
        limit: i32,
        from: Option<&ConnectionKey>,
    ) -> Result<(Vec<ConnectionKey>, Option<String>), StoreError> {
        let listed = || text(keys::LISTED);
        let start = from.map(|key| Key::connection(key).into_item().put(LISTING, listed()));
        let condition = format!("#{LISTING} = :listing");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::LISTING_INDEX)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":listing", listed())
            .limit(limit)
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(unavailable("list"))?;
        let entry = |item| keys::connection_key(&Reader::new("listing", item));
        let found = output.items().iter().map(entry).collect::<Result<_, _>>()?;
        Ok((found, next(output.last_evaluated_key())?))
    }

    /// Reads connections by key, in the order of the keys; one that is gone meanwhile is left out.
    async fn read_batch(&self, batch: &[ConnectionKey]) -> Result<Vec<Connection>, StoreError> {
        let keys = batch.iter().map(|key| Key::connection(key).into_item()).collect();
        let reading = Reading { operation: "list", attributes: None, consistent: false };
        let items = batch_get::read_items(&self.client, &self.table, keys, reading).await?;
        let mut connections: Vec<_> = items.iter().filter_map(readable).collect();
        connections.sort_by_key(|connection| batch.iter().position(|key| *key == connection.key));
        Ok(connections)
    }
}

/// A connection of a list; one that cannot be read is told and left out, so that it does not hide the others.
fn readable(item: &Item) -> Option<Connection> {
    let told = |error: &StoreError| tracing::error!(error = chain(error), "Connection is left out of a list");
    connection_item::read(item).inspect_err(told).ok()
}

/// The cursor behind the last key of a page.
pub(crate) fn next(last: Option<&Item>) -> Result<Option<String>, StoreError> {
    let key = |item| keys::connection_key(&Reader::new("last key", item));
    Ok(last.map(key).transpose()?.as_ref().map(cursor::encode_connection))
}

#[async_trait]
impl ConnectionStore for DynamoConnections {
    async fn find(&self, key: &ConnectionKey) -> Result<Option<Connection>, StoreError> {
        self.find_item(key, "find").await?.as_ref().map(connection_item::read).transpose()
    }

    async fn find_key(&self, id: &ConnectionId) -> Result<Option<ConnectionKey>, StoreError> {
        let condition = format!("#{LISTING} = :listing AND #{SK} = :sk");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::LISTING_INDEX)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":listing", text(keys::LISTED))
            .expression_attribute_values(":sk", text(format!("{}{id}", keys::CONNECTION_PREFIX)));
        let output = query.send().await.map_err(unavailable("find_key"))?;
        output.items().first().map(|item| keys::connection_key(&Reader::new("listing", item))).transpose()
    }

    async fn find_routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError> {
        self.routes(provider, company).await
    }

    async fn connect(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError> {
        self.connect_whole(new).await
    }

    async fn confirm(&self, key: &ConnectionKey, write_id: &str) -> Result<ConfirmOutcome, StoreError> {
        self.activate(key, write_id).await
    }

    async fn mark_disconnecting(
        &self,
        seen: &Connection,
        now: Timestamp,
        write_id: &str,
    ) -> Result<MarkOutcome, StoreError> {
        self.mark(seen, now, write_id).await
    }

    async fn mark_used(&self, key: &ConnectionKey, at: Timestamp) -> Result<(), StoreError> {
        self.note_use(key, at).await
    }

    async fn set_warmth(&self, key: &ConnectionKey, warmth: Option<Warmth>) -> Result<(), StoreError> {
        self.note_warmth(key, warmth).await
    }

    async fn release_route(
        &self,
        key: &ConnectionKey,
        of: (Provider, &ProviderCompanyId),
        fence: u64,
    ) -> Result<(), StoreError> {
        self.release(key, of, fence).await
    }

    async fn delete_company(
        &self,
        key: &ConnectionKey,
        company: &CompanyId,
        fence: u64,
    ) -> Result<(), StoreError> {
        self.take_off(key, company, fence).await
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ConnectionPage, StoreError> {
        let limit = i32::try_from(limit.max(1)).unwrap_or(i32::MAX);
        let from = from.map(cursor::decode_connection).transpose()?;
        match tenant {
            None => self.list_of_all(limit, from.as_ref()).await,
            Some(tenant) => {
                if from.as_ref().is_some_and(|key| key.tenant != *tenant) {
                    return Err(cursor::foreign());
                }
                self.list_of_tenant(tenant, limit, from.as_ref()).await
            }
        }
    }

    async fn list_companies(&self, key: &ConnectionKey) -> Result<Vec<Company>, StoreError> {
        let prefix = keys::companies_prefix(key);
        // One page holds thousands of companies.
        let query = self.query_tenant(&key.tenant, &prefix);
        let output = query.send().await.map_err(unavailable("list_companies"))?;
        output.items().iter().map(|item| connection_item::read_company(item, &prefix)).collect()
    }

    async fn list_left(&self, key: &ConnectionKey) -> Result<Vec<CompanyId>, StoreError> {
        self.left(key).await
    }

    async fn forget(&self, key: &ConnectionKey) -> Result<bool, StoreError> {
        self.forget_ended(key).await
    }
}
