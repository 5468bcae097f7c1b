//! Zoho: each grant lives in one data center, and nobody but the configured ones is ever asked.

use domain::{
    entropy::{SystemEntropy, one_time_value},
    provider::Provider,
};
use serde_json::{Value, json};
use url::Url;

use crate::driver::{Browser, Bundle, Connected, connection_of, parameter, with};

/// The paths at which the simulator saw something, each once and in order.
fn paths(calls: &[Value]) -> Vec<&str> {
    let mut paths: Vec<_> = calls.iter().map(|call| call["path"].as_str().unwrap()).collect();
    paths.dedup();
    paths
}

/// A host of no data center that no other test names.
fn foreign_host(bundle: &Bundle) -> (String, String) {
    let name = one_time_value(&SystemEntropy)[..16].to_owned();
    (format!("{}/zoho/foreign/{name}", bundle.simulator.url), name)
}

#[tokio::test]
async fn a_customer_in_another_data_center_is_served_there_and_nowhere_else() {
    let bundle = Bundle::deployed().await;
    // No other test has anything in Japan.
    let books = bundle.simulator.zoho_books("jp").await;
    let tenant = bundle.tenant().await;
    let link = tenant.link(Provider::Zoho).await;
    let mut browser = Browser::new(&bundle);
    let sent = browser.open(&link).await;
    assert!(sent.header("location").contains("/zoho/accounts/us/"), "everybody begins in the us");
    let callback = bundle.simulator.consent(sent.header("location"), "approve", &books).await;
    assert_eq!(parameter(&callback, "location"), "jp");
    let code = bundle.simulator.code_of(&callback).await;

    let connected = browser.open(callback.as_str()).await;

    assert_eq!(connected.status, 200, "{}", connected.text());
    let id = connection_of(&connected);
    let connection = Connected { tenant, id, books };
    assert_eq!(connection.stored().await.location.unwrap().as_str(), "jp");
    let token = "/zoho/accounts/jp/oauth/v2/token";
    assert_eq!(paths(&bundle.simulator.calls(&[("tokenFingerprint", &code)]).await), [token]);
    let asked = bundle.simulator.calls(&[("endpoint", "api"), ("pathContains", "/zoho/api/jp/")]).await;
    assert_eq!(paths(&asked), ["/zoho/api/jp/books/v3/organizations"]);
    assert!(asked.iter().all(|call| call["status"] == 200), "{asked:?}");

    let refresh = connection.refresh_token().await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    assert_eq!(connection.refresh_token().await, refresh, "a refresh token of Zoho stays");
    connection.disconnect(None).await.expect(200);
    let calls = bundle.simulator.calls(&[("tokenFingerprint", &refresh)]).await;
    assert_eq!(paths(&calls), [token, "/zoho/accounts/jp/oauth/v2/token/revoke"]);
    assert!(bundle.simulator.has_ended(&connection.books).await);
}

