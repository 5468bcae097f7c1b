//! From Zoho's JSON to records.

use domain::{
    id::RecordId,
    sync::{self, Entity, LedgerPage, Record},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::resource::Resource;
use crate::ledger::{self, Members, Objects, Raw, Trouble, Unreadable, member, unreadable};

/// The most objects that Zoho puts on a page.
pub(super) const PAGE_SIZE: u64 = 200;
/// Zoho's word for a contact that sells to the organization; all others buy from it.
const VENDOR: &str = "vendor";

#[derive(Deserialize)]
struct Envelope {
    page_context: PageContext,
}

#[derive(Deserialize)]
struct PageContext {
    has_more_page: bool,
    #[serde(default)]
    per_page: Option<u64>,
}

/// Reads a list, without its first `skip` objects.
pub(super) fn page(body: &[u8], entity: Entity, skip: u64) -> Result<LedgerPage, Trouble> {
    let resource = Resource::of(entity);
    let mut page = LedgerPage::default();
    let mut at = 0;
    let mut take = |raw: &RawValue| {
        at += 1;
        if at > skip {
            let record = record(raw, resource, Source::List);
            ledger::take(&mut page, entity, record.map(|record| vec![record]));
        }
    };
    let (seen, PageContext { has_more_page, per_page }) = list(body, resource, &mut take)?;
    // Pages of another size begin elsewhere, and one without objects would follow itself forever.
    if has_more_page && (per_page.is_some_and(|size| size != PAGE_SIZE) || seen <= skip) {
        return Err(unreadable(Unreadable::Other));
    }
    page.more = has_more_page;
    Ok(page)
}

/// Reads how many rows a list has, and whether more follow.
pub(super) fn count(body: &[u8], resource: &Resource) -> Result<(u64, bool), Trouble> {
    let (seen, context) = list(body, resource, &mut |_| {})?;
    Ok((seen, context.has_more_page))
}

fn list(
    body: &[u8],
    resource: &Resource,
    each: &mut dyn FnMut(&RawValue),
) -> Result<(u64, PageContext), Trouble> {
    let seen = member(body, resource.path, Objects { max: PAGE_SIZE, each });
    // An answer without the member is not an empty list, which would end the walk.
    let seen =
        seen.map_err(|_| unreadable(Unreadable::Json))?.ok_or_else(|| unreadable(Unreadable::Other))?;
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| unreadable(Unreadable::Json))?;
    Ok((seen, envelope.page_context))
}

/// Reads the one object that was asked for.
pub(super) fn object(body: &[u8], resource: &Resource, id: &RecordId) -> Result<Record, Trouble> {
    let raw = member(body, resource.single, Raw).map_err(|_| unreadable(Unreadable::Json))?;
    let raw = raw.ok_or_else(|| unreadable(Unreadable::Other))?;
    let record = record(raw, resource, Source::Single).ok_or_else(|| unreadable(Unreadable::Json))?;
    if record.id == *id { Ok(record) } else { Err(unreadable(Unreadable::Other)) }
}

/// What an object was read from.
#[derive(Clone, Copy)]
enum Source {
    /// A list, whose rows are alike each time and lack what only a single object has.
    List,
    Single,
}

/// When an object changed.
enum Time {
    Of(Timestamp),
    Absent,
    Unreadable,
}

/// The record of an object; none where it lacks an id, or a time of change although its kind is read by that.
///
/// The digest of a row tells of a second change within one second, and of those that leave the time of change as it is, such
/// as the balance of a contact. A single object is not compared with rows, unless it has no time by which to be.
fn record(raw: &RawValue, resource: &Resource, source: Source) -> Option<Record> {
    let object = Members::of(raw)?;
    let text = |names: &[&str]| names.iter().find_map(|name| object.text(name));
    let (updated_at, is_compared) = match (time(&object), source) {
        (Time::Of(at), Source::List) => (at, true),
        (Time::Of(at), Source::Single) => (at, false),
        (Time::Absent, _) if !resource.is_filtered_by_time => (Timestamp::UNIX_EPOCH, true),
        (Time::Absent | Time::Unreadable, _) => return None,
    };
    Some(Record {
        entity: entity(&object, resource),
        id: object.text(resource.id)?.parse().ok()?,
        updated_at,
        version: 0,
        // What Zoho deletes is in no answer any more.
        deleted: false,
        document_number: resource.number.and_then(|name| object.text(name)),
        total: ["total", "amount"].iter().find_map(|name| object.amount(name)),
        currency: object.text("currency_code"),
        counterparty: text(&["customer_name", "vendor_name"]),
        status: object.text("status"),
        raw: raw.get().to_owned(),
        digest: is_compared.then(|| sync::digest(raw.get())),
    })
}

fn time(object: &Members<'_>) -> Time {
    let names = ["last_modified_time", "updated_time", "created_time"];
    match names.iter().find_map(|name| object.text(name)) {
        // With an offset, without a colon in it.
        Some(text) => text.parse().map_or(Time::Unreadable, Time::Of),
        None => Time::Absent,
    }
}

/// What an object is of all that its resource holds.
fn entity(object: &Members<'_>, resource: &Resource) -> Entity {
    match resource.entities {
        [one] => *one,
        _ if object.text("contact_type").as_deref() == Some(VENDOR) => Entity::Vendors,
        _ => Entity::Customers,
    }
}

#[cfg(test)]
mod tests;
