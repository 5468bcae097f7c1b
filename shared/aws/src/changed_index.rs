//! The index of records by time of change: what changed, which ids there are, and how many.
//!
//! An entry holds the key, the time and whether the record is deleted, some 150 bytes, so that counting and comparing read a
//! tenth or less of what the table would cost. Entries follow the table within a moment: what is missing in a list for that
//! reason is behind it, and a comparison that it misleads is repeated by the next.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, Select},
};
use domain::{
    id::RecordId,
    store::StoreError,
    sync::{Entity, IdPage, PAGE_CONTENT, Record, RecordPage, RecordPlace},
};
use jiff::Timestamp;

use crate::{
    batch_get::{self, MAX_KEYS, Reading},
    cursor,
    failure::unavailable,
    item::{Item, Put as _, Reader, instant, names, text},
    keys::{CHANGED_INDEX, Key, PK, RECORD_PREFIX, SK, records_partition},
    record_item::{self, DELETED, UPDATED_AT, WHAT, is_tombstone},
    records::DynamoRecords,
};

/// Entries of a page of ids: as many as one job compares between two looks at the clock.
const IDS: i32 = 1_000;

/// A kind of record of a company.
pub(crate) type List<'a> = (&'a RecordPlace, Entity);

impl DynamoRecords {
    fn index(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).index_name(CHANGED_INDEX)
    }

    /// A page of what changed at or after `since`, in the order of the index: by time, and within a millisecond as
    /// `DynamoDB` orders it. The cursor is the very entry that the page ended with, so that none is passed over or shown
    /// twice, however many share a time.
    pub(crate) async fn changed(
        &self,
        kind: List<'_>,
        since: Timestamp,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let start = from.map(cursor::decode_change).transpose()?;
        // DynamoDB takes no place that is outside of what it is asked for.
        if start.as_ref().is_some_and(|(at, _)| at.as_millisecond() < since.as_millisecond()) {
            return Err(cursor::foreign());
        }
        let mut start = start.map(|(at, id)| entry(kind, at, &id));
        let condition = format!("#{PK} = :pk AND #{UPDATED_AT} >= :since");
        let query = self
            .index()
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(records_partition(kind.0, kind.1)))
            .expression_attribute_values(":since", instant(since))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        loop {
            let output = query.clone().set_exclusive_start_key(start.take()).send().await;
            let output = output.map_err(unavailable("list_changed"))?;
            let (records, cut) = self.records_of(kind, output.items()).await?;
            let last = cut.or_else(|| output.last_evaluated_key());
            // A page of nothing but tombstones would pass for the end of the list.
            if records.is_empty() && last.is_some() {
                start = last.cloned();
                continue;
            }
            return Ok(RecordPage { records, next: last.map(place_of).transpose()? });
        }
    }

    /// The records of entries, in their order, without tombstones; with the entry that they end with where they are cut, for
    /// their content is enough for a page.
    async fn records_of<'a>(
        &self,
        (place, entity): List<'_>,
        entries: &'a [Item],
    ) -> Result<(Vec<Record>, Option<&'a Item>), StoreError> {
        // Consistent: what an entry tells of must be there, or a reader would take an older state for this one.
        let reading = Reading { operation: "list_changed", attributes: None, consistent: true };
        let (mut records, mut content) = (vec![], 0);
        for entries in entries.chunks(MAX_KEYS) {
            let key = |entry: &Item| Ok(Key::record(place, entity, &id_of(entry)?).into_item());
            let keys = entries.iter().map(key).collect::<Result<_, StoreError>>()?;
            let items = batch_get::read_items(&self.client, &self.table, keys, reading).await?;
            let mut found = HashMap::with_capacity(items.len());
            for item in items.iter().filter(|item| !is_tombstone(item)) {
                let record = record_item::read(entity, item)?;
                found.insert(record.id.clone(), record);
            }
            for entry in entries {
                let Some(record) = found.remove(&id_of(entry)?) else { continue };
                content += record.raw.len();
                records.push(record);
                if content >= PAGE_CONTENT {
                    return Ok((records, Some(entry)));
                }
            }
        }
        Ok((records, None))
    }

    /// A page of the ids of records that are not deleted, in the order of the index: what changes meanwhile comes again, by
    /// its new time, and none is passed over.
    pub(crate) async fn live_ids(&self, list: List<'_>, from: Option<&str>) -> Result<IdPage, StoreError> {
        let start = from.map(cursor::decode_change).transpose()?;
        let start = start.map(|(at, id)| entry(list, at, &id));
        let query = self.live(list, &format!("#{SK}")).limit(IDS).set_exclusive_start_key(start);
        let output = query.send().await.map_err(unavailable("list_ids"))?;
        let ids = output.items().iter().map(id_of).collect::<Result<_, _>>()?;
        Ok(IdPage { ids, next: output.last_evaluated_key().map(place_of).transpose()? })
    }

    /// How many records are not deleted.
    pub(crate) async fn count_live(&self, list: List<'_>) -> Result<u64, StoreError> {
        let mut pages = self.live(list, "").select(Select::Count).into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.try_next().await.map_err(unavailable("count"))? {
            count += u64::try_from(page.count()).unwrap_or_default();
        }
        Ok(count)
    }

    /// Asks for the entries of records that are not deleted, with these attributes.
    fn live(&self, (place, entity): List<'_>, attributes: &str) -> QueryFluentBuilder {
        let condition = format!("#{PK} = :pk");
        let filter = format!("#{DELETED} = :live");
        self.index()
            .set_expression_attribute_names(Some(names([&condition, &filter, attributes])))
            .key_condition_expression(condition)
            .filter_expression(filter)
            .set_projection_expression((!attributes.is_empty()).then(|| attributes.to_owned()))
            .expression_attribute_values(":pk", text(records_partition(place, entity)))
            .expression_attribute_values(":live", AttributeValue::Bool(false))
    }
}

fn id_of(entry: &Item) -> Result<RecordId, StoreError> {
    Reader::new(WHAT, entry).parsed_after(SK, RECORD_PREFIX)
}

/// The place of an entry, as a cursor.
fn place_of(entry: &Item) -> Result<String, StoreError> {
    Ok(cursor::encode_change(Reader::new(WHAT, entry).instant(UPDATED_AT)?, &id_of(entry)?))
}

/// The key of an entry.
fn entry((place, entity): List<'_>, at: Timestamp, id: &RecordId) -> Item {
    Key::record(place, entity, id).into_item().put(UPDATED_AT, instant(at))
}
