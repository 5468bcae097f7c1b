//! Deleting what is kept of a company.

use async_trait::async_trait;
use domain::{
    store::StoreError,
    sync::{BooksErasure, Entity, RecordPlace},
};

use crate::{
    DynamoRecords, erase,
    keys::{company_partition, records_partition},
};

#[async_trait]
impl BooksErasure for DynamoRecords {
    /// A page of one partition a time: those of the records, and what walks saw, by kind; and that of the cursors.
    async fn erase(&self, place: &RecordPlace) -> Result<bool, StoreError> {
        let of_kinds = Entity::ALL.iter().map(|entity| records_partition(place, *entity));
        let table = (&self.client, self.table.as_str());
        for pk in of_kinds.chain([company_partition(place)]) {
            if !erase::page(table, erase::partition(table, pk), "erase").await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
