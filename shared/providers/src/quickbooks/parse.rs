//! From Intuit's JSON to records: one pass over the page, one over each object, nothing copied but what is kept.

use std::borrow::Cow;

use domain::{
    id::RecordId,
    sync::{LedgerPage, Record},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{api::Failure, entity::Kind, fault::Fault};
use crate::ledger::{self, Member, Objects, Raw, Trouble, Unreadable, decimal, member, unreadable};

/// Intuit's word for an object that is gone.
const DELETED: &str = "Deleted";
/// Intuit's word for a transaction that is void, which it puts before the note of one and nowhere else.
const VOIDED: &str = "Voided";

/// The members of an object that its record repeats.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Object<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    meta_data: MetaData<'a>,
    #[serde(borrow, default)]
    sync_token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    doc_number: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    total_amt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    currency_ref: Option<Reference<'a>>,
    #[serde(borrow, default)]
    customer_ref: Option<Reference<'a>>,
    #[serde(borrow, default)]
    vendor_ref: Option<Reference<'a>>,
    #[serde(borrow, default, rename = "status")]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    private_note: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaData<'a> {
    #[serde(borrow)]
    last_updated_time: Cow<'a, str>,
}

/// Another object, by its id and its name.
#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

/// Reads the answer to a query for a page of `size`; a page without objects lacks the member with the kind's name.
pub(super) fn page(body: &[u8], kind: Kind, size: u64) -> Result<LedgerPage, Trouble> {
    let mut page = LedgerPage::default();
    let mut take =
        |raw: &RawValue| ledger::take(&mut page, kind.entity, record(raw, kind).map(|record| vec![record]));
    let objects = Objects { max: size, each: &mut take };
    let found = member(body, "QueryResponse", Member { name: kind.name, seed: objects });
    match found {
        Ok(Some(seen)) => {
            page.newest = page.records.iter().map(|record| record.updated_at).max();
            page.more = seen.unwrap_or_default() >= size;
            Ok(page)
        }
        // Not an empty page, which would end the walk: that has the member, with nothing in it.
        Ok(None) => Err(without(body)),
        Err(_) => Err(unreadable(Unreadable::Json)),
    }
}

/// Reads the answer to a fetch; none where it says that the object is gone.
pub(super) fn object(body: &[u8], kind: Kind, id: &RecordId) -> Result<Option<Record>, Trouble> {
    let raw = member(body, kind.name, Raw).map_err(|_| unreadable(Unreadable::Json))?;
    let raw = raw.ok_or_else(|| without(body))?;
    if Stub::of(raw).is_some() {
        return Ok(None);
    }
    let record = record(raw, kind).ok_or_else(|| unreadable(Unreadable::Json))?;
    if record.id == *id { Ok(Some(record)) } else { Err(unreadable(Unreadable::Other)) }
}

/// The error that a success without the promised member is.
pub(super) fn without(body: &[u8]) -> Trouble {
    let fault = Fault::parse(body);
    if fault == Fault::default() {
        unreadable(Unreadable::Other)
    } else {
        Failure::within_success(fault).about_one()
    }
}

/// The record of an object; none where it lacks an id or a time of change that can be read.
pub(super) fn record(raw: &RawValue, kind: Kind) -> Option<Record> {
    let object: Object<'_> = serde_json::from_str(raw.get()).ok()?;
    let counterparty = object.customer_ref.or(object.vendor_ref).and_then(|reference| reference.name);
    let total = object.total_amt.and_then(|amount| decimal(amount.get()));
    let is_void = is_void(total.as_deref(), object.private_note);
    let status = owned(object.status).or_else(|| is_void.then(|| VOIDED.to_owned()));
    Some(Record {
        entity: kind.entity,
        id: object.id.parse().ok()?,
        // With an offset, with or without a colon.
        updated_at: object.meta_data.last_updated_time.parse::<Timestamp>().ok()?,
        version: object.sync_token.map_or(Some(0), |token| token.parse().ok())?,
        deleted: status.as_deref() == Some(DELETED),
        document_number: owned(object.doc_number),
        total,
        currency: owned(object.currency_ref.and_then(|reference| reference.value)),
        counterparty: owned(counterparty),
        status,
        raw: raw.get().to_owned(),
        digest: None,
    })
}

/// Whether a transaction is void: it is still there, with nothing in it, and only its note says why.
fn is_void(total: Option<&str>, note: Option<&RawValue>) -> bool {
    let is_nothing = |total: &str| total.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'));
    let is_noted =
        |note: &RawValue| note.get().strip_prefix('"').is_some_and(|note| note.starts_with(VOIDED));
    total.is_some_and(is_nothing) && note.is_some_and(is_noted)
}

/// What stays of a deleted object, often without a time of change.
#[derive(Deserialize)]
pub(super) struct Stub<'a> {
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(rename = "Id", borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
}

impl<'a> Stub<'a> {
    /// Reads the stub of a deleted object; none where it is no such thing.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        let stub: Self = serde_json::from_str(raw.get()).ok()?;
        (stub.status.as_deref() == Some(DELETED)).then_some(stub)
    }
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
