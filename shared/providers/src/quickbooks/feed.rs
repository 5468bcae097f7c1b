//! What changed since a moment, deletions included: Intuit's change data capture, read in one pass.

use std::{borrow::Cow, fmt};

use domain::{
    id::RecordId,
    sync::{Changes, Entity},
};
use jiff::Timestamp;
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    api::Failure,
    entity::Kind,
    fault::Fault,
    parse::{Stub, record, without},
};
use crate::ledger::{Trouble, Unreadable, unreadable};

/// The most objects that Intuit tells at once, over all kinds together; what is beyond it is left out, deletions first.
const OBJECTS_MAX: u64 = 1_000;

/// Reads the answer to what changed in these kinds; all of them are complete in it, or none is.
pub(super) fn changes(body: &[u8], kinds: &[Kind]) -> Result<Changes, Trouble> {
    let mut feed = Feed { kinds, ..Feed::default() };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = Reader { feed: &mut feed, place: Place::Answer };
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Some(fault) = feed.fault {
        return Err(Failure::within_success(fault).about_one());
    }
    read.map_err(|_| unreadable(Unreadable::Json))?;
    // Not "nothing changed": that has the lists, with nothing in them.
    if !feed.has_lists {
        return Err(without(body));
    }
    Ok(feed.into_changes())
}

/// The fault that stands somewhere within a success.
pub(super) fn fault_within(raw: &RawValue) -> Fault {
    Fault::parse(format!(r#"{{"fault":{raw}}}"#).as_bytes())
}

/// What is read of an answer.
#[derive(Default)]
struct Feed<'k> {
    kinds: &'k [Kind],
    changes: Changes,
    /// Deleted objects without a time of their own.
    undated: Vec<(Entity, RecordId)>,
    seen: u64,
    has_lists: bool,
    at: Option<Timestamp>,
    fault: Option<Fault>,
}

impl Feed<'_> {
    fn take(&mut self, raw: &RawValue, kind: Kind) {
        self.seen += 1;
        match record(raw, kind) {
            Some(record) if record.deleted => {
                self.changes.deleted.push((kind.entity, record.id, record.updated_at));
            }
            Some(record) => self.changes.records.push(record),
            None => match Stub::of(raw).and_then(|stub| stub.id?.parse().ok()) {
                Some(id) => self.undated.push((kind.entity, id)),
                None => self.changes.unreadable += 1,
            },
        }
    }

    fn into_changes(self) -> Changes {
        let Self { mut changes, undated, at, .. } = self;
        match at {
            // When it was told at the latest.
            Some(at) => changes.deleted.extend(undated.into_iter().map(|(entity, id)| (entity, id, at))),
            None => changes.unreadable += undated.len() as u64,
        }
        if self.seen < OBJECTS_MAX {
            changes.complete = self.kinds.iter().map(|kind| kind.entity).collect();
        }
        changes
    }
}

/// Where in an answer.
#[derive(Clone, Copy)]
enum Place {
    Answer,
    /// `CDCResponse`, a list.
    Responses,
    Response,
    /// `QueryResponse`, a list here.
    Groups,
    /// The objects of one kind, under its name; a kind of which nothing changed has a group without its name, or none.
    Group,
    Objects(Kind),
}

/// Reads what stands at a place.
struct Reader<'r, 'k> {
    feed: &'r mut Feed<'k>,
    place: Place,
}

impl<'k> Reader<'_, 'k> {
    fn at(&mut self, place: Place) -> Reader<'_, 'k> {
        Reader { feed: self.feed, place }
    }

    /// The place that a member of the one here is, where anything of it matters.
    fn member(&self, name: &str) -> Option<Place> {
        match (self.place, name) {
            (Place::Answer, "CDCResponse") => Some(Place::Responses),
            (Place::Response, "QueryResponse") => Some(Place::Groups),
            (Place::Group, name) => {
                self.feed.kinds.iter().find(|kind| kind.name == name).map(|&kind| Place::Objects(kind))
            }
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.place {
            Place::Answer | Place::Response | Place::Group => deserializer.deserialize_map(self),
            Place::Responses | Place::Groups | Place::Objects(_) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let within = match self.place {
            Place::Responses => Place::Response,
            Place::Groups => {
                self.feed.has_lists = true;
                Place::Group
            }
            Place::Objects(kind) => {
                while let Some(raw) = list.next_element::<&RawValue>()? {
                    self.feed.take(raw, kind);
                }
                return Ok(());
            }
            Place::Answer | Place::Response | Place::Group => return Ok(()),
        };
        while list.next_element_seed(self.at(within))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match (self.member(&name), &*name) {
                (Some(place), _) => map.next_value_seed(self.at(place))?,
                (None, "Fault" | "fault") => {
                    let raw = map.next_value::<&RawValue>()?;
                    self.feed.fault = Some(fault_within(raw)).filter(|fault| *fault != Fault::default());
                }
                (None, "time") if matches!(self.place, Place::Answer) => {
                    let raw = map.next_value::<&RawValue>()?;
                    self.feed.at = raw.get().trim_matches('"').parse().ok();
                }
                (None, _) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
