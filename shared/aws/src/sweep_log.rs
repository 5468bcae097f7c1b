//! The sweep's mark in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{refresh::SweepLog, store::StoreError};
use jiff::Timestamp;

use crate::{
    failure::unavailable,
    item::{Put as _, Reader, instant},
    keys::Key,
};

const AT: &str = "at";

/// The table that holds the sweep's mark.
#[derive(Clone, Debug)]
pub struct DynamoSweepLog {
    client: Client,
    table: String,
}

impl DynamoSweepLog {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl SweepLog for DynamoSweepLog {
    async fn note(&self, at: Timestamp) -> Result<(), StoreError> {
        let item = Key::last_run().into_item().put(AT, instant(at));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable("note"))?;
        Ok(())
    }

    async fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::last_run().into_item()));
        let output = request.send().await.map_err(unavailable("last"))?;
        output.item().map(|item| Reader::new("last run", item).instant(AT)).transpose()
    }
}
