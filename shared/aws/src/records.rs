//! Records and cursors in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    id::RecordId,
    store::StoreError,
    sync::{Entity, Record, RecordPage, RecordPlace, RecordStore, SyncCursor},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    cursor,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, RECORD_PREFIX, SK, records_partition},
};

const UPDATED_AT: &str = "updated_at";
const VERSION: &str = "version";
const DELETED: &str = "deleted";
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

    /// One conditional write each, since a batch write knows no conditions. After a lost answer a record of ours counts
    /// as not newer, which only the count shows.
    async fn put_one(&self, place: &RecordPlace, record: &Record) -> Result<u64, StoreError> {
        let condition = format!(
            "attribute_not_exists(#{PK}) OR #{UPDATED_AT} < :updated \
             OR (#{UPDATED_AT} = :updated AND #{VERSION} < :version)"
        );
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(place, record)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":updated", instant(record.updated_at))
            .expression_attribute_values(":version", number(record.version));
        let put = conditional("put_if_newer", request.send().await)?;
        Ok(u64::from(matches!(put, Conditional::Written(_))))
    }

    /// Marks a record that `condition` holds for, with `set` as the rest of the update.
    async fn mark(&self, key: Item, set: &str, condition: &str, at: Timestamp) -> Result<Marked, StoreError> {
        let update = format!("SET #{DELETED} = :deleted{set}");
        let condition = format!("#{DELETED} = :kept AND #{UPDATED_AT} {condition} :at");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":deleted", AttributeValue::Bool(true))
            .expression_attribute_values(":kept", AttributeValue::Bool(false))
            .expression_attribute_values(":at", instant(at))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional("mark_deleted", request.send().await)? {
            Conditional::Written(_) => Marked::Now,
            Conditional::Refused(item) if item.is_empty() => Marked::Never,
            Conditional::Refused(item) if Reader::new(WHAT, &item).flag(DELETED)? => Marked::Never,
            Conditional::Refused(_) => Marked::Otherwise,
        })
    }
}

const WHAT: &str = "record";

/// What came of marking a record.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Marked {
    /// It is marked.
    Now,
    /// It is not stored, or marked already.
    Never,
    /// Its time is on the other side of the one asked for.
    Otherwise,
}

#[async_trait]
impl RecordStore for DynamoRecords {
    async fn put_if_newer(&self, place: &RecordPlace, records: &[Record]) -> Result<u64, StoreError> {
        let puts: Vec<_> = records.iter().map(|record| self.put_one(place, record)).collect();
        let puts = stream::iter(puts).buffer_unordered(CONCURRENCY);
        puts.try_fold(0, |sum, newer| async move { Ok(sum + newer) }).await
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        (entity, id): (Entity, &RecordId),
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = || Key::record(place, entity, id).into_item();
        let moved = format!(", #{UPDATED_AT} = :at");
        let mut marked = self.mark(key(), &moved, "<=", at).await?;
        if marked == Marked::Otherwise {
            // Stored with a later time than the deletion's: the time must not fall, or a late page would bring it back.
            marked = self.mark(key(), "", ">", at).await?;
        }
        Ok(marked == Marked::Now)
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let from = from.map(cursor::decode::<RecordId>).transpose()?;
        let condition = format!("#{PK} = :pk AND begins_with(#{SK}, :sk)");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(records_partition(place, entity)))
            .expression_attribute_values(":sk", text(RECORD_PREFIX))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from.map(|id| Key::record(place, entity, &id).into_item()));
        let output = query.send().await.map_err(unavailable("list"))?;
        let records = output.items().iter().map(|item| read(entity, item)).collect::<Result<_, _>>()?;
        let last = output.last_evaluated_key();
        let last = last.map(|key| Reader::new(WHAT, key).parsed_after::<RecordId>(SK, RECORD_PREFIX));
        Ok(RecordPage { records, next: last.transpose()?.map(|id| cursor::encode(id.as_str())) })
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

fn write(place: &RecordPlace, record: &Record) -> Item {
    Key::record(place, record.entity, &record.id)
        .into_item()
        .put(UPDATED_AT, instant(record.updated_at))
        .put(VERSION, number(record.version))
        .put(DELETED, AttributeValue::Bool(record.deleted))
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
    })
}
