//! Connecting in one transaction: the connection, its companies, and the routes by which their events find it.

use aws_sdk_dynamodb::{
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Delete, Put as PutItem, TransactWriteItem},
};
use domain::{
    connection::{ConnectOutcome, ConnectionKey, NewConnection, PlacedCompany, Replaces},
    store::StoreError,
};

use crate::{
    DynamoConnections, connection_item,
    failure::{CONDITION_FAILED, CONFLICT, unavailable},
    item::{names, number},
    keys::{FENCE, Key, PK, WRITE_ID},
    route,
};

impl DynamoConnections {
    /// Writes all items or none; the write id makes the same call again harmless (for ten minutes, says AWS).
    pub(crate) async fn connect_whole(&self, new: &NewConnection) -> Result<ConnectOutcome, StoreError> {
        let writes = self.writes(new).map_err(unavailable("connect"))?;
        let request = self.client.transact_write_items().client_request_token(&new.connection.write_id);
        match request.set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(ConnectOutcome::Stored),
            Err(error) => match refusal(&error, new)? {
                Some(outcome) => Ok(outcome),
                None => Err(unavailable("connect")(error)),
            },
        }
    }

    /// The writes of a connect: one for the connection, and up to three for each company.
    fn writes(&self, new: &NewConnection) -> Result<Vec<TransactWriteItem>, BuildError> {
        let put = |put| TransactWriteItem::builder().put(put).build();
        let mut writes = vec![put(self.put_connection(new)?)];
        for placed in &new.companies {
            writes.push(put(self.put_route(new, placed)?));
            writes.push(put(self.put_company(new, placed)?));
            if let Some(delete) = self.delete_from(new, placed)? {
                writes.push(TransactWriteItem::builder().delete(delete).build());
            }
        }
        Ok(writes)
    }

    fn put_connection(&self, new: &NewConnection) -> Result<PutItem, BuildError> {
        let put = PutItem::builder().table_name(&self.table);
        let put = put.set_item(Some(connection_item::write(&new.connection, self.due_shards)));
        let condition = match new.replaces {
            None => format!("attribute_not_exists(#{PK})"),
            Some(_) => format!("#{FENCE} = :fence AND #{WRITE_ID} = :write_id"),
        };
        let read = |replaces: &Replaces| {
            [
                (":fence", number(replaces.fence)),
                (":write_id", connection_item::write_mark(&replaces.write_id)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
        };
        put.set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .set_expression_attribute_values(new.replaces.as_ref().map(read))
            .build()
    }

    fn put_company(&self, new: &NewConnection, placed: &PlacedCompany) -> Result<PutItem, BuildError> {
        let item = connection_item::write_company(&new.connection, &placed.company);
        PutItem::builder().table_name(&self.table).set_item(Some(item)).build()
    }

    /// Takes a company off the connection that it is taken from, whose route is checked by the same transaction.
    fn delete_from(&self, new: &NewConnection, placed: &PlacedCompany) -> Result<Option<Delete>, BuildError> {
        let key = &new.connection.key;
        let Some(from) = placed.from.clone().filter(|from| *from != key.connection) else { return Ok(None) };
        let from = ConnectionKey { tenant: key.tenant.clone(), connection: from };
        let item = Key::company(&from, &placed.company.id).into_item();
        Delete::builder().table_name(&self.table).set_key(Some(item)).build().map(Some)
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
    let failed: Vec<_> = cancelled.cancellation_reasons().iter().filter(failed).collect();
    // Only routes are answered with: whose they are decides.
    for item in failed.iter().filter_map(|reason| reason.item()) {
        if route::read(item)?.key.tenant != new.connection.key.tenant {
            return Ok(Some(ConnectOutcome::OwnedElsewhere));
        }
    }
    let met_another = cancelled.cancellation_reasons().iter().any(|reason| reason.code() == Some(CONFLICT));
    Ok((met_another || !failed.is_empty()).then_some(ConnectOutcome::Changed))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;
    use domain::{
        connection::{AttemptCounters, ChainHead, Connection, ConnectionKey, ConnectionState, Notices},
        provider::Provider,
    };
    use jiff::Timestamp;

    use super::*;

    fn cancelled(codes: &[&str]) -> Option<ConnectOutcome> {
        let key = ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() };
        let connection = Connection {
            key,
            provider: Provider::QuickBooks,
            state: ConnectionState::Active,
            reason: None,
            scopes: vec![],
            location: None,
            created_at: Timestamp::UNIX_EPOCH,
            tokens: None,
            fence: 0,
            lease: None,
            due: None,
            used_at: Timestamp::UNIX_EPOCH,
            warmth: None,
            attempts: AttemptCounters::default(),
            last: None,
            chain: ChainHead::default(),
            calls: vec![],
            notices: Notices::default(),
            write_id: "w_1".to_owned(),
        };
        let new = NewConnection { connection, companies: vec![], replaces: None, shared: false };
        let reasons = codes.iter().map(|&code| CancellationReason::builder().code(code).build()).collect();
        let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        let error = TransactWriteItemsError::TransactionCanceledException(error);
        refusal(&SdkError::service_error(error, ()), &new).unwrap()
    }

    #[test]
    fn a_write_that_met_another_is_a_change_and_a_fault_of_the_table_is_none() {
        assert_eq!(cancelled(&["None", CONFLICT]), Some(ConnectOutcome::Changed));
        assert_eq!(cancelled(&[CONDITION_FAILED, "None"]), Some(ConnectOutcome::Changed));
        assert_eq!(cancelled(&["ThrottlingError"]), None);
    }
}
