//! Change data capture: what changed since a time, deletions included.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    answers::ApiFault,
    books::{Company, Record},
    entities::{self, Entity},
    time,
};

/// How far back changes are kept.
const REACH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Objects in one answer, over all kinds.
const MAX_OBJECTS: usize = 1_000;

/// Answers `/cdc`.
pub(crate) fn changes(
    company: &Company,
    parameters: &HashMap<String, String>,
    now: Timestamp,
) -> Result<Value, ApiFault> {
    let entities = wanted(parameters.get("entities").map_or("", String::as_str))?;
    let since = parameters
        .get("changedSince")
        .and_then(|since| time::parse(since))
        .ok_or_else(|| invalid("changedSince must be a date and time".to_owned()))?;
    if now.duration_since(since) > REACH {
        return Err(invalid("changedSince can be at most 30 days ago".to_owned()));
    }
    let mut room = MAX_OBJECTS;
    let mut groups = Vec::new();
    for entity in entities {
        let mut records: Vec<&Record> =
            company.records(entity.name).filter(|record| record.updated_at >= since).collect();
        records.sort_by_key(|record| (record.deleted, record.updated_at));
        records.truncate(room);
        room -= records.len();
        groups.push(group(entity, &records));
    }
    Ok(json!({ "CDCResponse": [{ "QueryResponse": groups }] }))
}

fn wanted(names: &str) -> Result<Vec<Entity>, ApiFault> {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let entities = names
        .map(|name| {
            let entity = entities::by_name(name).or_else(|| entities::by_path(name));
            entity
                .filter(|entity| entity.has_changes)
                .ok_or_else(|| invalid(format!("{name} is not supported")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if entities.is_empty() {
        return Err(invalid("entities is required".to_owned()));
    }
    Ok(entities)
}

fn group(entity: Entity, records: &[&Record]) -> Value {
    if records.is_empty() {
        return json!({});
    }
    let objects: Vec<Value> = records
        .iter()
        .map(|record| {
            if record.deleted {
                return json!({
                    "status": "Deleted", "domain": "QBO", "Id": record.body.get("Id"),
                    "MetaData": { "LastUpdatedTime": time::pacific(record.updated_at) },
                });
            }
            Value::Object(record.body.clone())
        })
        .collect();
    let count = objects.len();
    let mut group = json!({ "startPosition": 1, "maxResults": count, "totalCount": count });
    group[entity.name] = Value::Array(objects);
    group
}

fn invalid(detail: String) -> ApiFault {
    ApiFault::validation("2010", "Request has invalid or unsupported property", detail)
}
