//! Webhooks: the signature with its vectors, every form of body, and pushes on changes.

use serde_json::{Value, json};
use simulator::Options;

use super::{Tokens, zoho_answer_of};
use crate::{
    harness::Sim,
    receiver::{Received, Receiver},
};

const US: &str = Options::ZOHO_US_ORGANIZATION_ID;

fn signature_of(received: &Received) -> Option<&str> {
    received.headers.get("x-zoho-webhook-signature").map(|value| value.to_str().unwrap())
}

async fn send(sim: &Sim, request: Value) -> Value {
    sim.control("POST", "zoho/webhooks", request).await["sent"][0].take()
}

/// Sets up a webhook over the API and returns its id.
async fn set_up(sim: &Sim, tokens: &Tokens, webhook: Value) -> String {
    let path = format!("settings/webhooks?organization_id={US}");
    let request = sim.zoho_request("POST", "us", (&tokens.access, &path)).json(&webhook);
    let (status, body) = zoho_answer_of(request.send().await.unwrap()).await;
    assert_eq!((status, &body["message"]), (201, &json!("The webhook has been created.")), "{body}");
    body["webhook"]["webhook_id"].as_str().unwrap().to_owned()
}

fn record_path(entity: &str, rest: &str) -> String {
    format!("zoho/organizations/{US}/records/{entity}{rest}")
}

#[tokio::test]
async fn the_official_example_has_its_string_and_the_vector_its_digest() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let body = r#"{"created_date":"2019-03-06","event_id":"5675"}"#;

    let sent = send(
        &sim,
        json!({
            "url": url, "rawBody": body,
            "queryParameters": [["subscription_id", "90343"], ["name", "basic"]],
        }),
    )
    .await;

    assert_eq!(sent["stringToSign"], format!("namebasicsubscription_id90343{body}"));
    let digest = "da4f031c03e86c56ebd4e1af22ce0c72da0c5e743ca01c493e97e402c5888918";
    let got = &receiver.received()[0];
    assert_eq!((&sent["signature"], signature_of(got)), (&json!(digest), Some(digest)));
    assert_eq!((got.body.as_str(), got.query.as_deref()), (body, Some("subscription_id=90343&name=basic")));
}

#[tokio::test]
async fn without_parameters_the_body_alone_is_signed() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[401]).await;
    let body = concat!(
        r#"{"invoice":{"invoice_id":"460000000028144","status":"sent","#,
        r#""last_modified_time":"2026-06-09T17:12:00-0400"}}"#
    );

    let sent = send(&sim, json!({ "url": url, "rawBody": body })).await;

    assert_eq!(sent["stringToSign"], body);
    let digest = "8385ddcd344d40cd2977f79cbd96f697c74595ff2efcbc37f0f78476a0aff43c";
    assert_eq!(signature_of(&receiver.received()[0]), Some(digest));
    assert_eq!((&sent["status"], &sent["body"]), (&json!(401), &json!("noted")));
}

#[tokio::test]
async fn a_signature_can_be_wrong_missing_in_base64_or_by_another_key() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    for change in [
        json!({}),
        json!({ "signature": "wrong" }),
        json!({ "signature": "missing" }),
        json!({ "encoding": "base64" }),
        json!({ "secret": "anothersecret1" }),
    ] {
        let mut request = json!({ "url": url, "rawBody": "{}" });
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        send(&sim, request).await;
    }

    let pushed = receiver.received();
    let signatures: Vec<_> = pushed.iter().map(signature_of).collect();
    let right = signatures[0].unwrap();
    assert_eq!(right.len(), 64);
    assert_ne!(signatures[1], Some(right));
    assert_eq!(signatures[1].unwrap()[1..], right[1..]);
    assert_eq!(signatures[2], None);
    assert_eq!(signatures[3].unwrap().len(), 44);
    assert_ne!(signatures[4], Some(right));
}

#[tokio::test]
async fn fields_of_a_form_are_signed_instead_of_the_body() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;

    let request = json!({
        "url": url, "queryParameters": [["op", "edited"]], "form": [["status", "paid & done"], ["invoice_id", "7"]],
    });
    let sent = send(&sim, request).await;

    assert_eq!(sent["stringToSign"], "invoice_id7opeditedstatuspaid & done");
    let got = &receiver.received()[0];
    assert_eq!(got.content_type, "application/x-www-form-urlencoded");
    assert_eq!(got.body, "status=paid+%26+done&invoice_id=7");
}

