//! Makes organizations with contacts, invoices and the rest of a demo company, the same ones every time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    books::{Members, Organization, Organizations},
    options::{XeroOptions, XeroOrganizationOptions},
    resources::{self, Resource},
    time,
};
use crate::timeline::Timeline;

const NAMES: &[&str] =
    &["Abby & Wells", "Bayside Club", "City Agency", "DIISR", "Hamilton Smith", "Ridgeway Bank"];
const SERVICES: &[(&str, u32)] = &[("Consulting", 12_000), ("Training", 25_000), ("Books", 1_995)];
const ACCOUNTS: &[(&str, &str, &str)] = &[
    ("090", "Business Bank Account", "BANK"),
    ("200", "Sales", "REVENUE"),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS"),
    ("400", "Advertising", "EXPENSE"),
    ("610", "Accounts Receivable", "CURRENT"),
];

/// Makes the organizations that exist at the start.
pub(crate) fn first_organizations(options: &XeroOptions, now: Timestamp) -> Organizations {
    let mut organizations = Organizations::default();
    for made in &options.organizations {
        if let Some(tenant_id) = made.tenant_id.clone() {
            organizations.add(organization(tenant_id, made, now));
        }
    }
    organizations
}

/// Makes an organization.
pub(crate) fn organization(
    tenant_id: String,
    options: &XeroOrganizationOptions,
    now: Timestamp,
) -> Organization {
    let total = options.contacts + options.invoices;
    let time_of = |index: usize| Timeline::new(total, now).of(index);
    let mut organization = Organization::new(tenant_id, options.name.clone(), time_of(0));
    for (index, (code, name, kind)) in ACCOUNTS.iter().enumerate() {
        let body = json!({
            "Code": code, "Name": name, "Type": kind, "Status": "ACTIVE", "TaxType": "NONE",
            "Class": if *kind == "REVENUE" { "REVENUE" } else { "EXPENSE" },
            "EnablePaymentsToAccount": *code == "090",
        });
        put(&mut organization, "Accounts", (index, body), time_of(0));
    }
    for (index, (name, cents)) in SERVICES.iter().enumerate() {
        let unit_price = f64::from(*cents) / 100.0;
        let body = json!({
            "Code": name.to_uppercase(), "Name": name, "Description": name, "IsSold": true,
            "IsPurchased": false, "IsTrackedAsInventory": false,
            "SalesDetails": { "UnitPrice": unit_price, "AccountCode": "200", "TaxType": "NONE" },
        });
        put(&mut organization, "Items", (index, body), time_of(0));
    }
    for index in 0..options.contacts {
        put(&mut organization, "Contacts", (index, contact(index)), time_of(index));
    }
    for index in 0..options.invoices {
        let at = time_of(options.contacts + index);
        let body = invoice(&organization, options.contacts, index, at);
        put(&mut organization, "Invoices", (index, body), at);
        if index.is_multiple_of(3) {
            let payment = payment(&organization, index, at);
            put(&mut organization, "Payments", (index, payment), at);
        }
    }
    if options.contacts > 0 {
        let note = credit_note(&organization, time_of(total.saturating_sub(1)));
        put(&mut organization, "CreditNotes", (0, note), time_of(total.saturating_sub(1)));
    }
    organization.books.keep();
    organization
}

fn put(organization: &mut Organization, name: &str, (index, body): (usize, Value), at: Timestamp) {
    let Some(resource) = resources::by_path(name) else {
        return;
    };
    let id = id_of(&organization.tenant_id, resource, index);
    let body = body.as_object().cloned().unwrap_or_else(Members::new);
    organization.books.put(resource, &id, body, at);
}

/// Returns the id that the object with this index always has.
fn id_of(tenant_id: &str, resource: Resource, index: usize) -> String {
    fixed_id(&format!("{tenant_id}/{}/{index}", resource.name))
}

fn line_id(tenant_id: &str, index: usize) -> String {
    fixed_id(&format!("{tenant_id}/lines/{index}"))
}

