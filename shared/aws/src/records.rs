//! Records in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    id::RecordId,
    store::StoreError,
    sync::{Entity, Record, RecordPage, RecordPlace, RecordStore},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    connection_item::write_mark,
    cursor,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Reader, instant, names, text},
    keys::{Key, PK, RECORD_PREFIX, SK, WRITE_ID, records_partition},
    record_batch::Batch,
    record_item::{self, DELETED, DELETED_BY, UPDATED_AT, WHAT, is_by, is_tombstone},
};

/// As many records as are written one by one: of so few, a read of what is stored would only add to what they cost.
const FEW: usize = 2;
/// Writes under way at once: enough to hide the round trip, little enough for one function's sockets.
const CONCURRENCY: usize = 16;

/// The table of records and cursors.
#[derive(Clone, Debug)]
pub struct DynamoRecords {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl DynamoRecords {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One conditional write; after a lost answer the second try is refused by the first, and knows it.
    async fn put_one(
        &self,
        place: &RecordPlace,
        record: &Record,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        let (condition, values) = record_item::newer(record);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(record_item::write(place, record, write_id)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
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

#[async_trait]
impl RecordStore for DynamoRecords {
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        let Batch { written, left } = if records.len() > FEW {
            self.put_batch(place, records, write_id).await?
        } else {
            Batch { written: 0, left: records.iter().collect() }
        };
        let puts: Vec<_> = left.into_iter().map(|record| self.put_one(place, record, write_id)).collect();
        let puts = stream::iter(puts).buffer_unordered(CONCURRENCY);
        puts.try_fold(written, |sum, newer| async move { Ok(sum + u64::from(newer)) }).await
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
            let records: Vec<_> =
                kept.map(|item| record_item::read(entity, item)).collect::<Result<_, _>>()?;
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
        place: &RecordPlace,
        (entity, since): (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.changed((place, entity), since, limit, from).await
    }
}
