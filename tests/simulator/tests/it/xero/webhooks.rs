//! Xero's webhooks: recorded vectors, the handshake, and deliveries with retries and replay.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::Options;

use super::TENANT;
use crate::{harness::Sim, receiver::Receiver};

/// Key of the recorded requests.
const KEY: &str = "LR+QgKlbRciIPYpi65tTKLaZ3FzLLofCNEQWrRXqWXJeDFrfexzfVI9SmnVuCWDJ4jnjHB9ECtOyxZSofRxwWw==";
const QUARTER: i64 = 900;

/// A receiver that checks signatures as Xero demands, and can be out of order.
#[derive(Clone, Default)]
struct Checker {
    accepted: Arc<Mutex<Vec<Value>>>,
    requests: Arc<Mutex<usize>>,
    broken: Arc<Mutex<bool>>,
}

impl Checker {
    async fn start() -> (Self, String) {
        let checker = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", post(check)).with_state(checker.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (checker, url)
    }

    fn break_down(&self, broken: bool) {
        *self.broken.lock().unwrap() = broken;
    }

    fn requests(&self) -> usize {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// Returns the bodies with events that were accepted.
    fn accepted(&self) -> Vec<Value> {
        let bodies = self.accepted.lock().unwrap().clone();
        bodies.into_iter().filter(|body| body["events"] != json!([])).collect()
    }
}

async fn check(State(checker): State<Checker>, headers: HeaderMap, body: Bytes) -> StatusCode {
    *checker.requests.lock().unwrap() += 1;
    if *checker.broken.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(Options::XERO_WEBHOOK_KEY.as_bytes()).unwrap();
    mac.update(&body);
    if headers["x-xero-signature"] != STANDARD.encode(mac.finalize().into_bytes()) {
        return StatusCode::UNAUTHORIZED;
    }
    checker.accepted.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    StatusCode::OK
}

#[tokio::test]
async fn recorded_requests_have_their_recorded_signatures() {
    let sim = Sim::start().await;
    let (_, url) = Receiver::start(&[]).await;
    let body =
        r#"{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "LUWDSUDGSWNZVALZXBEV"}"#;

    let mut signatures = Vec::new();
    for signature in ["valid", "wrong"] {
        let request = json!({ "url": url, "webhookKey": KEY, "rawBody": body, "signature": signature });
        let answer = sim.control("POST", "xero/webhooks", request).await;
        signatures.push(answer["sent"][0]["signature"].clone());
    }

    assert_eq!(body.len(), 95);
    assert_eq!(
        signatures,
        ["BjzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4=", "/jzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4="]
    );
}

#[tokio::test]
async fn an_event_is_written_and_signed_exactly_as_xero_does() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let event = json!({
        "tenantId": "aef86862-2015-4b6b-88bc-d89032cecc50", "resourceId": "55d84274-a3da-4829-a7c0-0cab601b95cc",
        "category": "CREDITNOTE", "type": "CREATE", "time": "2025-12-02T00:44:09.923Z",
        "data": { "Type": "ACCPAYCREDIT", "Status": "DRAFT" },
    });

    let request = json!({
        "url": url, "webhookKey": KEY, "events": [event], "firstEventSequence": 76, "entropy": "FXNGWLCCGVANWHKILRUB",
    });
    let answer = sim.control("POST", "xero/webhooks", request).await;

    let got = &receiver.received()[0];
    let expected = concat!(
        r#"{"events":[{"resourceUrl":"https://api.xero.com/api.xro/2.0/CreditNotes/55d84274-a3da-4829-a7c0-0cab601b95cc","#,
        r#""resourceId":"55d84274-a3da-4829-a7c0-0cab601b95cc","tenantId":"aef86862-2015-4b6b-88bc-d89032cecc50","#,
        r#""tenantType":"ORGANISATION","eventCategory":"CREDITNOTE","eventType":"CREATE","#,
        r#""eventDateUtc":"2025-12-02T00:44:09.923","data":{"Type":"ACCPAYCREDIT","Status":"DRAFT"}}],"#,
        r#""firstEventSequence":76,"lastEventSequence":76,"entropy":"FXNGWLCCGVANWHKILRUB"}"#
    );
    assert_eq!((got.body.as_str(), got.body.len()), (expected, 461));
    assert_eq!(got.content_type, "application/json; charset=utf-8");
    assert_eq!(answer["sent"][0]["signature"], "DR14f1II8+jfFQdTFrGDsWmuCUGnRx04EHfsjZTiiMw=");
}

#[tokio::test]
async fn a_handshake_is_passed_only_by_a_receiver_that_checks_every_character() {
    let sim = Sim::start().await;
    let (_, careful) = Checker::start().await;
    let (_, credulous) = Receiver::start(&[]).await;

    let passed = sim
        .control("POST", "xero/webhooks/handshake", json!({ "url": careful, "right": 5, "wrong": 20 }))
        .await;
    let failed = sim.control("POST", "xero/webhooks/handshake", json!({ "url": credulous })).await;
    let absent =
        sim.control("POST", "xero/webhooks/handshake", json!({ "url": "http://127.0.0.1:9/" })).await;

    assert_eq!((&passed["passed"], passed["sent"].as_array().unwrap().len()), (&json!(true), 25));
    assert_eq!(failed["passed"], false);
    assert_eq!(failed["sent"][0]["problem"], "Response contains a body");
    assert_eq!(failed["sent"][1]["problem"], "Response to incorrectly signed payload not 401");
    assert_eq!(absent["sent"][0]["problem"], "Connection failed");
}

