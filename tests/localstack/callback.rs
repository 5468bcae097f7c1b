//! What only Intuit's callback has, the company that it names, and what a callback says on its page.

use crate::driver::{Books, Bundle, parameter, with};

#[tokio::test]
async fn an_error_beside_a_code_is_an_error_and_never_becomes_markup() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&Books::realm(&realm)).await;
    let error = "<script>alert(1)</script>\r\nX-Injected: 1";

    let refused = browser
        .open(&format!("{}&error_description=%0d%0aX-Injected:1", with(&callback, "error", Some(error))))
        .await;

    refused.expect_page(400, "AUTH_OAUTH_FAILED");
    assert!(!refused.text().contains("<script>"), "{}", refused.text());
    assert!(refused.headers.get("x-injected").is_none());
    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);
}

#[tokio::test]
async fn a_realm_that_is_none_is_refused_before_anything_is_used_up() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&Books::realm(&realm)).await;

    for malformed in [
        format!("{callback}&realmId={realm}"),
        with(&callback, "realmId", None),
        with(&callback, "realmId", Some("")),
        with(&callback, "realmId", Some("../companyinfo")),
        with(&callback, "realmId", Some("462081636500000000x")),
        with(&callback, "realmId", Some(&"7".repeat(200))),
    ] {
        browser.open(&malformed).await.expect_page(400, "VALIDATION_FAILED");
    }
    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);

    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[tokio::test]
async fn a_token_for_another_company_connects_nothing() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let (own, foreign) = (bundle.simulator.company(0, 0).await, bundle.simulator.company(0, 0).await);
    let (mut browser, callback) = tenant.approve(&Books::realm(&own)).await;

    let refused = browser.open(&with(&callback, "realmId", Some(&foreign))).await;

    refused.expect_page(400, "AUTH_OAUTH_FAILED");
    assert_eq!(bundle.simulator.redeemed(&callback).await, 1);
    let asked = bundle.simulator.calls(&[("company", &foreign)]).await;
    assert_eq!((asked.len(), asked[0]["status"].as_u64()), (1, Some(403)), "the provider's word decides");
    assert_eq!(tenant.status().await["summary"]["total"], 0);
}

#[tokio::test]
async fn a_code_that_the_provider_refuses_connects_nothing_and_is_not_tried_again() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut first, used) = tenant.approve(&Books::realm(&realm)).await;
    let (mut second, callback) = tenant.approve(&Books::realm(&realm)).await;
    assert_eq!(first.open(used.as_str()).await.status, 200);
    let connected = tenant.status().await;
    let with_used_code = with(&callback, "code", Some(&parameter(&used, "code")));

    second.open(&with_used_code).await.expect_page(400, "AUTH_OAUTH_FAILED");

    assert_eq!(bundle.simulator.redeemed(&used).await, 2, "once by each callback");
    second.open(&with_used_code).await.expect_page(409, "AUTH_STATE_USED");
    let still = tenant.status().await;
    assert_eq!(still["tokens"][0]["expiresAt"], connected["tokens"][0]["expiresAt"]);
    let figures =
        |status: &serde_json::Value| ["total", "healthy"].map(|name| status["summary"][name].clone());
    assert_eq!(figures(&still), figures(&connected), "the connection that stood before stands unchanged");
}

#[tokio::test]
async fn only_configured_providers_have_addresses() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (browser, callback) = tenant.approve(&Books::realm(&realm)).await;

    for name in ["sage", "QuickBooks", "quickbooks%00", "quickbooks%2F"] {
        let elsewhere = callback.as_str().replace("/quickbooks/", &format!("/{name}/"));
        let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let request = bundle.http.get(elsewhere).header("cookie", cookies.collect::<String>());
        let refused = bundle.send(request).await;
        assert_eq!(refused.status, 404, "{name}: {}", refused.text());
    }
    assert_eq!(
        bundle.simulator.redeemed(&callback).await,
        0,
        "a code of one provider is not brought to another's"
    );
}

#[tokio::test]
async fn the_name_of_a_company_is_text_on_the_page() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&Books::realm(&realm)).await;

    let page = browser.open(callback.as_str()).await;

    assert!(page.text().contains("End &amp; Sons &lt;e2e&gt;"), "{}", page.text());
}

#[tokio::test]
async fn a_request_of_unusual_size_does_no_harm() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(0, 0).await;
    let (mut browser, callback) = tenant.approve(&Books::realm(&realm)).await;
    let own = browser.cookies.clone();

    browser.cookies.insert("other".to_owned(), "o".repeat(8 * 1024));
    let long = with(&callback, "session_state", Some(&"s".repeat(11 * 1024)));
    for (address, cookies) in [(long, own.clone()), (callback.to_string(), browser.cookies.clone())] {
        browser.cookies = cookies;
        let answer = browser.open(&address).await;
        // LocalStack lets through what API Gateway refuses with 431 or 400; the function then must not mind.
        assert!(matches!(answer.status, 200 | 400 | 409 | 431), "{}: {}", answer.status, answer.text());
    }

    assert_eq!(bundle.simulator.redeemed(&callback).await, 1);
}
