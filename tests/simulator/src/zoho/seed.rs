//! Makes organizations with records that look like a test organization's, the same ones every time.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    options::ZohoOrganizationOptions,
    organizations::{Organization, Organizations},
    resources,
    writes::{self, Write},
};
use crate::timeline::Timeline;

const COMPANIES: &[&str] =
    &["Acme Corp", "Bowman & Co", "Cedar Supplies", "Delta Traders", "Everest Foods", "Fern Studio"];
const SERVICES: &[(&str, u32)] =
    &[("Consulting", 12_000), ("Hosting", 2_500), ("Design", 7_500), ("Support", 4_000)];
const ACCOUNTS: &[(&str, &str)] =
    &[("Sales", "income"), ("Petty Cash", "cash"), ("Office Supplies", "expense")];

/// Makes the organizations that exist at the start.
pub(crate) fn first_organizations(options: &[ZohoOrganizationOptions], now: Timestamp) -> Organizations {
    let mut all = Organizations::default();
    for one in options {
        if let Some(id) = &one.organization_id {
            all.add(organization(id.clone(), one, now));
        }
    }
    all
}

/// Makes an organization.
pub(crate) fn organization(id: String, options: &ZohoOrganizationOptions, now: Timestamp) -> Organization {
    let mut records: Vec<(&str, Map<String, Value>)> = Vec::new();
    if options.contacts > 0 {
        records.extend(ACCOUNTS.iter().map(|account| ("chartofaccounts", ledger_account(account))));
        records.extend(SERVICES.iter().map(|service| ("items", item(service))));
    }
    records.extend((0..options.contacts).map(|index| ("contacts", contact(index))));
    let total = records.len() + options.invoices;
    let time_of = |index: usize| Timeline::new(total, now).of(index);
    let mut organization = Organization::new(id, options, time_of(0));
    let before_invoices = records.len();
    for (index, (path, body)) in records.into_iter().enumerate() {
        create(&mut organization, path, body, time_of(index));
    }
    let customers = customer_ids(&organization);
    if customers.is_empty() {
        return organization;
    }
    for index in 0..options.invoices {
        let customer = &customers[index % customers.len()];
        create(&mut organization, "invoices", invoice(customer, index), time_of(before_invoices + index));
    }
    organization
}

fn create(organization: &mut Organization, path: &str, body: Map<String, Value>, at: Timestamp) {
    if let Some(resource) = resources::by_path(path) {
        // What is made here has every required member and no member twice.
        drop(writes::run(organization, resource, Write::Create(body), at));
    }
}

fn customer_ids(organization: &Organization) -> Vec<String> {
    let Some(contacts) = resources::by_path("contacts") else {
        return Vec::new();
    };
    let text =
        |body: &Map<String, Value>, name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let customers = organization.records(contacts).map(|record| &record.body);
    let customers = customers.filter(|body| text(body, "contact_type").as_deref() == Some("customer"));
    customers.filter_map(|body| text(body, "contact_id")).collect()
}

fn ledger_account((name, kind): &(&str, &str)) -> Map<String, Value> {
    members(json!({ "account_name": name, "account_type": kind, "is_user_created": false }))
}

fn item((name, cents): &(&str, u32)) -> Map<String, Value> {
    members(
        json!({ "name": name, "rate": f64::from(*cents) / 100.0, "unit": "h", "product_type": "service" }),
    )
}

fn contact(index: usize) -> Map<String, Value> {
    let company = COMPANIES[index % COMPANIES.len()];
    let number = index + 1;
    members(json!({
        "contact_name": format!("{company} {number}"), "company_name": company,
        "contact_type": if index % 5 == 4 { "vendor" } else { "customer" },
        "email": format!("contact{number}@example.com"), "phone": format!("+1 650 555 {:04}", index % 10_000),
        "payment_terms": 30, "outstanding_receivable_amount": 0,
        "billing_address": { "address": format!("{} Main St.", 100 + index), "city": "Pleasanton", "country": "USA" },
    }))
}

fn invoice(customer: &str, index: usize) -> Map<String, Value> {
    let (service, cents) = SERVICES[index % SERVICES.len()];
    let quantity = u32::try_from(index % 8).unwrap_or(0) + 1;
    let mut body = members(json!({
        "customer_id": customer, "status": if index.is_multiple_of(3) { "paid" } else { "sent" },
        "line_items": [{ "name": service, "rate": f64::from(cents) / 100.0, "quantity": quantity }],
        "payment_terms": 30,
    }));
    if index.is_multiple_of(3) {
        body.insert("balance".to_owned(), 0.into());
    }
    body
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
