//! Deleting many items, a page at a time.

use aws_sdk_dynamodb::{Client, operation::query::builders::QueryFluentBuilder};
use domain::store::StoreError;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    failure::unavailable,
    item::{Item, names, text},
    keys::{PK, SK},
};

/// Items that one page deletes at most, so that it ends within seconds.
const PAGE: i32 = 500;
/// Deletions under way at once: enough to hide the round trip.
const AT_ONCE: usize = 32;

/// Every item of one partition.
pub(crate) fn partition((client, table): (&Client, &str), pk: String) -> QueryFluentBuilder {
    let condition = format!("#{PK} = :pk");
    client
        .query()
        .table_name(table)
        .consistent_read(true)
        .set_expression_attribute_names(Some(names([&condition])))
        .key_condition_expression(condition)
        .expression_attribute_values(":pk", text(pk))
}

/// Deletes the first page of what a query finds; true when that was all. Again is harmless.
pub(crate) async fn page(
    (client, table): (&Client, &str),
    query: QueryFluentBuilder,
    operation: &'static str,
) -> Result<bool, StoreError> {
    let output = query.limit(PAGE).send().await.map_err(unavailable(operation))?;
    let is_all = output.last_evaluated_key().is_none();
    let found = output.items.unwrap_or_default();
    items((client, table), found.into_iter().map(key), operation).await?;
    Ok(is_all)
}

/// Deletes items by their keys.
pub(crate) async fn items(
    (client, table): (&Client, &str),
    keys: impl Iterator<Item = Item>,
    operation: &'static str,
) -> Result<(), StoreError> {
    let delete = |key| async move {
        let request = client.delete_item().table_name(table).set_key(Some(key));
        request.send().await.map(drop).map_err(unavailable(operation))
    };
    let deletions: Vec<_> = keys.map(delete).collect();
    stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect().await
}

/// The key of an item.
fn key(mut item: Item) -> Item {
    item.retain(|name, _| name == PK || name == SK);
    item
}
