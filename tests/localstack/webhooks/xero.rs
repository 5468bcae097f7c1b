//! Xero: the intent to receive, and what it tells.

use domain::provider::Provider;
use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Bundle, PATIENCE, eventually};

#[tokio::test]
async fn the_intent_to_receive_is_understood_right_and_wrong() {
    let bundle = Bundle::deployed().await;
    let handshake =
        json!({ "url": bundle.url("/webhooks/xero"), "right": 3, "wrong": 4, "timeoutMs": 30_000 });

    let shaken = bundle.simulator.control(Method::POST, "/xero/webhooks/handshake", Some(handshake)).await;

    assert_eq!(shaken["passed"], true, "{shaken}");
    for sent in shaken["sent"].as_array().unwrap() {
        let names = sent["headers"].as_array().unwrap().iter().map(|header| header[0].as_str().unwrap());
        assert!(!names.into_iter().any(|name| name.eq_ignore_ascii_case("set-cookie")), "{sent}");
        assert_eq!(sent["body"], "", "{sent}");
    }
}

#[tokio::test]
async fn a_changed_contact_is_fetched_and_its_record_shows_the_change() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(1).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let path = format!("/xero/organizations/{}/entities/contacts", books.company());
    let contact = bundle.simulator.control(Method::POST, &path, Some(json!({ "Name": "Before" }))).await;
    let id = contact["ContactID"].as_str().unwrap();
    let change = json!({ "Name": "Told by a webhook" });
    bundle.simulator.control(Method::PUT, &format!("{path}/{id}"), Some(change)).await;

    let event =
        json!({ "tenantId": books.company(), "resourceId": id, "category": "CONTACT", "type": "Update" });
    let webhook = json!({ "url": bundle.url("/webhooks/xero"), "events": [event], "timeoutMs": 30_000 });
    let sent = bundle.simulator.control(Method::POST, "/xero/webhooks", Some(webhook)).await;

    assert_eq!((&sent["sent"][0]["status"], &sent["sent"][0]["body"]), (&json!(200), &json!("")), "{sent}");
    let record = eventually("the record is there", PATIENCE, async || {
        connection.records("customers", 200).await.into_iter().find(|record| record["id"] == id)
    })
    .await;
    assert_eq!(record["raw"]["Name"], "Told by a webhook");
}

#[tokio::test]
async fn of_two_organizations_of_one_grant_each_gets_its_own() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let mut events: Vec<Value> = vec![];
    for company in &books.companies {
        let path = format!("/xero/organizations/{company}/entities/contacts");
        let contact = bundle.simulator.control(Method::POST, &path, Some(json!({ "Name": company }))).await;
        events
            .push(json!({ "tenantId": company, "resourceId": contact["ContactID"], "category": "CONTACT" }));
    }

    let webhook = json!({ "url": bundle.url("/webhooks/xero"), "events": events, "timeoutMs": 30_000 });
    let sent = bundle.simulator.control(Method::POST, "/xero/webhooks", Some(webhook)).await;

    assert_eq!(sent["sent"][0]["status"], 200, "{sent}");
    for company in &books.companies {
        let path = format!("/api/records/customers?companyId={company}");
        let records = eventually("the record is there", PATIENCE, async || {
            let found = connection.bundle().get(&path).await.expect(200)["records"].clone();
            (found != json!([])).then_some(found)
        })
        .await;
        assert_eq!((records.as_array().unwrap().len(), &records[0]["raw"]["Name"]), (1, &json!(company)));
    }
    assert_eq!(connection.books.provider, Provider::Xero);
}
