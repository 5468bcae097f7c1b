//! The proxy on the deployed stack: the gateway's paths, the token injected, and nothing beyond the company.

use domain::provider::Provider;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::driver::{Bundle, Connected};

/// Below the proxy of a connection.
fn proxied(connection: &Connected<'_>, path: &str) -> String {
    format!("/api/proxy/{}/{path}", connection.id)
}

#[tokio::test]
async fn each_provider_answers_for_the_connections_company() {
    let bundle = Bundle::deployed().await;
    for (provider, path, list) in [
        (Provider::QuickBooks, "query?query=select%20%2A%20from%20Customer", "/QueryResponse/Customer"),
        (Provider::Xero, "Contacts?page=1&pageSize=10", "/Contacts"),
        (Provider::Zoho, "contacts?per_page=10", "/contacts"),
    ] {
        let books = bundle.simulator.books_of(provider, (2, 1)).await;
        let connection = bundle.tenant().await.connect_to(&books, false).await;

        let answer = bundle.get(&proxied(&connection, path)).await;

        let body = answer.expect(200);
        assert_eq!(answer.header("x-ledgerbridge-source"), "provider", "{provider}");
        assert_eq!(
            body.pointer(list).and_then(|list| list.as_array()).map(Vec::len),
            Some(2),
            "{provider}: {body}"
        );
    }
}

#[tokio::test]
async fn a_write_has_its_effect_once_and_is_read_again() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let (path, customer) = (proxied(&connection, "customer"), json!({ "DisplayName": "Ürün & Co <1>" }));
    let write = async || {
        let request = bundle.request(Method::POST, &path).header("x-api-key", bundle.admin_key());
        bundle.send(request.header("idempotency-key", "k".repeat(60)).json(&customer)).await.expect(200)
    };

    let (first, again) = (write().await, write().await);

    assert_eq!(first["Customer"]["Id"], again["Customer"]["Id"]);
    let id = first["Customer"]["Id"].as_str().unwrap();
    let read = bundle.get(&proxied(&connection, &format!("customer/{id}"))).await.expect(200);
    assert_eq!(read["Customer"]["DisplayName"], customer["DisplayName"]);
}

#[tokio::test]
async fn what_the_gateway_does_to_a_path_leads_nowhere_else() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let before = bundle.simulator.calls_about(&connection.books).await;
    for path in ["a%2f..%2f..%2fb", "%2e%2e/%2e%2e/oauth2", "%252e%252e%252fa", "a%5cb", "a%00", "a//b"] {
        let answer = bundle.get(&proxied(&connection, path)).await;
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        assert_eq!(answer.header("x-ledgerbridge-source"), "", "{path}");
    }
    assert_eq!(bundle.simulator.calls_about(&connection.books).await, before);

    let stranger = bundle.tenant().await;
    let key = bundle.key(domain::api_key::Role::Admin, Some(&stranger.id)).await;
    bundle.get_as(&key, &proxied(&connection, "customer/1")).await.expect_error(404, "CONNECTION_NOT_FOUND");
}

#[tokio::test]
async fn the_same_question_of_many_instances_reaches_the_provider_less_often() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let invoice = bundle.simulator.objects(connection.realm(), "Invoice").await;
    let id = invoice[0]["Id"].as_str().unwrap();
    let slow = json!({
        "provider": "intuit", "endpoint": "api", "company": connection.realm(), "kind": "delay", "delayMs": 1500,
    });
    bundle.simulator.switch(slow).await;

    let path = proxied(&connection, &format!("invoice/{id}"));
    let answers = join_all((0..6).map(|_| bundle.get(&path))).await;

    for answer in answers {
        assert_eq!(answer.expect(200)["Invoice"]["Id"], id);
    }
    assert!(bundle.simulator.fetches(connection.realm(), id).await < 6);
}
