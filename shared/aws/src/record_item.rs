//! Items of records.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    store::StoreError,
    sync::{Entity, Record, RecordPlace},
};

use crate::{
    connection_item::write_mark,
    item::{Item, Put as _, Reader, instant, number, text, weight},
    keys::{Key, PK, RECORD_PREFIX, SK, WRITE_ID, WRITE_PREFIX},
};

pub(crate) const UPDATED_AT: &str = "updated_at";
const VERSION: &str = "version";
pub(crate) const DELETED: &str = "deleted";
/// The write that deleted it.
pub(crate) const DELETED_BY: &str = "x";
/// See [`Record::digest`].
const DIGEST: &str = "digest";
const DOCUMENT_NUMBER: &str = "document_number";
const TOTAL: &str = "total";
const CURRENCY: &str = "currency";
const COUNTERPARTY: &str = "counterparty";
const STATUS: &str = "status";
const RAW: &str = "raw";

/// What a record may lack.
const OPTIONAL: [&str; 7] = [DELETED_BY, DIGEST, DOCUMENT_NUMBER, TOTAL, CURRENCY, COUNTERPARTY, STATUS];
/// What decides whether another takes its place, beside its key.
pub(crate) const HEAD: &str = "#pk, #sk, #updated_at, #version, #digest, #w";
/// `DynamoDB` takes items of up to 400 KiB by its own weighing; the last one is left to what its rules leave open.
const MAX_ITEM: usize = 399 * 1024;
/// What an item is called in errors.
pub(crate) const WHAT: &str = "record";

/// The item of a record, without the provider's own object where that is more than an item holds: the rest is still
/// worth having, and a page that cannot be written would block its entity for good.
pub(crate) fn write(place: &RecordPlace, record: &Record, write_id: &str) -> Item {
    let item = Key::record(place, record.entity, &record.id)
        .into_item()
        .put(UPDATED_AT, instant(record.updated_at))
        .put(VERSION, number(record.version))
        .put(DELETED, AttributeValue::Bool(record.deleted))
        .put(WRITE_ID, write_mark(write_id))
        .put_if(DELETED_BY, record.deleted.then(|| write_mark(write_id)))
        .put_if(DIGEST, record.digest.map(number))
        .put_if(DOCUMENT_NUMBER, record.document_number.as_ref().map(text))
        .put_if(TOTAL, record.total.as_ref().map(text))
        .put_if(CURRENCY, record.currency.as_ref().map(text))
        .put_if(COUNTERPARTY, record.counterparty.as_ref().map(text))
        .put_if(STATUS, record.status.as_ref().map(text))
        .put(RAW, text(&record.raw));
    if weight(&item) <= MAX_ITEM {
        return item;
    }
    let (entity, id) = (record.entity.as_str(), record.id.as_str());
    tracing::warn!(entity, recordId = id, "Record is too large and is stored without the provider's object");
    item.put(RAW, text(""))
}

/// Those attributes that an item lacks, which an update must take off what it replaces.
pub(crate) fn lacking(item: &Item) -> Vec<&'static str> {
    OPTIONAL.into_iter().filter(|name| !item.contains_key(*name)).collect()
}

/// Reads a record.
pub(crate) fn read(entity: Entity, item: &Item) -> Result<Record, StoreError> {
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
        digest: reader.number_if(DIGEST)?,
    })
}

/// The condition under which a record is put, over an item or none, and the values that it names.
pub(crate) fn newer(record: &Record) -> (String, Item) {
    let later = format!(
        "attribute_not_exists(#{PK}) OR #{UPDATED_AT} < :updated \
         OR (#{UPDATED_AT} = :updated AND #{VERSION} < :version)"
    );
    let values =
        Item::new().put(":updated", instant(record.updated_at)).put(":version", number(record.version));
    let Some(digest) = record.digest else { return (later, values) };
    let other = format!(
        "#{UPDATED_AT} = :updated AND #{VERSION} = :version \
         AND attribute_exists(#{DIGEST}) AND #{DIGEST} <> :digest"
    );
    (format!("{later} OR ({other})"), values.put(":digest", number(digest)))
}

/// Whether an item is nothing, or only remembers that its record was deleted before it was ever stored.
pub(crate) fn is_tombstone(item: &Item) -> bool {
    !item.contains_key(RAW)
}

/// Whether an item has the mark of this write.
pub(crate) fn is_by(item: &Item, mark: &'static str, write_id: &str) -> Result<bool, StoreError> {
    Ok(Reader::new(WHAT, item).hexed_if(mark, WRITE_PREFIX)?.as_deref() == Some(write_id))
}

/// Whether a record is to take the place of the one that an item with the attributes of [`HEAD`] stands for. A tombstone has
/// no version, and gives way to a later time only.
pub(crate) fn gives_way(head: &Item, record: &Record) -> Result<bool, StoreError> {
    let reader = Reader::new(WHAT, head);
    let stored = Record {
        entity: record.entity,
        id: record.id.clone(),
        updated_at: reader.instant(UPDATED_AT)?,
        version: reader.number_if(VERSION)?.unwrap_or(u64::MAX),
        deleted: false,
        document_number: None,
        total: None,
        currency: None,
        counterparty: None,
        status: None,
        raw: String::new(),
        digest: reader.number_if(DIGEST)?,
    };
    Ok(record.is_newer_than(&stored))
}
