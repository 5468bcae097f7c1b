//! Where records and cursors are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Entity, Record, RecordPlace};
use crate::{
    id::{JobId, RecordId},
    store::StoreError,
};

/// How far one entity of one company is synced.
///
/// Pages are asked for by time of change, from `after` on. Only where more objects than a page holds changed in the very
/// same moment does `position` count within that moment: an object that changes during the walk moves to its end, and
/// positions over the whole list would then skip another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SyncCursor {
    /// The job that moved it last, so that a job that comes back goes on and a new one begins.
    pub job: Option<JobId>,
    /// Everything changed before this moment is stored.
    pub after: Option<Timestamp>,
    /// How many objects of exactly that moment are to be skipped.
    pub skip: u64,
    /// Records written by this job so far.
    pub records: u64,
    /// When the walk last reached its end; none while it is under way.
    pub completed_at: Option<Timestamp>,
}

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    /// The records, by id.
    pub records: Vec<Record>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Where records and cursors are kept.
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

    /// The cursor of an entity.
    async fn find_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
    ) -> Result<Option<SyncCursor>, StoreError>;

    /// Moves the cursor of an entity, called only after the records it stands for are written; false when a newer job
    /// moved it meanwhile, which is not to be set back. Ids of jobs are in the order of time, so the greater is newer.
    async fn save_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
        cursor: &SyncCursor,
    ) -> Result<bool, StoreError>;
}
