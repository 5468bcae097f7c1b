//! Sums of connections in `DynamoDB`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::ReturnValue};
use domain::{
    id::TenantId,
    refresh::{KeptTally, TallyStore, policy::later},
    store::StoreError,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, TTL},
};

/// The sums of all connections, as JSON.
const WHOLE: &str = "whole";
/// The sums of those up to a place, as JSON.
const PART: &str = "part";
const OWNER: &str = "owner";
const UNTIL: &str = "until";
/// How long sums are kept that nobody makes anew.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// The table that holds the sums.
#[derive(Clone, Debug)]
pub struct DynamoTallies {
    client: Client,
    table: String,
}

impl DynamoTallies {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl TallyStore for DynamoTallies {
    async fn find(&self, tenant: Option<&TenantId>) -> Result<KeptTally, StoreError> {
        // Sums are a minute old anyway.
        let request = self.client.get_item().table_name(&self.table).consistent_read(false);
        let request = request.set_key(Some(Key::token_tally(tenant).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose().map(Option::unwrap_or_default)
    }

    async fn claim(
        &self,
        tenant: Option<&TenantId>,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Option<KeptTally>, StoreError> {
        let update = format!("SET #{OWNER} = :owner, #{UNTIL} = :until, #{TTL} = :ttl");
        // After a lost answer the owner is met, and claims once more.
        let condition = format!("attribute_not_exists(#{OWNER}) OR #{OWNER} = :owner OR #{UNTIL} <= :now");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::token_tally(tenant).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", instant(until))
            .expression_attribute_values(":ttl", number(later(until, KEPT).as_second()))
            .expression_attribute_values(":now", instant(now))
            .return_values(ReturnValue::AllNew);
        match conditional("claim", request.send().await)? {
            Conditional::Written(output) => read(&output.attributes.unwrap_or_default()).map(Some),
            Conditional::Refused(_) => Ok(None),
        }
    }

    async fn save(&self, tenant: Option<&TenantId>, owner: &str, kept: &KeptTally) -> Result<(), StoreError> {
        let noted = Item::new()
            .put_if(WHOLE, kept.whole.as_ref().map(written))
            .put_if(PART, kept.part.as_ref().map(written));
        let (set, unset): (Vec<_>, Vec<_>) =
            [WHOLE, PART].into_iter().partition(|name| noted.contains_key(*name));
        let set: Vec<_> = set.into_iter().map(|name| format!("#{name} = :{name}")).collect();
        let unset: Vec<_> = unset.into_iter().chain([OWNER, UNTIL]).map(|name| format!("#{name}")).collect();
        let set = if set.is_empty() { String::new() } else { format!("SET {} ", set.join(", ")) };
        let update = format!("{set}REMOVE {}", unset.join(", "));
        let condition = format!("#{OWNER} = :{OWNER}");
        let values = noted.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::token_tally(tenant).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(format!(":{OWNER}"), text(owner));
        // After a lost answer the owner is gone, and what is kept stands; so it does where another counts by now.
        conditional("save", request.send().await)?;
        Ok(())
    }
}

fn written<T: Serialize>(sums: &T) -> aws_sdk_dynamodb::types::AttributeValue {
    text(json!(sums).to_string())
}

fn read(item: &Item) -> Result<KeptTally, StoreError> {
    let reader = Reader::new("sums", item);
    Ok(KeptTally { whole: parsed_if(&reader, WHOLE)?, part: parsed_if(&reader, PART)? })
}

fn parsed_if<T: DeserializeOwned>(reader: &Reader<'_>, name: &'static str) -> Result<Option<T>, StoreError> {
    let parsed = reader.text_if(name)?.map(serde_json::from_str).transpose();
    parsed.map_err(|error| reader.value(name, error))
}
