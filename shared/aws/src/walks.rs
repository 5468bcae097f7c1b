//! Walks in `DynamoDB`: how far each came, and what it saw.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::{JobId, RecordId},
    refresh::policy::later,
    store::StoreError,
    sync::{Entity, IdPage, RecordPlace, SeenIds, SyncCursor, Walk, WalkStore},
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, bytes, instant, names, number, text},
    keys::{Key, PK, SK, TTL, records_partition, seen_sort_key},
    records::DynamoRecords,
};

const JOB: &str = "job";
const AFTER: &str = "after";
const SKIP: &str = "skip";
const RECORDS: &str = "records";
const COMPLETED_AT: &str = "completed_at";
const BEGAN_AT: &str = "began_at";
const WHOLE_AT: &str = "whole_at";
const MISCOUNTED_AT: &str = "miscounted_at";
/// Where the walk stands: a map of the following; absent among changes, empty where it is to be counted.
const WALK: &str = "walk";
const NAME: &str = "name";
const PAGES: &str = "pages";
/// There in a sweep only; empty before its first page.
const SWEPT: &str = "swept";

/// The digests of what a page showed, eight bytes each.
const DIGESTS: &str = "digests";
/// How long what a walk saw is remembered after it was begun. What is forgotten early is taken for unseen, which costs calls
/// to the provider and no record.
const SEEN_KEPT: Duration = Duration::from_hours(30 * 24);

#[async_trait]
impl WalkStore for DynamoRecords {
    async fn list_ids(
        &self,
        place: &RecordPlace,
        entity: Entity,
        from: Option<&str>,
    ) -> Result<IdPage, StoreError> {
        self.live_ids((place, entity), from).await
    }

    async fn count(&self, place: &RecordPlace, entity: Entity) -> Result<u64, StoreError> {
        self.count_live((place, entity)).await
    }

    async fn note_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        page: u64,
        ids: &[RecordId],
    ) -> Result<(), StoreError> {
        let digests: Vec<u8> = ids.iter().flat_map(|id| SeenIds::digest(id).to_be_bytes()).collect();
        let forgotten_at = walk.made_at().map(|made_at| later(made_at, SEEN_KEPT));
        let item = Key::seen(place, (entity, walk), page)
            .into_item()
            .put(DIGESTS, bytes(&digests))
            .put_if(TTL, forgotten_at.map(|at| number(at.as_second())));
        // After a lost answer the same is put once more.
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable("note_seen"))?;
        Ok(())
    }

    async fn find_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        pages: u64,
    ) -> Result<SeenIds, StoreError> {
        let Some(last) = pages.checked_sub(1) else { return Ok(SeenIds::default()) };
        let condition = format!("#{PK} = :pk AND #{SK} BETWEEN :first AND :last");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            // The sweep follows the last page at once, in another worker perhaps.
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(records_partition(place, entity)))
            .expression_attribute_values(":first", text(seen_sort_key(walk, 0)))
            .expression_attribute_values(":last", text(seen_sort_key(walk, last)));
        let mut items = query.into_paginator().items().send();
        let mut seen = vec![];
        while let Some(item) = items.try_next().await.map_err(unavailable("find_seen"))? {
            seen.extend(read_digests(&item)?);
        }
        Ok(seen.into_iter().collect())
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
            .put_if(BEGAN_AT, cursor.began_at.map(instant))
            .put_if(COMPLETED_AT, cursor.completed_at.map(instant))
            .put_if(WALK, write_walk(&cursor.walk))
            .put_if(WHOLE_AT, cursor.whole_at.map(instant))
            .put_if(MISCOUNTED_AT, cursor.miscounted_at.map(instant));
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

fn write_walk(walk: &Walk) -> Option<AttributeValue> {
    let (name, pages, swept) = match walk {
        Walk::Changes => return None,
        Walk::Count => return Some(AttributeValue::M(Item::new())),
        Walk::Whole { name, pages } => (name, pages, None),
        Walk::Sweep { name, pages, from } => (name, pages, Some(from.as_deref().unwrap_or_default())),
    };
    let walk =
        Item::new().put(NAME, text(name.as_str())).put(PAGES, number(*pages)).put_if(SWEPT, swept.map(text));
    Some(AttributeValue::M(walk))
}

fn read_walk(reader: &Reader<'_>) -> Result<Walk, StoreError> {
    let Some(walk) = reader.map_if(WALK)? else { return Ok(Walk::Changes) };
    if walk.has_nothing() {
        return Ok(Walk::Count);
    }
    let (name, pages) = (walk.parsed(NAME)?, walk.number(PAGES)?);
    Ok(match walk.text_if(SWEPT)? {
        None => Walk::Whole { name, pages },
        Some("") => Walk::Sweep { name, pages, from: None },
        Some(from) => Walk::Sweep { name, pages, from: Some(from.to_owned()) },
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
        began_at: reader.instant_if(BEGAN_AT)?,
        walk: read_walk(&reader)?,
        whole_at: reader.instant_if(WHOLE_AT)?,
        miscounted_at: reader.instant_if(MISCOUNTED_AT)?,
    })
}

fn read_digests(item: &Item) -> Result<Vec<u64>, StoreError> {
    let reader = Reader::new("what a walk saw", item);
    let (digests, rest) = reader.bytes(DIGESTS)?.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(reader.value(DIGESTS, "not of eight bytes each"));
    }
    Ok(digests.iter().map(|digest| u64::from_be_bytes(*digest)).collect())
}
