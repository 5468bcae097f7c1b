//! Where records are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Entity, Record, RecordPlace};
use crate::{id::RecordId, store::StoreError};

/// A page of what changed ends with the record whose content brings it to this many bytes: an answer of Lambda has room for
/// six megabytes, and `DynamoDB` ends a page of a list by id at as much.
pub const PAGE_CONTENT: usize = 1_000_000;

/// Where everything that is kept of a company can be deleted.
#[async_trait]
pub trait BooksErasure: Send + Sync {
    /// Deletes some of what is kept of a company: records, cursors, what walks saw; true when nothing is left.
    async fn erase(&self, place: &RecordPlace) -> Result<bool, StoreError>;
}

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    /// The records, in the order of their list.
    pub records: Vec<Record>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Where records are kept.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Writes those records that are newer than what is stored, by (updated at, version); gives how many were. What the
    /// same `write_id` wrote before counts again, since a write whose answer is lost is sent again.
    ///
    /// A record that is more than the store can hold is written without the provider's own object: its `raw` is empty.
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError>;

    /// Marks a record as deleted at `at`, keeping its last known content; true when that changed a record that is listed,
    /// false when it was deleted already, unless by the same `write_id`, or never stored.
    ///
    /// Of one that was never stored a tombstone remains, which no list shows: it refuses what a page says that was read
    /// before the deletion, and gives way to what the provider changed after it.
    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        (entity, id): (Entity, &RecordId),
        at: Timestamp,
        write_id: &str,
    ) -> Result<bool, StoreError>;

    /// Lists records of one kind by id, from where the page before ended; a page may hold fewer than `limit`.
    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError>;

    /// Lists records of one kind changed at or after a moment, by the time of their change, and in an order of the store's own
    /// within a time, from where the page before ended; a page may hold fewer than `limit`, and ends at
    /// [`PAGE_CONTENT`]. What changes while a list is read moves to its end; what was written within the last moment may be missing.
    async fn list_changed(
        &self,
        place: &RecordPlace,
        (entity, since): (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError>;
}
