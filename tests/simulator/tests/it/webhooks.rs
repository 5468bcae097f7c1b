//! Webhooks: published vectors, both formats, wrong signatures, and deliveries with retries.

use serde_json::{Value, json};

use crate::{
    harness::{REALM, Sim},
    receiver::Receiver,
};

/// Key of Intuit's .NET SDK test, and of the vector generated from it.
const DOTNET_KEY: &str = "00faeec4-08d0-4996-bb37-698ae19f0149";

fn invoice_event(realm: &str, id: &str) -> Value {
    json!({ "realmId": realm, "entity": "Invoice", "id": id, "operation": "updated" })
}

#[tokio::test]
async fn published_vectors_have_their_published_signatures() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let java = concat!(
        r#"{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Customer","id":"1","#,
        r#""operation":"Create","lastUpdated":"2015-10-05T14:42:19-0700"}]}}]}"#
    );
    let dotnet = concat!(
        r#"{"eventNotifications":[{"realmId":"1269959970","dataChangeEvent":{"entities":["#,
        r#"{"name":"Vendor","id":"40","operation":"Update","lastUpdated":"2016-10-05T03:09:04.000Z"},"#,
        r#"{"name":"Customer","id":"43","operation":"Create","lastUpdated":"2016-10-05T03:07:04.000Z"}]}}]}"#
    );

    for (key, body) in [("b5771f19b12ddb4bcdb9f08bdc50bc63878a", java), (DOTNET_KEY, dotnet)] {
        let request = json!({ "url": url, "verifierToken": key, "rawBody": body });
        sim.control("POST", "intuit/webhooks", request).await;
    }

    let got = receiver.received();
    assert_eq!((got[0].body.len(), got[1].body.len()), (173, 264));
    assert_eq!(got[0].signature.as_deref(), Some("JC2GUwciPmRBwEO7WvrRmKqu9tGOKL8FFallocTFi8Q="));
    assert_eq!(got[1].signature.as_deref(), Some("6q+xGyMirJupwKTh2/WBl2NcdxzxqdIbk3sneKTxLWM="));
}

#[tokio::test]
async fn an_event_is_written_and_signed_exactly_as_in_intuits_example() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let event = json!({
        "realmId": "310687", "entity": "Account", "id": "1234", "operation": "created",
        "time": "2025-09-10T21:31:25.179851517Z", "eventId": "88cd52aa-33b6-4351-9aa4-47572edbd068",
    });

    let request = json!({ "url": url, "verifierToken": DOTNET_KEY, "events": [event] });
    sim.control("POST", "intuit/webhooks", request).await;

    let got = &receiver.received()[0];
    let expected = concat!(
        r#"[{"specversion":"1.0","id":"88cd52aa-33b6-4351-9aa4-47572edbd068","#,
        r#""source":"intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=","type":"qbo.account.created.v1","#,
        r#""datacontenttype":"application/json","time":"2025-09-10T21:31:25.179851517Z","#,
        r#""intuitentityid":"1234","intuitaccountid":"310687","data":{}}]"#
    );
    assert_eq!(got.body, expected);
    assert_eq!(got.body.len(), 300);
    assert_eq!(got.signature.as_deref(), Some("uY2fPgCCdvdwPY2dNzWdXlhQCr5DqNwKJlUcQOJ0jFA="));
}

#[tokio::test]
async fn the_receivers_answer_is_returned_whole() {
    let sim = Sim::start().await;
    let (_, url) = Receiver::start(&[401]).await;

    let request =
        json!({ "url": url, "events": [invoice_event(REALM, "30")], "signature": "wrong", "copies": 2 });
    let answer = sim.control("POST", "intuit/webhooks", request).await;

    let sent = answer["sent"].as_array().unwrap();
    assert_eq!((&sent[0]["status"], &sent[1]["status"]), (&json!(401), &json!(200)));
    assert_eq!(sent[0]["body"], "noted");
    assert!(sent[0]["headers"].as_array().unwrap().contains(&json!(["x-answer", "yes"])));
    assert_eq!(sent[0]["requestBody"], sent[1]["requestBody"]);
}

#[tokio::test]
async fn a_wrong_signature_differs_and_a_missing_one_is_absent() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;

    for signature in ["valid", "wrong", "missing"] {
        let request = json!({ "url": url, "rawBody": "[]", "signature": signature });
        sim.control("POST", "intuit/webhooks", request).await;
    }

    let signatures: Vec<_> = receiver.received().into_iter().map(|sent| sent.signature).collect();
    let (valid, wrong) = (signatures[0].clone().unwrap(), signatures[1].clone().unwrap());
    assert_eq!(valid.len(), wrong.len());
    assert_ne!(valid, wrong);
    assert_eq!(valid[1..], wrong[1..]);
    assert_eq!(signatures[2], None);
}

#[tokio::test]
async fn batches_span_companies_repeat_and_reorder_events() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;

    let events = [invoice_event("1111111111", "1"), invoice_event("2222222222", "2")];
    let request = json!({
        "url": url, "events": events, "duplicateEvents": 2, "reversed": true,
        "contentType": "application/cloudevents+json",
    });
    sim.control("POST", "intuit/webhooks", request).await;

    let got = &receiver.received()[0];
    assert_eq!(got.content_type, "application/cloudevents+json");
    let events: Vec<Value> = serde_json::from_str(&got.body).unwrap();
    let realms: Vec<_> = events.iter().map(|event| event["intuitaccountid"].as_str().unwrap()).collect();
    assert_eq!(realms, ["2222222222", "2222222222", "1111111111", "1111111111"]);
    assert_eq!(events[0]["id"], events[1]["id"]);
    assert_ne!(events[1]["id"], events[2]["id"]);
}

