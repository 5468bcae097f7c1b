//! Conditional writes of many items in few calls: `PartiQL` statements, 25 to a call, each with a verdict of its own.
//!
//! A batch write knows no conditions, and a transaction takes twice the write units and fails as a whole. A statement costs
//! what the same write costs alone.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest},
};
use domain::store::StoreError;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    failure::unavailable,
    item::{Item, weight},
    keys::{PK, SK},
};

/// Statements that `DynamoDB` takes in one call.
const MAX_STATEMENTS: usize = 25;
/// Bytes in one call: far below every limit, and sent well within the time of one try.
const MAX_BYTES: usize = 1024 * 1024;
/// Calls under way at once: enough to hide the round trip; each is the work of 25 writes.
const CALLS_AT_ONCE: usize = 8;

/// A statement, and about how many bytes it takes.
#[derive(Debug)]
pub(crate) struct Statement {
    request: BatchStatementRequest,
    bytes: usize,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stated {
    /// It was carried out.
    Made,
    /// An item is there already, or is not as the statement wants it.
    Refused,
    /// It was throttled, or failed otherwise; another try may succeed.
    Failed,
}

/// Inserts an item where there is none with its key.
pub(crate) fn insert(table: &str, item: Item) -> Result<Statement, StoreError> {
    let bytes = weight(&item);
    let (names, values): (Vec<_>, Vec<_>) = item.into_iter().unzip();
    let fields: Vec<_> = names.iter().map(|name| format!("'{name}': ?")).collect();
    statement(format!(r#"INSERT INTO "{table}" VALUE {{{}}}"#, fields.join(", ")), values, bytes)
}

/// Sets the attributes of `item` on the stored one of its key, and removes others, where that has still the values `seen`.
pub(crate) fn update(
    table: &str,
    mut item: Item,
    removes: &[&str],
    seen: [(&str, AttributeValue); 2],
) -> Result<Statement, StoreError> {
    let bytes = weight(&item);
    let key = [PK, SK].map(|name| item.remove_entry(name)).into_iter().flatten();
    let key: Vec<_> = key.chain(seen.map(|(name, value)| (name.to_owned(), value))).collect();
    let (names, mut values): (Vec<_>, Vec<_>) = item.into_iter().unzip();
    let sets = names.iter().map(|name| format!(r#"SET "{name}" = ?"#));
    let removes = removes.iter().map(|name| format!(r#"REMOVE "{name}""#));
    let clauses: Vec<_> = sets.chain(removes).collect();
    let conditions: Vec<_> = key.iter().map(|(name, _)| format!(r#""{name}" = ?"#)).collect();
    values.extend(key.into_iter().map(|(_, value)| value));
    let text = format!(r#"UPDATE "{table}" {} WHERE {}"#, clauses.join(" "), conditions.join(" AND "));
    statement(text, values, bytes)
}

fn statement(text: String, values: Vec<AttributeValue>, bytes: usize) -> Result<Statement, StoreError> {
    let request = BatchStatementRequest::builder().statement(text).set_parameters(Some(values)).build();
    Ok(Statement { request: request.map_err(unavailable("statement"))?, bytes })
}

/// Carries out statements on items of different keys, and tells of each, in their order.
pub(crate) async fn execute(
    client: &Client,
    operation: &'static str,
    statements: Vec<Statement>,
) -> Result<Vec<Stated>, StoreError> {
    let calls = calls(statements).into_iter().map(|call| execute_call(client, operation, call));
    // Collected first: a stream over a closure that borrows is not `Send` for every lifetime.
    let calls: Vec<_> = calls.collect();
    stream::iter(calls).buffered(CALLS_AT_ONCE).try_concat().await
}

async fn execute_call(
    client: &Client,
    operation: &'static str,
    call: Vec<BatchStatementRequest>,
) -> Result<Vec<Stated>, StoreError> {
    let count = call.len();
    let request = client.batch_execute_statement().set_statements(Some(call));
    let output = request.send().await.map_err(unavailable(operation))?;
    let stated = output.responses().iter().map(|response| match response.error() {
        None => Stated::Made,
        Some(error) => match error.code() {
            Some(Code::DuplicateItem | Code::ConditionalCheckFailed) => Stated::Refused,
            code => {
                let code = code.map_or("none", Code::as_str);
                tracing::warn!(operation, code, "A statement of a batch failed and is made alone");
                Stated::Failed
            }
        },
    });
    // What the answer says nothing of counts as failed.
    Ok(stated.chain(std::iter::repeat(Stated::Failed)).take(count).collect())
}

/// Cuts statements into calls.
fn calls(statements: Vec<Statement>) -> Vec<Vec<BatchStatementRequest>> {
    let mut calls: Vec<Vec<_>> = vec![];
    let mut room = 0;
    for Statement { request, bytes } in statements {
        match calls.last_mut() {
            Some(call) if call.len() < MAX_STATEMENTS && bytes <= room => call.push(request),
            _ => {
                calls.push(vec![request]);
                room = MAX_BYTES;
            }
        }
        room = room.saturating_sub(bytes);
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Put as _, number, text};

    fn key() -> Item {
        Item::new().put(PK, text("a")).put(SK, text("b"))
    }

    #[test]
    fn an_insert_names_every_attribute_and_holds_no_value() {
        let statement = insert("records", key()).unwrap().request;

        let text_of = statement.statement();
        assert!(text_of.starts_with(r#"INSERT INTO "records" VALUE {'"#), "{text_of}");
        assert!(text_of.contains("'pk': ?") && text_of.contains("'sk': ?"), "{text_of}");
        assert_eq!(statement.parameters().len(), 2);
    }

    #[test]
    fn an_update_sets_removes_and_says_what_was_seen() {
        let item = key().put("total", number(3));

        let statement =
            update("records", item, &["status"], [("w", text("mine")), ("t", number(7))]).unwrap().request;

        assert_eq!(
            statement.statement(),
            r#"UPDATE "records" SET "total" = ? REMOVE "status" WHERE "pk" = ? AND "sk" = ? AND "w" = ? AND "t" = ?"#
        );
        assert_eq!(
            statement.parameters(),
            [number(3), text("a"), text("b"), text("mine"), number(7)],
            "in the order of their places"
        );
    }

    #[test]
    fn a_call_has_25_statements_at_most_and_no_more_than_its_bytes() {
        let of_bytes = |bytes: &[usize]| {
            let one = |bytes| Statement { bytes, ..insert("records", key()).unwrap() };
            let cut = calls(bytes.iter().map(|bytes| one(*bytes)).collect());
            cut.iter().map(Vec::len).collect::<Vec<_>>()
        };

        assert_eq!(of_bytes(&[]), [0; 0]);
        assert_eq!(of_bytes(&[1; 60]), [25, 25, 10]);
        assert_eq!(of_bytes(&[400 * 1024; 5]), [2, 2, 1]);
        assert_eq!(of_bytes(&[MAX_BYTES + 1, 1]), [1, 1]);
    }
}
