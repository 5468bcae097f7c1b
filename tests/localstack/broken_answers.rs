//! Providers that fail in the middle of a callback: nothing half-written stays, and nothing is asked twice.

use domain::{
    authorization::hash,
    entropy::{SystemEntropy, one_time_value},
    provider::Provider,
    secret::OneTimeValue,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Books, Bundle, Tenant};

/// An answer of a token endpoint, good but for what is changed about it; null takes a member out.
fn answer((simulator, token): (&str, &str), changes: &Value) -> Value {
    let mut body = json!({
        "access_token": token, "refresh_token": "made-up-refresh-token", "token_type": "bearer",
        "expires_in": 3600, "api_domain": format!("{simulator}/zoho/api/us"),
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let body: serde_json::Map<_, _> =
        body.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    json!({ "kind": "status", "status": 200, "body": Value::Object(body).to_string() })
}

/// What a token endpoint may do instead of answering well.
fn faults((simulator, token): (&str, &str), elsewhere: &str) -> Vec<(&'static str, Value)> {
    let changed = |changes: Value| answer((simulator, token), &changes);
    vec![
        ("a reset before it", json!({ "kind": "reset" })),
        ("a reset after it", json!({ "kind": "lostResponse" })),
        ("500", json!({ "kind": "status", "status": 500 })),
        ("503 with a page", json!({ "kind": "status", "status": 503 })),
        ("429", json!({ "kind": "status", "status": 429, "headers": { "Retry-After": "3600" } })),
        ("a page for JSON", json!({ "kind": "unparsable" })),
        ("half an answer", json!({ "kind": "truncated" })),
        ("no access token", json!({ "kind": "withoutAccessToken" })),
        (
            "an error with 200",
            json!({ "kind": "status", "status": 200, "body": "{\"error\":\"invalid_code\"}" }),
        ),
        (
            "a code that is spent",
            json!({ "kind": "status", "status": 400, "body": "{\"error\":\"invalid_grant\"}" }),
        ),
        (
            "our app unknown",
            json!({ "kind": "status", "status": 401, "body": "{\"error\":\"invalid_client\"}" }),
        ),
        ("no refresh token", changed(json!({ "refresh_token": null }))),
        ("an empty refresh token", changed(json!({ "refresh_token": "" }))),
        ("a life in words", changed(json!({ "expires_in": "3600" }))),
        ("no life", changed(json!({ "expires_in": 0 }))),
        ("a negative life", changed(json!({ "expires_in": -1 }))),
        ("a life of ages", changed(json!({ "expires_in": 1_000_000_000_000_u64 }))),
        ("another kind of token", changed(json!({ "token_type": "mac" }))),
        ("tokens and an error", changed(json!({ "error": "invalid_grant" }))),
        ("a header in the token", changed(json!({ "access_token": format!("{token}\r\nX: 1") }))),
        ("six megabytes", json!({ "kind": "hugeBody", "bytes": 6 * 1024 * 1024 })),
        ("a redirect", json!({ "kind": "redirect", "location": elsewhere })),
    ]
}

/// Goes through a callback that fails; gives the page that the person sees.
async fn fails(tenant: &Tenant<'_>, books: &Books, what: &str, fault: Value) -> String {
    let simulator = &tenant.bundle.simulator;
    let (mut browser, callback) = tenant.approve(books).await;
    let code = simulator.code_of(&callback).await;
    let mut fault = fault;
    fault["endpoint"] = "token".into();
    simulator.fault(&code, fault).await;
    let cookies = browser.cookies.clone();

    let page = browser.open(callback.as_str()).await;

    assert_eq!(page.status, 400, "{what}: {}", page.text());
    page.expect_page(400, "AUTH_OAUTH_FAILED");
    page.expect_guarded();
    assert!(tenant.connections().await.is_empty(), "{what}: something half-written is left");
    assert_eq!(simulator.redeemed(&callback).await, 1, "{what}: a code is brought once");
    let last = tenant.acts().await.pop().unwrap();
    assert_eq!(last, ("connection.refused".to_owned(), Some("exchange_failed".to_owned())), "{what}");
    browser.cookies = cookies;
    browser.open(callback.as_str()).await.expect_page(409, "AUTH_STATE_USED");
    page.text()
}

#[rstest]
#[tokio::test]
async fn a_token_endpoint_that_fails_leaves_nothing_behind(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let name = one_time_value(&SystemEntropy)[..16].to_owned();
    // The access token of answers that are made up.
    let token = one_time_value(&SystemEntropy);
    let simulator = &bundle.simulator;

    for (what, fault) in faults((&simulator.url, &token), &format!("{}/zoho/foreign/{name}", simulator.url)) {
        let page = fails(&tenant, &simulator.books(provider).await, what, fault).await;
        assert!(page.contains("start again") || what == "our app unknown", "{what}: {page}");
    }

    let fingerprint = &hash(&OneTimeValue::new(token))[..16];
    let used = simulator.calls(&[("tokenFingerprint", fingerprint)]).await;
    assert!(used.is_empty(), "a token of a bad answer is not used: {used:?}");
    assert!(simulator.calls(&[("pathContains", &name)]).await.is_empty(), "no redirect was followed");
    let books = simulator.books(provider).await;
    let connection = tenant.connect_to(&books, false).await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "a new link connects");
}

#[tokio::test]
async fn a_person_is_not_kept_waiting_longer_than_the_gateway_does() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let books = bundle.simulator.books(Provider::Xero).await;

    let page = fails(&tenant, &books, "silence", json!({ "kind": "delay", "delayMs": 25_000 })).await;

    assert!(page.contains("start again"), "{page}");
}

#[tokio::test]
async fn a_company_that_the_provider_does_not_confirm_is_not_connected() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let simulator = &bundle.simulator;
    let name = one_time_value(&SystemEntropy)[..16].to_owned();

    for fault in [
        json!({ "kind": "reset" }),
        json!({ "kind": "status", "status": 500 }),
        json!({ "kind": "status", "status": 403 }),
        json!({ "kind": "unparsable" }),
        json!({ "kind": "status", "status": 200, "body": "{}" }),
        json!({ "kind": "truncated" }),
        json!({ "kind": "hugeBody", "bytes": 6 * 1024 * 1024 }),
        json!({ "kind": "redirect", "location": format!("{}/zoho/foreign/{name}", simulator.url) }),
    ] {
        let books = simulator.books(Provider::QuickBooks).await;
        let (mut browser, callback) = tenant.approve(&books).await;
        let mut switch = fault.clone();
        (switch["provider"], switch["company"]) = ("intuit".into(), books.company().into());
        simulator.switch(switch).await;

        browser.open(callback.as_str()).await.expect_page(400, "AUTH_OAUTH_FAILED");

        assert!(tenant.connections().await.is_empty(), "{fault}");
        let last = tenant.acts().await.pop().unwrap();
        assert_eq!(last.1.as_deref(), Some("company_not_confirmed"), "{fault}");
    }
    assert!(simulator.calls(&[("pathContains", &name)]).await.is_empty(), "no redirect was followed");
}
