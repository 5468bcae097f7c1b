//! Circuit breakers and tallies of attempts in `DynamoDB`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::{Config, retry::RetryConfig},
    types::AttributeValue,
};
use domain::{
    provider::Provider,
    refresh::{Breaker, BreakerState, BreakerStore, Endpoint, ProviderHealth, Tally},
    store::StoreError,
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{BREAKER_STATE, Key, PK, SK, TTL, breaker_partition, tally_sort_key},
};

const STATE: &str = "state";
const UNTIL: &str = "until";
const FAILURES: &str = "failures";
const FAILED_FOR: &str = "failed_for";
const CHANGED_AT: &str = "changed";
const VERSION: &str = "version";
const ATTEMPTS: &str = "attempts";
const FAILED: &str = "failed";
const FAILING: &str = "failing";

const MINUTE: i64 = 60;
/// No window in which attempts are counted is longer than an hour.
const TALLY_KEPT: i64 = 60 * MINUTE;
/// A minute's tally names no more connections once it names as many, which is more than it ever takes to know of an
/// outage (`OUTAGE_MINIMUM`): a thousand workers may add theirs to one item while it lasts, and each pays for all of it.
const FAILING_KEPT: u32 = 500;

/// The table that holds breakers, as that of one endpoint.
#[derive(Clone, Debug)]
pub struct DynamoBreakers {
    client: Client,
    table: String,
    endpoint: Endpoint,
}

impl DynamoBreakers {
    /// The breakers of `endpoint` in `table`.
    #[must_use]
    pub fn new(client: Client, table: String, endpoint: Endpoint) -> Self {
        Self { client, table, endpoint }
    }

    /// Adds a tally to that of a minute; false when it names connections and there are enough of them.
    async fn add(&self, (provider, minute): (Provider, i64), tally: &Tally) -> Result<bool, StoreError> {
        let names_any = !tally.failing.is_empty();
        let (also, condition) = if names_any {
            let room = format!("attribute_not_exists(#{FAILING}) OR size(#{FAILING}) < :enough");
            (format!(", #{FAILING} :{FAILING}"), Some(room))
        } else {
            (String::new(), None)
        };
        let update = format!("SET #{TTL} = :{TTL} ADD #{ATTEMPTS} :{ATTEMPTS}, #{FAILED} :{FAILED}{also}");
        let failing = tally.failing.iter().map(|connection| connection.as_str().to_owned()).collect();
        let of_names = [(":enough", number(FAILING_KEPT)), (":failing", AttributeValue::Ss(failing))];
        let values = [
            (":ttl", number(minute * MINUTE + TALLY_KEPT)),
            (":attempts", number(tally.attempts)),
            (":failed", number(tally.failed)),
        ];
        let values = values.into_iter().chain(of_names.into_iter().filter(|_| names_any));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::tally(provider, self.endpoint, minute).into_item()))
            .set_expression_attribute_names(Some(names([&update, condition.as_deref().unwrap_or_default()])))
            .set_expression_attribute_values(Some(
                values.map(|(name, value)| (name.to_owned(), value)).collect(),
            ))
            .update_expression(update)
            .set_condition_expression(condition);
        // After a lost answer a tally counts twice: failures and attempts alike, so that their share stays, and each
        // connection once.
        Ok(matches!(conditional("count", request.send().await)?, Conditional::Written(_)))
    }
}

#[async_trait]
impl BreakerStore for DynamoBreakers {
    async fn load(&self, provider: Provider, minute: i64) -> Result<ProviderHealth, StoreError> {
        let condition = format!("#{PK} = :provider AND #{SK} BETWEEN :first AND :breaker");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":provider", text(breaker_partition(provider, self.endpoint)))
            .expression_attribute_values(":first", text(tally_sort_key(minute)))
            .expression_attribute_values(":breaker", text(BREAKER_STATE))
            // The breaker first, and the newest minute: the page could only ever lack the oldest ones.
            .scan_index_forward(false);
        let output = query.send().await.map_err(unavailable("load"))?;
        let mut health = ProviderHealth::default();
        for item in output.items() {
            let reader = Reader::new("breaker", item);
            if reader.text(SK)? == BREAKER_STATE {
                health.breaker = read(&reader)?;
            } else {
                health.tally.add(&read_tally(&reader)?);
            }
        }
        Ok(health)
    }

    async fn replace(&self, provider: Provider, next: &Breaker) -> Result<bool, StoreError> {
        let before = next.version.saturating_sub(1);
        let (condition, values) = if before == 0 {
            (format!("attribute_not_exists(#{PK})"), None)
        } else {
            (format!("#{VERSION} = :before"), Some([(":before".to_owned(), number(before))].into()))
        };
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(Key::breaker(provider, self.endpoint), next)))
            .set_expression_attribute_names(Some(names([&condition])))
            .set_expression_attribute_values(values)
            .condition_expression(condition);
        // Two workers whose calls end in the same millisecond write the same breaker, so that no look at it tells whose it
        // is. The write is therefore not sent again by itself: what is refused is always another's, and a lost answer is an
        // error.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let sent = request.customize().config_override(once).send().await;
        Ok(matches!(conditional("replace", sent)?, Conditional::Written(_)))
    }

    async fn count(&self, provider: Provider, minute: i64, tally: &Tally) -> Result<(), StoreError> {
        if !self.add((provider, minute), tally).await? {
            let unnamed = Tally { failing: BTreeSet::new(), ..*tally };
            self.add((provider, minute), &unnamed).await?;
        }
        Ok(())
    }
}

fn write(key: Key, breaker: &Breaker) -> Item {
    key.into_item()
        .put(STATE, text(breaker.state.as_str()))
        .put_if(UNTIL, breaker.state.until().map(instant))
        .put(FAILURES, number(breaker.failures))
        .put_if(FAILED_FOR, breaker.failed_for.map(number))
        .put_if(CHANGED_AT, breaker.changed_at.map(instant))
        .put(VERSION, number(breaker.version))
}

fn read(reader: &Reader<'_>) -> Result<Breaker, StoreError> {
    let state = match reader.text(STATE)? {
        "closed" => BreakerState::Closed,
        "open" => BreakerState::Open { until: reader.instant(UNTIL)? },
        "half_open" => BreakerState::HalfOpen { until: reader.instant(UNTIL)? },
        _ => return Err(reader.value(STATE, "no state of a breaker")),
    };
    Ok(Breaker {
        state,
        failures: reader.number(FAILURES)?,
        failed_for: reader.number_if(FAILED_FOR)?,
        changed_at: reader.instant_if(CHANGED_AT)?,
        version: reader.number(VERSION)?,
    })
}

fn read_tally(reader: &Reader<'_>) -> Result<Tally, StoreError> {
    Ok(Tally {
        attempts: reader.number(ATTEMPTS)?,
        failed: reader.number(FAILED)?,
        failing: reader.set(FAILING)?,
    })
}
