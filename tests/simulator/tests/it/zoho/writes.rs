//! Creating, changing, voiding and deleting records.

use serde_json::{Value, json};
use simulator::Options;

use super::{Tokens, zoho_answer_of};
use crate::harness::Sim;

const US: &str = Options::ZOHO_US_ORGANIZATION_ID;

/// Sends a request about a record of the first organization.
async fn send(sim: &Sim, tokens: &Tokens, (method, path): (&str, &str), body: &Value) -> (u16, Value) {
    let path = format!("{path}?organization_id={US}");
    let request = sim.zoho_request(method, "us", (&tokens.access, &path));
    zoho_answer_of(request.json(body).send().await.unwrap()).await
}

async fn connected() -> (Sim, Tokens) {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    (sim, tokens)
}

async fn new_contact(sim: &Sim, tokens: &Tokens, name: &str) -> String {
    let (status, body) = send(sim, tokens, ("POST", "contacts"), &json!({ "contact_name": name })).await;
    assert_eq!((status, &body["message"]), (201, &json!("The contact has been created.")));
    body["contact"]["contact_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_record_is_created_changed_and_deleted() {
    let (sim, tokens) = connected().await;
    let customer = new_contact(&sim, &tokens, "New & Co").await;
    let invoice = json!({
        "customer_id": customer, "reference_number": "ref-1",
        "line_items": [{ "rate": 10.25, "quantity": 2 }, { "rate": 1 }],
    });

    let (created, body) = send(&sim, &tokens, ("POST", "invoices"), &invoice).await;
    let made = &body["invoice"];
    let path = format!("invoices/{}", made["invoice_id"].as_str().unwrap());
    sim.advance(60).await;
    let (changed, after) = send(
        &sim,
        &tokens,
        ("PUT", &path),
        &json!({ "reference_number": "ref-2", "line_items": [{ "rate": 3 }] }),
    )
    .await;
    let deleted = send(&sim, &tokens, ("DELETE", &path), &json!({})).await;
    let gone = send(&sim, &tokens, ("GET", &path), &json!({})).await;

    assert_eq!((created, changed), (201, 200));
    assert_eq!(
        (&made["total"], &made["balance"], &made["status"]),
        (&json!(21.5), &json!(21.5), &json!("draft"))
    );
    assert_eq!((&made["customer_name"], &made["invoice_number"]), (&json!("New & Co"), &json!("INV-000121")));
    assert_eq!(after["invoice"]["reference_number"], "ref-2");
    assert_eq!((&after["invoice"]["total"], &after["invoice"]["balance"]), (&json!(3), &json!(3)));
    assert_eq!(after["invoice"]["created_time"], made["created_time"]);
    assert_ne!(after["invoice"]["last_modified_time"], made["last_modified_time"]);
    assert_eq!(deleted, (200, json!({ "code": 0, "message": "The invoice has been deleted." })));
    assert_eq!((gone.0, &gone.1["code"]), (404, &json!(1002)));
}

#[tokio::test]
async fn an_invoice_is_voided_by_its_status() {
    let (sim, tokens) = connected().await;
    let path = format!("invoices?organization_id={US}&status=sent&per_page=1");
    let (_, rows) = sim.zoho_get("us", &tokens.access, &path).await;
    let id = rows["invoices"][0]["invoice_id"].as_str().unwrap();

    let voided = send(&sim, &tokens, ("POST", &format!("invoices/{id}/status/void")), &json!({})).await;
    let unknown = send(&sim, &tokens, ("POST", &format!("invoices/{id}/status/lost")), &json!({})).await;
    let (_, after) = send(&sim, &tokens, ("GET", &format!("invoices/{id}")), &json!({})).await;

    let expected = json!({ "code": 0, "message": "Invoice status has been changed to Void." });
    assert_eq!(voided, (200, expected));
    assert_eq!(unknown.0, 404);
    assert_eq!((&after["invoice"]["status"], &after["invoice"]["balance"]), (&json!("void"), &json!(0)));
}

#[tokio::test]
async fn what_is_missing_unknown_or_taken_is_refused() {
    let (sim, tokens) = connected().await;
    new_contact(&sim, &tokens, "Taken").await;
    let cases = [
        ("contacts", json!({}), 400, 2),
        ("contacts", json!({ "contact_name": "Taken" }), 400, 3062),
        ("invoices", json!({ "customer_id": "1", "line_items": [{ "rate": 1 }] }), 404, 1002),
        ("invoices", json!({ "line_items": [{ "rate": 1 }] }), 400, 2),
        ("items", json!({ "name": "Nothing" }), 400, 2),
        ("items", json!([1]), 400, 1038),
    ];

    for (path, body, status, code) in cases {
        let refused = send(&sim, &tokens, ("POST", path), &body).await;
        assert_eq!((refused.0, &refused.1["code"]), (status, &json!(code)), "{path} {body}");
    }
}

#[tokio::test]
async fn every_kind_of_record_can_be_created_under_its_keys() {
    let (sim, tokens) = connected().await;
    let contact = new_contact(&sim, &tokens, "Both").await;
    let lines = json!([{ "rate": 5 }]);
    let cases = [
        (
            "bills",
            "bill",
            "bill_id",
            json!({ "vendor_id": contact, "bill_number": "B-1", "line_items": lines }),
        ),
        (
            "creditnotes",
            "creditnote",
            "creditnote_id",
            json!({ "customer_id": contact, "line_items": lines }),
        ),
        ("customerpayments", "payment", "payment_id", json!({ "customer_id": contact, "amount": 5 })),
        ("vendorpayments", "vendorpayment", "payment_id", json!({ "vendor_id": contact, "amount": 5 })),
        ("items", "item", "item_id", json!({ "name": "Advice", "rate": 5 })),
        (
            "chartofaccounts",
            "chart_of_account",
            "account_id",
            json!({ "account_name": "Fees", "account_type": "expense" }),
        ),
    ];

    for (path, single, id, body) in cases {
        let (status, made) = send(&sim, &tokens, ("POST", path), &body).await;
        assert_eq!(status, 201, "{path} {made}");
        let id = made[single][id].as_str().unwrap();
        let (_, list) = sim.zoho_get("us", &tokens.access, &format!("{path}?organization_id={US}")).await;
        assert!(list[path].to_string().contains(id), "{path}");
    }
}

#[tokio::test]
async fn a_body_may_come_in_the_form_field_json_string() {
    let (sim, tokens) = connected().await;
    let path = format!("items?organization_id={US}");
    let form = [("JSONString", r#"{"name":"Form","rate":1.5}"#)];

    let answer = sim.zoho_request("POST", "us", (&tokens.access, &path)).form(&form).send().await.unwrap();

    let (status, body) = zoho_answer_of(answer).await;
    assert_eq!((status, &body["item"]["rate"]), (201, &json!(1.5)));
}
