//! Lists and single objects: filters, order, pages, and what a page leaves out.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answers::{Problem, Reply},
    books::{Books, Members, Record, text},
    condition::{self, Condition},
    resources::Resource,
    time,
};

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1_000;
/// Objects above which a list without pages is refused.
const MAX_UNPAGED: usize = 100_000;

type Parameters = HashMap<String, String>;

/// What a list is narrowed by.
struct Filter<'a> {
    resource: Resource,
    parameters: &'a Parameters,
    condition: Option<Condition>,
    modified_since: Option<Timestamp>,
}

/// Lists the objects of a kind.
pub(crate) fn list(
    books: &Books,
    resource: Resource,
    parameters: &Parameters,
    modified_since: Option<Timestamp>,
) -> Result<Reply, Problem> {
    let filter = Filter { resource, parameters, condition: condition_of(parameters)?, modified_since };
    let mut found: Vec<&Record> =
        books.records(resource).iter().filter(|record| filter.admits(record)).collect();
    match parameters.get("order") {
        Some(order) => {
            let order = condition::order(order);
            let mut keyed: Vec<_> =
                found.into_iter().map(|record| (condition::keys(&order, &record.body), record)).collect();
            keyed.sort_by(|(left, _), (right, _)| condition::compare(&order, left, right));
            found = keyed.into_iter().map(|(_, record)| record).collect();
        }
        None if resource.paged => {
            found.sort_by(|left, right| (left.updated_at, &left.id).cmp(&(right.updated_at, &right.id)));
        }
        None => {}
    }
    let page = parameters.get("page").filter(|_| resource.paged).map(|page| page.parse().unwrap_or(1).max(1));
    let is_summary = page.is_none() || parameters.get("summaryOnly").is_some_and(|summary| summary == "true");
    let shown = |record: &&Record| {
        Value::Object(if is_summary { summary(&record.body) } else { record.body.clone() })
    };
    let Some(page) = page else {
        if found.len() > MAX_UNPAGED {
            return Err(Problem::exception(
                10,
                "ValidationException",
                "Please use paging for this many objects",
            ));
        }
        return Ok(Reply::list(resource.name, found.iter().map(shown).collect()));
    };
    let page_size = parameters.get("pageSize").and_then(|size| size.parse::<usize>().ok());
    let page_size = page_size.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let pagination = json!({
        "page": page, "pageSize": page_size, "pageCount": found.len().div_ceil(page_size), "itemCount": found.len(),
    });
    let skipped = usize::saturating_mul(page - 1, page_size);
    let mut reply =
        Reply::list(resource.name, found.iter().skip(skipped).take(page_size).map(shown).collect());
    reply.body["pagination"] = pagination;
    Ok(reply)
}

/// Finds one object by its id, or by its number.
pub(crate) fn single(books: &Books, resource: Resource, id: &str) -> Result<Reply, Problem> {
    let record =
        books.find(resource, id).or_else(|| books.find_numbered(resource, id)).ok_or(Problem::NotFound)?;
    Ok(Reply::list(resource.name, vec![Value::Object(record.body.clone())]))
}

fn condition_of(parameters: &Parameters) -> Result<Option<Condition>, Problem> {
    let Some(text) = parameters.get("where").filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    match Condition::parse(text) {
        Some(condition) => Ok(Some(condition)),
        None => Err(Problem::exception(16, "QueryParseException", format!("Invalid where clause: {text}"))),
    }
}

impl Filter<'_> {
    fn admits(&self, record: &Record) -> bool {
        let body = &record.body;
        // A list of values to choose from; absent or empty, everything is chosen.
        let chosen = |name: &str, value: &str| {
            self.parameters
                .get(name)
                .filter(|list| !list.is_empty())
                .is_none_or(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(value)))
        };
        let contact =
            body.get("Contact").and_then(|contact| contact.get("ContactID")?.as_str()).unwrap_or_default();
        let is_archived = self.resource.name == "Contacts" && text(body, "ContactStatus") == "ARCHIVED";
        let wants_archived =
            self.parameters.get("includeArchived").is_some_and(|archived| archived == "true");
        (!is_archived || wants_archived)
            && self.modified_since.is_none_or(|since| record.updated_at > since)
            && chosen("IDs", &record.id)
            && chosen("Statuses", text(body, self.resource.status))
            && chosen("ContactIDs", contact)
            && self.resource.number.is_none_or(|number| chosen(&format!("{number}s"), text(body, number)))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(body))
    }
}

/// Leaves out what lists without pages, and summaries, do not show.
fn summary(body: &Members) -> Members {
    let mut body = body.clone();
    for member in ["LineItems", "JournalLines"] {
        if let Some(lines) = body.get_mut(member) {
            *lines = json!([]);
        }
    }
    body
}

/// Reads `If-Modified-Since`; in any form but a known one it does not count.
pub(crate) fn modified_since(header: &str) -> Option<Timestamp> {
    time::parse(header).or_else(|| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok())
}
