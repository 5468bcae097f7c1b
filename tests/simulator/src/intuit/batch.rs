//! Batches: several reads and writes in one request, carried out in order, each with its own outcome.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault,
    api,
    books::Company,
    deliveries::Change,
    entities, select,
    settings::Settings,
    writes::{self, Write},
};

/// Items that Intuit takes in one batch.
const MAX_ITEMS: usize = 30;

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "BatchItemRequest")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "bId")]
    id: String,
    operation: Option<String>,
    #[serde(rename = "optionsData")]
    options: Option<String>,
    #[serde(rename = "Query")]
    query: Option<String>,
    /// The object under its entity's name.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Carries out a batch; returns the answer and the changes it made.
pub(crate) fn run(
    company: &mut Company,
    body: &[u8],
    settings: &Settings,
    now: Timestamp,
) -> Result<(Value, Vec<Change>), ApiFault> {
    let unreadable =
        |detail: &str| ApiFault::validation("2010", "Request has invalid or unsupported property", detail);
    let batch: Batch = serde_json::from_slice(body).map_err(|_| unreadable("unreadable batch"))?;
    if batch.items.len() > MAX_ITEMS {
        return Err(unreadable("a batch may have at most 30 items"));
    }
    let mut changes = Vec::new();
    let mut answers = Vec::new();
    for item in batch.items {
        let id = item.id.clone();
        let mut answer = match carry_out(company, item, settings, now) {
            Ok((answer, change)) => {
                changes.extend(change);
                answer
            }
            Err(fault) => json!({ "Fault": fault.capitalized() }),
        };
        answer["bId"] = Value::String(id);
        answers.push(answer);
    }
    Ok((json!({ "BatchItemResponse": answers }), changes))
}

fn carry_out(
    company: &mut Company,
    item: Item,
    settings: &Settings,
    now: Timestamp,
) -> Result<(Value, Option<Change>), ApiFault> {
    if let Some(statement) = &item.query {
        return Ok((json!({ "QueryResponse": select::run(company, statement, settings)? }), None));
    }
    let object = item.rest.into_iter().find_map(|(name, object)| match (entities::by_name(&name), object) {
        (Some(entity), Value::Object(body)) => Some((entity, body)),
        _ => None,
    });
    let (entity, body) =
        object.ok_or_else(|| ApiFault::validation("2020", "Required param missing", "no object"))?;
    let write = Write::of(item.operation.as_deref(), item.options.as_deref(), &body)?;
    let (record, operation) = writes::run(company, entity, (write, body), now)?;
    let change = api::change(company, entity, (&record, operation), now);
    Ok((api::single(entity.name, Value::Object(record)), Some(change)))
}
