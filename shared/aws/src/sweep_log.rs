//! The sweep's marks in `DynamoDB`.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    provider::Provider,
    refresh::{ClaimOutcome, SweepLog, SweepProgress},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::Key,
};

const AT: &str = "at";

const OWNER: &str = "owner";
const UNTIL: &str = "until";
const THROUGH: &str = "through";
const TARGET: &str = "target";
const STEP: &str = "step";
const FROM: &str = "from";

/// The table that holds the sweep's marks.
#[derive(Clone, Debug)]
pub struct DynamoSweepLog {
    client: Client,
    table: String,
}

impl DynamoSweepLog {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl SweepLog for DynamoSweepLog {
    async fn note(&self, at: Timestamp) -> Result<(), StoreError> {
        let item = Key::last_run().into_item().put(AT, instant(at));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable("note"))?;
        Ok(())
    }

    async fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::last_run().into_item()));
        let output = request.send().await.map_err(unavailable("last"))?;
        output.item().map(|item| Reader::new("last run", item).instant(AT)).transpose()
    }

    async fn claim(
        &self,
        provider: Provider,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<ClaimOutcome, StoreError> {
        let update = format!("SET #{OWNER} = :owner, #{UNTIL} = :until");
        // After a lost answer the owner is met, and claims once more.
        let condition = format!("attribute_not_exists(#{OWNER}) OR #{OWNER} = :owner OR #{UNTIL} <= :now");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::walk(provider).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", instant(until))
            .expression_attribute_values(":now", instant(now))
            .return_values(ReturnValue::AllNew);
        match conditional("claim", request.send().await)? {
            Conditional::Written(output) => {
                Ok(ClaimOutcome::Claimed(read(&output.attributes.unwrap_or_default())?))
            }
            Conditional::Refused(_) => Ok(ClaimOutcome::Held),
        }
    }

    async fn advance(
        &self,
        provider: Provider,
        owner: &str,
        (progress, ends): (&SweepProgress, bool),
    ) -> Result<bool, StoreError> {
        let (update, values) = advance(progress, ends);
        let condition = format!("#{OWNER} = :{OWNER}");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::walk(provider).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(format!(":{OWNER}"), text(owner))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match conditional("advance", request.send().await)? {
            Conditional::Written(_) => Ok(true),
            // The write that gives the claim back may have arrived and its answer been lost. Should another have come
            // this far by itself, all that is left to do is done as well.
            Conditional::Refused(item) => Ok(ends && read(&item)?.as_ref() == Some(progress)),
        }
    }
}

/// The update that notes `progress`, and its values.
fn advance(progress: &SweepProgress, ends: bool) -> (String, Item) {
    let noted = Item::new()
        .put(THROUGH, instant(progress.through))
        .put_if(TARGET, progress.target.map(instant))
        .put(STEP, number(progress.step))
        .put_if(FROM, progress.from.as_ref().map(text));
    let (set, unset): (Vec<_>, Vec<_>) =
        [THROUGH, TARGET, STEP, FROM].into_iter().partition(|name| noted.contains_key(*name));
    let given_back = [OWNER, UNTIL].into_iter().filter(|_| ends);
    let set: Vec<_> = set.into_iter().map(|name| format!("#{name} = :{name}")).collect();
    let unset: Vec<_> = unset.into_iter().chain(given_back).map(|name| format!("#{name}")).collect();
    let unset = if unset.is_empty() { String::new() } else { format!(" REMOVE {}", unset.join(", ")) };
    let update = format!("SET {}{unset}", set.join(", "));
    (update, noted.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect::<HashMap<_, _>>())
}

/// How far a walk came; none before the first.
fn read(item: &Item) -> Result<Option<SweepProgress>, StoreError> {
    let reader = Reader::new("walk", item);
    let Some(through) = reader.instant_if(THROUGH)? else { return Ok(None) };
    Ok(Some(SweepProgress {
        through,
        target: reader.instant_if(TARGET)?,
        step: reader.number(STEP)?,
        from: reader.owned_if(FROM)?,
    }))
}
