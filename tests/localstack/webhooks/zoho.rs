//! Zoho: an address and a secret for each organization.

use domain::provider::Provider;
use reqwest::Method;
use serde_json::json;

use crate::driver::{Books, Bundle, Connected, PATIENCE, eventually};

async fn connected(bundle: &Bundle) -> Connected<'_> {
    let books: Books = bundle.simulator.books(Provider::Zoho).await;
    bundle.tenant().await.connect_to(&books, false).await
}

#[tokio::test]
async fn what_an_administrator_sets_up_brings_every_change_of_a_contact() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let (address, organization) = (connection.address().await, connection.realm());
    let webhooks = format!("/zoho/organizations/{organization}/webhooks");
    let webhook = json!({
        "webhook_name": "Ledgerbridge", "entity": "contact", "method": "POST",
        "url": bundle.url(&address.path), "secret": address.secret,
    });
    bundle.simulator.control(Method::POST, &webhooks, Some(webhook)).await;

    let contacts = format!("/zoho/organizations/{organization}/records/contact");
    let contact = json!({ "contact_name": "Told by a webhook", "contact_type": "customer" });
    let contact = bundle.simulator.control(Method::POST, &contacts, Some(contact)).await;

    let record = eventually("the record is there", PATIENCE, async || {
        let records = connection.records("customers", 200).await;
        records.into_iter().find(|record| record["id"] == contact["contact_id"])
    })
    .await;
    assert_eq!(record["raw"]["contact_name"], "Told by a webhook");

    let contact = format!("{contacts}/{}", contact["contact_id"].as_str().unwrap());
    bundle.simulator.control(Method::DELETE, &contact, None).await;
    let told = json!({
        "url": bundle.url(&address.path), "secret": address.secret, "entity": "contact",
        "record": { "contact_id": record["id"] },
        "queryParameters": [["operation", "deleted"]],
    });
    let sent = bundle.simulator.control(Method::POST, "/zoho/webhooks", Some(told)).await;

    assert_eq!(sent["sent"][0]["status"], 200, "{sent}");
    eventually("the record is marked as deleted", PATIENCE, async || {
        let records = connection.records("customers", 200).await;
        records.into_iter().find(|found| found["id"] == record["id"] && found["deleted"] == true)
    })
    .await;
}

#[tokio::test]
async fn a_signature_in_base64_is_taken_at_the_address_that_says_so_and_nowhere_else() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let address = connection.address().await;
    let send = async |path: String, encoding: &str| {
        let told = json!({
            "url": bundle.url(&path), "secret": address.secret, "encoding": encoding,
            "entity": "invoice", "record": { "invoice_id": "1", "last_modified_time": "2026-06-09T17:12:00-0400" },
        });
        let sent = bundle.simulator.control(Method::POST, "/zoho/webhooks", Some(told)).await;
        sent["sent"][0]["status"].as_u64().unwrap()
    };
    let in_base64 = format!("{}.base64", address.path);

    assert_eq!(send(address.path.clone(), "hex").await, 200);
    assert_eq!(send(in_base64.clone(), "base64").await, 200);
    assert_eq!(send(address.path.clone(), "base64").await, 401);
    assert_eq!(send(in_base64, "hex").await, 401);
}

#[tokio::test]
async fn an_address_that_was_not_given_out_is_not_there() {
    let bundle = Bundle::deployed().await;
    let (one, other) = (connected(&bundle).await, connected(&bundle).await);
    let (address, foreign) = (one.address().await, other.address().await);
    let key = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let [connection, _, tag] = [0, 1, 2].map(|at| key(&address.path).split('.').nth(at).unwrap().to_owned());
    let mixed = format!("/webhooks/zoho/{connection}.{}.{tag}", other.realm());

    for (path, status) in [
        (mixed, 404),
        ("/webhooks/zoho/".to_owned(), 404),
        ("/webhooks/zoho".to_owned(), 404),
        (format!("{}x", address.path), 404),
        (foreign.path.clone(), 401),
    ] {
        let signed = address.sign(r#"{"contact":{"contact_id":"1"}}"#.to_owned());
        let answer =
            bundle.send(bundle.bringing(&crate::driver::Signed { path: path.clone(), ..signed })).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn who_may_not_write_connections_does_not_see_the_secret() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let viewer = bundle.key(domain::api_key::Role::Viewer, None).await;
    let path = format!("/api/connections/{}?tenantId={}", connection.id, connection.tenant.id);

    let seen = bundle.get_as(&viewer, &path).await.expect(200);

    let company = seen["companies"][0].as_object().unwrap();
    assert!(!company.contains_key("webhookSecret") && !company.contains_key("webhookUrl"), "{seen}");
}
