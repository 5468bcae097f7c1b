//! When subscriptions were heard last, in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{Put as PutItem, TransactWriteItem},
};
use domain::{
    refresh::policy::earlier,
    store::StoreError,
    webhook::{HEARD_NOTED, SILENCE_REPORTED, Subscription, Subscriptions},
};
use jiff::Timestamp;

use crate::{
    failure::{CONDITION_FAILED, CONFLICT, conditional, unavailable},
    item::{Put as _, Reader, instant, names},
    keys::Key,
};

const AT: &str = "at";

/// The table that holds when subscriptions were heard last.
#[derive(Clone, Debug)]
pub struct DynamoSubscriptions {
    client: Client,
    table: String,
}

impl DynamoSubscriptions {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl Subscriptions for DynamoSubscriptions {
    async fn note_heard(&self, subscription: &Subscription, at: Timestamp) -> Result<(), StoreError> {
        let condition = format!("attribute_not_exists(#{AT}) OR #{AT} < :old");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Key::heard(subscription).into_item().put(AT, instant(at))))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":old", instant(earlier(at, HEARD_NOTED)));
        // Refused is as good as written, also after a lost answer: something as new is noted.
        conditional("note_heard", request.send().await)?;
        Ok(())
    }

    async fn last_heard(&self, subscription: &Subscription) -> Result<Option<Timestamp>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::heard(subscription).into_item()));
        let output = request.send().await.map_err(unavailable("last_heard"))?;
        output.item().map(|item| Reader::new("subscription", item).instant(AT)).transpose()
    }

    async fn claim_report(&self, subscription: &Subscription, now: Timestamp) -> Result<bool, StoreError> {
        let condition = format!("attribute_not_exists(#{AT}) OR #{AT} <= :over");
        let put = PutItem::builder()
            .table_name(&self.table)
            .set_item(Some(Key::reported(subscription).into_item().put(AT, instant(now))))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":over", instant(earlier(now, SILENCE_REPORTED)))
            .build()
            .map_err(unavailable("claim_report"))?;
        // A transaction although it is one write: the SDK gives each a token of its own, by which it knows itself again
        // after a lost answer. A claim that took itself for another's would keep the silence silent.
        let request = self.client.transact_write_items();
        let request = request.transact_items(TransactWriteItem::builder().put(put).build());
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(unavailable("claim_report")(error)),
        }
    }
}

/// Whether somebody else has the claim, or is about to take it.
fn is_taken<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return false;
    };
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.into_iter().any(|code| [CONDITION_FAILED, CONFLICT].contains(&code))
}
