//! Which job works on a company, in `DynamoDB`: a lease beside the company's cursors.
//!
//! It is emptied and never deleted, so that nobody needs the right to delete from the table of records.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    store::StoreError,
    sync::{CompanyLeases, Holder, Kept, Lane, RecordPlace, Taken},
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional},
    item::{Item, Put as _, Reader, instant, names, text},
    keys::Key,
};

const HOLDER: &str = "holder";
const LANE: &str = "lane";
const UNTIL: &str = "until";
/// Whether a job of a higher lane waits; absent where none does.
const WANTED: &str = "wanted";
/// What an item is called in errors.
const WHAT: &str = "lease of a company";

/// The leases in the table of records.
#[derive(Clone, Debug)]
pub struct DynamoLeases {
    client: Client,
    table: String,
}

impl DynamoLeases {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// An update of a lease that this holder has; one that is sent again does the same again.
    fn update_of(&self, place: &RecordPlace, holder: &str, update: &str) -> UpdateItemFluentBuilder {
        let condition = format!("#{HOLDER} = :holder");
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::company_lease(place).into_item()))
            .set_expression_attribute_names(Some(names([update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":holder", text(holder))
    }

    /// Tells the holder of a lease that a job of a higher lane waits; one that holds it no longer need not know.
    async fn tell_wanted(&self, place: &RecordPlace, holder: &str) -> Result<(), StoreError> {
        let request = self
            .update_of(place, holder, &format!("SET #{WANTED} = :wanted"))
            .expression_attribute_values(":wanted", AttributeValue::Bool(true));
        conditional("tell_wanted", request.send().await)?;
        Ok(())
    }
}

#[async_trait]
impl CompanyLeases for DynamoLeases {
    async fn take(
        &self,
        place: &RecordPlace,
        holder: &Holder,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Taken, StoreError> {
        let item = Key::company_lease(place)
            .into_item()
            .put(HOLDER, text(&holder.name))
            .put(LANE, text(holder.lane.as_str()))
            .put(UNTIL, instant(until));
        // After a lost answer the second try finds its own lease, which it may take again.
        let condition = format!("attribute_not_exists(#{HOLDER}) OR #{UNTIL} <= :now OR #{HOLDER} = :holder");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":now", instant(now))
            .expression_attribute_values(":holder", text(&holder.name))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let stored = match conditional("take_company", request.send().await)? {
            Conditional::Written(_) => return Ok(Taken::Mine),
            Conditional::Refused(stored) => stored,
        };
        let reader = Reader::new(WHAT, &stored);
        if reader.word::<Lane>(LANE)? < holder.lane && !is_wanted(&stored)? {
            self.tell_wanted(place, reader.text(HOLDER)?).await?;
        }
        Ok(Taken::Busy { until: reader.instant(UNTIL)? })
    }

    async fn keep(&self, place: &RecordPlace, holder: &Holder, until: Timestamp) -> Result<Kept, StoreError> {
        let request = self
            .update_of(place, &holder.name, &format!("SET #{UNTIL} = :until"))
            .expression_attribute_values(":until", instant(until))
            .return_values(ReturnValue::AllNew);
        Ok(match conditional("keep_company", request.send().await)? {
            Conditional::Written(output) => {
                if is_wanted(&output.attributes.unwrap_or_default())? {
                    Kept::Wanted
                } else {
                    Kept::Mine
                }
            }
            Conditional::Refused(_) => Kept::Lost,
        })
    }

    async fn release(&self, place: &RecordPlace, holder: &Holder) -> Result<(), StoreError> {
        let update = format!("REMOVE #{HOLDER}, #{LANE}, #{UNTIL}, #{WANTED}");
        conditional("release_company", self.update_of(place, &holder.name, &update).send().await)?;
        Ok(())
    }
}

fn is_wanted(item: &Item) -> Result<bool, StoreError> {
    Ok(Reader::new(WHAT, item).flag_if(WANTED)?.unwrap_or_default())
}
