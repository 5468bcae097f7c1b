//! Creates and updates objects, with the checks that Xero makes; void, delete and archive are updates of a status.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answers::{Problem, Reply},
    books::{Books, Members, text},
    documents, payments,
    resources::Resource,
};
use crate::chance::Chance;

/// What a write asks for.
pub(crate) struct Request<'a> {
    pub(crate) resource: Resource,
    /// PUT: nothing is updated.
    pub(crate) creates_only: bool,
    pub(crate) id: Option<&'a str>,
    /// One wrong object refuses the whole request.
    pub(crate) summarizes: bool,
}

/// What is wrong with one object.
pub(crate) type Errors = Vec<String>;

/// Writes every object of a request; what is wrong with one of them is told with it.
pub(crate) fn run(
    books: &mut Books,
    request: &Request<'_>,
    elements: Vec<Value>,
    (chance, now): (&Chance, Timestamp),
) -> Result<Reply, Problem> {
    if request.id.is_some_and(|id| books.find(request.resource, id).is_none()) {
        return Err(Problem::NotFound);
    }
    let mut answers = Vec::new();
    let mut failed = false;
    for element in elements {
        let Value::Object(element) = element else {
            return Err(Problem::exception(14, "PostDataInvalidException", "Invalid JSON data"));
        };
        match one(books, request, element.clone(), (chance, now)) {
            Ok(mut written) => {
                if !request.summarizes {
                    written.insert("StatusAttributeString".to_owned(), "OK".into());
                }
                answers.push(Value::Object(written));
            }
            Err(errors) => {
                failed = true;
                answers.push(Value::Object(refused(element, &errors, request.summarizes)));
            }
        }
    }
    if failed && request.summarizes {
        books.undo();
        return Err(Problem::Exception(json!({
            "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred",
            "Elements": answers,
        })));
    }
    let reply = Reply::list(request.resource.name, answers);
    Ok(Reply { status: StatusCode::OK, ..reply })
}

fn refused(mut element: Members, errors: &Errors, summarizes: bool) -> Members {
    let errors: Vec<Value> = errors.iter().map(|message| json!({ "Message": message })).collect();
    element.insert("ValidationErrors".to_owned(), Value::Array(errors));
    if !summarizes {
        element.insert("HasErrors".to_owned(), true.into());
        element.insert("StatusAttributeString".to_owned(), "ERROR".into());
    }
    element
}

/// Writes one object and returns it as it is now.
fn one(
    books: &mut Books,
    request: &Request<'_>,
    element: Members,
    (chance, now): (&Chance, Timestamp),
) -> Result<Members, Errors> {
    let resource = request.resource;
    let named = request.id.unwrap_or_else(|| text(&element, resource.id)).to_owned();
    // The number of a bill is its supplier's: two suppliers may have the same one.
    let is_bill = text(&element, "Type") == "ACCPAY";
    let number = resource.number.filter(|_| !is_bill).map(|number| text(&element, number).to_owned());
    let number = number.unwrap_or_default();
    let known = match (request.creates_only, named.is_empty()) {
        (true, _) => None,
        (false, false) => {
            let known = books.find(resource, &named).cloned();
            Some(known.ok_or_else(|| vec![format!("{} could not be found", resource.id)])?)
        }
        // An object with this number or name is meant, if there is one.
        (false, true) => books.find_numbered(resource, &number).cloned(),
    };
    let taken = books.find_numbered(resource, &number);
    if let Some(taken) = taken.filter(|taken| known.as_ref().is_none_or(|known| known.id != taken.id)) {
        return Err(vec![taken_message(resource, text(&taken.body, resource.number.unwrap_or_default()))]);
    }
    let (id, before) = match known {
        Some(known) => (known.id, Some(known.body)),
        None => (chance.uuid().to_string(), None),
    };
    let body = match resource.name {
        "Payments" => payments::completed(books, &id, (before, element), now)?,
        "Contacts" => contact(before, element)?,
        "Invoices" | "CreditNotes" => documents::completed(books, resource, (before, element), now)?,
        _ => listed(resource, before, element)?,
    };
    Ok(books.put(resource, &id, body, now).body.clone())
}

fn taken_message(resource: Resource, number: &str) -> String {
    match resource.name {
        "Contacts" => format!(
            "The contact name {number} is already assigned to another contact. The contact name must be unique \
             across all active contacts."
        ),
        "Invoices" => "Invoice # must be unique.".to_owned(),
        _ => format!("{} {number} must be unique", resource.number.unwrap_or_default()),
    }
}

fn contact(before: Option<Members>, element: Members) -> Result<Members, Errors> {
    let mut errors = Errors::new();
    let mut body = before.unwrap_or_else(|| {
        let fresh = json!({
            "ContactStatus": "ACTIVE", "IsSupplier": false, "IsCustomer": false, "Addresses": [], "Phones": [],
            "ContactGroups": [], "ContactPersons": [], "HasAttachments": false, "HasValidationErrors": false,
        });
        fresh.as_object().cloned().unwrap_or_default()
    });
    body.extend(element);
    if text(&body, "Name").is_empty() {
        errors.push("The Contact Name must be specified.".to_owned());
    }
    let email = text(&body, "EmailAddress");
    if !email.is_empty() && !email.contains('@') {
        errors.push("Email address must be valid".to_owned());
    }
    if !["ACTIVE", "ARCHIVED", "GDPRREQUEST"].contains(&text(&body, "ContactStatus")) {
        errors.push("The ContactStatus is not valid.".to_owned());
    }
    if errors.is_empty() { Ok(body) } else { Err(errors) }
}

/// Items, accounts and the documents about which nothing more is known here.
fn listed(resource: Resource, before: Option<Members>, element: Members) -> Result<Members, Errors> {
    let mut body = before.unwrap_or_default();
    body.extend(element);
    let missing = resource.number.filter(|number| text(&body, number).is_empty());
    if let Some(number) = missing {
        return Err(vec![format!("{number} must be specified")]);
    }
    if resource.name == "Accounts" {
        body.entry("Status").or_insert_with(|| "ACTIVE".into());
    }
    Ok(body)
}
