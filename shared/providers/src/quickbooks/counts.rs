//! How many objects there are of each of several kinds, by one batch of queries.

use std::borrow::Cow;

use domain::sync::Entity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{api::Failure, entity::Kind, fault::Fault, feed::fault_within, parse::without};
use crate::ledger::{Trouble, Unreadable, unreadable};

/// The type of a fault that is about the question and would be the same the next time.
const VALIDATION: &str = "ValidationFault";

#[derive(Serialize)]
struct Batch {
    #[serde(rename = "BatchItemRequest")]
    items: Vec<Question>,
}

#[derive(Serialize)]
struct Question {
    #[serde(rename = "bId")]
    id: &'static str,
    #[serde(rename = "Query")]
    query: String,
}

#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(rename = "BatchItemResponse", borrow, default)]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "bId", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "QueryResponse", default)]
    counted: Option<Counted>,
    #[serde(rename = "Fault", alias = "fault", borrow, default)]
    fault: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    total_count: Option<u64>,
}

/// The batch that counts the objects of these kinds, at most 30 of them, which is what Intuit takes in one.
pub(super) fn question(kinds: impl Iterator<Item = Kind>) -> Result<Vec<u8>, Trouble> {
    let item = |kind: Kind| Question { id: kind.word, query: kind.statement_of_count() };
    serde_json::to_vec(&Batch { items: kinds.map(item).collect() }).map_err(|_| unreadable(Unreadable::Json))
}

/// Reads the answer: those kinds of which there are not as many as expected.
///
/// A kind that Intuit refuses to count, such as one that the company's plan does not have, is not told to be miscounted.
pub(super) fn miscounted(body: &[u8], expected: &[(Entity, u64)]) -> Result<Vec<Entity>, Trouble> {
    let answers: Answers<'_> = serde_json::from_slice(body).map_err(|_| unreadable(Unreadable::Json))?;
    let items = answers.items.ok_or_else(|| without(body))?;
    let mut miscounted = Vec::new();
    for &(entity, count) in expected {
        let item = items.iter().find(|item| item.id == Kind::of(entity).word);
        let item = item.ok_or_else(|| unreadable(Unreadable::Other))?;
        let fault = item.fault.map(fault_within).filter(|fault| *fault != Fault::default());
        match (fault, item.counted.as_ref().and_then(|counted| counted.total_count)) {
            (Some(fault), _) if fault.kind.as_deref() == Some(VALIDATION) => {
                tracing::warn!(
                    fault.code = fault.code.as_deref(),
                    entity = entity.as_str(),
                    "QuickBooks refuses to count"
                );
            }
            (Some(fault), _) => return Err(Failure::within_success(fault).about_one()),
            (None, Some(total)) if total == count => {}
            (None, Some(_)) => miscounted.push(entity),
            (None, None) => return Err(unreadable(Unreadable::Other)),
        }
    }
    Ok(miscounted)
}

#[cfg(test)]
mod tests;
