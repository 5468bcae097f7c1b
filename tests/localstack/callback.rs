//! The provider's callback: who may finish a connection, and what happens to everybody else.

use reqwest::Method;
use url::Url;

use crate::driver::{Answer, Browser, Bundle};

/// The value of a parameter of a callback.
fn parameter(callback: &Url, name: &str) -> String {
    callback.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

/// The callback with one parameter replaced, or taken out.
fn with(callback: &Url, name: &str, value: Option<&str>) -> String {
    let mut pairs: Vec<_> = callback.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let mut changed = callback.clone();
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed.into()
}

/// How often the code of a callback was brought to the provider.
async fn redeemed(bundle: &Bundle, callback: &Url) -> usize {
    let fingerprint = bundle.simulator.fingerprint_of(&parameter(callback, "code")).await;
    bundle.simulator.token_calls(&fingerprint).await.len()
}

fn assert_guarded(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("strict-transport-security").contains("max-age="));
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn only_the_browser_that_began_can_finish() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;
    let (other, _) = tenant.approve(&realm).await;

    let mut strangers = vec![Browser::new(&bundle), Browser::new(&bundle), other];
    let cookie = browser.cookies.keys().next().unwrap().clone();
    strangers[1].cookies.insert(cookie, "A".repeat(43));
    for stranger in &mut strangers {
        stranger.open(callback.as_str()).await.expect_page(400, "AUTH_STATE_INVALID");
    }

    assert_eq!(redeemed(&bundle, &callback).await, 0);
    assert_eq!(tenant.status().await["summary"]["total"], 0);
    assert_eq!(
        browser.open(callback.as_str()).await.status,
        200,
        "a stranger cannot use the state up either"
    );
}

#[tokio::test]
async fn a_forged_state_brings_no_code_to_the_provider() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;

    for forged in [None, Some(""), Some("forged"), Some(&*"B".repeat(43)), Some(&*"é".repeat(300))] {
        let refused = browser.open(&with(&callback, "state", forged)).await;
        refused.expect_page(400, "AUTH_STATE_INVALID");
        assert_guarded(&refused);
    }

    assert_eq!(redeemed(&bundle, &callback).await, 0);
}

#[tokio::test]
async fn a_callback_that_comes_twice_spends_its_code_once() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;

    let first = browser.open(callback.as_str()).await;
    let second = browser.open(callback.as_str()).await;

    assert_eq!(first.status, 200);
    assert_guarded(&first);
    assert!(
        first.text().contains("End &amp; Sons &lt;e2e&gt;"),
        "the name is text, not markup: {}",
        first.text()
    );
    second.expect_page(400, "AUTH_STATE_INVALID");
    assert_eq!(redeemed(&bundle, &callback).await, 1);
    assert_eq!(tenant.status().await["summary"]["healthy"], 1, "the connection stands");
}

#[tokio::test]
async fn a_no_at_the_provider_ends_the_authorization() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let link = tenant.link(false).await;
    let (mut browser, callback) = tenant.walk(&link, "deny", &realm).await;
    assert_eq!(parameter(&callback, "error"), "access_denied");

    let denied = browser.open(callback.as_str()).await;
    denied.expect_page(400, "AUTH_ACCESS_DENIED");
    assert_guarded(&denied);

    browser.open(callback.as_str()).await.expect_page(400, "AUTH_STATE_INVALID");
    assert_eq!(tenant.status().await["summary"]["total"], 0);
}

#[tokio::test]
async fn an_error_beside_a_code_is_an_error_and_never_becomes_markup() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;
    let error = "<script>alert(1)</script>\r\nX-Injected: 1";

    let refused = browser.open(&with(&callback, "error", Some(error))).await;

    refused.expect_page(400, "AUTH_ACCESS_DENIED");
    assert!(!refused.text().contains("<script>"), "{}", refused.text());
    assert!(refused.headers.get("x-injected").is_none());
    assert_eq!(redeemed(&bundle, &callback).await, 0);
}

#[tokio::test]
async fn what_is_malformed_is_refused_before_anything_is_used_up() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;
    let twice = |name: &str| format!("{callback}&{name}={}", parameter(&callback, name));

    for malformed in [
        twice("code"),
        twice("state"),
        twice("realmId"),
        with(&callback, "code", None),
        with(&callback, "code", Some("")),
        with(&callback, "code", Some("a b")),
        with(&callback, "code", Some(&"c".repeat(5000))),
        with(&callback, "realmId", None),
        with(&callback, "realmId", Some("")),
        with(&callback, "realmId", Some("../companyinfo")),
        with(&callback, "realmId", Some(&"7".repeat(200))),
    ] {
        browser.open(&malformed).await.expect_page(400, "VALIDATION_FAILED");
    }
    assert_eq!(redeemed(&bundle, &callback).await, 0);

    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[tokio::test]
async fn only_get_reaches_a_callback() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&realm).await;

    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = browser.send(method.clone(), callback.as_str()).await;
        assert_eq!(refused.status, 405, "{method}");
        assert!(refused.headers.get("access-control-allow-origin").is_none(), "{method}");
    }
    assert_eq!(redeemed(&bundle, &callback).await, 0);

    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[tokio::test]
async fn a_token_for_another_company_connects_nothing() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let (own, foreign) = (bundle.simulator.company(0, 0).await, bundle.simulator.company(0, 0).await);
    let (mut browser, callback) = tenant.approve(&own).await;

    let refused = browser.open(&with(&callback, "realmId", Some(&foreign))).await;

    refused.expect_page(400, "AUTH_OAUTH_FAILED");
    assert_eq!(redeemed(&bundle, &callback).await, 1);
    let asked = bundle.simulator.calls(&[("company", &foreign)]).await;
    assert_eq!((asked.len(), asked[0]["status"].as_u64()), (1, Some(403)), "the provider's word decides");
    assert_eq!(tenant.status().await["summary"]["total"], 0);
}

#[tokio::test]
async fn a_code_that_the_provider_refuses_connects_nothing_and_is_not_tried_again() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut first, used) = tenant.approve(&realm).await;
    let (mut second, callback) = tenant.approve(&realm).await;
    assert_eq!(first.open(used.as_str()).await.status, 200);
    let connected = tenant.status().await;
    let with_used_code = with(&callback, "code", Some(&parameter(&used, "code")));

    second.open(&with_used_code).await.expect_page(400, "AUTH_OAUTH_FAILED");

    assert_eq!(redeemed(&bundle, &used).await, 2, "once by each callback");
    second.open(&with_used_code).await.expect_page(400, "AUTH_STATE_INVALID");
    let still = tenant.status().await;
    assert_eq!(still["tokens"][0]["expiresAt"], connected["tokens"][0]["expiresAt"]);
    assert_eq!(still["summary"], connected["summary"], "the connection that stood before stands unchanged");
}

#[tokio::test]
async fn only_configured_providers_have_addresses() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (browser, callback) = tenant.approve(&realm).await;

    for name in ["sage", "xero", "QuickBooks", "quickbooks%00", "quickbooks%2F"] {
        let elsewhere = callback.as_str().replace("/quickbooks/", &format!("/{name}/"));
        let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let request = bundle.http.get(elsewhere).header("cookie", cookies.collect::<String>());
        let refused = bundle.send(request).await;
        assert_eq!(refused.status, 404, "{name}: {}", refused.text());
    }
    assert_eq!(redeemed(&bundle, &callback).await, 0, "a code of one provider is not brought to another's");
}
