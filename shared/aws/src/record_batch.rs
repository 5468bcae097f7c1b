//! Many records in few calls: what decides is read first, so that a record which is not newer costs a read and no write.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    store::StoreError,
    sync::{Record, RecordPlace},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    batch_get::{self, MAX_KEYS, Reading},
    item::{Item, Reader},
    keys::{Key, PK, SK, WRITE_ID},
    partiql::{self, Stated, Statement},
    record_item::{self, HEAD, UPDATED_AT, WHAT},
    records::DynamoRecords,
};

/// Reads under way at once: enough to hide the round trip; each is of a hundred keys.
const READS_AT_ONCE: usize = 8;

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// How many were written, now or by the same write before.
    pub(crate) written: u64,
    /// What it left undecided, to be written one by one: another writer was faster, a statement was throttled, a tombstone
    /// is in the way, or an id came twice.
    pub(crate) left: Vec<&'a Record>,
}

impl DynamoRecords {
    /// Writes those of many records that are newer than what is stored.
    ///
    /// The reads need not see the last moment: what they miss has either become newer still, or refuses the write.
    pub(crate) async fn put_batch<'a>(
        &self,
        place: &RecordPlace,
        records: &'a [Record],
        write_id: &str,
    ) -> Result<Batch<'a>, StoreError> {
        let mut met = HashSet::with_capacity(records.len());
        let (first, again): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| met.insert((record.entity, &record.id)));
        let mut batch = Batch { written: 0, left: again };
        let (mut sent, mut statements) = (vec![], vec![]);
        for (record, head) in self.with_heads(place, first).await? {
            match self.decide((place, record), head.as_ref(), write_id)? {
                Decision::Write(statement) => {
                    sent.push(record);
                    statements.push(statement);
                }
                Decision::Leave => batch.left.push(record),
                Decision::Stands { by_this_write } => batch.written += u64::from(by_this_write),
            }
        }
        let stated = partiql::execute(&self.client, "put_if_newer", statements).await?;
        for (record, stated) in sent.into_iter().zip(stated) {
            match stated {
                Stated::Made => batch.written += 1,
                Stated::Refused | Stated::Failed => batch.left.push(record),
            }
        }
        Ok(batch)
    }

    /// Each record with what is stored of it, if anything is.
    async fn with_heads<'a>(
        &self,
        place: &RecordPlace,
        records: Vec<&'a Record>,
    ) -> Result<Vec<(&'a Record, Option<Item>)>, StoreError> {
        let reading = Reading { operation: "put_if_newer", attributes: Some(HEAD), consistent: false };
        let mut reads = vec![];
        for part in records.chunks(MAX_KEYS) {
            let key = |record: &&Record| Key::record(place, record.entity, &record.id).into_item();
            let keys = part.iter().map(key).collect();
            reads.push(batch_get::read_items(&self.client, &self.table, keys, reading));
        }
        let heads: Vec<Item> = stream::iter(reads).buffered(READS_AT_ONCE).try_concat().await?;
        let key_of = |item: &Item| {
            let reader = Reader::new(WHAT, item);
            Ok::<_, StoreError>((reader.text(PK)?.to_owned(), reader.text(SK)?.to_owned()))
        };
        let heads = heads.into_iter().map(|head| Ok((key_of(&head)?, head)));
        let mut heads = heads.collect::<Result<HashMap<_, _>, StoreError>>()?;
        let with_head = |record: &'a Record| {
            let key = key_of(&Key::record(place, record.entity, &record.id).into_item())?;
            Ok((record, heads.remove(&key)))
        };
        records.into_iter().map(with_head).collect()
    }

    fn decide(
        &self,
        (place, record): (&RecordPlace, &Record),
        head: Option<&Item>,
        write_id: &str,
    ) -> Result<Decision, StoreError> {
        let item = || record_item::write(place, record, write_id);
        let Some(head) = head else { return Ok(Decision::Write(partiql::insert(&self.table, item())?)) };
        if !record_item::gives_way(head, record)? {
            return Ok(Decision::Stands { by_this_write: record_item::is_by(head, WRITE_ID, write_id)? });
        }
        let seen = |name| head.get(name).map(|value: &AttributeValue| (name, value.clone()));
        // Every write of content has a mark of its own, and a deletion moves the time: while both are as they were read, so
        // is all that decided.
        let (Some(mark), Some(time)) = (seen(WRITE_ID), seen(UPDATED_AT)) else { return Ok(Decision::Leave) };
        let item = item();
        let lacking = record_item::lacking(&item);
        Ok(Decision::Write(partiql::update(&self.table, item, &lacking, [mark, time])?))
    }
}

/// What is to be done with one record.
#[derive(Debug)]
enum Decision {
    Write(Statement),
    Leave,
    Stands { by_this_write: bool },
}