fn fixed_id(place: &str) -> String {
    let digest = Sha256::digest(place);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn reference(organization: &Organization, name: &str, index: usize) -> String {
    resources::by_path(name)
        .map(|resource| id_of(&organization.tenant_id, resource, index))
        .unwrap_or_default()
}

fn contact(index: usize) -> Value {
    let name = format!("{} {}", NAMES[index % NAMES.len()], index + 1);
    json!({
        "Name": name, "ContactStatus": "ACTIVE", "FirstName": "Pat", "LastName": NAMES[index % NAMES.len()],
        "EmailAddress": format!("contact{}@example.com", index + 1), "BankAccountDetails": "",
        "IsSupplier": index.is_multiple_of(5), "IsCustomer": true, "DefaultCurrency": "USD",
        "Addresses": [{
            "AddressType": "POBOX", "AddressLine1": format!("P O Box {}", 100 + index), "City": "Oaktown",
            "PostalCode": "94213", "Country": "USA",
        }],
        "Phones": [{
            "PhoneType": "DEFAULT", "PhoneNumber": format!("555{:04}", index % 10_000),
            "PhoneAreaCode": "", "PhoneCountryCode": "",
        }],
        "ContactGroups": [], "ContactPersons": [], "HasAttachments": false, "HasValidationErrors": false,
    })
}

fn contact_reference(organization: &Organization, contacts: usize, index: usize) -> Value {
    let index = index % contacts.max(1);
    json!({
        "ContactID": reference(organization, "Contacts", index),
        "Name": format!("{} {}", NAMES[index % NAMES.len()], index + 1),
        "Addresses": [], "Phones": [], "ContactGroups": [], "ContactPersons": [], "HasValidationErrors": false,
    })
}

fn invoice(organization: &Organization, contacts: usize, index: usize, at: Timestamp) -> Value {
    let (service, cents) = SERVICES[index % SERVICES.len()];
    let quantity = u32::try_from(index % 8).unwrap_or(0) + 1;
    let total = f64::from(cents * quantity) / 100.0;
    let is_bill = index % 5 == 4;
    let paid = if index.is_multiple_of(3) { total } else { 0.0 };
    let due_at = at.checked_add(SignedDuration::from_hours(24 * 30)).unwrap_or(at);
    let payments = if paid > 0.0 {
        let payment_id = reference(organization, "Payments", index);
        json!([{ "PaymentID": payment_id, "Amount": paid, "Date": time::slash_day(at) }])
    } else {
        json!([])
    };
    json!({
        "Type": if is_bill { "ACCPAY" } else { "ACCREC" },
        "InvoiceNumber": format!("{}-{:04}", if is_bill { "BILL" } else { "INV" }, index + 1), "Reference": "",
        "Contact": contact_reference(organization, contacts, index),
        "Status": if paid > 0.0 { "PAID" } else { "AUTHORISED" },
        "Date": time::slash_day(at), "DateString": time::day(at),
        "DueDate": time::slash_day(due_at), "DueDateString": time::day(due_at),
        "LineAmountTypes": "NoTax", "CurrencyCode": "USD", "CurrencyRate": 1.0,
        "LineItems": [{
            "LineItemID": line_id(&organization.tenant_id, index), "Description": service,
            "Quantity": quantity, "UnitAmount": f64::from(cents) / 100.0, "LineAmount": total,
            "AccountCode": if is_bill { "400" } else { "200" }, "ItemCode": service.to_uppercase(),
            "TaxType": "NONE", "TaxAmount": 0.0, "Tracking": [],
        }],
        "SubTotal": total, "TotalTax": 0.0, "Total": total,
        "AmountPaid": paid, "AmountDue": total - paid, "AmountCredited": 0.0,
        "Payments": payments, "CreditNotes": [], "Prepayments": [], "Overpayments": [],
        "IsDiscounted": false, "HasAttachments": false, "HasErrors": false, "SentToContact": true,
        "InvoicePaymentServices": [],
    })
}

fn payment(organization: &Organization, index: usize, at: Timestamp) -> Value {
    let (_, cents) = SERVICES[index % SERVICES.len()];
    let total = f64::from(cents * (u32::try_from(index % 8).unwrap_or(0) + 1)) / 100.0;
    let kind = if index % 5 == 4 { "ACCPAY" } else { "ACCREC" };
    json!({
        "Date": time::slash_day(at), "Amount": total, "BankAmount": total, "CurrencyRate": 1.0,
        "Status": "AUTHORISED", "PaymentType": format!("{kind}PAYMENT"), "Reference": "", "IsReconciled": false,
        "Account": { "AccountID": reference(organization, "Accounts", 0), "Code": "090" },
        "Invoice": { "InvoiceID": reference(organization, "Invoices", index), "Type": kind },
        "HasAccount": true, "HasValidationErrors": false,
    })
}

fn credit_note(organization: &Organization, at: Timestamp) -> Value {
    json!({
        "Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-0001", "Reference": "", "Status": "AUTHORISED",
        "Contact": contact_reference(organization, 1, 0), "Date": time::slash_day(at), "DateString": time::day(at),
        "LineAmountTypes": "NoTax", "CurrencyCode": "USD", "CurrencyRate": 1.0,
        "LineItems": [{
            "Description": "Refund", "Quantity": 1.0, "UnitAmount": 19.95, "LineAmount": 19.95,
            "AccountCode": "200", "TaxType": "NONE", "TaxAmount": 0.0, "Tracking": [],
        }],
        "SubTotal": 19.95, "TotalTax": 0.0, "Total": 19.95, "RemainingCredit": 19.95, "Allocations": [],
        "HasErrors": false,
    })
}
