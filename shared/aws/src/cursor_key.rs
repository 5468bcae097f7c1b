//! The key of cursors in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    cursor::{CursorKey, CursorKeyStore},
    store::StoreError,
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, bytes, names},
    keys::{Key, PK},
};

const SECRET: &str = "secret";

/// The table that holds the key of cursors.
#[derive(Clone, Debug)]
pub struct DynamoCursorKey {
    client: Client,
    table: String,
}

impl DynamoCursorKey {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl CursorKeyStore for DynamoCursorKey {
    async fn find_or_insert(&self, fresh: &CursorKey) -> Result<CursorKey, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::cursor_key().into_item()));
        let output = request.send().await.map_err(unavailable("find_or_insert"))?;
        if let Some(item) = output.item() {
            return read(item);
        }
        let condition = format!("attribute_not_exists(#{PK})");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Key::cursor_key().into_item().put(SECRET, bytes(fresh.expose()))))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // After a lost answer this meets the key that it wrote itself, which is the one.
        match conditional("find_or_insert", request.send().await)? {
            Conditional::Written(_) => Ok(fresh.clone()),
            Conditional::Refused(item) => read(&item),
        }
    }
}

fn read(item: &Item) -> Result<CursorKey, StoreError> {
    let reader = Reader::new("key of cursors", item);
    CursorKey::from_slice(reader.bytes(SECRET)?).ok_or_else(|| reader.value(SECRET, "not of 32 bytes"))
}
