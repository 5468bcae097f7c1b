//! Connecting in one transaction: the connection, its company, and the route by which the company's events find it.

use aws_sdk_dynamodb::{
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Put as PutItem, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use domain::{
    connection::{ConnectOutcome, ConnectionKey, NewConnection, Replaces, Route},
    store::StoreError,
};

use crate::{
    DynamoConnections, connection_item,
    failure::unavailable,
    item::{Item, Put as _, Reader, names, number, text},
    keys::{FENCE, Key, PK, WRITE_ID},
};

const TENANT: &str = "tenant";
const CONNECTION: &str = "connection";
const COMPANY: &str = "company";

/// How `DynamoDB` names a condition that was not met inside a transaction.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

impl DynamoConnections {
    /// Writes all three items or none; the write id makes the same call again harmless (for ten minutes, says AWS).
    pub(crate) async fn connect_whole(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError> {
        let puts = [self.put_route(new), self.put_connection(new), self.put_company(new)];
        let mut request = self.client.transact_write_items().client_request_token(&new.connection.write_id);
        for put in puts {
            let put = put.map_err(unavailable("connect"))?;
            request = request.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match request.send().await {
            Ok(_) => Ok(ConnectOutcome::Stored),
            Err(error) => match refusal(&error, new)? {
                Some(outcome) => Ok(outcome),
                None => Err(unavailable("connect")(error)),
            },
        }
    }

    /// A company has one owner, and within it one connection: two that both refreshed would spend each other's tokens.
    fn put_route(&self, new: &NewConnection) -> Result<PutItem, BuildError> {
        let key = &new.connection.key;
        let condition =
            format!("attribute_not_exists(#{PK}) OR (#{TENANT} = :tenant AND #{CONNECTION} = :connection)");
        let item = Key::route(new.connection.provider, &new.company.provider_id)
            .into_item()
            .put(TENANT, text(key.tenant.as_str()))
            .put(CONNECTION, text(key.connection.as_str()))
            .put(COMPANY, text(new.company.id.as_str()));
        PutItem::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":tenant", text(key.tenant.as_str()))
            .expression_attribute_values(":connection", text(key.connection.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    }

    fn put_connection(&self, new: &NewConnection) -> Result<PutItem, BuildError> {
        let put = PutItem::builder().table_name(&self.table);
        let put = put.set_item(Some(connection_item::write(&new.connection, self.due_shards)));
        let condition = match new.replaces {
            None => format!("attribute_not_exists(#{PK})"),
            Some(_) => format!("#{FENCE} = :fence AND #{WRITE_ID} = :write_id"),
        };
        let read = |replaces: &Replaces| {
            [(":fence", number(replaces.fence)), (":write_id", text(&replaces.write_id))]
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        };
        put.set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .set_expression_attribute_values(new.replaces.as_ref().map(read))
            .build()
    }

    fn put_company(&self, new: &NewConnection) -> Result<PutItem, BuildError> {
        let item = connection_item::write_company(&new.connection, &new.company);
        PutItem::builder().table_name(&self.table).set_item(Some(item)).build()
    }
}

/// What a cancelled transaction means, where its reason is one of our conditions.
fn refusal<R>(
    error: &SdkError<TransactWriteItemsError, R>,
    new: &NewConnection,
) -> Result<Option<ConnectOutcome>, StoreError> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return Ok(None);
    };
    let failed = |reason: &&CancellationReason| reason.code() == Some(CONDITION_FAILED);
    let reasons = cancelled.cancellation_reasons();
    if let Some(owner) = reasons.first().filter(failed).and_then(CancellationReason::item) {
        let elsewhere = read_route(owner)?.key.tenant != new.connection.key.tenant;
        return Ok(Some(if elsewhere { ConnectOutcome::OwnedElsewhere } else { ConnectOutcome::Changed }));
    }
    Ok(reasons.iter().find(failed).map(|_| ConnectOutcome::Changed))
}

/// A route.
pub(crate) fn read_route(item: &Item) -> Result<Route, StoreError> {
    let reader = Reader::new("route", item);
    Ok(Route {
        key: ConnectionKey { tenant: reader.parsed(TENANT)?, connection: reader.parsed(CONNECTION)? },
        company: reader.parsed(COMPANY)?,
    })
}
