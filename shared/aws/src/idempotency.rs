//! Which webhook events had their effect, in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    id::DeliveryId,
    provider::Provider,
    refresh::policy::later,
    store::StoreError,
    webhook::{Begin, COMPLETED_LIFE, IN_PROGRESS_LIFE, IdempotencyStore},
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, TTL},
};

const IN_PROGRESS_UNTIL: &str = "in_progress_until";
const COMPLETED_AT: &str = "completed_at";
const BY: &str = "by";

/// The table of events that were seen.
#[derive(Clone, Debug)]
pub struct DynamoIdempotency {
    client: Client,
    table: String,
}

impl DynamoIdempotency {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl IdempotencyStore for DynamoIdempotency {
    async fn begin(&self, provider: Provider, key: &str, now: Timestamp) -> Result<Begin, StoreError> {
        let item = item(provider, key, now).put(IN_PROGRESS_UNTIL, instant(later(now, IN_PROGRESS_LIFE)));
        let condition = format!(
            "attribute_not_exists(#{PK}) \
             OR (attribute_not_exists(#{COMPLETED_AT}) AND #{IN_PROGRESS_UNTIL} <= :now)"
        );
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":now", instant(now))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // After a lost answer this says that somebody is at it: the message comes again when that has run out.
        Ok(match conditional("begin", request.send().await)? {
            Conditional::Written(output) => Begin::Started {
                again: output.attributes.is_some_and(|before| before.contains_key(IN_PROGRESS_UNTIL)),
            },
            Conditional::Refused(item) if item.contains_key(COMPLETED_AT) => {
                Begin::Completed { by: Reader::new("event", &item).parsed(BY)? }
            }
            Conditional::Refused(_) => Begin::InProgress,
        })
    }

    async fn complete(
        &self,
        provider: Provider,
        key: &str,
        by: &DeliveryId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let item = item(provider, key, now).put(COMPLETED_AT, instant(now)).put(BY, text(by.as_str()));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable("complete"))?;
        Ok(())
    }

    async fn abandon(&self, provider: Provider, key: &str) -> Result<(), StoreError> {
        // Another worker may have completed it after our time ran out; that must stand.
        let condition = format!("attribute_not_exists(#{COMPLETED_AT})");
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::event(provider, key).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition);
        conditional("abandon", request.send().await)?;
        Ok(())
    }
}

fn item(provider: Provider, key: &str, now: Timestamp) -> Item {
    let forgotten_at = later(now, COMPLETED_LIFE);
    Key::event(provider, key).into_item().put(TTL, number(forgotten_at.as_second()))
}
