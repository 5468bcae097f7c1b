//! Webhook requests: their bodies in both formats and their signatures.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deliveries::Change;
use crate::chance::Chance;

/// The `source` of every event of this simulator.
const SOURCE: &str = "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=";

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Format {
    /// An array of CloudEvents, as since 2026.
    #[default]
    CloudEvents,
    /// One object with `eventNotifications`, as before.
    Legacy,
}

/// One event; the order of its members is that of Intuit's example.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CloudEvent {
    specversion: String,
    pub(crate) id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    datacontenttype: String,
    time: String,
    intuitentityid: String,
    intuitaccountid: String,
    data: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LegacyBody<'a> {
    event_notifications: Vec<LegacyNotification<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LegacyNotification<'a> {
    realm_id: &'a str,
    data_change_event: LegacyChanges<'a>,
}

#[derive(Serialize)]
struct LegacyChanges<'a> {
    entities: Vec<LegacyEntity<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LegacyEntity<'a> {
    id: &'a str,
    operation: String,
    name: &'a str,
    last_updated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_id: Option<&'a str>,
}

/// Writes the events of some changes; a change may bring its own event id.
pub(crate) fn events(changes: &[(Change, Option<String>)], chance: &Chance) -> Vec<CloudEvent> {
    changes
        .iter()
        .map(|(change, id)| CloudEvent {
            specversion: "1.0".to_owned(),
            id: id.clone().unwrap_or_else(|| chance.uuid().to_string()),
            source: SOURCE.to_owned(),
            kind: format!("qbo.{}.{}.v1", change.entity.to_lowercase(), change.operation),
            datacontenttype: "application/json".to_owned(),
            time: nanoseconds(change.at),
            intuitentityid: change.id.clone(),
            intuitaccountid: change.realm_id.clone(),
            data: change
                .deleted_id
                .as_ref()
                .map_or_else(|| serde_json::json!({}), |deleted| serde_json::json!({ "deletedId": deleted })),
        })
        .collect()
}

/// Writes changes in the format before CloudEvents, one notification per company.
pub(crate) fn legacy_body(changes: &[Change]) -> String {
    let mut notifications: Vec<LegacyNotification<'_>> = Vec::new();
    for change in changes {
        let entity = LegacyEntity {
            id: &change.id,
            operation: legacy_operation(&change.operation),
            name: &change.entity,
            last_updated: change.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            deleted_id: change.deleted_id.as_deref(),
        };
        match notifications.iter_mut().find(|known| known.realm_id == change.realm_id) {
            Some(known) => known.data_change_event.entities.push(entity),
            None => notifications.push(LegacyNotification {
                realm_id: &change.realm_id,
                data_change_event: LegacyChanges { entities: vec![entity] },
            }),
        }
    }
    serde_json::to_string(&LegacyBody { event_notifications: notifications }).unwrap_or_default()
}

fn nanoseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}

fn legacy_operation(operation: &str) -> String {
    match operation {
        "created" => "Create",
        "updated" => "Update",
        "deleted" => "Delete",
        "merged" => "Merge",
        "void" | "voided" => "Void",
        "emailed" => "Emailed",
        other => other,
    }
    .to_owned()
}
