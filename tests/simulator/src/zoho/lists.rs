//! Lists: filters, sorting and pages.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault,
    organizations::{Organization, Record},
    resources::Resource,
    settings::Settings,
    token::Parameters,
};

/// Default and maximum of `per_page`.
const MAX_PER_PAGE: usize = 200;
/// Members that only a single record has.
const DETAILS: &[&str] = &["line_items", "billing_address", "shipping_address", "notes", "terms"];
/// Members that a list can be asked to equal.
const EQUALITIES: &[&str] = &[
    "reference_number",
    "status",
    "contact_type",
    "contact_name",
    "email",
    "customer_id",
    "vendor_id",
    "date",
    "invoice_number",
    "bill_number",
    "creditnote_number",
    "name",
];
/// Columns that a list can be sorted by.
const SORTABLE: &[&str] = &[
    "created_time",
    "last_modified_time",
    "date",
    "due_date",
    "total",
    "balance",
    "amount",
    "invoice_number",
    "bill_number",
    "creditnote_number",
    "customer_name",
    "vendor_name",
    "contact_name",
    "name",
    "account_name",
];

/// Returns one page of records as list rows, and its `page_context`.
pub(crate) fn page(
    organization: &Organization,
    resource: &Resource,
    parameters: &Parameters,
    settings: &Settings,
) -> Result<(Vec<Value>, Value), ApiFault> {
    let number = |name: &'static str, default: usize| match parameters.get(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|number| *number > 0).ok_or(ApiFault::invalid_value(name)),
    };
    let (page, per_page) = (number("page", 1)?, number("per_page", MAX_PER_PAGE)?.min(MAX_PER_PAGE));
    let column = parameters.get("sort_column").unwrap_or("created_time");
    let order = parameters.get("sort_order").unwrap_or("A");
    if !SORTABLE.contains(&column) {
        return Err(ApiFault::invalid_value("sort_column"));
    }
    if !matches!(order, "A" | "D") {
        return Err(ApiFault::invalid_value("sort_order"));
    }
    let filter = parameters.get("filter_by").unwrap_or("Status.All");
    let since = match parameters.get("last_modified_time") {
        Some(text) if resource.filters_by_time || settings.filters_every_list_by_time => {
            Some(instant(text).ok_or(ApiFault::invalid_value("last_modified_time"))?)
        }
        _ => None,
    };
    let mut records: Vec<&Record> = organization
        .records(resource)
        .filter(|record| since.is_none_or(|since| is_since(record.modified_at, since, settings)))
        .filter(|record| is_wanted(&record.body, parameters, filter))
        .collect();
    // Records come in the order of their ids, and the sort is stable.
    records.sort_by(|one, other| compared(one, other, column));
    if order == "D" {
        records.reverse();
    }
    let rows = records.iter().skip((page - 1).saturating_mul(per_page)).take(per_page);
    let rows: Vec<Value> = rows.map(|record| row(&record.body)).collect();
    let context = json!({
        "page": page, "per_page": per_page, "has_more_page": records.len() > page.saturating_mul(per_page),
        "report_name": resource.report, "applied_filter": filter, "sort_column": column, "sort_order": order,
    });
    Ok((rows, context))
}

fn is_since(at: Timestamp, since: Timestamp, settings: &Settings) -> bool {
    if settings.takes_times_exactly { at == since } else { at >= since }
}

fn is_wanted(body: &Map<String, Value>, parameters: &Parameters, filter: &str) -> bool {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = filter.strip_prefix("Status.").unwrap_or("All");
    let by_status = status == "All" || text("status").eq_ignore_ascii_case(status);
    // Dates of one form compare like text.
    let by_date = parameters.get("date_start").is_none_or(|start| text("date") >= start)
        && parameters.get("date_end").is_none_or(|end| text("date") <= end);
    by_status
        && by_date
        && EQUALITIES.iter().all(|name| parameters.get(name).is_none_or(|wanted| text(name) == wanted))
}

fn compared(one: &Record, other: &Record, column: &str) -> Ordering {
    match column {
        "created_time" => one.created_at.cmp(&other.created_at),
        "last_modified_time" => one.modified_at.cmp(&other.modified_at),
        _ => match (one.body.get(column), other.body.get(column)) {
            (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
            (one, other) => {
                let number = |value: Option<&Value>| value.and_then(Value::as_f64).unwrap_or_default();
                number(one).total_cmp(&number(other))
            }
        },
    }
}

fn row(body: &Map<String, Value>) -> Value {
    let kept = body.iter().filter(|(name, _)| !DETAILS.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Reads a time with an offset, with or without a colon in it.
fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok().or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_colon_in_the_offset() {
        let expected: Timestamp = "2026-06-09T13:47:43Z".parse().unwrap();

        for text in ["2026-06-09T09:47:43-0400", "2026-06-09T09:47:43-04:00", "2026-06-09T13:47:43Z"] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(instant("2026-06-09T19:17:43 0530"), None);
    }
}
