//! Several items with one call.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    types::{PutRequest, WriteRequest},
};
use domain::store::StoreError;

use crate::{failure::unavailable, item::Item};

/// How often in a row `DynamoDB` may leave something unwritten, which is how it throttles a batch.
const ROUNDS: u32 = 5;
/// The first wait after such a round; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Puts at most 25 items with different keys, each of its own, in place of what is there.
pub(crate) async fn put_items(
    (client, table): (&Client, &str),
    items: Vec<Item>,
    operation: &'static str,
) -> Result<(), StoreError> {
    let put = |item| {
        let put = PutRequest::builder().set_item(Some(item)).build().map_err(unavailable(operation))?;
        Ok(WriteRequest::builder().put_request(put).build())
    };
    let mut left = items.into_iter().map(put).collect::<Result<Vec<_>, StoreError>>()?;
    for round in 0..ROUNDS {
        let request = client.batch_write_item().request_items(table, left);
        let mut output = request.send().await.map_err(unavailable(operation))?;
        let unwritten = output.unprocessed_items.as_mut().and_then(|tables| tables.remove(table));
        left = unwritten.unwrap_or_default();
        if left.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(FIRST_WAIT * 2_u32.pow(round)).await;
    }
    Err(unavailable(operation)("items stayed unprocessed"))
}
