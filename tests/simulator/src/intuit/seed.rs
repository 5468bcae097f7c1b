//! Makes companies with customers and invoices that look like a sandbox company's, the same ones every time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    books::{Books, Company},
    entities::{self, Entity},
    time::pacific_date,
};
use crate::{
    options::{CompanyOptions, IntuitOptions, Options},
    timeline::Timeline,
};

const FIRST_NAMES: &[&str] =
    &["Amy", "Bill", "Cool", "Diego", "Dukes", "Freeman", "Geeta", "Jeff", "Kate", "Mark"];
const LAST_NAMES: &[&str] =
    &["Lauterbach", "Lucchini", "Cars", "Rodriguez", "Basketball", "Sporting", "Kalapatapu"];
const SERVICES: &[(&str, u32)] =
    &[("Design", 7_500), ("Gardening", 3_000), ("Pest Control", 3_500), ("Trimming", 1_250)];

/// Makes the books that exist at the start.
pub(crate) fn first_books(options: &IntuitOptions, now: Timestamp) -> Books {
    let mut books = Books::default();
    let realm_id = options.company.realm_id.clone().unwrap_or_else(|| Options::INTUIT_REALM_ID.to_owned());
    books.add(company(realm_id, &options.company, now));
    books
}

/// Makes a company.
pub(crate) fn company(realm_id: String, options: &CompanyOptions, now: Timestamp) -> Company {
    let total = options.customers + options.invoices;
    let time_of = |index: usize| Timeline::new(total, now).of(index);
    let mut company = Company::new(realm_id, options.name.clone(), time_of(0));
    let (Some(customers), Some(invoices)) = (entities::by_name("Customer"), entities::by_name("Invoice"))
    else {
        return company;
    };
    for index in 0..options.customers {
        company.insert(customers, customer(index), time_of(index));
    }
    for index in 0..options.invoices {
        let at = time_of(options.customers + index);
        let body = invoice(&company, customers, index, at);
        company.insert(invoices, body, at);
    }
    company
}

fn customer(index: usize) -> Map<String, Value> {
    let first = FIRST_NAMES[index % FIRST_NAMES.len()];
    let last = LAST_NAMES[(index / FIRST_NAMES.len() + index) % LAST_NAMES.len()];
    let name = format!("{first} {last} {number}", number = index + 1);
    members(json!({
        "DisplayName": name, "FullyQualifiedName": name, "PrintOnCheckName": name,
        "GivenName": first, "FamilyName": last, "Active": true, "Taxable": index.is_multiple_of(3), "Job": false,
        "BillWithParent": false, "Balance": 0, "BalanceWithJobs": 0, "PreferredDeliveryMethod": "Print",
        "CurrencyRef": { "value": "USD", "name": "United States Dollar" },
        "PrimaryEmailAddr": { "Address": format!("customer{}@example.com", index + 1) },
        "PrimaryPhone": { "FreeFormNumber": format!("(650) 555-{:04}", index % 10_000) },
        "BillAddr": {
            "Id": (index + 2).to_string(), "Line1": format!("{} Main St.", 100 + index), "City": "Half Moon Bay",
            "CountrySubDivisionCode": "CA", "PostalCode": "94213",
        },
    }))
}

fn invoice(company: &Company, customers: Entity, index: usize, at: Timestamp) -> Map<String, Value> {
    let customers: Vec<_> = company.records(customers.name).collect();
    let customer = customers.get(index % customers.len().max(1)).map_or_else(
        || json!({ "value": "1", "name": "Walk-in" }),
        |record| json!({ "value": record.body.get("Id"), "name": record.body.get("DisplayName") }),
    );
    let (service, cents) = SERVICES[index % SERVICES.len()];
    let quantity = u32::try_from(index % 8).unwrap_or(0) + 1;
    let price = f64::from(cents) / 100.0;
    let amount = f64::from(cents * quantity) / 100.0;
    let balance = if index.is_multiple_of(3) { 0.0 } else { amount };
    let due_at = at.checked_add(SignedDuration::from_hours(24 * 30)).unwrap_or(at);
    members(json!({
        "DocNumber": (1001 + index).to_string(), "TxnDate": pacific_date(at), "DueDate": pacific_date(due_at),
        "CustomerRef": customer, "CurrencyRef": { "value": "USD", "name": "United States Dollar" },
        "Line": [
            {
                "Id": "1", "LineNum": 1, "Description": service, "Amount": amount, "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": { "value": (index % SERVICES.len() + 1).to_string(), "name": service },
                    "UnitPrice": price, "Qty": quantity, "TaxCodeRef": { "value": "NON" },
                },
            },
            { "Amount": amount, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {} },
        ],
        "TxnTaxDetail": { "TotalTax": 0 }, "TotalAmt": amount, "Balance": balance,
        "EmailStatus": "NotSet", "PrintStatus": "NeedToPrint", "ApplyTaxAfterDiscount": false,
        "AllowOnlinePayment": false, "AllowOnlineACHPayment": false, "AllowOnlineCreditCardPayment": false,
        "CustomField": [], "LinkedTxn": [], "AllowIPNPayment": false,
        "BillEmail": { "Address": format!("customer{}@example.com", index % customers.len().max(1) + 1) },
    }))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
