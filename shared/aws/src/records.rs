//! Records and cursors in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    id::{JobId, RecordId},
    store::StoreError,
    sync::{Entity, IdPage, Record, RecordPage, RecordPlace, RecordStore, SeenIds, SyncCursor, WalkStore},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    connection_item::write_mark,
    cursor,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text, weight},
    keys::{Key, PK, RECORD_PREFIX, SK, WRITE_ID, WRITE_PREFIX, records_partition},
};

const UPDATED_AT: &str = "updated_at";
const VERSION: &str = "version";
const DELETED: &str = "deleted";
/// The write that deleted it.
const DELETED_BY: &str = "x";
const DOCUMENT_NUMBER: &str = "document_number";
const TOTAL: &str = "total";
const CURRENCY: &str = "currency";
const COUNTERPARTY: &str = "counterparty";
const STATUS: &str = "status";
const RAW: &str = "raw";

const JOB: &str = "job";
const AFTER: &str = "after";
const SKIP: &str = "skip";
const RECORDS: &str = "records";
const COMPLETED_AT: &str = "completed_at";

/// `DynamoDB` takes items of up to 400 KiB by its own weighing; the last one is left to what its rules leave open.
const MAX_ITEM: usize = 399 * 1024;
/// Writes under way at once: enough to hide the round trip, little enough for one function's sockets.
const CONCURRENCY: usize = 16;

/// The table of records and cursors.
#[derive(Clone, Debug)]
pub struct DynamoRecords {
    client: Client,
    table: String,
}

impl DynamoRecords {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One conditional write each, since a batch write knows no conditions; after a lost answer the second try is refused
    /// by the first, and knows it.
    async fn put_one(
        &self,
        place: &RecordPlace,
        record: &Record,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        let condition = format!(
            "attribute_not_exists(#{PK}) OR #{UPDATED_AT} < :updated \
             OR (#{UPDATED_AT} = :updated AND #{VERSION} < :version)"
        );
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(fitting(write(place, record, write_id), record)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":updated", instant(record.updated_at))
            .expression_attribute_values(":version", number(record.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match conditional("put_if_newer", request.send().await)? {
            Conditional::Written(_) => Ok(true),
            Conditional::Refused(item) => is_by(&item, WRITE_ID, write_id),
        }
    }

    /// Marks the item of a record as deleted where `condition` holds, with `set` as the rest of the update; gives it as it
    /// was, or as it refused.
    async fn mark(
        &self,
        key: Item,
        (set, condition): (&str, &str),
        (at, write_id): (Timestamp, &str),
    ) -> Result<Conditional<Item>, StoreError> {
        let update = format!(
            "SET #{DELETED} = :deleted, #{DELETED_BY} = if_not_exists(#{DELETED_BY}, :{WRITE_ID}){set}"
        );
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .set_expression_attribute_names(Some(names([&update, condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":deleted", AttributeValue::Bool(true))
            .expression_attribute_values(":at", instant(at))
            .expression_attribute_values(format!(":{WRITE_ID}"), write_mark(write_id))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional("mark_deleted", request.send().await)? {
            Conditional::Written(output) => Conditional::Written(output.attributes.unwrap_or_default()),
            Conditional::Refused(item) => Conditional::Refused(item),
        })
    }
}

const WHAT: &str = "record";

#[async_trait]
impl RecordStore for DynamoRecords {
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        let puts: Vec<_> = records.iter().map(|record| self.put_one(place, record, write_id)).collect();
        let puts = stream::iter(puts).buffer_unordered(CONCURRENCY);
        puts.try_fold(0, |sum, newer| async move { Ok(sum + u64::from(newer)) }).await
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        (entity, id): (Entity, &RecordId),
        at: Timestamp,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        let key = || Key::record(place, entity, id).into_item();
        // Where nothing is stored this leaves a tombstone: no content, and no version, so that of its own moment nothing
        // is newer.
        let moved = format!(", #{UPDATED_AT} = :at");
        let condition = format!("attribute_not_exists(#{PK}) OR #{UPDATED_AT} <= :at");
        if let Conditional::Written(before) = self.mark(key(), (&moved, &condition), (at, write_id)).await? {
            // Of an item that was not there, some emulators give the key.
            return Ok(!is_tombstone(&before)
                && (!Reader::new(WHAT, &before).flag(DELETED)? || is_by(&before, DELETED_BY, write_id)?));
        }
        // Stored with a later time than the deletion's: the time must not fall, or a late page would bring it back.
        let condition = format!("#{UPDATED_AT} > :at AND #{DELETED} <> :deleted");
        match self.mark(key(), ("", &condition), (at, write_id)).await? {
            Conditional::Written(_) => Ok(true),
            Conditional::Refused(item) => Ok(!is_tombstone(&item) && is_by(&item, DELETED_BY, write_id)?),
        }
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let from = from.map(cursor::decode::<RecordId>).transpose()?;
        let mut start = from.map(|id| Key::record(place, entity, &id).into_item());
        let condition = format!("#{PK} = :pk AND begins_with(#{SK}, :sk)");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(records_partition(place, entity)))
            .expression_attribute_values(":sk", text(RECORD_PREFIX))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        loop {
            let output = query.clone().set_exclusive_start_key(start.take()).send().await;
            let output = output.map_err(unavailable("list"))?;
            let kept = output.items().iter().filter(|item| !is_tombstone(item));
            let records: Vec<_> = kept.map(|item| read(entity, item)).collect::<Result<_, _>>()?;
            let last = output.last_evaluated_key();
            // A page of nothing but tombstones would pass for the end of the list.
            if records.is_empty() && last.is_some() {
                start = last.cloned();
                continue;
            }
            let last = last.map(|key| Reader::new(WHAT, key).parsed_after::<RecordId>(SK, RECORD_PREFIX));
            return Ok(RecordPage { records, next: last.transpose()?.map(|id| cursor::encode(id.as_str())) });
        }
    }

    async fn list_changed(
        &self,
        _: &RecordPlace,
        _: (Entity, Timestamp),
        _: u32,
        _: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        todo!()
    }
}

#[async_trait]
impl WalkStore for DynamoRecords {
    async fn list_ids(&self, _: &RecordPlace, _: Entity, _: Option<&RecordId>) -> Result<IdPage, StoreError> {
        todo!()
    }

    async fn count(&self, _: &RecordPlace, _: Entity) -> Result<u64, StoreError> {
        todo!()
    }

    async fn note_seen(
        &self,
        _: &RecordPlace,
        _: (Entity, &JobId),
        _: u64,
        _: &[RecordId],
    ) -> Result<(), StoreError> {
        todo!()
    }

    async fn find_seen(&self, _: &RecordPlace, _: (Entity, &JobId), _: u64) -> Result<SeenIds, StoreError> {
        todo!()
    }

    async fn find_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
    ) -> Result<Option<SyncCursor>, StoreError> {
        // Consistent, since a job that ran out of time goes on at once in another worker.
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::cursor(place, entity).into_item()));
        let output = request.send().await.map_err(unavailable("find_cursor"))?;
        output.item().map(read_cursor).transpose()
    }

    async fn save_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
        cursor: &SyncCursor,
    ) -> Result<bool, StoreError> {
        let item = Key::cursor(place, entity)
            .into_item()
            .put_if(JOB, cursor.job.as_ref().map(|job| text(job.as_str())))
            // To the last digit: a moment cut short would look as if the walk had left it.
            .put_if(AFTER, cursor.after.map(|after| text(after.to_string())))
            .put(SKIP, number(cursor.skip))
            .put(RECORDS, number(cursor.records))
            .put_if(COMPLETED_AT, cursor.completed_at.map(instant));
        let (condition, mine) = match &cursor.job {
            Some(job) => {
                (format!("attribute_not_exists(#{JOB}) OR #{JOB} <= :mine"), Some(text(job.as_str())))
            }
            None => (format!("attribute_not_exists(#{JOB})"), None),
        };
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .set_expression_attribute_values(mine.map(|mine| Item::from([(":mine".to_owned(), mine)])));
        // A job's own cursor meets the condition again, so after a lost answer it is put once more.
        let put = conditional("save_cursor", request.send().await)?;
        Ok(matches!(put, Conditional::Written(_)))
    }
}

