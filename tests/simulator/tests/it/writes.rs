//! Writing to the books: versions, duplicates, deletions and repeated requests.

use serde_json::{Value, json};

use crate::harness::{Sim, fault_code_of};

#[tokio::test]
async fn a_created_invoice_can_be_read_and_has_its_total() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let lines = json!([{ "Amount": 0.1, "DetailType": "SalesItemLineDetail" }, { "Amount": 0.2, "DetailType": "SalesItemLineDetail" }]);

    let created =
        sim.post(&tokens.access, "invoice", &json!({ "CustomerRef": { "value": "1" }, "Line": lines })).await;
    let created: Value = created.json().await.unwrap();
    let id = created["Invoice"]["Id"].as_str().unwrap();
    let read: Value = sim.company(&tokens.access, &format!("invoice/{id}")).await.json().await.unwrap();

    assert_eq!(created["Invoice"]["SyncToken"], "0");
    assert_eq!(created["Invoice"]["TotalAmt"], 0.3);
    assert_eq!(read["Invoice"], created["Invoice"]);
}

#[tokio::test]
async fn an_update_needs_the_latest_sync_token() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let update = |token: &'static str| json!({ "Id": "1", "SyncToken": token, "sparse": true, "Notes": "x" });

    let first: Value = sim.post(&tokens.access, "customer", &update("0")).await.json().await.unwrap();
    let stale = sim.post(&tokens.access, "customer", &update("0")).await;

    assert_eq!(first["Customer"]["SyncToken"], "1");
    assert_eq!(first["Customer"]["GivenName"], "Amy");
    assert_eq!(fault_code_of(stale).await, "5010");
}

#[tokio::test]
async fn a_full_update_drops_what_it_does_not_name() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let body = json!({ "Id": "1", "SyncToken": "0", "DisplayName": "Only a name" });
    let updated: Value = sim.post(&tokens.access, "customer", &body).await.json().await.unwrap();

    assert!(updated["Customer"].get("GivenName").is_none());
    assert!(updated["Customer"]["MetaData"]["CreateTime"].is_string());
}

#[tokio::test]
async fn refused_writes_carry_intuits_codes() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let taken = sim.query(&tokens.access, "SELECT * FROM Customer WHERE Id = '2'").await;
    let name = &taken["Customer"][0]["DisplayName"];
    let line = json!([{ "Amount": 1 }]);

    for (path, body, code) in [
        ("customer", json!({ "DisplayName": name }), "6240"),
        ("customer", json!({}), "2020"),
        ("customer", json!({ "Id": "999", "SyncToken": "0", "DisplayName": "x" }), "610"),
        ("invoice", json!({ "Line": line }), "2020"),
        ("invoice", json!({ "Line": line, "CustomerRef": { "value": "999" } }), "2500"),
        ("invoice", json!({ "Line": line, "CustomerRef": { "value": "1" }, "DocNumber": "1001" }), "6140"),
        ("customer?operation=delete", json!({ "Id": "1", "SyncToken": "0" }), "500"),
    ] {
        assert_eq!(fault_code_of(sim.post(&tokens.access, path, &body).await).await, code, "{path} {body}");
    }
}

#[tokio::test]
async fn deleting_and_voiding_need_the_sync_token_and_answer_as_intuit_does() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let named = |id: &str| json!({ "Id": id, "SyncToken": "0" });

    let stale = json!({ "Id": "30", "SyncToken": "7" });
    assert_eq!(
        fault_code_of(sim.post(&tokens.access, "invoice?operation=delete", &stale).await).await,
        "5010"
    );
    let gone: Value =
        sim.post(&tokens.access, "invoice?operation=delete", &named("30")).await.json().await.unwrap();
    let void: Value =
        sim.post(&tokens.access, "invoice?operation=void", &named("31")).await.json().await.unwrap();

    assert_eq!(gone["Invoice"], json!({ "domain": "QBO", "status": "Deleted", "Id": "30" }));
    assert_eq!(fault_code_of(sim.company(&tokens.access, "invoice/30").await).await, "610");
    assert_eq!(
        (&void["Invoice"]["TotalAmt"], &void["Invoice"]["PrivateNote"]),
        (&json!(0), &json!("Voided"))
    );
}

#[tokio::test]
async fn a_repeated_request_id_gets_the_first_answer() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let body = json!({ "DisplayName": "Once" });

    let first: Value = sim.post(&tokens.access, "customer?requestid=r-1", &body).await.json().await.unwrap();
    let again: Value = sim.post(&tokens.access, "customer?requestid=r-1", &body).await.json().await.unwrap();

    assert_eq!(again["Customer"], first["Customer"]);
    let count = sim.query(&tokens.access, "SELECT COUNT(*) FROM Customer WHERE DisplayName = 'Once'").await;
    assert_eq!(count["totalCount"], 1);
}

#[tokio::test]
async fn any_kind_of_object_can_be_kept() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let created = sim.post(&tokens.access, "billpayment", &json!({ "TotalAmt": 12.5 })).await;
    assert!(created.status().is_success());

    let page = sim.query(&tokens.access, "SELECT * FROM BillPayment").await;
    assert_eq!(page["BillPayment"][0]["TotalAmt"], 12.5);
}
