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
struct Kept {
    record: Record,
    /// The write that put it.
    put_by: String,
    /// The write that deleted it.
    deleted_by: Option<String>,
}

#[derive(Debug)]
enum Stored {
    Record(Box<Kept>),
    /// Deleted at this time before it was ever stored.
    Tombstone(Timestamp),
}

impl Stored {
    fn new(record: &Record, write_id: &str) -> Self {
        let put_by = write_id.to_owned();
        let deleted_by = record.deleted.then(|| put_by.clone());
        Self::Record(Box::new(Kept { record: fitting(record), put_by, deleted_by }))
    }

    fn gives_way_to(&self, record: &Record) -> bool {
        match self {
            Self::Record(kept) => {
                (kept.record.updated_at, kept.record.version) < (record.updated_at, record.version)
            }
            Self::Tombstone(at) => *at < record.updated_at,
        }
    }

    fn is_put_by(&self, write_id: &str) -> bool {
        matches!(self, Self::Record(kept) if kept.put_by == write_id)
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(kept) => Some(&kept.record),
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
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        let mut stored = self.records.lock().unwrap();
        let mut newer = 0;
        for record in records {
            let key = (place.clone(), record.entity, record.id.clone());
            if stored.get(&key).is_none_or(|stored| stored.gives_way_to(record)) {
                stored.insert(key, Stored::new(record, write_id));
                newer += 1;
            } else if stored[&key].is_put_by(write_id) {
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
        write_id: &str,
    ) -> Result<bool, StoreError> {
        let mut stored = self.records.lock().unwrap();
        let key = (place.clone(), entity, id.clone());
        match stored.entry(key).or_insert(Stored::Tombstone(at)) {
            Stored::Tombstone(deleted_at) => {
                *deleted_at = at.max(*deleted_at);
                Ok(false)
            }
            Stored::Record(kept) => {
                let Kept { record, deleted_by, .. } = &mut **kept;
                record.updated_at = at.max(record.updated_at);
                record.deleted = true;
                Ok(deleted_by.get_or_insert_with(|| write_id.to_owned()) == write_id)
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
