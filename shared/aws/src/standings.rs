//! Reading connections to count them: a few attributes of many items.

use async_trait::async_trait;
use domain::{
    connection::{AttemptCounters, ConnectionKey},
    id::TenantId,
    refresh::{Standing, StandingPage, Standings},
    store::{StoreError, chain},
};
use futures::future::try_join_all;

use crate::{
    DynamoConnections,
    batch_get::{self, MAX_KEYS, Reading},
    connection_item,
    connection_store::next,
    cursor,
    failure::unavailable,
    item::{Item, Reader, names, text},
    keys::{self, DURATION_MS, FAILED, Key, OF_PROVIDER, PK, SK, STATE, SUCCEEDED, TOKENS},
};

/// What of a connection is read; of the token set its times alone.
const COUNTED: &str = "#p, #st, #ok, #bad, #ms, #tok.#t";

#[async_trait]
impl Standings for DynamoConnections {
    async fn list_standings(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<StandingPage, StoreError> {
        let limit = i32::try_from(limit.max(1)).unwrap_or(i32::MAX);
        let from = from.map(cursor::decode_connection).transpose()?;
        match tenant {
            Some(tenant) => self.standings_of_tenant(tenant, limit, from.as_ref()).await,
            None => self.standings_of_all(limit, from.as_ref()).await,
        }
    }
}

impl DynamoConnections {
    async fn standings_of_tenant(
        &self,
        tenant: &TenantId,
        limit: i32,
        from: Option<&ConnectionKey>,
    ) -> Result<StandingPage, StoreError> {
        let condition = format!("#{PK} = :pk AND begins_with(#{SK}, :sk)");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(names([&condition, COUNTED])))
            .projection_expression(COUNTED)
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(keys::tenant_partition(tenant)))
            .expression_attribute_values(":sk", text(keys::CONNECTION_PREFIX))
            .limit(limit)
            .set_exclusive_start_key(from.map(|key| Key::connection(key).into_item()));
        let output = query.send().await.map_err(unavailable("list_standings"))?;
        let standings = output.items().iter().filter_map(readable).collect();
        Ok(StandingPage { standings, next: next(output.last_evaluated_key())? })
    }

    /// The keys by the index, then the items side by side, a hundred a call.
    async fn standings_of_all(
        &self,
        limit: i32,
        from: Option<&ConnectionKey>,
    ) -> Result<StandingPage, StoreError> {
        let (keys, next) = self.list_keys(limit, from).await?;
        let reading = Reading { operation: "list_standings", attributes: Some(COUNTED), consistent: false };
        let batches = keys.chunks(MAX_KEYS).map(|batch| {
            let keys = batch.iter().map(|key| Key::connection(key).into_item()).collect();
            batch_get::read_items(&self.client, &self.table, keys, reading)
        });
        let items = try_join_all(batches).await?;
        Ok(StandingPage { standings: items.iter().flatten().filter_map(readable).collect(), next })
    }
}

/// One that cannot be read is told and left out, so that it does not hide the others.
fn readable(item: &Item) -> Option<Standing> {
    let told =
        |error: &StoreError| tracing::error!(error = chain(error), "Connection is left out of a count");
    read(item).inspect_err(told).ok()
}

fn read(item: &Item) -> Result<Standing, StoreError> {
    let reader = Reader::new("connection", item);
    let token = reader.map_if(TOKENS)?.map(|tokens| connection_item::read_life(&tokens)).transpose()?;
    Ok(Standing {
        provider: reader.parsed(OF_PROVIDER)?,
        state: reader.word(STATE)?,
        token,
        attempts: AttemptCounters {
            succeeded: reader.number(SUCCEEDED)?,
            failed: reader.number(FAILED)?,
            duration_ms: reader.number(DURATION_MS)?,
            failed_in_a_row: 0,
        },
    })
}
