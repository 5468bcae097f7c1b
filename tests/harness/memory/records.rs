//! Records and cursors in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::{JobId, RecordId, TenantId},
    store::StoreError,
    sync::{
        BooksErasure, Entity, IdPage, PAGE_CONTENT, Record, RecordPage, RecordPlace, RecordStore, SeenIds,
        SyncCursor, WalkStore,
    },
};
use jiff::Timestamp;

use super::{bad_cursor, page};

/// What an item of the table holds beside everything else of a record.
const MAX_RAW: usize = 398 * 1024;
/// Ids on a page; few, so that a small test turns it.
const IDS: u32 = 7;

/// Records that are deleted at once; few, so that a small test takes several goes.
const ERASED: usize = 2;

/// The digests of what walks saw, page by page.
type Seen = HashMap<(RecordPlace, Entity, JobId), BTreeMap<u64, Vec<u64>>>;

/// Records and cursors in memory.
#[derive(Debug, Default)]
pub struct InMemoryRecords {
    records: Mutex<BTreeMap<(RecordPlace, Entity, RecordId), Stored>>,
    cursors: Mutex<HashMap<(RecordPlace, Entity), SyncCursor>>,
    seen: Mutex<Seen>,
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
            Self::Record(kept) => record.is_newer_than(&kept.record),
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

impl InMemoryRecords {
    /// Whether anything is kept of a tenant's books.
    #[must_use]
    pub fn has_any_of(&self, tenant: &TenantId) -> bool {
        let records = self.records.lock().unwrap().keys().any(|(place, _, _)| place.tenant == *tenant);
        let cursors = self.cursors.lock().unwrap().keys().any(|(place, _)| place.tenant == *tenant);
        records || cursors || self.seen.lock().unwrap().keys().any(|(place, _, _)| place.tenant == *tenant)
    }

    /// The ids of what is listed and not deleted.
    fn live(&self, place: &RecordPlace, entity: Entity) -> Vec<RecordId> {
        let stored = self.records.lock().unwrap();
        let of_list = stored.iter().filter(|((of, kind, _), _)| of == place && *kind == entity);
        let live = of_list.filter(|(_, stored)| stored.record().is_some_and(|record| !record.deleted));
        live.map(|((_, _, id), _)| id.clone()).collect()
    }
}

/// Reads where a list by time of change goes on.
fn changed_place(from: &str) -> Result<(Timestamp, RecordId), StoreError> {
    let (at, id) = from.split_once(' ').ok_or_else(bad_cursor)?;
    Ok((at.parse().map_err(|_| bad_cursor())?, id.parse().map_err(|_| bad_cursor())?))
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

    async fn list_changed(
        &self,
        place: &RecordPlace,
        (entity, since): (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let from = from.map(changed_place).transpose()?;
        if from.as_ref().is_some_and(|(at, _)| *at < since) {
            return Err(bad_cursor());
        }
        let stored = self.records.lock().unwrap();
        let of_list = stored.iter().filter(|((of, kind, _), _)| of == place && *kind == entity);
        let mut kept: Vec<_> = of_list.filter_map(|(_, stored)| stored.record().cloned()).collect();
        kept.retain(|record| record.updated_at >= since);
        kept.retain(|record| {
            from.as_ref().is_none_or(|(at, id)| (record.updated_at, &record.id) > (*at, id))
        });
        kept.sort_by_key(|record| (record.updated_at, record.id.clone()));
        let (mut records, mut more) = page(kept, limit);
        let mut content = 0;
        let mut fits = |record: &Record| {
            content += record.raw.len();
            content < PAGE_CONTENT
        };
        let room = records.iter().take_while(|record| fits(record)).count() + 1;
        more |= room < records.len();
        records.truncate(room);
        let next = records.last().filter(|_| more).map(|last| format!("{} {}", last.updated_at, last.id));
        Ok(RecordPage { records, next })
    }
}

#[async_trait]
impl BooksErasure for InMemoryRecords {
    async fn erase(&self, place: &RecordPlace) -> Result<bool, StoreError> {
        let mut records = self.records.lock().unwrap();
        let of_place = records.keys().filter(|(of, _, _)| of == place);
        let some: Vec<_> = of_place.take(ERASED).cloned().collect();
        for key in &some {
            records.remove(key);
        }
        self.cursors.lock().unwrap().retain(|(of, _), _| of != place);
        self.seen.lock().unwrap().retain(|(of, _, _), _| of != place);
        Ok(some.len() < ERASED)
    }
}

#[async_trait]
impl WalkStore for InMemoryRecords {
    async fn list_ids(
        &self,
        place: &RecordPlace,
        entity: Entity,
        from: Option<&str>,
    ) -> Result<IdPage, StoreError> {
        let from: Option<RecordId> = from.map(str::parse).transpose().map_err(|_| bad_cursor())?;
        let ids =
            self.live(place, entity).into_iter().filter(|id| from.as_ref().is_none_or(|from| id > from));
        let (ids, more) = page(ids.collect(), IDS);
        Ok(IdPage { next: ids.last().filter(|_| more).map(ToString::to_string), ids })
    }

    async fn count(&self, place: &RecordPlace, entity: Entity) -> Result<u64, StoreError> {
        Ok(self.live(place, entity).len() as u64)
    }

    async fn note_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        page: u64,
        ids: &[RecordId],
    ) -> Result<(), StoreError> {
        let digests = ids.iter().map(SeenIds::digest).collect();
        let key = (place.clone(), entity, walk.clone());
        self.seen.lock().unwrap().entry(key).or_default().insert(page, digests);
        Ok(())
    }

    async fn find_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        pages: u64,
    ) -> Result<SeenIds, StoreError> {
        let seen = self.seen.lock().unwrap();
        let of_walk = seen.get(&(place.clone(), entity, walk.clone()));
        let digests = of_walk.into_iter().flat_map(|of_walk| of_walk.range(..pages));
        Ok(digests.flat_map(|(_, digests)| digests.iter().copied()).collect())
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