#[tokio::test]
async fn the_default_payload_is_a_record_under_its_name() {
    let sim = Sim::start().await;
    let (receiver, url) = Receiver::start(&[]).await;
    let contact = sim.control("POST", &record_path("contacts", ""), json!({ "contact_name": "One" })).await;

    send(&sim, json!({ "url": url, "entity": "invoice", "record": { "invoice_id": "1" } })).await;
    let request = json!({ "url": url, "entity": "contacts", "organizationId": US, "id": contact["contact_id"], "copies": 2 });
    send(&sim, request).await;
    let unknown = json!({ "url": url, "entity": "contact", "organizationId": US, "id": "1" });
    let refused = sim.request("POST", "_control/zoho/webhooks").json(&unknown).send().await.unwrap();

    let bodies: Vec<_> = receiver.received().into_iter().map(|got| got.body).collect();
    assert_eq!(bodies[0], r#"{"invoice":{"invoice_id":"1"}}"#);
    let expected: Value = serde_json::from_str(&bodies[1]).unwrap();
    assert_eq!(expected["contact"], contact);
    assert_eq!(bodies[1], bodies[2]);
    assert_eq!(refused.status(), 404);
}

#[tokio::test]
async fn webhooks_of_an_organization_are_created_listed_and_deleted() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let webhook = json!({
        "webhook_name": "To Ledger", "entity": "invoice", "url": "http://127.0.0.1:9/hook",
        "secret": "secret123456",
    });
    let id = set_up(&sim, &tokens, webhook).await;
    let path = format!("settings/webhooks/{id}?organization_id={US}");
    let all = format!("settings/webhooks?organization_id={US}");

    let (_, one) = sim.zoho_get("us", &tokens.access, &path).await;
    let (_, list) = sim.zoho_get("us", &tokens.access, &all).await;
    let deleted = sim.zoho_request("DELETE", "us", (&tokens.access, &path)).send().await.unwrap();
    let gone = sim.zoho_get("us", &tokens.access, &path).await;

    assert_eq!(
        (&one["webhook"]["webhook_name"], &one["webhook"]["method"]),
        (&json!("To Ledger"), &json!("POST"))
    );
    assert_eq!(list["webhooks"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains("secret123456"));
    assert_eq!(deleted.status(), 200);
    assert_eq!(gone.0, 404);
}

#[tokio::test]
async fn a_webhook_with_a_bad_secret_address_or_entity_is_refused() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let path = format!("settings/webhooks?organization_id={US}");
    let url = "http://127.0.0.1:9/hook";

    for bad in [
        json!({ "webhook_name": "no address" }),
        json!({ "url": "nowhere" }),
        json!({ "url": url, "secret": "short" }),
        json!({ "url": url, "secret": "not-alphanumeric" }),
        json!({ "url": url, "entity": "mood" }),
        json!({ "url": url, "method": "GET" }),
    ] {
        let request = sim.zoho_request("POST", "us", (&tokens.access, &path)).json(&bad);
        assert_eq!(request.send().await.unwrap().status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn changes_are_pushed_once_and_a_refused_push_is_lost() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let (receiver, url) = Receiver::start(&[500]).await;
    let webhook = json!({
        "entity": "contact", "url": url, "secret": "secret123456", "events": ["created", "deleted"],
        "headers": [{ "param_name": "x-tenant", "param_value": "t1" }],
    });
    set_up(&sim, &tokens, webhook).await;

    let contact = sim.control("POST", &record_path("contact", ""), json!({ "contact_name": "One" })).await;
    let one = format!("/{}", contact["contact_id"].as_str().unwrap());
    sim.control("PUT", &record_path("contact", &one), json!({ "contact_name": "Two" })).await;
    sim.control("POST", &record_path("item", ""), json!({ "name": "Other", "rate": 1 })).await;
    sim.advance(86_400).await;
    sim.control("DELETE", &record_path("contact", &one), json!({})).await;

    let pushed = receiver.received();
    let bodies: Vec<Value> = pushed.iter().map(|got| serde_json::from_str(&got.body).unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["contact"], contact);
    assert_eq!(bodies[1]["contact"]["contact_name"], "Two");
    assert_eq!(pushed[0].headers["x-tenant"], "t1");
    assert_eq!(signature_of(&pushed[0]).unwrap().len(), 64);
    let deliveries = sim.inspect("zoho/deliveries").await;
    let states: Vec<_> =
        deliveries["deliveries"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["lost", "delivered"]);
}

#[tokio::test]
async fn a_change_by_a_client_is_pushed_with_parameters_and_placeholders() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let (receiver, url) = Receiver::start(&[]).await;
    let parameter = |name: &str, value: &str| json!([{ "param_name": name, "param_value": value }]);
    let raw = json!({
        "entity": "item", "url": url, "method": "PUT", "query_parameters": parameter("id", "${ITEM.ITEM_ID}"),
        "raw_data": r#"{"name":"${ITEM.NAME}"}"#,
    });
    let form = json!({
        "entity": "item", "url": url, "body_type": "application/x-www-form-urlencoded",
        "form_data": parameter("name", "${ITEM.NAME}"),
    });
    let whole = json!({ "entity": "item", "url": url, "body_type": "application/x-www-form-urlencoded" });
    for webhook in [raw, form, whole] {
        sim.control("POST", &format!("zoho/organizations/{US}/webhooks"), webhook).await;
    }
    let path = format!("items?organization_id={US}");
    let item = json!({ "name": "Pushed", "rate": 2 });

    let made = sim.zoho_request("POST", "us", (&tokens.access, &path)).json(&item).send().await.unwrap();
    let (_, made) = zoho_answer_of(made).await;
    sim.until("zoho/deliveries", |all| {
        all["deliveries"].as_array().unwrap().iter().filter(|one| one["state"] == "delivered").count() == 3
    })
    .await;

    let pushed = receiver.received();
    let id = made["item"]["item_id"].as_str().unwrap();
    assert_eq!(pushed[0].method, "PUT");
    assert_eq!(pushed[0].query.as_deref(), Some(format!("id={id}").as_str()));
    assert_eq!(pushed[0].body, r#"{"name":"Pushed"}"#);
    assert_eq!(pushed[1].body, "name=Pushed");
    assert!(pushed[2].body.starts_with("JSONString=%7B%22item%22"));
    assert!(pushed.iter().all(|got| signature_of(got).is_none()));
}