#[tokio::test]
async fn changes_are_pushed_with_numbers_that_have_no_gaps() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    let (checker, url) = Checker::start().await;
    let subscribed = sim.control("PUT", "xero/subscription", json!({ "url": url })).await;
    assert_eq!((&subscribed["passed"], &subscribed["subscription"]["state"]), (&json!(true), &json!("ok")));

    let contacts = json!({ "Contacts": [{ "Name": "One" }, { "Name": "Two" }] });
    sim.xero_write(&token, "Contacts", &contacts).await;
    let invoice = sim.xero_read(&token, "Invoices/INV-0002").await["Invoices"][0].take();
    let payment = json!({ "Invoice": { "InvoiceID": invoice["InvoiceID"] }, "Account": { "Code": "090" }, "Amount": 1 });
    sim.xero_write(&token, "Payments", &payment).await;
    sim.advance(1).await;

    let bodies = checker.accepted();
    assert_eq!(bodies.len(), 2);
    assert_eq!(
        (&bodies[0]["firstEventSequence"], &bodies[0]["lastEventSequence"], &bodies[1]["firstEventSequence"]),
        (&json!(1), &json!(2), &json!(3))
    );
    let first = &bodies[0]["events"][0];
    assert_eq!(
        (&first["eventCategory"], &first["eventType"], &first["tenantId"]),
        (&json!("CONTACT"), &json!("CREATE"), &json!(TENANT))
    );
    assert_eq!(bodies[1]["events"][0]["eventCategory"], "INVOICE");
    assert_eq!(bodies[1]["events"][0]["resourceId"], invoice["InvoiceID"]);
}

#[tokio::test]
async fn a_failed_webhook_is_retried_at_once_then_every_quarter_of_an_hour_and_later_ones_wait() {
    let sim = Sim::start().await;
    let (checker, url) = Checker::start().await;
    sim.control("PUT", "xero/subscription", json!({ "url": url })).await;
    let path = format!("xero/organizations/{TENANT}/entities/contacts");
    checker.requests();
    checker.break_down(true);

    let mut attempts = Vec::new();
    for name in ["First", "Second"] {
        sim.control("POST", &path, json!({ "Name": name })).await;
        attempts.push(checker.requests());
    }
    for seconds in [QUARTER - 1, 1, 4 * QUARTER] {
        sim.advance(seconds).await;
        attempts.push(checker.requests());
    }
    let retrying = sim.inspect("xero/subscription").await["subscription"]["state"].clone();
    checker.break_down(false);
    sim.advance(QUARTER).await;

    assert_eq!(attempts, [2, 0, 0, 1, 4]);
    assert_eq!(retrying, "retrying");
    let numbers: Vec<_> = checker.accepted().iter().map(|body| body["firstEventSequence"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(sim.inspect("xero/subscription").await["subscription"]["state"], "ok");
}

#[tokio::test]
async fn after_a_day_the_subscription_is_disabled_and_enabling_it_replays_in_order() {
    let sim = Sim::start().await;
    let (checker, url) = Checker::start().await;
    sim.control("PUT", "xero/subscription", json!({ "url": url })).await;
    let path = format!("xero/organizations/{TENANT}/entities/contacts");
    checker.requests();
    checker.break_down(true);

    sim.control("POST", &path, json!({ "Name": "First" })).await;
    sim.advance(86_400 + QUARTER).await;
    let attempts = checker.requests();
    let disabled = sim.inspect("xero/subscription").await["subscription"]["state"].clone();
    sim.control("POST", &path, json!({ "Name": "Second" })).await;
    sim.advance(86_400).await;
    let meanwhile = checker.requests();
    checker.break_down(false);
    sim.control("PUT", "xero/subscription", json!({ "url": url })).await;

    assert_eq!((attempts, meanwhile, disabled), (98, 0, json!("disabled")));
    let numbers: Vec<_> = checker.accepted().iter().map(|body| body["firstEventSequence"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn events_wait_a_month_and_not_longer() {
    let sim = Sim::start().await;
    let (checker, url) = Checker::start().await;
    checker.break_down(true);
    let failed = sim.control("PUT", "xero/subscription", json!({ "url": url })).await;
    let path = format!("xero/organizations/{TENANT}/entities/contacts");

    sim.control("POST", &path, json!({ "Name": "Old" })).await;
    sim.advance(20 * 86_400).await;
    sim.control("POST", &path, json!({ "Name": "New" })).await;
    sim.advance(12 * 86_400).await;
    checker.break_down(false);
    sim.control("PUT", "xero/subscription", json!({ "url": url })).await;

    assert_eq!(failed["passed"], false);
    let numbers: Vec<_> = checker.accepted().iter().map(|body| body["firstEventSequence"].clone()).collect();
    assert_eq!(numbers, [2]);
    let states: Vec<_> = sim.inspect("xero/deliveries").await["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| delivery["state"].clone())
        .collect();
    assert_eq!(states, ["expired", "delivered"]);
}

#[tokio::test]
async fn only_the_chosen_categories_are_pushed() {
    let sim = Sim::start().await;
    let (checker, url) = Checker::start().await;
    sim.control("PUT", "xero/subscription", json!({ "url": url, "categories": ["INVOICE"] })).await;
    let path = format!("xero/organizations/{TENANT}/entities/contacts");

    sim.control("POST", &path, json!({ "Name": "Quiet" })).await;

    assert_eq!(checker.accepted(), Vec::<Value>::new());
}
