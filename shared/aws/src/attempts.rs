//! The history of refresh attempts in `DynamoDB`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    connection::ConnectionKey,
    id::TenantId,
    provider::Provider,
    refresh::{AttemptFailure, AttemptLog, RefreshAttempt, policy::later},
    store::StoreError,
};

use crate::{
    failure::unavailable,
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, PROVIDER, PROVIDER_INDEX, TTL, attempts_partition},
};

const ID: &str = "id";
const TENANT: &str = "tenant";
const CONNECTION: &str = "connection";
const TRIGGER: &str = "trigger";
const STARTED_AT: &str = "started_at";
const COMPLETED_AT: &str = "completed_at";
const CLASS: &str = "class";
const CODE: &str = "code";
const TRACE_ID: &str = "trace_id";
const RETRY: &str = "retry";

/// Thirteen months: a year can be compared with the year before.
const KEPT: Duration = Duration::from_hours(400 * 24);

/// The table of refresh attempts.
#[derive(Clone, Debug)]
pub struct DynamoAttempts {
    client: Client,
    table: String,
}

impl DynamoAttempts {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl AttemptLog for DynamoAttempts {
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(write(attempt)));
        request.send().await.map_err(unavailable("record"))?;
        Ok(())
    }

    async fn list(
        &self,
        provider: Provider,
        tenant: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        let index = tenant.is_none().then(|| PROVIDER_INDEX.to_owned());
        let (partition, value) = match tenant {
            Some(tenant) => (PK, attempts_partition(provider, tenant)),
            None => (PROVIDER, provider.as_str().to_owned()),
        };
        let condition = format!("#{partition} = :of");
        // One page of DynamoDB is a megabyte: some thousand attempts, more than any caller asks for.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":of", text(value))
            .scan_index_forward(false)
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(unavailable("list"))?;
        output.items().iter().map(read).collect()
    }
}

fn write(attempt: &RefreshAttempt) -> Item {
    let failure = attempt.failure.as_ref();
    Key::attempt(attempt.provider, &attempt.key.tenant, &attempt.id)
        .into_item()
        .put(ID, text(attempt.id.as_str()))
        .put(TENANT, text(attempt.key.tenant.as_str()))
        .put(CONNECTION, text(attempt.key.connection.as_str()))
        .put(PROVIDER, text(attempt.provider.as_str()))
        .put(TRIGGER, text(attempt.trigger.as_str()))
        .put(STARTED_AT, instant(attempt.started_at))
        .put(COMPLETED_AT, instant(attempt.completed_at))
        .put_if(CLASS, failure.map(|failure| text(failure.class.as_str())))
        .put_if(CODE, failure.and_then(|failure| failure.code.as_ref()).map(text))
        .put_if(TRACE_ID, failure.and_then(|failure| failure.trace_id.as_ref()).map(text))
        .put(RETRY, number(attempt.retry))
        .put(TTL, number(later(attempt.completed_at, KEPT).as_second()))
}

fn read(item: &Item) -> Result<RefreshAttempt, StoreError> {
    let reader = Reader::new("attempt", item);
    let failure = match reader.word_if(CLASS)? {
        Some(class) => {
            Some(AttemptFailure { class, code: reader.owned_if(CODE)?, trace_id: reader.owned_if(TRACE_ID)? })
        }
        None => None,
    };
    Ok(RefreshAttempt {
        id: reader.parsed(ID)?,
        key: ConnectionKey { tenant: reader.parsed(TENANT)?, connection: reader.parsed(CONNECTION)? },
        provider: reader.parsed(PROVIDER)?,
        trigger: reader.word(TRIGGER)?,
        started_at: reader.instant(STARTED_AT)?,
        completed_at: reader.instant(COMPLETED_AT)?,
        failure,
        retry: reader.number(RETRY)?,
    })
}
