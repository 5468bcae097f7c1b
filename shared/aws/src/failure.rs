//! The SDK's errors in the domain's words.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
};
use domain::store::{BoxError, StoreError};

use crate::item::Item;

/// How `DynamoDB` names a condition that was not met inside a transaction.
pub(crate) const CONDITION_FAILED: &str = "ConditionalCheckFailed";
/// How it names a write to the same item that it was doing for somebody else.
pub(crate) const CONFLICT: &str = "TransactionConflict";

/// Turns an error of a call for `operation`, a port method, into [`StoreError::Unavailable`].
pub(crate) fn unavailable<E: Into<BoxError>>(operation: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Unavailable { operation, source: error.into() }
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Conditional<T> {
    /// It was made.
    Written(T),
    /// Its condition was not met by the item as it is; empty when there is no item.
    Refused(Item),
}

/// Errors of writes that may have been refused by their condition.
pub(crate) trait ConditionError: std::error::Error + Send + Sync + Sized + 'static {
    /// The item that did not meet the condition, or the error as it was.
    fn into_refused(self) -> Result<Item, Self>;
}

macro_rules! condition_error {
    ($($error:ident)+) => {$(
        impl<R: std::fmt::Debug + Send + Sync + 'static> ConditionError for SdkError<$error, R> {
            fn into_refused(self) -> Result<Item, Self> {
                match self {
                    Self::ServiceError(context)
                        if context.err().is_conditional_check_failed_exception() =>
                    {
                        match context.into_err() {
                            $error::ConditionalCheckFailedException(error) => Ok(error.item.unwrap_or_default()),
                            _ => Ok(Item::new()),
                        }
                    }
                    error => Err(error),
                }
            }
        }
    )+};
}

condition_error! { DeleteItemError PutItemError UpdateItemError }

/// Tells a write that was refused by its condition from one that failed.
pub(crate) fn conditional<T, E: ConditionError>(
    operation: &'static str,
    sent: Result<T, E>,
) -> Result<Conditional<T>, StoreError> {
    match sent.map_err(E::into_refused) {
        Ok(output) => Ok(Conditional::Written(output)),
        Err(Ok(item)) => Ok(Conditional::Refused(item)),
        Err(Err(error)) => Err(unavailable(operation)(error)),
    }
}
