//! How often our own API is called, in `DynamoDB`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    call_counts::{CallCounts, CallsOfMonth, Counted, MONTHS_KEPT_DAYS, Month},
    id::TenantId,
    refresh::policy::later,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Reader, names, number},
    keys::{Key, TTL},
};

const COUNT: &str = "count";
const CALLS: &str = "calls";
const TOLD: &str = "told";
/// How long the count of a minute is kept.
const MINUTES_KEPT: Duration = Duration::from_hours(1);
const MINUTE: i64 = 60;

/// The table that counts calls.
#[derive(Clone, Debug)]
pub struct DynamoCallCounts {
    client: Client,
    table: String,
}

impl DynamoCallCounts {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl CallCounts for DynamoCallCounts {
    async fn add(&self, counted: &Counted, now: Timestamp) -> Result<u64, StoreError> {
        let minute = now.as_second().div_euclid(MINUTE);
        let update = format!("SET #{TTL} = :ttl ADD #{COUNT} :one");
        // After a lost answer a call counts twice, which errs on the side of fewer calls.
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::counted(counted, minute).into_item()))
            .set_expression_attribute_names(Some(names([&update])))
            .update_expression(update)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(later(now, MINUTES_KEPT).as_second()))
            .return_values(ReturnValue::UpdatedNew);
        let output = request.send().await.map_err(unavailable("add"))?;
        Reader::new("count of calls", &output.attributes.unwrap_or_default()).number(COUNT)
    }

    async fn add_to_month(
        &self,
        tenant: &TenantId,
        month: Month,
        limit: Option<u64>,
    ) -> Result<CallsOfMonth, StoreError> {
        let update = format!("SET #{TTL} = :ttl ADD #{CALLS} :one");
        let condition = limit.map(|limit| match limit {
            0 => format!("#{CALLS} < :limit"),
            _ => format!("attribute_not_exists(#{CALLS}) OR #{CALLS} < :limit"),
        });
        // After a lost answer a call counts twice, which is rare, and a meter is no invoice.
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::calls_in(tenant, month).into_item()))
            .set_expression_attribute_names(Some(names([&update, condition.as_deref().unwrap_or_default()])))
            .update_expression(update)
            .set_condition_expression(condition)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", forgotten_at(month))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match limit {
            Some(limit) => request.expression_attribute_values(":limit", number(limit)),
            None => request,
        };
        match conditional("add_to_month", request.send().await)? {
            Conditional::Written(output) => of_month(&output.attributes.unwrap_or_default(), true),
            Conditional::Refused(item) => of_month(&item, false),
        }
    }

    async fn mark_told(&self, tenant: &TenantId, month: Month) -> Result<bool, StoreError> {
        let update = format!("SET #{TOLD} = :told, #{TTL} = :ttl");
        let condition = format!("attribute_not_exists(#{TOLD})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::calls_in(tenant, month).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":told", AttributeValue::Bool(true))
            .expression_attribute_values(":ttl", forgotten_at(month));
        // After a lost answer nobody tells of it: the warning still stands on every answer.
        Ok(matches!(conditional("mark_told", request.send().await)?, Conditional::Written(_)))
    }

    async fn month(&self, tenant: &TenantId, month: Month) -> Result<u64, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::calls_in(tenant, month).into_item()));
        let output = request.send().await.map_err(unavailable("month"))?;
        Ok(of_month(&output.item.unwrap_or_default(), false)?.calls)
    }
}

/// When the count of a month is forgotten, in seconds since 1970.
fn forgotten_at(month: Month) -> AttributeValue {
    let kept = Duration::from_hours(24 * u64::from(MONTHS_KEPT_DAYS));
    number(later(month.ends_at(), kept).as_second())
}

fn of_month(item: &Item, counted: bool) -> Result<CallsOfMonth, StoreError> {
    let reader = Reader::new("count of calls", item);
    let calls = reader.number_if(CALLS)?.unwrap_or_default();
    Ok(CallsOfMonth { calls, counted, told: reader.flag_if(TOLD)?.unwrap_or_default() })
}
