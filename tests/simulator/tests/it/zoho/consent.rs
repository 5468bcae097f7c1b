//! The authorization endpoints, as a browser meets them.

use reqwest::StatusCode;
use serde_json::json;
use simulator::Options;

use super::{authorization, refused, with, zoho_tokens_of};
use crate::harness::{CALLBACK, Sim, callback_of};

#[tokio::test]
async fn approval_names_the_data_center_of_the_user() {
    let sim = Sim::start().await;

    let answer = sim.zoho_authorize("eu", &authorization()).await;
    let callback = callback_of(&answer);

    assert_eq!(callback["state"], "state-1");
    assert_eq!(callback["location"], "eu");
    assert_eq!(callback["accounts-server"], sim.url("zoho/accounts/eu"));
    let parts: Vec<_> = callback["code"].split('.').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("1000", 32, 32));
    let names: Vec<String> = url::Url::parse(answer.headers()["location"].to_str().unwrap())
        .unwrap()
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(names, ["state", "code", "location", "accounts-server"]);
}

#[tokio::test]
async fn a_user_of_another_data_center_is_forwarded_there() {
    let sim = Sim::start().await;

    for choice in [json!({ "consentLocation": "eu" }), json!({ "consentUserId": "eu" })] {
        sim.zoho_switch(choice).await;
        let callback = callback_of(&sim.zoho_authorize("us", &authorization()).await);
        assert_eq!(callback["location"], "eu");
        assert_eq!(callback["accounts-server"], sim.url("zoho/accounts/eu"));
        assert_eq!(sim.zoho_exchange("us", &callback["code"]).await, refused("invalid_code"));
        zoho_tokens_of(&sim.zoho_exchange("eu", &callback["code"]).await);
    }
}

#[tokio::test]
async fn nobody_is_forwarded_to_or_from_china() {
    let sim = Sim::start().await;
    sim.control("POST", "zoho/users", json!({ "userId": "cn", "location": "cn" })).await;

    let home = callback_of(&sim.zoho_authorize("cn", &authorization()).await);
    sim.zoho_switch(json!({ "consentUserId": "cn" })).await;
    let away = sim.zoho_authorize("us", &authorization()).await;
    sim.zoho_switch(json!({ "consentUserId": "us" })).await;
    let stranger = sim.zoho_authorize("cn", &authorization()).await;

    assert_eq!(home["location"], "cn");
    assert_eq!(away.status(), StatusCode::BAD_REQUEST);
    assert_eq!(stranger.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn refusal_sends_access_denied_and_the_state() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "consent": "deny" })).await;

    let callback = callback_of(&sim.zoho_authorize("us", &authorization()).await);

    assert_eq!((callback["error"].as_str(), callback["state"].as_str()), ("access_denied", "state-1"));
    assert_eq!(callback.len(), 2);
}

#[tokio::test]
async fn scopes_are_separated_by_commas_and_must_be_known() {
    let sim = Sim::start().await;

    for (scope, error) in [
        ("ZohoBooks.invoices.READ,ZohoBooks.contacts.READ", None),
        ("ZohoBooks.invoices.READ ZohoBooks.contacts.READ", Some("invalid_scope")),
        ("ZohoBooks.invoices.READ,ZohoBooks.madeup.READ", Some("invalid_scope")),
        ("", Some("invalid_scope")),
    ] {
        let answer = sim.zoho_authorize("us", &with(authorization(), &[("scope", scope)])).await;
        assert_eq!(callback_of(&answer).get("error").map(String::as_str), error, "{scope}");
    }
}

#[tokio::test]
async fn a_wrong_client_callback_or_response_type_never_redirects() {
    let sim = Sim::start().await;
    let app = json!({
        "clientId": Options::ZOHO_CLIENT_ID, "clientSecret": Options::ZOHO_CLIENT_SECRET,
        "redirectUris": [CALLBACK], "locations": ["us"],
    });
    sim.control("POST", "zoho/apps", app).await;

    for (location, wrong) in [
        ("us", ("client_id", "1000.SOMEONEELSE")),
        ("us", ("redirect_uri", "http://localhost:3000/callback/")),
        ("us", ("redirect_uri", "https://evil.example/callback")),
        ("us", ("response_type", "token")),
        ("eu", ("state", "state-1")),
    ] {
        let answer = sim.zoho_authorize(location, &with(authorization(), &[wrong])).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        assert!(!answer.headers().contains_key("location"));
    }
    callback_of(&sim.zoho_authorize("us", &authorization()).await);
}

#[tokio::test]
async fn the_callback_can_lie_about_the_data_center() {
    let sim = Sim::start().await;
    let foreign = sim.url("zoho/foreign");
    sim.zoho_switch(json!({ "callbackAccountsServer": foreign, "callbackLocation": "" })).await;

    let callback = callback_of(&sim.zoho_authorize("us", &authorization()).await);

    assert_eq!(callback["accounts-server"], foreign);
    assert!(!callback.contains_key("location"));
}

#[tokio::test]
async fn the_foreign_host_takes_everything_and_every_call_is_noted() {
    let sim = Sim::start().await;
    let code = sim.zoho_code("us").await;

    let form = [("grant_type", "authorization_code"), ("code", &code), ("client_secret", "secret")];
    let answer = sim.request("POST", "zoho/foreign/oauth/v2/token").form(&form).send().await.unwrap();
    let stolen: serde_json::Value = answer.json().await.unwrap();
    let access = zoho_tokens_of(&stolen).access;

    assert_eq!(stolen["api_domain"], sim.url("zoho/foreign"));
    assert_eq!(sim.zoho_get("us", &access, "organizations").await.0, 401);
    let calls = sim.inspect("calls?endpoint=foreign").await;
    assert_eq!(
        (&calls["total"], &calls["calls"][0]["path"]),
        (&json!(1), &json!("/zoho/foreign/oauth/v2/token"))
    );
    assert!(!calls.to_string().contains(&code));
}

#[tokio::test]
async fn the_page_lets_a_person_choose_the_user() {
    let sim = Sim::start_with(Options::local()).await;

    let page = sim.zoho_authorize("us", &authorization()).await.text().await.unwrap();
    let path = "zoho/accounts/us/oauth/v2/auth/decision";
    let decide = async |decision: &str| {
        let form = with(authorization(), &[("userId", "eu"), ("decision", decision)]);
        callback_of(&sim.request("POST", path).form(&form).send().await.unwrap())
    };

    assert!(page.contains("<form") && page.contains("eu (eu)"));
    assert_eq!(decide("approve").await["location"], "eu");
    assert_eq!(decide("reject").await["error"], "access_denied");
}

#[tokio::test]
async fn a_code_challenge_is_enforced_when_it_was_sent() {
    let sim = Sim::start().await;
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let request = with(authorization(), &[("code_challenge", challenge), ("code_challenge_method", "S256")]);
    let code = callback_of(&sim.zoho_authorize("us", &request).await)["code"].clone();

    let without = sim.zoho_exchange("us", &code).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ];
    let with_verifier = sim.zoho_token("us", &form).await;

    assert_eq!(without, refused("invalid_code"));
    zoho_tokens_of(&with_verifier);
}
