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

/// Records and cursors in memory.
#[derive(Debug, Default)]
pub struct InMemoryRecords {
    records: Mutex<BTreeMap<(RecordPlace, Entity, RecordId), Record>>,
    cursors: Mutex<HashMap<(RecordPlace, Entity), SyncCursor>>,
}

#[async_trait]
impl RecordStore for InMemoryRecords {
    async fn put_if_newer(&self, place: &RecordPlace, records: &[Record]) -> Result<u64, StoreError> {
        let mut stored = self.records.lock().unwrap();
        let mut newer = 0;
        for record in records {
            let key = (place.clone(), record.entity, record.id.clone());
            let age = |record: &Record| (record.updated_at, record.version);
            if stored.get(&key).is_none_or(|stored| age(stored) < age(record)) {
                stored.insert(key, record.clone());
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
        let record = stored.get_mut(&(place.clone(), entity, id.clone()));
        let Some(record) = record.filter(|record| !record.deleted) else { return Ok(false) };
        record.deleted = true;
        record.updated_at = record.updated_at.max(at);
        Ok(true)
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
        let (records, more) = page(behind.map(|(_, record)| record.clone()).collect(), limit);
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
