//! Many items in few calls.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use domain::store::StoreError;

use crate::{
    failure::unavailable,
    item::{Item, names},
};

/// What `BatchGetItem` takes at once.
pub(crate) const MAX_KEYS: usize = 100;
/// How often in a row `DynamoDB` may leave all keys unprocessed, which is how it throttles a batch.
const IDLE_ROUNDS: u32 = 5;
/// The first wait after such a round; each further one is twice as long, so that all take a second and a half.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// How items are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The port method, for errors.
    pub(crate) operation: &'static str,
    /// Which attributes, as an expression with `#` before each; all where there is none.
    pub(crate) attributes: Option<&'static str>,
    /// Whether what was written a moment ago must be seen.
    pub(crate) consistent: bool,
}

/// Reads the items of at most [`MAX_KEYS`] different keys, in no order; those that are not there are left out.
pub(crate) async fn read_items(
    client: &Client,
    table: &str,
    mut keys: Vec<Item>,
    reading: Reading,
) -> Result<Vec<Item>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    let mut idle = 0;
    while !keys.is_empty() {
        let asked = keys.len();
        let of_table = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(reading.consistent)
            .set_projection_expression(reading.attributes.map(str::to_owned))
            .set_expression_attribute_names(reading.attributes.map(|attributes| names([attributes])));
        let of_table = of_table.build().map_err(unavailable(reading.operation))?;
        let request = client.batch_get_item().request_items(table, of_table);
        let mut output = request.send().await.map_err(unavailable(reading.operation))?;
        found.extend(output.responses.as_mut().and_then(|tables| tables.remove(table)).unwrap_or_default());
        // What did not fit into one answer, or was throttled.
        let left = output.unprocessed_keys.as_mut().and_then(|tables| tables.remove(table));
        keys = left.map(|left| left.keys).unwrap_or_default();
        if keys.len() < asked {
            idle = 0;
        } else if idle < IDLE_ROUNDS {
            tokio::time::sleep(FIRST_WAIT * 2_u32.pow(idle)).await;
            idle += 1;
        } else {
            return Err(unavailable(reading.operation)("keys stayed unprocessed"));
        }
    }
    Ok(found)
}
