//! QuickBooks: what the provider tells, from the signature to the record.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::driver::{Answer, Books, Bundle, Connected, PATIENCE, correlation, eventually};

/// A rightly signed request that the provider has not sent yet.
struct Delivery {
    body: String,
    signature: String,
}

async fn connected(bundle: &Bundle, invoices: usize) -> Connected<'_> {
    let realm = bundle.simulator.company(1, invoices).await;
    let connection = bundle.tenant().await.connect_to(&Books::realm(&realm), true).await;
    connection.synced("invoices", invoices).await;
    connection
}

fn event(realm: &str, id: &str, operation: &str) -> Value {
    json!({ "realmId": realm, "entity": "Invoice", "id": id, "operation": operation })
}

/// Has the provider sign events; it gets nowhere with them, so that the test can bring them as often as it likes.
async fn signed(bundle: &Bundle, mut webhook: Value) -> Delivery {
    webhook["url"] = "http://127.0.0.1:9/".into();
    let sent = bundle.simulator.webhook(webhook).await;
    assert_eq!(sent["error"], "connection", "{sent}");
    let text = |name: &str| sent[name].as_str().unwrap().to_owned();
    Delivery { body: text("requestBody"), signature: text("signature") }
}

fn bring(bundle: &Bundle, delivery: &Delivery) -> RequestBuilder {
    let request =
        bundle.request(Method::POST, "/webhooks/quickbooks").header("content-type", "application/json");
    request.header("intuit-signature", &delivery.signature).body(delivery.body.clone())
}

async fn record(connection: &Connected<'_>, id: &str) -> Value {
    let records = connection.records("invoices", 200).await;
    records
        .into_iter()
        .find(|record| record["id"] == id)
        .unwrap_or_else(|| panic!("there is no invoice {id}"))
}

#[tokio::test]
async fn a_changed_invoice_is_fetched_and_its_record_shows_the_change() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, 2).await;
    let before = record(&connection, "2").await;
    bundle
        .simulator
        .change(connection.realm(), "invoice/2", json!({ "PrivateNote": "changed at the provider" }))
        .await;

    let url = bundle.url("/webhooks/quickbooks");
    let webhook = json!({ "url": url, "events": [event(connection.realm(), "2", "updated")] });
    let sent = bundle.simulator.webhook(webhook).await;

    assert_eq!((&sent["status"], &sent["body"]), (&json!(200), &json!("")), "{sent}");
    let after = eventually("the record shows the change", PATIENCE, async || {
        let record = record(&connection, "2").await;
        (record["raw"]["PrivateNote"] == "changed at the provider").then_some(record)
    })
    .await;
    assert_ne!(after["version"], before["version"]);
    assert_eq!(bundle.simulator.fetches(connection.realm(), "invoice/2").await, 1);
    assert_eq!(bundle.simulator.fetches(connection.realm(), "invoice/3").await, 0);
}

#[tokio::test]
async fn one_delivery_brought_ten_times_at_once_has_its_effect_once() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, 2).await;
    bundle.simulator.change(connection.realm(), "invoice/2", json!({ "PrivateNote": "once" })).await;
    let delivery = signed(&bundle, json!({ "events": [event(connection.realm(), "2", "updated")] })).await;

    let correlations: Vec<_> = (0..10).map(|_| correlation()).collect();
    let mut brought = JoinSet::new();
    for id in &correlations {
        brought.spawn(bring(&bundle, &delivery).header("x-correlation-id", id).send());
    }
    while let Some(answer) = brought.join_next().await {
        let answer = Answer::of(answer.unwrap().unwrap()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }

    let sums = bundle.consumed(&correlations).await;
    assert_eq!(sums["applied"], 1, "{sums}");
    // One that meets the first at work is put back, to be found done later; it is never applied.
    assert_eq!(sums["duplicate"].as_u64().unwrap() + sums["retry"].as_u64().unwrap(), 9, "{sums}");
    assert_eq!(bundle.simulator.fetches(connection.realm(), "invoice/2").await, 1);
    assert_eq!(record(&connection, "2").await["raw"]["PrivateNote"], "once");
}

