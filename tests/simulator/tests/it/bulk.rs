//! Many objects changed at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::Options;

use crate::{
    harness::{REALM, Sim},
    xero::TENANT,
};

const ORGANIZATION: &str = Options::ZOHO_US_ORGANIZATION_ID;

/// The ids that an answer names in one list.
fn ids(touched: &Value, list: &str) -> Vec<String> {
    touched[list].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// How many ids there are in all lists, and how many different ones.
fn counts(touched: &Value) -> (usize, usize) {
    let all: Vec<String> =
        ["updated", "deleted", "voided"].iter().flat_map(|list| ids(touched, list)).collect();
    (all.len(), all.iter().collect::<BTreeSet<_>>().len())
}

async fn refused(sim: &Sim, path: &str, body: Value) -> u16 {
    let answer = sim.request("POST", &format!("_control/{path}")).json(&body).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn invoices_of_intuit_change_vanish_and_become_void_at_once() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.advance(60).await;
    let since = sim.inspect("clock").await["now"].as_str().unwrap().to_owned();
    let path = format!("intuit/companies/{REALM}/entities/invoice/bulk");

    let touched = sim.control("POST", &path, json!({ "update": 30, "delete": 4, "void": 3 })).await;

    assert_eq!(counts(&touched), (37, 37));
    let feed = format!("cdc?entities=Invoice&changedSince={since}");
    let feed: Value = sim.company(&tokens.access, &feed).await.json().await.unwrap();
    let told = feed["CDCResponse"][0]["QueryResponse"][0]["Invoice"].as_array().unwrap();
    let told_id = |told: &Value| told["Id"].as_str().unwrap().to_owned();
    let (gone, there): (Vec<_>, Vec<_>) = told.iter().partition(|told| told["status"] == "Deleted");
    assert_eq!(gone.into_iter().map(told_id).collect::<Vec<_>>(), ids(&touched, "deleted"));
    let void: Vec<_> = there.iter().filter(|told| told["PrivateNote"] == "Voided").collect();
    assert_eq!(void.iter().map(|told| told_id(told)).collect::<Vec<_>>(), ids(&touched, "voided"));
    assert!(void.iter().all(|void| void["TotalAmt"] == 0 && void["SyncToken"] == "1"));
    assert_eq!(there.len(), 33);
    let count = sim.query(&tokens.access, "SELECT COUNT(*) FROM Invoice").await;
    assert_eq!(count, json!({ "totalCount": 116 }));
    let customers = format!("intuit/companies/{REALM}/entities/customer/bulk");
    assert_eq!(refused(&sim, &customers, json!({ "delete": 1 })).await, 400, "a list keeps its objects");
    assert_eq!(refused(&sim, &path, json!({ "update": 114 })).await, 400, "so many are not left");
}

#[tokio::test]
async fn invoices_of_xero_change_and_get_a_last_status_at_once_and_items_go_for_good() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    sim.advance(60).await;
    let path = |kind: &str| format!("xero/organizations/{TENANT}/entities/{kind}/bulk");

    let touched =
        sim.control("POST", &path("invoices"), json!({ "update": 30, "delete": 4, "void": 3 })).await;
    let items = sim.control("POST", &path("items"), json!({ "delete": 1 })).await;

    assert_eq!(counts(&touched), (37, 37));
    let all = sim.xero_read(&token, "Invoices?page=1&pageSize=500").await;
    assert_eq!(all["pagination"]["itemCount"], 120, "what is deleted stays listed");
    let with = |status: &str| {
        let all = all["Invoices"].as_array().unwrap().iter();
        let found = all.filter(|invoice| invoice["Status"] == status);
        found.map(|invoice| invoice["InvoiceID"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(with("DELETED"), ids(&touched, "deleted").into_iter().collect());
    assert_eq!(with("VOIDED"), ids(&touched, "voided").into_iter().collect());
    let live = "Invoices?page=1&pageSize=1&where=Status!%3D%22DELETED%22";
    let live = sim.xero_read(&token, live).await;
    assert_eq!(live["pagination"], json!({ "page": 1, "pageSize": 1, "pageCount": 116, "itemCount": 116 }));
    let left = sim.xero_read(&token, "Items").await;
    let left: Vec<_> = left["Items"].as_array().unwrap().iter().map(|item| &item["ItemID"]).collect();
    assert_eq!((left.len(), left.contains(&&items["deleted"][0])), (2, false));
    assert_eq!(refused(&sim, &path("contacts"), json!({ "delete": 1 })).await, 400);
}

#[tokio::test]
async fn invoices_of_zoho_change_vanish_and_become_void_at_once() {
    let sim = Sim::start().await;
    let token = sim.zoho_connect("us").await.access;
    let path = |kind: &str| format!("zoho/organizations/{ORGANIZATION}/records/{kind}/bulk");

    let touched =
        sim.control("POST", &path("invoices"), json!({ "update": 30, "delete": 4, "void": 3 })).await;

    assert_eq!(counts(&touched), (37, 37));
    let list = format!("invoices?organization_id={ORGANIZATION}");
    let (_, rows) = sim.zoho_get("us", &token, &list).await;
    let rows = rows["invoices"].as_array().unwrap();
    let id = |row: &Value| row["invoice_id"].as_str().unwrap().to_owned();
    let void: BTreeSet<_> = rows.iter().filter(|row| row["status"] == "void").map(id).collect();
    assert_eq!((rows.len(), void), (116, ids(&touched, "voided").into_iter().collect()));
    assert!(rows.iter().all(|row| !ids(&touched, "deleted").contains(&id(row))));
    assert_eq!(refused(&sim, &path("contacts"), json!({ "void": 1 })).await, 400);
}
