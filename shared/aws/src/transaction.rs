//! Several writes, all of them or none.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};
use domain::store::StoreError;

use crate::{
    failure::{CONDITION_FAILED, CONFLICT, unavailable},
    item::Item,
};

/// How often a transaction is tried that meets another write to one of its items.
const TRIES: u32 = 6;
/// The first wait after such a try; each further one is twice as long, so that all take a second and a half.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Transacted {
    /// All was written.
    Written,
    /// Nothing was: the condition of the write at this place was not met, by this item where the write asks for it.
    Refused(usize, Item),
}

/// Writes all or nothing. The SDK gives each transaction a token by which `DynamoDB` knows it again, so that a lost answer
/// changes nothing (for ten minutes, says AWS).
pub(crate) async fn transact(
    client: &Client,
    operation: &'static str,
    writes: Vec<TransactWriteItem>,
) -> Result<Transacted, StoreError> {
    let mut tries = 1;
    loop {
        let request = client.transact_write_items().set_transact_items(Some(writes.clone()));
        let Err(error) = request.send().await else { return Ok(Transacted::Written) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(unavailable(operation)(error));
        };
        let reasons = cancelled.cancellation_reasons();
        if let Some(place) = reasons.iter().position(|reason| reason.code() == Some(CONDITION_FAILED)) {
            let item = reasons.get(place).and_then(CancellationReason::item).cloned();
            return Ok(Transacted::Refused(place, item.unwrap_or_default()));
        }
        let has_met_another = reasons.iter().any(|reason| reason.code() == Some(CONFLICT));
        if !has_met_another || tries == TRIES {
            return Err(unavailable(operation)(error));
        }
        tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tries - 1)).await;
        tries += 1;
    }
}
