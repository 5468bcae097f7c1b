//! The history of refresh attempts in `DynamoDB`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, operation::query::builders::QueryFluentBuilder};
use domain::{
    connection::ConnectionKey,
    id::TenantId,
    provider::Provider,
    refresh::{AttemptFailure, AttemptLog, ChainLink, RefreshAttempt, policy::later},
    store::StoreError,
};

use crate::{
    failure::unavailable,
    item::{Item, Put as _, Reader, bytes, instant, number, text},
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
const SEQUENCE: &str = "seq";
const PREVIOUS: &str = "prev";
const HASH: &str = "hash";

/// Thirteen months: a year can be compared with the year before, and a yearly review of who had access finds the whole
/// year (`HISTORY_DAYS`).
pub const DEFAULT_RETENTION: Duration = Duration::from_hours(400 * 24);
/// Pages of a tenant's history that are searched for one connection. Each is up to a megabyte, some thousand attempts, and
/// a tenant has few connections at one provider, so that years of them lie before this.
const MAX_PAGES: usize = 50;

/// The table of refresh attempts.
#[derive(Clone, Debug)]
pub struct DynamoAttempts {
    client: Client,
    table: String,
    retention: Duration,
}

impl DynamoAttempts {
    /// Uses `table`, where an attempt is kept for `retention`.
    #[must_use]
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        Self { client, table, retention }
    }

    /// Asks for the newest items of a partition, of the table or of an index.
    fn newest(&self, partition: &str, value: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression(format!("#{partition} = :of"))
            .expression_attribute_names(format!("#{partition}"), partition)
            .expression_attribute_values(":of", text(value))
            .scan_index_forward(false)
    }
}

#[async_trait]
impl AttemptLog for DynamoAttempts {
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError> {
        let item = write(attempt, self.retention);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable("record"))?;
        Ok(())
    }

    async fn list(
        &self,
        provider: Provider,
        tenant: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        let query = match tenant {
            Some(tenant) => self.newest(PK, &attempts_partition(provider, tenant)),
            None => self.newest(PROVIDER, provider.as_str()).index_name(PROVIDER_INDEX),
        };
        // One page of DynamoDB is a megabyte: some thousand attempts, more than any caller asks for.
        let query = query.limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(unavailable("list"))?;
        output.items().iter().map(read).collect()
    }

    async fn list_of(
        &self,
        provider: Provider,
        key: &ConnectionKey,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        let limit = limit.max(1);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = vec![];
        let mut from = None;
        for page in 0..MAX_PAGES {
            let query = self
                .newest(PK, &attempts_partition(provider, &key.tenant))
                // The newest entry of a chain that is checked against its head must not be missing.
                .consistent_read(true)
                .filter_expression(format!("#{CONNECTION} = :connection"))
                .expression_attribute_names(format!("#{CONNECTION}"), CONNECTION)
                .expression_attribute_values(":connection", text(key.connection.as_str()))
                .set_exclusive_start_key(from)
                // Where the tenant has this connection only, the first page holds all that is wanted, and no more.
                .set_limit((page == 0).then(|| i32::try_from(limit).unwrap_or(i32::MAX)));
            let output = query.send().await.map_err(unavailable("list_of"))?;
            let attempts = output.items().iter().take(wanted - found.len()).map(read);
            found.extend(attempts.collect::<Result<Vec<_>, _>>()?);
            from = output.last_evaluated_key;
            if from.is_none() || found.len() == wanted {
                break;
            }
        }
        Ok(found)
    }
}

fn write(attempt: &RefreshAttempt, retention: Duration) -> Item {
    let RefreshAttempt { failure, link, .. } = attempt;
    let failure = failure.as_ref();
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
        .put_if(SEQUENCE, link.map(|link| number(link.sequence)))
        .put_if(PREVIOUS, link.map(|link| bytes(&link.previous)))
        .put_if(HASH, link.map(|link| bytes(&link.hash)))
        .put(TTL, number(later(attempt.completed_at, retention).as_second()))
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
        link: read_link(&reader)?,
    })
}

fn read_link(reader: &Reader<'_>) -> Result<Option<ChainLink>, StoreError> {
    let Some(sequence) = reader.number_if(SEQUENCE)? else { return Ok(None) };
    let hash = |name| <[u8; 32]>::try_from(reader.bytes(name)?).map_err(|error| reader.value(name, error));
    Ok(Some(ChainLink { sequence, previous: hash(PREVIOUS)?, hash: hash(HASH)? }))
}

#[cfg(test)]
mod tests {
    use domain::refresh::{FailureClass, Trigger};
    use jiff::Timestamp;

    use super::*;
    use crate::item::weight;

    /// What one write unit pays for, of the table and again of the index.
    const WRITE_UNIT: usize = 1024;

    /// An attempt of the longest ids, words and numbers that there are.
    fn longest() -> RefreshAttempt {
        RefreshAttempt {
            id: "a".repeat(64).parse().unwrap(),
            key: ConnectionKey {
                tenant: "t".repeat(64).parse().unwrap(),
                connection: "c".repeat(64).parse().unwrap(),
            },
            provider: Provider::QuickBooks,
            trigger: Trigger::Scheduled,
            started_at: Timestamp::MAX,
            completed_at: Timestamp::MAX,
            failure: Some(AttemptFailure {
                class: FailureClass::Configuration,
                code: Some("c".repeat(64)),
                trace_id: Some("t".repeat(64)),
            }),
            retry: u32::MAX,
            link: Some(ChainLink { sequence: u64::MAX, previous: [7; 32], hash: [9; 32] }),
        }
    }

    #[test]
    fn the_longest_attempt_is_one_write_unit_in_the_table_and_one_in_the_index() {
        let item = write(&longest(), DEFAULT_RETENTION);

        assert!(weight(&item) <= WRITE_UNIT, "{} bytes", weight(&item));
    }

    #[test]
    fn a_hash_of_another_length_is_corrupt() {
        let item = write(&longest(), DEFAULT_RETENTION).put(HASH, bytes(&[0; 31]));

        assert!(matches!(read(&item), Err(StoreError::Corrupt { .. })));
    }
}
