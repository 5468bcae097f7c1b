//! Invoices, bills and credit notes: what they need, what is computed, and how their status may change.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    books::{Books, Members, amount, text},
    resources::{self, Resource},
    time,
    writes::Errors,
};

/// Fills in what Xero computes for a new or changed document, or says what is wrong with it.
pub(crate) fn completed(
    books: &Books,
    resource: Resource,
    (before, element): (Option<Members>, Members),
    now: Timestamp,
) -> Result<Members, Errors> {
    let old_status = before.as_ref().map(|before| text(before, "Status").to_owned());
    let mut body = before.unwrap_or_default();
    body.extend(element);
    if text(&body, "Status").is_empty() {
        body.insert("Status".to_owned(), "DRAFT".into());
    }
    let mut errors = Errors::new();
    if let Some(old) = &old_status
        && !may_become(&body, old)
    {
        errors.push(format!("{} not of valid status for modification", singular(resource)));
    }
    let kinds: &[&str] = match resource.name {
        "Invoices" => &["ACCREC", "ACCPAY"],
        _ => &["ACCRECCREDIT", "ACCPAYCREDIT"],
    };
    if !kinds.contains(&text(&body, "Type")) {
        errors.push("A valid Type must be specified.".to_owned());
    }
    if let Err(error) = name_contact(books, &mut body) {
        errors.push(error.to_owned());
    }
    add_up(&mut body);
    let is_approved = ["AUTHORISED", "PAID"].contains(&text(&body, "Status"));
    let has_lines = body.get("LineItems").and_then(Value::as_array).is_some_and(|lines| !lines.is_empty());
    if is_approved && !has_lines {
        errors.push("One or more line items must be specified".to_owned());
    }
    if is_approved && resource.name == "Invoices" && !body.contains_key("DueDate") {
        errors.push("The document must have a due date".to_owned());
    }
    write_dates(&mut body, now);
    if let Some(member) = resource.number.filter(|member| text(&body, member).is_empty())
        && text(&body, "Type") != "ACCPAY"
    {
        body.insert(member.to_owned(), next_number(books, resource).into());
    }
    if errors.is_empty() { Ok(body) } else { Err(errors) }
}

/// Returns the first number that is free.
fn next_number(books: &Books, resource: Resource) -> String {
    let prefix = if resource.name == "Invoices" { "INV" } else { "CN" };
    let mut next = books.records(resource).len() + 1;
    loop {
        let number = format!("{prefix}-{next:04}");
        if books.find_numbered(resource, &number).is_none() {
            return number;
        }
        next += 1;
    }
}

/// Tells whether a document may go from one status to the one it has now.
fn may_become(body: &Members, old: &str) -> bool {
    match (old, text(body, "Status")) {
        ("VOIDED" | "DELETED", _) => false,
        (old, new) if old == new => true,
        ("DRAFT" | "SUBMITTED", "DRAFT" | "SUBMITTED" | "AUTHORISED" | "DELETED") => true,
        // A document that was paid in part cannot be voided.
        ("AUTHORISED", "VOIDED") => amount(body, "AmountPaid") == 0.0,
        _ => false,
    }
}

/// Gives the document's contact its id and name.
fn name_contact(books: &Books, body: &mut Members) -> Result<(), &'static str> {
    let contacts = resources::by_path("Contacts");
    let (Some(contacts), Some(contact)) = (contacts, body.get("Contact").and_then(Value::as_object)) else {
        return Err("A Contact must be specified for this type of transaction");
    };
    let found = match text(contact, "ContactID") {
        "" => books.find_numbered(contacts, text(contact, "Name")),
        id => books.find(contacts, id),
    };
    let found = found.ok_or("The Contact ID or name does not match any contact of this organisation.")?;
    let named = json!({
        "ContactID": found.id, "Name": found.body.get("Name"), "Addresses": [], "Phones": [], "ContactGroups": [],
        "ContactPersons": [], "HasValidationErrors": false,
    });
    body.insert("Contact".to_owned(), named);
    Ok(())
}

/// Computes the amounts from the lines.
fn add_up(body: &mut Members) {
    let mut subtotal = 0.0;
    if let Some(lines) = body.get_mut("LineItems").and_then(Value::as_array_mut) {
        for line in lines.iter_mut().filter_map(Value::as_object_mut) {
            let quantity = line.get("Quantity").and_then(Value::as_f64).unwrap_or(1.0);
            let given = line.get("LineAmount").and_then(Value::as_f64);
            let total = given.unwrap_or_else(|| cents(quantity * amount(line, "UnitAmount")));
            line.insert("LineAmount".to_owned(), total.into());
            line.entry("TaxAmount").or_insert_with(|| 0.0.into());
            subtotal += total;
        }
    }
    let tax = amount(body, "TotalTax");
    let total = cents(subtotal + tax);
    let is_void = ["VOIDED", "DELETED"].contains(&text(body, "Status"));
    let paid = amount(body, "AmountPaid");
    let due = if is_void { 0.0 } else { cents(total - paid - amount(body, "AmountCredited")) };
    for (member, value) in [("SubTotal", cents(subtotal)), ("TotalTax", tax), ("Total", total)] {
        body.insert(member.to_owned(), value.into());
    }
    if text(body, "Type").ends_with("CREDIT") {
        body.entry("RemainingCredit").or_insert_with(|| total.into());
    } else {
        body.insert("AmountDue".to_owned(), due.into());
        body.entry("AmountPaid").or_insert_with(|| 0.0.into());
        body.entry("AmountCredited").or_insert_with(|| 0.0.into());
    }
    for (member, value) in [
        ("CurrencyCode", json!("USD")),
        ("CurrencyRate", json!(1.0)),
        ("LineAmountTypes", json!("Exclusive")),
        ("LineItems", json!([])),
        ("HasErrors", json!(false)),
        ("HasAttachments", json!(false)),
    ] {
        body.entry(member).or_insert(value);
    }
}

/// Writes each day in both forms, whichever one came.
fn write_dates(body: &mut Members, now: Timestamp) {
    for member in ["Date", "DueDate"] {
        let at = match body.get(member).and_then(Value::as_str).and_then(time::parse) {
            Some(at) => at,
            None if member == "Date" => now,
            None => continue,
        };
        body.insert(member.to_owned(), time::slash_day(at).into());
        body.insert(format!("{member}String"), time::day(at).into());
    }
}

/// Rounds an amount to cents.
pub(crate) fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn singular(resource: Resource) -> &'static str {
    resource.name.strip_suffix('s').unwrap_or(resource.name)
}
