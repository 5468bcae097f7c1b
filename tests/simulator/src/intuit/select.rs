//! Answers parsed queries from a company's books.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault,
    books::Company,
    entities::{self, Family},
    query::{self, Condition, Operator, Order, Query},
    settings::Settings,
    time,
};

type Body = Map<String, Value>;

/// Runs a statement and returns the `QueryResponse` member of the answer.
pub(crate) fn run(company: &Company, statement: &str, settings: &Settings) -> Result<Value, ApiFault> {
    let query = query::parse(statement).map_err(|error| {
        ApiFault::validation("4000", "Error parsing query", format!("QueryParserError: {error}"))
    })?;
    validate(&query, settings)?;
    if query.entity == "CompanyInfo" {
        return Ok(json!({ "CompanyInfo": [company.info()], "startPosition": 1, "maxResults": 1 }));
    }
    let entity = entities::by_name(&query.entity).ok_or_else(|| {
        invalid(format!("QueryValidationError: Invalid context declaration: {}", query.entity))
    })?;
    let mut rows: Vec<&Body> = company
        .records(entity.name)
        .filter(|record| !record.deleted)
        .map(|record| &record.body)
        .filter(|body| is_visible(entity.family, &query, body))
        .filter(|body| query.conditions.iter().all(|condition| holds(condition, body)))
        .collect();
    if query.counts {
        return Ok(json!({ "totalCount": rows.len() }));
    }
    // What a comparison needs is read once for each row.
    rows.sort_by_cached_key(|body| query.order.iter().map(|order| Key::of(order, body)).collect::<Vec<_>>());
    let page: Vec<&Body> = rows.into_iter().skip(query.start_position - 1).take(query.max_results).collect();
    if page.is_empty() {
        return Ok(json!({}));
    }
    let mut answer = json!({ "startPosition": query.start_position, "maxResults": page.len() });
    answer[entity.name] = json!(page);
    Ok(answer)
}

fn validate(query: &Query, settings: &Settings) -> Result<(), ApiFault> {
    if query.order.iter().any(|order| order.field == "Id") && !settings.id_is_sortable {
        return Err(invalid("QueryValidationError: property 'Id' is not sortable".to_owned()));
    }
    for condition in query.conditions.iter().filter(|condition| is_time(&condition.field)) {
        if let Some(value) = condition.values.iter().find(|value| time::parse(value).is_none()) {
            return Err(invalid(format!("QueryValidationError: Invalid date value: {value}")));
        }
    }
    Ok(())
}

fn invalid(detail: String) -> ApiFault {
    ApiFault::validation("4001", "Invalid query", detail)
}

/// Objects of a list are hidden when inactive, unless the query speaks about it.
fn is_visible(family: Family, query: &Query, body: &Body) -> bool {
    family == Family::Transaction
        || query.conditions.iter().any(|condition| condition.field == "Active")
        || body.get("Active") != Some(&Value::Bool(false))
}

fn holds(condition: &Condition, body: &Body) -> bool {
    let Some(value) = member(body, &condition.field) else {
        return false;
    };
    let ordering = |literal: &String| compare_literal(&condition.field, value, literal);
    let first = condition.values.first().and_then(ordering);
    match condition.operator {
        Operator::Equal => first == Some(Ordering::Equal),
        Operator::NotEqual => first != Some(Ordering::Equal),
        Operator::Less => first == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(first, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => first == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(first, Some(Ordering::Greater | Ordering::Equal)),
        Operator::In => condition.values.iter().any(|literal| ordering(literal) == Some(Ordering::Equal)),
        Operator::Like => condition.values.first().is_some_and(|pattern| is_like(&text(value), pattern)),
    }
}

/// What a row is ordered by in one field.
struct Key {
    text: String,
    /// Of a field that is a time.
    at: Option<Timestamp>,
    descending: bool,
}

impl Key {
    fn of(order: &Order, body: &Body) -> Self {
        let text = member(body, &order.field).map(text).unwrap_or_default();
        let at = is_time(&order.field).then(|| time::parse(&text)).flatten();
        Self { text, at, descending: order.descending }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let ordering = self.at.cmp(&other.at).then_with(|| match self.at {
            Some(_) => Ordering::Equal,
            None => compare_plain(&self.text, &other.text),
        });
        if self.descending { ordering.reverse() } else { ordering }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

/// Finds a member by its dotted name; of a reference, its value.
fn member<'a>(body: &'a Body, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = body.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    if value.is_object() { value.get("value") } else { Some(value) }
}

fn compare_literal(field: &str, value: &Value, literal: &str) -> Option<Ordering> {
    match value {
        Value::Number(number) => number.as_f64()?.partial_cmp(&literal.parse().ok()?),
        Value::Bool(flag) => Some(flag.to_string().cmp(&literal.to_ascii_lowercase())),
        Value::String(text) => Some(compare_text(field, text, literal)),
        _ => None,
    }
}

fn compare_text(field: &str, left: &str, right: &str) -> Ordering {
    if is_time(field) {
        return time::parse(left).cmp(&time::parse(right));
    }
    compare_plain(left, right)
}

fn compare_plain(left: &str, right: &str) -> Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.cmp(right),
    }
}

fn is_time(field: &str) -> bool {
    field.starts_with("MetaData.")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Matches text with a pattern in which `%` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let Some((head, rest)) = pattern.split_once('%') else {
        return text == pattern;
    };
    let Some(mut remaining) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('%').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match remaining.find(part) {
            Some(at) => remaining = &remaining[at + part.len()..],
            None => return false,
        }
    }
    remaining.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_stands_for_anything() {
        for (text, pattern, is) in [
            ("Amy's Bird Sanctuary", "Amy%", true),
            ("Amy's Bird Sanctuary", "%bird%", true),
            ("Amy's Bird Sanctuary", "%Sanct", false),
            ("Amy", "Amy", true),
            ("Amy", "A%m%y%", true),
            ("Amy", "B%", false),
        ] {
            assert_eq!(is_like(text, pattern), is, "{text} LIKE {pattern}");
        }
    }
}
