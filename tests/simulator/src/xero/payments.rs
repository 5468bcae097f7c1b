//! Payments of invoices: they lower what is due, and raise it again when they are deleted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    books::{Books, Members, Record, amount, text},
    documents::cents,
    resources::{self, Resource},
    time,
    writes::Errors,
};

/// Makes a payment, or deletes one; nothing else about a payment can change.
pub(crate) fn completed(
    books: &mut Books,
    id: &str,
    (before, element): (Option<Members>, Members),
    now: Timestamp,
) -> Result<Members, Errors> {
    let refused = |message: &str| vec![message.to_owned()];
    let invoices = resources::by_path("Invoices").ok_or_else(|| refused("Invoice could not be found"))?;
    if let Some(mut payment) = before {
        if text(&element, "Status") != "DELETED" || text(&payment, "Status") == "DELETED" {
            return Err(refused("Only the status of a payment can be changed, and only to DELETED"));
        }
        if let Some(invoice) = invoice_of(books, invoices, &payment) {
            settle(books, invoices, &invoice, (id, -amount(&payment, "Amount")), now);
        }
        payment.insert("Status".to_owned(), "DELETED".into());
        return Ok(payment);
    }
    let mut errors = Errors::new();
    let paid = amount(&element, "Amount");
    if paid <= 0.0 {
        errors.push("Payment amount must be greater than 0".to_owned());
    }
    if element.get("Account").and_then(Value::as_object).is_none_or(Members::is_empty) {
        errors.push("You must specify an AccountID or AccountCode".to_owned());
    }
    let invoice = invoice_of(books, invoices, &element);
    match &invoice {
        None => errors.push("Invoice could not be found".to_owned()),
        Some(invoice) if text(&invoice.body, "Status") != "AUTHORISED" => {
            errors.push("Payments can only be made against Authorised documents".to_owned());
        }
        Some(invoice) if cents(paid) > cents(amount(&invoice.body, "AmountDue")) => {
            errors.push("Payment amount exceeds the amount outstanding on this document".to_owned());
        }
        Some(_) => {}
    }
    let Some(invoice) = invoice.filter(|_| errors.is_empty()) else {
        return Err(errors);
    };
    settle(books, invoices, &invoice, (id, paid), now);
    let kind = text(&invoice.body, "Type").to_owned();
    let mut payment = element;
    let day = payment.get("Date").and_then(Value::as_str).and_then(time::parse).unwrap_or(now);
    payment.insert("Date".to_owned(), time::slash_day(day).into());
    payment.insert("PaymentType".to_owned(), format!("{kind}PAYMENT").into());
    payment.insert("Status".to_owned(), "AUTHORISED".into());
    payment.insert("Invoice".to_owned(), json!({ "InvoiceID": invoice.id, "Type": kind }));
    payment.entry("CurrencyRate").or_insert_with(|| 1.0.into());
    payment.entry("IsReconciled").or_insert(Value::Bool(false));
    Ok(payment)
}

fn invoice_of(books: &Books, invoices: Resource, payment: &Members) -> Option<Record> {
    let named = payment.get("Invoice")?.as_object()?;
    let found = match text(named, "InvoiceID") {
        "" => books.find_numbered(invoices, text(named, "InvoiceNumber")),
        id => books.find(invoices, id),
    };
    found.cloned()
}

/// Notes on an invoice that more (or less) of it is paid.
fn settle(
    books: &mut Books,
    invoices: Resource,
    invoice: &Record,
    (payment_id, paid): (&str, f64),
    now: Timestamp,
) {
    let mut body = invoice.body.clone();
    let total = cents(amount(&body, "AmountPaid") + paid);
    let due = cents(amount(&body, "AmountDue") - paid);
    body.insert("AmountPaid".to_owned(), total.into());
    body.insert("AmountDue".to_owned(), due.into());
    body.insert("Status".to_owned(), if due == 0.0 { "PAID" } else { "AUTHORISED" }.into());
    let mut payments = body.get("Payments").and_then(Value::as_array).cloned().unwrap_or_default();
    payments.retain(|known| known.get("PaymentID").and_then(Value::as_str) != Some(payment_id));
    if paid > 0.0 {
        payments.push(json!({ "PaymentID": payment_id, "Amount": paid, "Date": time::slash_day(now) }));
    }
    body.insert("Payments".to_owned(), Value::Array(payments));
    books.put(invoices, &invoice.id, body, now);
}
