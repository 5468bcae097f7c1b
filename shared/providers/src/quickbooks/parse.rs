//! From Intuit's JSON to records: one pass over the page, one over each object, nothing copied but what is kept.

use std::{borrow::Cow, fmt};

use domain::{
    id::RecordId,
    sync::{LedgerError, LedgerPage, Record},
};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    api::{Failure, Unreadable, unreadable},
    decimal::decimal,
    entity::{Kind, PAGE_SIZE},
    fault::Fault,
};

/// Intuit's word for an object that is gone.
const DELETED: &str = "Deleted";

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

/// Reads the answer to a query.
pub(super) fn page(body: &[u8], kind: Kind) -> Result<LedgerPage, LedgerError> {
    let mut page = LedgerPage::default();
    let found = members(body, "QueryResponse", Objects { kind, page: &mut page });
    match found {
        Ok(Some(())) => {
            page.newest = page.records.iter().map(|record| record.updated_at).max();
            page.more = page.records.len() as u64 + page.unreadable >= PAGE_SIZE as u64;
            Ok(page)
        }
        // Not an empty page, which would end the walk: that has the member, with nothing in it.
        Ok(None) => Err(without(body)),
        Err(_) => Err(unreadable(Unreadable::Json)),
    }
}

/// Reads the answer to a fetch; none where it says that the object is gone.
pub(super) fn object(body: &[u8], kind: Kind, id: &RecordId) -> Result<Option<Record>, LedgerError> {
    let raw = members(body, kind.name, Raw).map_err(|_| unreadable(Unreadable::Json))?;
    let raw = raw.ok_or_else(|| without(body))?;
    if is_deleted(raw) {
        return Ok(None);
    }
    let record = record(raw, kind).ok_or_else(|| unreadable(Unreadable::Json))?;
    if record.id == *id { Ok(Some(record)) } else { Err(unreadable(Unreadable::Other)) }
}

/// The error that a success without the promised member is.
fn without(body: &[u8]) -> LedgerError {
    let fault = Fault::parse(body);
    if fault == Fault::default() {
        unreadable(Unreadable::Other)
    } else {
        Failure::within_success(fault).into()
    }
}

/// The record of an object; none where it lacks an id or a time of change that can be read.
fn record(raw: &RawValue, kind: Kind) -> Option<Record> {
    let object: Object<'_> = serde_json::from_str(raw.get()).ok()?;
    let counterparty = object.customer_ref.or(object.vendor_ref).and_then(|reference| reference.name);
    Some(Record {
        entity: kind.entity,
        id: object.id.parse().ok()?,
        // With an offset, with or without a colon.
        updated_at: object.meta_data.last_updated_time.parse::<Timestamp>().ok()?,
        version: object.sync_token.map_or(Some(0), |token| token.parse().ok())?,
        deleted: object.status.as_deref() == Some(DELETED),
        document_number: owned(object.doc_number),
        total: object.total_amt.and_then(|amount| decimal(amount.get())),
        currency: owned(object.currency_ref.and_then(|reference| reference.value)),
        counterparty: owned(counterparty),
        status: owned(object.status),
        raw: raw.get().to_owned(),
    })
}

/// A deleted object is a stub, often without a time of change.
fn is_deleted(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Stub<'a> {
        #[serde(borrow, default)]
        status: Option<Cow<'a, str>>,
    }
    serde_json::from_str::<Stub<'_>>(raw.get()).is_ok_and(|stub| stub.status.as_deref() == Some(DELETED))
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(Cow::into_owned)
}

/// Reads one member of a JSON object with `seed` and passes over all others.
fn members<'a, S: DeserializeSeed<'a>>(
    body: &'a [u8],
    name: &str,
    seed: S,
) -> Result<Option<S::Value>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = deserializer.deserialize_map(Member { name, seed: Some(seed) })?;
    deserializer.end()?;
    Ok(value)
}

struct Member<'n, S> {
    name: &'n str,
    seed: Option<S>,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Member<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != self.name {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let seed = self.seed.take().ok_or_else(|| A::Error::custom("a member stands twice"))?;
            found = Some(map.next_value_seed(seed)?);
        }
        Ok(found)
    }
}

struct Raw;

impl<'de> DeserializeSeed<'de> for Raw {
    type Value = &'de RawValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        <&RawValue>::deserialize(deserializer)
    }
}

/// Reads a query's answer into a page: the member with the kind's name, which an empty page lacks.
struct Objects<'p> {
    kind: Kind,
    page: &'p mut LedgerPage,
}

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let name = self.kind.name;
        deserializer.deserialize_map(Member { name, seed: Some(List(self)) }).map(drop)
    }
}

struct List<'p>(Objects<'p>);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Objects { kind, page } = self.0;
        let mut seen = 0;
        while let Some(raw) = list.next_element::<&RawValue>()? {
            seen += 1;
            // More than was asked for is not a page, and would not be bounded.
            if seen > PAGE_SIZE {
                return Err(A::Error::custom("too many objects"));
            }
            match record(raw, kind) {
                Some(record) => page.records.push(record),
                None => page.unreadable += 1,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