#[tokio::test]
async fn what_is_not_rightly_signed_and_sent_has_no_effect() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, 2).await;
    let delivery = signed(&bundle, json!({ "events": [event(connection.realm(), "2", "updated")] })).await;
    let wrong = json!({ "events": [event(connection.realm(), "2", "updated")], "signature": "wrong" });
    let wrong = signed(&bundle, wrong).await;
    let other_key =
        json!({ "events": [event(connection.realm(), "2", "updated")], "verifierToken": "another" });
    let other_key = signed(&bundle, other_key).await;
    let other_body =
        Delivery { body: delivery.body.replace("updated", "deleted"), signature: delivery.signature.clone() };
    let (path, json) = ("/webhooks/quickbooks", "application/json");
    let unsigned =
        bundle.request(Method::POST, path).header("content-type", json).body(delivery.body.clone());
    let good = || bring(&bundle, &delivery);
    let too_long = signed(&bundle, json!({ "rawBody": format!("[{}]", " ".repeat(1024 * 1024)) })).await;

    for (what, request, status) in [
        ("wrong signature", bring(&bundle, &wrong), 401),
        ("another key", bring(&bundle, &other_key), 401),
        ("another body", bring(&bundle, &other_body), 401),
        ("no signature", unsigned, 401),
        ("no signature, no body", bundle.request(Method::POST, path), 401),
        (
            "a signature before it",
            bring(&bundle, &wrong).header("intuit-signature", &delivery.signature),
            401,
        ),
        ("a signature after it", good().header("intuit-signature", &wrong.signature), 401),
        ("the same signature twice", good().header("intuit-signature", &delivery.signature), 401),
        // The local gateway unpacks gzip by itself, so that only other ways of packing come to us.
        ("compressed", good().header("content-encoding", "br"), 415),
        ("too long", bring(&bundle, &too_long), 413),
        ("GET", bundle.request(Method::GET, path), 405),
        ("PUT", bundle.request(Method::PUT, path).header("intuit-signature", &delivery.signature), 405),
        ("another provider", bundle.request(Method::POST, "/webhooks/sage"), 404),
        ("a longer path", bundle.request(Method::POST, "/webhooks/quickbooks/x"), 404),
    ] {
        let answer = bundle.send(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(status != 401 || answer.body.is_empty(), "{what}: a stranger learns nothing");
        assert!(
            !bundle.waiting_in(bundle.stack.value("EVENTS_QUEUE_URL")).await.contains(connection.realm()),
            "{what}: nothing is in the queue"
        );
    }

    // What comes after them is consumed after them: then they would have been, too.
    let id = correlation();
    let last = signed(&bundle, json!({ "events": [event(connection.realm(), "3", "updated")] })).await;
    assert_eq!(bundle.send(bring(&bundle, &last).header("x-correlation-id", &id)).await.status, 200);
    assert_eq!(bundle.consumed(&[id]).await["applied"], 1);
    assert_eq!(bundle.simulator.fetches(connection.realm(), "invoice/3").await, 1);
    assert_eq!(bundle.simulator.fetches(connection.realm(), "invoice/2").await, 0);
}

#[tokio::test]
async fn a_company_that_nobody_connected_is_acknowledged_and_left_alone() {
    let bundle = Bundle::deployed().await;
    let realm = bundle.simulator.company(1, 1).await;
    let (id, delivery) =
        (correlation(), signed(&bundle, json!({ "events": [event(&realm, "2", "updated")] })).await);

    let answer = bundle.send(bring(&bundle, &delivery).header("x-correlation-id", &id)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(bundle.consumed(&[id]).await["unknownCompany"], 1);
    assert_eq!(bundle.simulator.calls(&[("company", &realm)]).await.len(), 0);
}

#[tokio::test]
async fn a_deleted_invoice_stays_as_a_deleted_record() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, 2).await;
    let before = record(&connection, "3").await;
    bundle.simulator.delete(connection.realm(), "invoice/3").await;
    let (id, delivery) = (
        correlation(),
        signed(&bundle, json!({ "events": [event(connection.realm(), "3", "deleted")] })).await,
    );

    assert_eq!(bundle.send(bring(&bundle, &delivery).header("x-correlation-id", &id)).await.status, 200);

    assert_eq!(bundle.consumed(&[id]).await["applied"], 1);
    let after = record(&connection, "3").await;
    assert_eq!(
        (&after["deleted"], &after["raw"]),
        (&json!(true), &before["raw"]),
        "the last known content is kept"
    );
    assert_eq!(record(&connection, "2").await["deleted"], false);
}

#[tokio::test]
async fn one_delivery_about_two_tenants_reaches_each_with_its_own() {
    let bundle = Bundle::deployed().await;
    let (one, other) = (connected(&bundle, 1).await, connected(&bundle, 1).await);
    for (connection, note) in [(&one, "for one"), (&other, "for the other")] {
        bundle.simulator.change(connection.realm(), "invoice/2", json!({ "PrivateNote": note })).await;
    }
    let events = [event(other.realm(), "2", "updated"), event(one.realm(), "2", "updated")];
    let (id, delivery) =
        (correlation(), signed(&bundle, json!({ "events": events, "reversed": true })).await);

    assert_eq!(bundle.send(bring(&bundle, &delivery).header("x-correlation-id", &id)).await.status, 200);

    assert_eq!(bundle.consumed(&[id.clone(), id]).await["applied"], 2);
    assert_eq!(record(&one, "2").await["raw"]["PrivateNote"], "for one");
    assert_eq!(record(&other, "2").await["raw"]["PrivateNote"], "for the other");
}

#[tokio::test]
async fn a_rightly_signed_body_that_nobody_can_read_is_acknowledged_without_effect() {
    let bundle = Bundle::deployed().await;

    for body in ["", "{}", "[{\"id\":1}]", "\u{feff}[]", &"[".repeat(10_000), "[1e400]"] {
        let delivery = signed(&bundle, json!({ "rawBody": body })).await;

        let answer = bundle.send(bring(&bundle, &delivery)).await;

        assert_eq!((answer.status, answer.body.len()), (200, 0), "{body:.40}");
    }
}