/// Every way to write an accounts server that is not, letter by letter, the one that is configured.
fn other_servers(server: &str, foreign: &str) -> Vec<String> {
    let rest = server.strip_prefix("http://127.0.0.1:").unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let mut servers: Vec<_> = [
        "https://evil.example",
        "https://accounts.zoho.com",
        "https://accounts.zoho.com.evil.example",
        "https://accounts.zoho.com@evil.example",
        "http://accounts.zoho.com",
        "https://accounts.zoho.com:444",
        "https://accounts.zoho.com/../x",
        "https://accounts.zoho.com.",
        "https://accounts\u{ff0e}zoho\u{ff0e}com",
        "https://xn--acconts-o1a.zoho.com",
        "http://169.254.169.254",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    servers.extend([
        foreign.to_owned(),
        format!("http://127.0.0.1:{port}.evil.example/{path}"),
        format!("http://127.0.0.1:{port}@evil.example/{path}"),
        format!("https://127.0.0.1:{port}/{path}"),
        format!("HTTP://127.0.0.1:{port}/{path}"),
        format!("http://localhost:{port}/{path}"),
        format!("http://127.0.0.1.:{port}/{path}"),
        format!("http://127.1:{port}/{path}"),
        format!("http://127\u{ff0e}0\u{ff0e}0\u{ff0e}1:{port}/{path}"),
        format!("http://127.0.0.1:1/{path}"),
        format!("http://127.0.0.1:{port}"),
        format!("{server}/"),
        format!("{server}/../eu"),
        format!("{server}%2f..%2feu"),
        format!("{server}?x"),
        format!("{server}#x"),
        format!(" {server}"),
        server.to_uppercase(),
    ]);
    servers
}

#[tokio::test]
async fn a_callback_that_names_another_host_is_refused_and_the_host_hears_nothing() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let books = bundle.simulator.zoho_books("us").await;
    let (mut browser, callback) = tenant.approve(&books).await;
    let (foreign, name) = foreign_host(&bundle);
    let server = parameter(&callback, "accounts-server");
    let alone = Url::parse(&with(&callback, "location", None)).unwrap();

    for other in other_servers(&server, &foreign) {
        for callback in [&callback, &alone] {
            let refused = browser.open(&with(callback, "accounts-server", Some(&other))).await;
            assert_eq!(refused.status, 400, "{other}: {}", refused.text());
            refused.expect_page(400, "VALIDATION_FAILED");
        }
    }
    for other in ["moon", "US", "", "eu ", "us,eu", "../us"] {
        browser.open(&with(&callback, "location", Some(other))).await.expect_page(400, "VALIDATION_FAILED");
    }
    // Both are configured, but not as one data center.
    browser.open(&with(&callback, "location", Some("eu"))).await.expect_page(400, "VALIDATION_FAILED");
    let twice = format!("{callback}&accounts-server={server}");
    browser.open(&twice).await.expect_page(400, "VALIDATION_FAILED");

    assert_eq!(bundle.simulator.redeemed(&callback).await, 0, "the code was brought to nobody");
    assert_eq!(bundle.simulator.calls(&[("pathContains", &name)]).await.len(), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[tokio::test]
async fn a_code_brought_to_the_wrong_data_center_connects_nothing() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let books = bundle.simulator.zoho_books("us").await;
    let (mut browser, callback) = tenant.approve(&books).await;
    let server = parameter(&callback, "accounts-server").replace("/us", "/eu");
    let elsewhere = Url::parse(&with(&callback, "location", Some("eu"))).unwrap();

    let refused = browser.open(&with(&elsewhere, "accounts-server", Some(&server))).await;

    refused.expect_page(400, "AUTH_OAUTH_FAILED");
    assert_eq!(bundle.simulator.redeemed(&callback).await, 1);
    assert!(tenant.connections().await.is_empty());
}

/// An answer of the token endpoint as Zoho writes it, apart from where it says that the tokens are good.
fn token_answer(api_domain: &str) -> Value {
    let body = json!({
        "access_token": format!("1000.{}.{}", "a1".repeat(16), "b2".repeat(16)),
        "refresh_token": format!("1000.{}.{}", "c3".repeat(16), "d4".repeat(16)),
        "api_domain": api_domain, "token_type": "Bearer", "expires_in": 3600,
    });
    json!({ "endpoint": "token", "kind": "status", "status": 200, "body": body.to_string() })
}

#[tokio::test]
async fn tokens_that_are_said_to_be_good_elsewhere_are_not_stored() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let (foreign, name) = foreign_host(&bundle);
    let api = format!("{}/zoho/api", bundle.simulator.url);

    for api_domain in [&foreign, "http://169.254.169.254", &format!("{api}/eu"), &format!("{api}/us/"), ""] {
        let books = bundle.simulator.zoho_books("us").await;
        let (mut browser, callback) = tenant.approve(&books).await;
        let code = bundle.simulator.code_of(&callback).await;
        bundle.simulator.fault(&code, token_answer(api_domain)).await;

        let refused = browser.open(callback.as_str()).await;

        refused.expect_page(400, "AUTH_OAUTH_FAILED");
        assert_eq!(bundle.simulator.calls(&[("pathContains", &name)]).await.len(), 0);
        assert!(tenant.connections().await.is_empty(), "{api_domain}");
    }
}

#[tokio::test]
async fn a_refresh_that_names_another_host_changes_nothing_about_where_is_asked() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.zoho_books("us").await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let (foreign, name) = foreign_host(&bundle);
    let refresh = connection.refresh_token().await;
    bundle.simulator.fault(&refresh, token_answer(&foreign)).await;

    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    bundle.age(&connection.key(), None).await;
    connection.refresh().await;

    assert_eq!(bundle.simulator.calls(&[("pathContains", &name)]).await.len(), 0);
    let spent = bundle.simulator.calls(&[("tokenFingerprint", &refresh)]).await;
    assert_eq!(paths(&spent), ["/zoho/accounts/us/oauth/v2/token"]);
}
