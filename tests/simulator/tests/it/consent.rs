//! The authorization endpoint, as a browser meets it.

use reqwest::StatusCode;
use serde_json::json;
use simulator::Options;

use crate::harness::{CALLBACK, REALM, Sim, callback_of, tokens_of, valid_authorization};

#[tokio::test]
async fn approval_sends_code_state_and_realm_to_the_callback() {
    let sim = Sim::start().await;

    let callback = callback_of(&sim.authorize(&valid_authorization()).await);

    assert_eq!(callback["state"], "state-1");
    assert_eq!(callback["realmId"], REALM);
    assert!(callback["code"].len() <= 512);
}

#[tokio::test]
async fn denial_sends_access_denied_and_the_state() {
    let sim = Sim::start().await;
    sim.switch(json!({ "consent": "deny" })).await;

    let callback = callback_of(&sim.authorize(&valid_authorization()).await);

    assert_eq!(callback["error"], "access_denied");
    assert_eq!(callback["state"], "state-1");
    assert!(!callback.contains_key("code"));
}

#[tokio::test]
async fn a_wrong_client_or_callback_shows_one_page_and_never_redirects() {
    let sim = Sim::start().await;
    let app = json!({
        "clientId": Options::INTUIT_CLIENT_ID, "clientSecret": Options::INTUIT_CLIENT_SECRET,
        "verifierToken": Options::INTUIT_VERIFIER_TOKEN, "redirectUris": [CALLBACK],
    });
    sim.control("POST", "intuit/apps", app).await;
    let mut pages = Vec::new();

    for wrong in [
        ("client_id", "someone-else"),
        ("redirect_uri", "http://localhost:3000/callback/"),
        ("redirect_uri", "http://localhost:3000/callback?x=1"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", ""),
    ] {
        let mut parameters = valid_authorization();
        *parameters.iter_mut().find(|(name, _)| *name == wrong.0).unwrap() = wrong;
        let answer = sim.authorize(&parameters).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key("location"));
        pages.push(answer.text().await.unwrap());
    }

    assert!(pages.iter().all(|page| *page == pages[0]));
}

#[tokio::test]
async fn an_unknown_or_missing_scope_is_told_to_the_app() {
    let sim = Sim::start().await;

    for scope in ["com.intuit.quickbooks.accounting made.up", ""] {
        let mut parameters = valid_authorization();
        parameters[2].1 = scope;
        let callback = callback_of(&sim.authorize(&parameters).await);
        assert_eq!(callback["error"], "invalid_scope");
    }
}

#[tokio::test]
async fn another_response_type_or_a_missing_state_is_an_invalid_request() {
    let sim = Sim::start().await;

    for (at, value) in [(1, "token"), (4, "")] {
        let mut parameters = valid_authorization();
        parameters[at].1 = value;
        let callback = callback_of(&sim.authorize(&parameters).await);
        assert_eq!(callback["error"], "invalid_request");
    }
}

#[tokio::test]
async fn the_page_is_the_default_and_lets_a_person_choose_the_company() {
    let sim = Sim::start_with(Options::local()).await;
    sim.control("POST", "intuit/companies", json!({ "realmId": "9130350000000002", "name": "Second & Co" }))
        .await;

    let page = sim.authorize(&valid_authorization()).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    let mut decision = valid_authorization().to_vec();
    decision.extend([("realmId", "9130350000000002"), ("decision", "approve")]);
    let decided = sim.request("POST", "intuit/connect/oauth2/decision").form(&decision).send().await.unwrap();

    assert!(page.contains("Second &amp; Co") && page.contains("<form"));
    let callback = callback_of(&decided);
    assert_eq!(callback["realmId"], "9130350000000002");
    tokens_of(sim.exchange(&callback["code"]).await).await;
}

#[tokio::test]
async fn the_page_checks_the_decision_like_the_request() {
    let sim = Sim::start_with(Options::local()).await;
    let mut decision = valid_authorization().to_vec();
    decision[0].1 = "someone-else";
    decision.extend([("realmId", REALM), ("decision", "approve")]);

    let decided = sim.request("POST", "intuit/connect/oauth2/decision").form(&decision).send().await.unwrap();

    assert_eq!(decided.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_discovery_document_names_the_addresses_that_work() {
    let sim = Sim::start().await;

    let answer = sim.request("GET", "intuit/.well-known/openid_configuration").send().await.unwrap();
    let document: serde_json::Value = answer.json().await.unwrap();

    assert_eq!(document["authorization_endpoint"], sim.url("intuit/connect/oauth2"));
    assert_eq!(document["token_endpoint"], sim.url("intuit/oauth2/v1/tokens/bearer"));
    assert!(document.get("code_challenge_methods_supported").is_none());
}
