//! Intuit's payloads: `CloudEvents`, an array whose elements may span several companies, and the older form, an object
//! that Intuit still replays.
//!
//! Each element is read by itself: one that is not understood is counted and does not spoil the events of others. A merge
//! tells of two objects: the one that stays, and the one that is no more.

use serde_json::value::RawValue;

use super::{
    Operation, WebhookEvent,
    reading::{Members, Parsed, Unread, elements, entity, instant, is_object, key, operation},
};
use crate::id::RecordId;

/// What a body says.
pub(super) fn parse(body: &[u8]) -> Result<Parsed, Unread> {
    if is_object(body) { legacy(body) } else { cloud_events(body) }
}

fn cloud_events(body: &[u8]) -> Result<Parsed, Unread> {
    let mut parsed = Parsed::default();
    for element in elements(body)? {
        parsed.add(Members::of(element).as_ref().and_then(cloud_event));
    }
    Ok(parsed)
}

fn cloud_event(element: &Members<'_>) -> Option<Vec<WebhookEvent>> {
    let [id, source, kind, object, realm] = ["id", "source", "type", "intuitentityid", "intuitaccountid"]
        .map(|name| element.text(name).filter(|text| !text.is_empty()));
    let (id, source, kind, realm) = (id?, source?, kind?, realm?);
    let time = element.text("time");
    let (word, what) = kind.strip_prefix("qbo.")?.strip_suffix(".v1")?.split_once('.')?;
    // CloudEvents are unique by source and id; what the event says is part of the key as well, so that an id that Intuit
    // gives twice hides no change.
    let parts = [&source, &id, &kind, &realm, object.as_ref()?, time.as_deref().unwrap_or_default()];
    let event = WebhookEvent {
        key: key(&parts.map(str::as_bytes)),
        provider_company_id: realm.parse().ok()?,
        connection_id: None,
        entity: entity(word)?,
        id: object.as_ref()?.parse().ok()?,
        operation: operation(what)?,
        occurred_at: time.as_deref().and_then(instant),
    };
    let lost = element.raw("data").and_then(Members::of).and_then(|data| data.id("deletedid"));
    Some(with_lost(event, lost))
}

fn legacy(body: &[u8]) -> Result<Parsed, Unread> {
    let mut parsed = Parsed::default();
    for notification in Members::read(body)?.elements("eventnotifications")? {
        match changes(notification) {
            Some((realm, changes)) => {
                for change in changes {
                    parsed.add(Members::of(change).as_ref().and_then(|change| legacy_event(&realm, change)));
                }
            }
            None => parsed.unknown += 1,
        }
    }
    Ok(parsed)
}

/// The company of a notification, and its changes.
fn changes(notification: &RawValue) -> Option<(String, Vec<&RawValue>)> {
    let notification = Members::of(notification)?;
    let changes = Members::of(notification.raw("datachangeevent")?)?.elements("entities").ok()?;
    Some((notification.id("realmid")?, changes))
}

fn legacy_event(realm: &str, change: &Members<'_>) -> Option<Vec<WebhookEvent>> {
    let [name, id, what, time] = ["name", "id", "operation", "lastupdated"].map(|name| change.id(name));
    let (name, id, what, time) = (name?, id?, what?, time?);
    let event = WebhookEvent {
        // There is no event id: the same change of the same object at the same time is the same event.
        key: key(&[realm, &name, &id, &what, &time].map(str::as_bytes)),
        provider_company_id: realm.parse().ok()?,
        connection_id: None,
        entity: entity(&name)?,
        id: id.parse().ok()?,
        operation: operation(&what)?,
        occurred_at: instant(&time),
    };
    Some(with_lost(event, change.id("deletedid")))
}

/// An event, and with a merge a second one about the object that was merged into the first's.
fn with_lost(event: WebhookEvent, lost: Option<String>) -> Vec<WebhookEvent> {
    let lost: Option<RecordId> = lost
        .filter(|_| event.operation == Operation::Merged)
        .and_then(|id| id.parse().ok())
        .filter(|id| *id != event.id);
    let lost = lost.map(|id| WebhookEvent {
        key: key(&[event.key.as_bytes(), b"lost", id.as_str().as_bytes()]),
        id,
        operation: Operation::Deleted,
        ..event.clone()
    });
    std::iter::once(event).chain(lost).collect()
}

#[cfg(test)]
mod tests;
