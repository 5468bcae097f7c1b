//! Intuit's payloads: `CloudEvents`, an array whose elements may span several companies, and the older form, an object
//! that Intuit still replays.
//!
//! Each element is read by itself: one that is not understood is counted and does not spoil the events of others.

use jiff::{Timestamp, fmt::strtime};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Operation, WebhookEvent};

/// One `CloudEvents` element, with the attributes that are used; others are tolerated.
#[derive(Deserialize)]
struct CloudEvent {
    id: String,
    source: String,
    r#type: String,
    #[serde(default)]
    time: Option<String>,
    intuitentityid: String,
    intuitaccountid: String,
}

#[derive(Deserialize)]
struct Legacy<'a> {
    #[serde(borrow, rename = "eventNotifications")]
    notifications: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    realm_id: String,
    #[serde(borrow)]
    data_change_event: DataChange<'a>,
}

#[derive(Deserialize)]
struct DataChange<'a> {
    #[serde(borrow)]
    entities: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    name: String,
    id: String,
    operation: String,
    last_updated: String,
}

/// The events of a body, and how many elements were not understood.
pub(super) fn parse(body: &[u8]) -> Result<(Vec<WebhookEvent>, usize), serde_json::Error> {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let found = if is_object { legacy(body)? } else { cloud_events(body)? };
    let count = found.len();
    let events: Vec<_> = found.into_iter().flatten().collect();
    let unknown = count - events.len();
    Ok((events, unknown))
}

fn cloud_events(body: &[u8]) -> Result<Vec<Option<WebhookEvent>>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body)?;
    Ok(elements.into_iter().map(|element| cloud_event(&serde_json::from_str(element.get()).ok()?)).collect())
}

fn cloud_event(element: &CloudEvent) -> Option<WebhookEvent> {
    let (entity, operation) = element.r#type.strip_prefix("qbo.")?.strip_suffix(".v1")?.split_once('.')?;
    Some(WebhookEvent {
        // CloudEvents are unique by source and id.
        key: key(&[&element.source, &element.id])?,
        provider_company_id: element.intuitaccountid.parse().ok()?,
        connection_id: None,
        entity: entity.to_owned(),
        id: element.intuitentityid.parse().ok()?,
        operation: operation_of(operation)?,
        occurred_at: element.time.as_deref().and_then(instant),
    })
}

fn legacy(body: &[u8]) -> Result<Vec<Option<WebhookEvent>>, serde_json::Error> {
    let Legacy { notifications } = serde_json::from_slice(body)?;
    let mut found = Vec::new();
    for notification in notifications {
        match serde_json::from_str::<Notification<'_>>(notification.get()) {
            Ok(Notification { realm_id, data_change_event }) => {
                let change = |raw: &RawValue| legacy_event(&realm_id, &serde_json::from_str(raw.get()).ok()?);
                found.extend(data_change_event.entities.into_iter().map(change));
            }
            Err(_) => found.push(None),
        }
    }
    Ok(found)
}

fn legacy_event(realm: &str, change: &Change) -> Option<WebhookEvent> {
    let Change { name, id, operation, last_updated } = change;
    Some(WebhookEvent {
        // There is no event id: the same change of the same object at the same time is the same event.
        key: key(&[realm, name, id, operation, last_updated])?,
        provider_company_id: realm.parse().ok()?,
        connection_id: None,
        entity: name.to_ascii_lowercase(),
        id: id.parse().ok()?,
        operation: operation_of(&operation.to_ascii_lowercase())?,
        occurred_at: instant(last_updated),
    })
}

fn operation_of(word: &str) -> Option<Operation> {
    Some(match word {
        "created" | "create" => Operation::Created,
        "updated" | "update" | "emailed" | "void" | "voided" => Operation::Updated,
        "deleted" | "delete" => Operation::Deleted,
        "merged" | "merge" => Operation::Merged,
        _ => return None,
    })
}

/// RFC 3339, or the older form whose offset has no colon.
fn instant(text: &str) -> Option<Timestamp> {
    let without_colon = || strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?.to_timestamp().ok();
    text.parse().ok().or_else(without_colon)
}

/// The parts of a key, each checked for length so that the key is bounded.
fn key(parts: &[&str]) -> Option<String> {
    const MAX: usize = 256;
    let fit = parts.iter().all(|part| !part.is_empty() && part.len() <= MAX);
    fit.then(|| parts.join("#"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(kind: &str) -> String {
        format!(
            r#"[{{"specversion":"1.0","id":"e1","source":"intuit.x","type":"{kind}","time":"2025-09-10T21:31:25.179851517Z","intuitentityid":"1234","intuitaccountid":"310687","data":{{}}}}]"#
        )
    }

    fn both(one: &str, other: &str) -> String {
        format!("{},{}", one.trim_end_matches(']'), other.trim_start_matches('['))
    }

    #[test]
    fn intuits_example_is_read_whole() {
        let (events, unknown) = parse(one("qbo.account.created.v1").as_bytes()).unwrap();

        assert_eq!(unknown, 0);
        insta::assert_json_snapshot!(events, @r#"
        [
          {
            "key": "intuit.x#e1",
            "providerCompanyId": "310687",
            "entity": "account",
            "id": "1234",
            "operation": "created",
            "occurredAt": "2025-09-10T21:31:25.179851517Z"
          }
        ]
        "#);
    }

    #[test]
    fn the_older_form_is_read_with_its_offset_without_a_colon() {
        let body = r#"{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Invoice","id":"1","operation":"Void","lastUpdated":"2015-10-05T14:42:19-0700"},{"name":"Invoice"}]}},{}]}"#;

        let (events, unknown) = parse(body.as_bytes()).unwrap();

        assert_eq!(unknown, 2);
        insta::assert_json_snapshot!(events, @r#"
        [
          {
            "key": "1185883450#Invoice#1#Void#2015-10-05T14:42:19-0700",
            "providerCompanyId": "1185883450",
            "entity": "invoice",
            "id": "1",
            "operation": "updated",
            "occurredAt": "2015-10-05T21:42:19Z"
          }
        ]
        "#);
    }

    #[test]
    fn void_and_its_other_spelling_and_emailed_are_updates() {
        for operation in ["void", "voided", "emailed", "updated"] {
            let (events, _) = parse(one(&format!("qbo.invoice.{operation}.v1")).as_bytes()).unwrap();
            assert_eq!(events[0].operation, Operation::Updated, "{operation}");
        }
    }

    #[test]
    fn what_is_not_understood_is_counted_and_does_not_spoil_the_rest() {
        let known = one("qbo.invoice.updated.v1");
        let without_entity =
            r#"[{"id":"e2","source":"s","type":"qbo.invoice.updated.v1","intuitaccountid":"1"}]"#;
        for other in [&one("qbo.invoice.petted.v1"), without_entity, "[null]", "[7]", r#"[{"id":1}]"#] {
            let (events, unknown) = parse(both(&known, other).as_bytes()).unwrap();

            assert_eq!((events.len(), unknown), (1, 1), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>()) {
            if let Ok((events, _)) = parse(&body) {
                prop_assert!(events.len() <= body.len());
            }
        }
    }
}