#[tokio::test]
async fn the_legacy_format_groups_by_company() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let merge = json!({ "realmId": "2222222222", "entity": "Customer", "id": "5", "operation": "merged", "deletedId": "6" });

    let events = [invoice_event("1111111111", "1"), merge, invoice_event("1111111111", "3")];
    sim.control("POST", "intuit/webhooks", json!({ "url": url, "events": events, "format": "legacy" })).await;

    let body: Value = serde_json::from_str(&receiver.received()[0].body).unwrap();
    let notifications = body["eventNotifications"].as_array().unwrap();
    assert_eq!(notifications[0]["dataChangeEvent"]["entities"].as_array().unwrap().len(), 2);
    let merged = &notifications[1]["dataChangeEvent"]["entities"][0];
    assert_eq!((&merged["operation"], &merged["deletedId"]), (&json!("Merge"), &json!("6")));
}

#[tokio::test]
async fn a_change_is_pushed_and_retried_on_intuits_schedule() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[500, 503, 400]).await;
    sim.control("PUT", "intuit/subscription", json!({ "url": url })).await;

    let path = format!("intuit/companies/{REALM}/entities/invoice/30");
    sim.control("PUT", &path, json!({ "PrivateNote": "changed" })).await;
    let mut attempts = vec![receiver.received().len()];
    for seconds in [9, 1, 19, 1, 29, 1, 86_400] {
        sim.advance(seconds).await;
        attempts.push(receiver.received().len());
    }

    assert_eq!(attempts, [1, 1, 2, 2, 3, 3, 4, 4]);
    let got = receiver.received();
    assert!(got.iter().all(|attempt| attempt.body == got[0].body));
    let events: Value = serde_json::from_str(&got[0].body).unwrap();
    assert_eq!(
        (&events[0]["type"], &events[0]["intuitentityid"]),
        (&json!("qbo.invoice.updated.v1"), &json!("30"))
    );
    let deliveries = sim.inspect("intuit/deliveries").await;
    assert_eq!(
        (&deliveries["deliveries"][0]["state"], &deliveries["deliveries"][0]["attempts"]),
        (&json!("delivered"), &json!(4))
    );
}

#[tokio::test]
async fn one_long_advance_passes_every_retry_on_its_way() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[500; 20]).await;
    sim.control("PUT", "intuit/subscription", json!({ "url": url })).await;
    let path = format!("intuit/companies/{REALM}/entities/customer");
    sim.control("POST", &path, json!({ "DisplayName": "New" })).await;

    sim.advance(60).await;
    assert_eq!(receiver.received().len(), 4);
    sim.advance(300).await;
    assert_eq!(receiver.received().len(), 5);
    sim.advance(30 * 86_400).await;

    assert_eq!(receiver.received().len(), 16);
    let deliveries = sim.inspect("intuit/deliveries").await;
    assert_eq!(deliveries["deliveries"][0]["state"], "givenUp");
}

#[tokio::test]
async fn a_write_of_a_client_is_pushed_too() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let (receiver, url) = Receiver::start(&[]).await;
    sim.control("PUT", "intuit/subscription", json!({ "url": url })).await;

    sim.post(&tokens.access, "customer", &json!({ "DisplayName": "New" })).await;
    sim.advance(1).await;

    assert!(receiver.received()[0].body.contains("qbo.customer.created.v1"));
}

#[tokio::test]
async fn deletes_voids_merges_and_mails_have_their_own_events() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    sim.control("PUT", "intuit/subscription", json!({ "url": url })).await;
    let entities = format!("intuit/companies/{REALM}/entities");

    sim.control("POST", &format!("{entities}/customer"), json!({ "DisplayName": "New" })).await;
    sim.control("DELETE", &format!("{entities}/invoice/30"), json!({})).await;
    sim.control("POST", &format!("{entities}/invoice/31/void"), json!({})).await;
    sim.control("POST", &format!("{entities}/invoice/32/emailed"), json!({})).await;
    sim.control("POST", &format!("{entities}/customer/1/merge"), json!({ "deletedId": "2" })).await;

    let types: Vec<String> = receiver
        .received()
        .iter()
        .map(|sent| {
            serde_json::from_str::<Value>(&sent.body).unwrap()[0]["type"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = [
        "qbo.customer.created.v1",
        "qbo.invoice.deleted.v1",
        "qbo.invoice.void.v1",
        "qbo.invoice.emailed.v1",
        "qbo.customer.merged.v1",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_reported_and_not_an_error_of_the_simulator() {
    let sim = Sim::start().await;

    let answer = sim
        .control("POST", "intuit/webhooks", json!({ "url": "http://127.0.0.1:9/", "rawBody": "[]" }))
        .await;

    assert_eq!(answer["sent"][0]["status"], Value::Null);
    assert_eq!(answer["sent"][0]["error"], "connection");
}