/// The item of a record, without the provider's own object where that is more than an item holds: the rest is still
/// worth having, and a page that cannot be written would block its entity for good.
fn fitting(item: Item, record: &Record) -> Item {
    if weight(&item) <= MAX_ITEM {
        return item;
    }
    let (entity, id) = (record.entity.as_str(), record.id.as_str());
    tracing::warn!(entity, recordId = id, "Record is too large and is stored without the provider's object");
    item.put(RAW, text(""))
}

/// Whether an item is nothing, or only remembers that its record was deleted before it was ever stored.
fn is_tombstone(item: &Item) -> bool {
    !item.contains_key(RAW)
}

/// Whether an item has the mark of this write.
fn is_by(item: &Item, mark: &'static str, write_id: &str) -> Result<bool, StoreError> {
    Ok(Reader::new(WHAT, item).hexed_if(mark, WRITE_PREFIX)?.as_deref() == Some(write_id))
}

fn write(place: &RecordPlace, record: &Record, write_id: &str) -> Item {
    Key::record(place, record.entity, &record.id)
        .into_item()
        .put(UPDATED_AT, instant(record.updated_at))
        .put(VERSION, number(record.version))
        .put(DELETED, AttributeValue::Bool(record.deleted))
        .put(WRITE_ID, write_mark(write_id))
        .put_if(DELETED_BY, record.deleted.then(|| write_mark(write_id)))
        .put_if(DOCUMENT_NUMBER, record.document_number.as_ref().map(text))
        .put_if(TOTAL, record.total.as_ref().map(text))
        .put_if(CURRENCY, record.currency.as_ref().map(text))
        .put_if(COUNTERPARTY, record.counterparty.as_ref().map(text))
        .put_if(STATUS, record.status.as_ref().map(text))
        .put(RAW, text(&record.raw))
}

fn read(entity: Entity, item: &Item) -> Result<Record, StoreError> {
    let reader = Reader::new(WHAT, item);
    Ok(Record {
        entity,
        id: reader.parsed_after(SK, RECORD_PREFIX)?,
        updated_at: reader.instant(UPDATED_AT)?,
        version: reader.number(VERSION)?,
        deleted: reader.flag(DELETED)?,
        document_number: reader.owned_if(DOCUMENT_NUMBER)?,
        total: reader.owned_if(TOTAL)?,
        currency: reader.owned_if(CURRENCY)?,
        counterparty: reader.owned_if(COUNTERPARTY)?,
        status: reader.owned_if(STATUS)?,
        raw: reader.text(RAW)?.to_owned(),
        digest: None,
    })
}

fn read_cursor(item: &Item) -> Result<SyncCursor, StoreError> {
    let reader = Reader::new("cursor", item);
    Ok(SyncCursor {
        job: reader.parsed_if(JOB)?,
        after: reader.parsed_if(AFTER)?,
        skip: reader.number(SKIP)?,
        records: reader.number(RECORDS)?,
        completed_at: reader.instant_if(COMPLETED_AT)?,
        ..SyncCursor::default()
    })
}
