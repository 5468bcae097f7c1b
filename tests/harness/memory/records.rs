//! Records and cursors in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::RecordId,
    store::StoreError,
    sync::{Entity, Record, RecordPage, RecordPlace, RecordStore, SyncCursor},
};
use jiff::Timestamp;

use super::{bad_cursor, page};

/// What an item of the table holds beside everything else of a record.
const MAX_RAW: usize = 398 * 1024;

/// Records and cursors in memory.
#[derive(Debug, Default)]
pub struct InMemoryRecords {
    records: Mutex<BTreeMap<(RecordPlace, Entity, RecordId), Stored>>,
    cursors: Mutex<HashMap<(RecordPlace, Entity), SyncCursor>>,
}

#[derive(Debug)]
enum Stored {
    Record(Record),
    /// Deleted at this time before it was ever stored.
    Tombstone(Timestamp),
}

impl Stored {
    fn gives_way_to(&self, record: &Record) -> bool {
        match self {
            Self::Record(stored) => (stored.updated_at, stored.version) < (record.updated_at, record.version),
            Self::Tombstone(at) => *at < record.updated_at,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Tombstone(_) => None,
        }
    }
}

/// A record as it fits into an item.
fn fitting(record: &Record) -> Record {
    let mut record = record.clone();
    if record.raw.len() > MAX_RAW {
        record.raw.clear();
    }
    record
}

#[async_trait]
impl RecordStore for InMemoryRecords {
    async fn put_if_newer(&self, place: &RecordPlace, records: &[Record]) -> Result<u64, StoreError> {
        let mut stored = self.records.lock().unwrap();
        let mut newer = 0;
        for record in records {
            let key = (place.clone(), record.entity, record.id.clone());
            if stored.get(&key).is_none_or(|stored| stored.gives_way_to(record)) {
                stored.insert(key, Stored::Record(fitting(record)));
                newer += 1;
            }
        }
        Ok(newer)
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        (entity, id): (Entity, &RecordId),
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut stored = self.records.lock().unwrap();
        let key = (place.clone(), entity, id.clone());
        match stored.entry(key).or_insert(Stored::Tombstone(at)) {
            Stored::Tombstone(deleted_at) => {
                *deleted_at = at.max(*deleted_at);
                Ok(false)
            }
            Stored::Record(record) => {
                record.updated_at = at.max(record.updated_at);
                Ok(!std::mem::replace(&mut record.deleted, true))
            }
        }
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let from: Option<RecordId> = from.map(str::parse).transpose().map_err(|_| bad_cursor())?;
        let stored = self.records.lock().unwrap();
        let of_list = stored.iter().filter(|((of, kind, _), _)| of == place && *kind == entity);
        let behind = of_list.filter(|((_, _, id), _)| from.as_ref().is_none_or(|from| id > from));
        let kept = behind.filter_map(|(_, stored)| stored.record().cloned());
        let (records, more) = page(kept.collect(), limit);
        let next = records.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(RecordPage { records, next })
    }

    async fn find_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
    ) -> Result<Option<SyncCursor>, StoreError> {
        Ok(self.cursors.lock().unwrap().get(&(place.clone(), entity)).cloned())
    }

    async fn save_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
        cursor: &SyncCursor,
    ) -> Result<bool, StoreError> {
        let mut cursors = self.cursors.lock().unwrap();
        let key = (place.clone(), entity);
        // None comes before every job.
        let newer = cursors.get(&key).is_some_and(|stored| stored.job > cursor.job);
        if !newer {
            cursors.insert(key, cursor.clone());
        }
        Ok(!newer)
    }
}
