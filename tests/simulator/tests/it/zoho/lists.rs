//! Reading: lists with their filters, sorting and pages, and single records.

use serde_json::{Value, json};
use simulator::Options;

use super::{authorization, with, zoho_tokens_of};
use crate::harness::{Sim, callback_of};

const US: &str = Options::ZOHO_US_ORGANIZATION_ID;
const SECOND: &str = Options::ZOHO_SECOND_US_ORGANIZATION_ID;
const EU: &str = Options::ZOHO_EU_ORGANIZATION_ID;

/// Gets a list of the first organization, which must succeed.
async fn list(sim: &Sim, token: &str, path: &str, query: &str) -> Value {
    let path = format!("{path}?organization_id={US}{query}");
    let (status, body) = sim.zoho_get("us", token, &path).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn a_list_has_rows_without_details_and_a_page_context() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;

    let body = list(&sim, &tokens.access, "invoices", "").await;

    let rows = body["invoices"].as_array().unwrap();
    assert_eq!(rows.len(), 120);
    let row = &rows[0];
    assert!(row.get("line_items").is_none());
    assert!(row["invoice_id"].as_str().unwrap().parse::<u64>().unwrap() > 1 << 53);
    assert_eq!((&row["invoice_number"], &row["status"]), (&json!("INV-000001"), &json!("paid")));
    assert_eq!((&row["total"], &row["balance"]), (&json!(120), &json!(0)));
    assert_eq!(row["customer_name"], "Acme Corp 1");
    assert_eq!(row["last_modified_time"].as_str().unwrap().len(), 24);
    let expected = json!({
        "page": 1, "per_page": 200, "has_more_page": false, "report_name": "Invoices",
        "applied_filter": "Status.All", "sort_column": "created_time", "sort_order": "A",
    });
    assert_eq!(body["page_context"], expected);
}

#[tokio::test]
async fn pages_cover_everything_once_and_have_200_rows_at_most() {
    let sim = Sim::start().await;
    let organization =
        json!({ "organizationId": "880000103", "location": "us", "contacts": 1, "invoices": 450 });
    sim.control("POST", "zoho/organizations", organization).await;
    let user = json!({ "userId": "us", "location": "us", "organizations": ["880000103"] });
    sim.control("POST", "zoho/users", user).await;
    let tokens = sim.zoho_connect("us").await;
    let mut ids = std::collections::BTreeSet::new();
    let mut more = Vec::new();

    for page in 1..=3 {
        let path = format!("invoices?organization_id=880000103&per_page=500&page={page}");
        let (_, body) = sim.zoho_get("us", &tokens.access, &path).await;
        let rows = body["invoices"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["invoice_id"].as_str().unwrap().to_owned()));
        more.push((rows.len(), body["page_context"]["has_more_page"].as_bool().unwrap()));
    }

    assert_eq!(ids.len(), 450);
    assert_eq!(more, [(200, true), (200, true), (50, false)]);
}

#[tokio::test]
async fn documents_are_filtered_by_the_time_of_their_last_change() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let rows = list(&sim, &tokens.access, "invoices", "&sort_column=last_modified_time&sort_order=D").await;
    let third = rows["invoices"][2]["last_modified_time"].as_str().unwrap().to_owned();

    let query = format!("&last_modified_time={third}");
    let since = list(&sim, &tokens.access, "invoices", &query).await;
    let contacts = list(&sim, &tokens.access, "contacts", &query).await;
    sim.zoho_switch(json!({ "filtersEveryListByTime": true })).await;
    let filtered_contacts = list(&sim, &tokens.access, "contacts", &query).await;
    sim.zoho_switch(json!({ "takesTimesExactly": true })).await;
    let exactly = list(&sim, &tokens.access, "invoices", &query).await;
    let bad = format!("invoices?organization_id={US}&last_modified_time=2026-06-09T09:47:43+0530");
    let unescaped = sim.zoho_get("us", &tokens.access, &bad).await;

    assert_eq!(since["invoices"].as_array().unwrap().len(), 3);
    assert_eq!(exactly["invoices"].as_array().unwrap().len(), 1);
    assert_eq!(contacts["contacts"].as_array().unwrap().len(), 25);
    assert_eq!(filtered_contacts["contacts"].as_array().unwrap().len(), 0);
    assert_eq!((unescaped.0, &unescaped.1["code"]), (400, &json!(2)));
}

