//! From Xero's JSON to records.

use domain::{
    id::RecordId,
    sync::{self, Entity, LedgerPage, Record},
};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::resource::Resource;
use crate::ledger::{self, Members, Objects, Trouble, Unreadable, member, unreadable};

/// The most objects on a page: half of what Xero allows, since it is slow with whole invoices, and a thousand
/// requests a day still read half a million.
pub(super) const PAGE_SIZE: u64 = 500;
/// Xero's word for an object that is gone; archived and voided ones are still there.
const DELETED: &str = "DELETED";

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    page: u64,
    page_size: u64,
    page_count: u64,
    #[serde(default)]
    item_count: Option<u64>,
}

/// Reads a list, without its first `skip` objects. What comes without pages comes whole, so that no walk needs a time from
/// which to go on.
pub(super) fn page(body: &[u8], entity: Entity, skip: u64) -> Result<LedgerPage, Trouble> {
    let resource = Resource::of(entity);
    let mut page = LedgerPage::default();
    let mut at = 0;
    let seen = list(body, resource, &mut |raw| {
        at += 1;
        if at > skip {
            ledger::take(&mut page, entity, records(raw, resource));
        }
    })?;
    if resource.is_paged {
        page.newest = ledger::newest_in_order(&page.records);
        let pagination = pagination(body)?;
        page.more = is_followed(pagination.as_ref(), seen > skip)?;
        page.total = pagination.and_then(|pagination| pagination.item_count);
    }
    Ok(page)
}

/// Reads what was found by id.
pub(super) fn found(body: &[u8], resource: &Resource) -> Result<Vec<Record>, Trouble> {
    let mut found = Vec::new();
    list(body, resource, &mut |raw| found.extend(records(raw, resource).unwrap_or_default()))?;
    Ok(found)
}

/// Reads the one object that was asked for, which may be of several kinds.
pub(super) fn object(body: &[u8], resource: &Resource, id: &RecordId) -> Result<Vec<Record>, Trouble> {
    let mut object = None;
    let seen = list(body, resource, &mut |raw| object = records(raw, resource))?;
    if seen != 1 {
        return Err(unreadable(Unreadable::Other));
    }
    let object = object.ok_or_else(|| unreadable(Unreadable::Json))?;
    // Xero finds invoices by number, too.
    if object.iter().all(|record| record.id == *id) { Ok(object) } else { Err(unreadable(Unreadable::Other)) }
}

fn list(body: &[u8], resource: &Resource, each: &mut dyn FnMut(&RawValue)) -> Result<u64, Trouble> {
    let max = if resource.is_paged { PAGE_SIZE } else { u64::MAX };
    let seen = member(body, resource.name, Objects { max, each });
    // An answer without the member is not an empty list, which would end the walk.
    seen.map_err(|_| unreadable(Unreadable::Json))?.ok_or_else(|| unreadable(Unreadable::Other))
}

/// Reads how many objects a list has in all.
pub(super) fn count(body: &[u8], resource: &Resource) -> Result<u64, Trouble> {
    list(body, resource, &mut |_| {})?;
    let count = pagination(body)?.and_then(|pagination| pagination.item_count);
    count.ok_or_else(|| unreadable(Unreadable::Other))
}

fn pagination(body: &[u8]) -> Result<Option<Pagination>, Trouble> {
    let envelope = serde_json::from_slice::<Envelope>(body);
    Ok(envelope.map_err(|_| unreadable(Unreadable::Json))?.pagination)
}

/// Whether another page follows; without a word about it, until one has nothing new.
fn is_followed(pagination: Option<&Pagination>, has_objects: bool) -> Result<bool, Trouble> {
    let Some(&Pagination { page, page_size, page_count, .. }) = pagination else {
        return Ok(has_objects);
    };
    let is_followed = page < page_count;
    // Pages of another size begin elsewhere, and one without objects would follow itself forever.
    if is_followed && (page_size != PAGE_SIZE || !has_objects) {
        return Err(unreadable(Unreadable::Other));
    }
    Ok(is_followed)
}

/// The records of an object, one for each kind that it is of; none where it lacks an id, a time of change or a kind.
fn records(raw: &RawValue, resource: &Resource) -> Option<Vec<Record>> {
    let object = Members::of(raw)?;
    let id: RecordId = object.text(resource.id)?.parse().ok()?;
    let updated_at = changed_at(&object)?;
    let status = object.text(resource.status);
    let invoice = object.within("Invoice");
    let of_invoice = |name: &str| invoice.as_ref()?.text(name);
    let currency = ["CurrencyCode", "DefaultCurrency"].iter().find_map(|name| object.text(name));
    let contact = object.within("Contact").or_else(|| invoice.as_ref()?.within("Contact"));
    let record = |&entity: &Entity| Record {
        entity,
        id: id.clone(),
        updated_at,
        version: 0,
        deleted: status.as_deref() == Some(DELETED),
        document_number: resource.number.and_then(|name| object.text(name)),
        total: ["Total", "Amount"].iter().find_map(|name| object.amount(name)),
        currency: currency.clone().or_else(|| of_invoice("CurrencyCode")),
        counterparty: contact.as_ref().and_then(|contact| contact.text("Name")),
        status: status.clone(),
        raw: raw.get().to_owned(),
        // Of lists and single objects alike, since both are whole: what webhooks brought is to be compared, too.
        digest: Some(sync::digest(raw.get())),
    };
    Some(kinds(&object, resource)?.iter().map(record).collect())
}

/// What an object is of all that its resource holds.
fn kinds(object: &Members<'_>, resource: &Resource) -> Option<&'static [Entity]> {
    let [first, _] = resource.entities else { return Some(resource.entities) };
    let (is_first, is_second) = match first {
        Entity::Customers => {
            let is_vendor = object.flag("IsSupplier");
            (object.flag("IsCustomer") || !is_vendor, is_vendor)
        }
        Entity::Invoices => {
            let kind = object.text("Type")?;
            (kind == "ACCREC", kind == "ACCPAY")
        }
        _ => {
            let kind = object.text("PaymentType")?;
            let is_of = |sides: [&str; 2]| sides.iter().any(|side| kind.starts_with(side));
            (is_of(["ACCREC", "AR"]), is_of(["ACCPAY", "AP"]))
        }
    };
    match (is_first, is_second) {
        (true, true) => Some(resource.entities),
        (true, false) => Some(&resource.entities[..1]),
        (false, true) => Some(&resource.entities[1..]),
        (false, false) => None,
    }
}

/// When an object changed: in milliseconds in the form of Microsoft's old JSON, or in seconds as text.
fn changed_at(object: &Members<'_>) -> Option<Timestamp> {
    object
        .text("UpdatedDateUTC")
        .and_then(|text| time(&text))
        .or_else(|| object.text("UpdatedDateUTCString").and_then(|text| time(&text)))
}

/// A moment in any of Xero's forms; all are UTC, whatever offset stands in `/Date(…+0000)/`.
fn time(text: &str) -> Option<Timestamp> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let sign = usize::from(inner.starts_with('-'));
        let end = inner[sign..].find(['+', '-']).map_or(inner.len(), |at| sign + at);
        return Timestamp::from_millisecond(inner[..end].parse().ok()?).ok();
    }
    let utc = |text: &str| text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| Some(utc(text)?.timestamp()))
}

#[cfg(test)]
mod tests;
