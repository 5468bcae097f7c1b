//! Xero's authorization endpoint, as a browser meets it.

use reqwest::StatusCode;
use serde_json::json;
use simulator::Options;

use super::{SECOND_TENANT, TENANT, authorization, with};
use crate::harness::{CALLBACK, Sim, callback_of, refusal_of, tokens_of};

#[tokio::test]
async fn approval_sends_code_scope_session_state_and_state_but_no_issuer() {
    let sim = Sim::start().await;

    let callback = callback_of(&sim.xero_authorize(&authorization()).await);
    sim.xero_switch(json!({ "sendIss": true })).await;
    let with_issuer = callback_of(&sim.xero_authorize(&authorization()).await);

    let mut names: Vec<_> = callback.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "scope", "session_state", "state"]);
    assert_eq!(callback["scope"], super::SCOPE);
    assert_eq!(with_issuer["iss"], "https://identity.xero.com");
}

#[tokio::test]
async fn denial_sends_access_denied_and_the_state() {
    let sim = Sim::start().await;
    sim.xero_switch(json!({ "consent": "deny" })).await;

    let callback = callback_of(&sim.xero_authorize(&authorization()).await);

    assert_eq!((callback["error"].as_str(), callback["state"].as_str()), ("access_denied", "state-1"));
}

#[tokio::test]
async fn a_wrong_client_or_callback_shows_a_page_and_never_redirects() {
    let sim = Sim::start().await;
    let mut app = json!({
        "clientId": Options::XERO_CLIENT_ID, "clientSecret": Options::XERO_CLIENT_SECRET,
        "webhookKey": Options::XERO_WEBHOOK_KEY, "redirectUris": [CALLBACK],
    });
    sim.control("POST", "xero/apps", app.clone()).await;

    for (name, value) in [
        ("client_id", "someone-else"),
        ("redirect_uri", "http://localhost:3000/callback/"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", ""),
    ] {
        let answer = sim.xero_authorize(&with(name, value)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{value}");
        assert!(!answer.headers().contains_key("location"));
    }
    app["redirectUris"] = json!(["http://127.0.0.1:3000/callback"]);
    let refused = sim.request("POST", "_control/xero/apps").json(&app).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn broad_and_unknown_scopes_are_refused_and_broad_ones_stay_for_old_apps() {
    let sim = Sim::start().await;

    for scope in ["accounting.transactions", "accounting.reports.read", "made.up", ""] {
        let callback = callback_of(&sim.xero_authorize(&with("scope", scope)).await);
        assert_eq!(callback["error"], "invalid_scope", "{scope}");
    }
    sim.xero_switch(json!({ "granularScopesOnly": false })).await;
    let callback = callback_of(&sim.xero_authorize(&with("scope", "accounting.transactions")).await);

    assert!(callback.contains_key("code"));
}

#[tokio::test]
async fn another_response_type_and_a_plain_challenge_are_refused() {
    let sim = Sim::start().await;
    let mut plain = with("code_challenge", "x".repeat(43).leak());
    plain.push(("code_challenge_method", "plain"));

    let response_type = callback_of(&sim.xero_authorize(&with("response_type", "token")).await);
    let plain = callback_of(&sim.xero_authorize(&plain).await);

    assert_eq!(response_type["error"], "unsupported_response_type");
    assert_eq!(plain["error"], "invalid_request");
}

#[tokio::test]
async fn a_challenge_that_was_sent_must_be_met() {
    let sim = Sim::start().await;
    let mut request = with("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    request.push(("code_challenge_method", "S256"));
    let code = callback_of(&sim.xero_authorize(&request).await)["code"].clone();
    let form = |verifier| {
        [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ]
    };

    let without = refusal_of(sim.xero_exchange(&code).await).await;
    let wrong = sim.xero_post("token", &form("another")).send().await.unwrap();
    let right = form("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let right = sim.xero_post("token", &right).send().await.unwrap();

    assert_eq!(without, (400, json!({ "error": "invalid_grant" })));
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    tokens_of(right).await;
}

#[tokio::test]
async fn the_page_is_the_default_and_lets_a_person_pick_organizations() {
    let sim = Sim::start_with(Options::local()).await;
    let mut decision = authorization();
    decision.extend([("userId", Options::XERO_USER_ID), ("tenantId", TENANT), ("tenantId", SECOND_TENANT)]);
    decision.push(("decision", "approve"));

    let page = sim.xero_authorize(&authorization()).await.text().await.unwrap();
    let decided = sim.request("POST", "xero/identity/connect/authorize/decision").form(&decision).send();
    let callback = callback_of(&decided.await.unwrap());
    let tokens = tokens_of(sim.xero_exchange(&callback["code"]).await).await;

    assert!(page.contains("Demo Company (UK)") && page.contains("checkbox"));
    assert_eq!(sim.xero_connections(&tokens.access, "").await.len(), 2);
    let single = sim.xero_authorize(&with("acr_values", "bulk_connect:false")).await.text().await.unwrap();
    assert!(single.contains("radio") && !single.contains("checkbox"));
}

#[tokio::test]
async fn only_the_users_own_organizations_can_be_picked() {
    let sim = Sim::start().await;
    let foreign = sim.control("POST", "xero/organizations", json!({ "name": "Foreign" })).await;

    for chosen in [json!([]), json!([foreign["tenantId"]])] {
        sim.xero_switch(json!({ "consentTenantIds": chosen })).await;
        let answer = sim.xero_authorize(&authorization()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_discovery_document_names_the_addresses_that_work() {
    let sim = Sim::start().await;

    let answer = sim.request("GET", "xero/.well-known/openid-configuration").send().await.unwrap();
    let document: serde_json::Value = answer.json().await.unwrap();

    assert_eq!(document["authorization_endpoint"], sim.url("xero/identity/connect/authorize"));
    assert_eq!(document["token_endpoint"], sim.url("xero/connect/token"));
    assert_eq!(document["revocation_endpoint"], sim.url("xero/connect/revocation"));
}