#[tokio::test]
async fn lists_are_filtered_by_status_and_by_members() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let count = async |path: &str, query: &str| {
        list(&sim, &tokens.access, path, query).await[path].as_array().unwrap().len()
    };

    assert_eq!(count("invoices", "&filter_by=Status.Paid").await, 40);
    assert_eq!(count("invoices", "&status=sent").await, 80);
    assert_eq!(count("invoices", "&invoice_number=INV-000007").await, 1);
    assert_eq!(count("contacts", "&contact_type=vendor").await, 5);
    assert_eq!(count("invoices", "&date_start=2100-01-01").await, 0);
    assert_eq!(count("items", "").await, 4);
    assert_eq!(count("chartofaccounts", "").await, 3);
}

#[tokio::test]
async fn lists_are_sorted_by_the_asked_column() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;

    let body = list(&sim, &tokens.access, "invoices", "&sort_column=total&sort_order=D").await;
    let bad = format!("invoices?organization_id={US}&sort_column=mood");
    let refused = sim.zoho_get("us", &tokens.access, &bad).await;

    let totals: Vec<f64> =
        body["invoices"].as_array().unwrap().iter().map(|row| row["total"].as_f64().unwrap()).collect();
    assert!(totals.is_sorted_by(|one, other| one >= other));
    assert_eq!(refused, (400, json!({ "code": 2, "message": "Invalid value passed for sort_column" })));
}

#[tokio::test]
async fn a_single_record_has_its_details() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let rows = list(&sim, &tokens.access, "invoices", "&per_page=1").await;
    let id = rows["invoices"][0]["invoice_id"].as_str().unwrap();

    let (status, body) =
        sim.zoho_get("us", &tokens.access, &format!("invoices/{id}?organization_id={US}")).await;
    let elsewhere =
        sim.zoho_get("us", &tokens.access, &format!("invoices/{id}?organization_id={SECOND}")).await;

    assert_eq!((status, &body["message"]), (200, &json!("success")));
    assert_eq!(body["invoice"]["line_items"][0]["item_total"], 120);
    assert_eq!(elsewhere, (404, json!({ "code": 1002, "message": "Invoice does not exist." })));
}

#[tokio::test]
async fn every_call_needs_an_organization_that_the_user_sees() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;

    for query in ["", "?organization_id=", &format!("?organization_id={EU}"), "?organization_id=999999999"] {
        let (status, body) = sim.zoho_get("us", &tokens.access, &format!("invoices{query}")).await;
        assert_eq!((status, &body["code"]), (401, &json!(6041)), "{query}");
    }
    let unknown = sim.zoho_get("us", &tokens.access, &format!("madeup?organization_id={US}")).await;
    assert_eq!(unknown, (404, json!({ "code": 5, "message": "Invalid URL Passed" })));
}

#[tokio::test]
async fn every_list_has_its_own_scope() {
    let sim = Sim::start().await;
    let scope = "ZohoBooks.invoices.READ,ZohoBooks.settings.READ";
    let request = with(authorization(), &[("scope", scope)]);
    let code = callback_of(&sim.zoho_authorize("us", &request).await)["code"].clone();
    let tokens = zoho_tokens_of(&sim.zoho_exchange("us", &code).await);
    let status = async |path: &str| {
        sim.zoho_get("us", &tokens.access, &format!("{path}?organization_id={US}")).await.0
    };

    assert_eq!((status("invoices").await, status("items").await), (200, 200));
    for path in ["contacts", "bills", "creditnotes", "customerpayments", "vendorpayments", "chartofaccounts"]
    {
        assert_eq!(status(path).await, 401, "{path}");
    }
    let create = sim.zoho_request("POST", "us", (&tokens.access, &format!("invoices?organization_id={US}")));
    assert_eq!(create.json(&json!({})).send().await.unwrap().status(), 401);
}
