//! Xero's token and revocation endpoints: lifetimes, rotation and every refusal.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::Options;

use super::{SCOPE, TENANT, authorization, claims_of, with};
use crate::harness::{CALLBACK, Sim, callback_of, refusal_of, tokens_of};

const INVALID_GRANT: u16 = 400;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

fn invalid_grant() -> (u16, Value) {
    (INVALID_GRANT, json!({ "error": "invalid_grant" }))
}

#[tokio::test]
async fn an_exchange_answers_with_the_documented_members() {
    let sim = Sim::start().await;

    let answer: Value = sim.xero_exchange(&sim.xero_code().await).await.json().await.unwrap();

    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(
        (&answer["expires_in"], &answer["token_type"], &answer["scope"]),
        (&json!(1_800), &json!("Bearer"), &json!(SCOPE))
    );
    let claims = claims_of(answer["access_token"].as_str().unwrap());
    assert_eq!(claims["xero_userid"], Options::XERO_USER_ID);
    assert_eq!(claims["client_id"], Options::XERO_CLIENT_ID);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 1_800);
    assert!(claims["scope"].as_array().unwrap().contains(&json!("offline_access")));
    let identity = claims_of(answer["id_token"].as_str().unwrap());
    assert_eq!((&identity["email"], &identity["given_name"]), (&json!("sam@example.com"), &json!("Sam")));
}

#[tokio::test]
async fn without_offline_access_and_openid_there_is_only_an_access_token() {
    let sim = Sim::start().await;
    let callback = callback_of(&sim.xero_authorize(&with("scope", "accounting.invoices.read")).await);

    let answer: Value = sim.xero_exchange(&callback["code"]).await.json().await.unwrap();

    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
}

#[tokio::test]
async fn a_code_lives_five_minutes_and_is_spent_once() {
    let sim = Sim::start().await;
    let (spent, old) = (sim.xero_code().await, sim.xero_code().await);

    tokens_of(sim.xero_exchange(&spent).await).await;
    sim.advance(5 * MINUTE).await;

    assert_eq!(refusal_of(sim.xero_exchange(&spent).await).await, invalid_grant());
    assert_eq!(refusal_of(sim.xero_exchange(&old).await).await, invalid_grant());
}

#[tokio::test]
async fn every_refresh_rotates_and_the_old_token_works_for_thirty_minutes() {
    let sim = Sim::start().await;
    let first = sim.xero_connect().await;

    let second = tokens_of(sim.xero_refresh(&first.refresh).await).await;
    sim.advance(29 * MINUTE).await;
    let again = tokens_of(sim.xero_refresh(&first.refresh).await).await;
    let once_more = sim.xero_refresh(&first.refresh).await;
    sim.advance(MINUTE).await;
    let late = sim.xero_refresh(&first.refresh).await;

    assert!(first.refresh != second.refresh && second.refresh != again.refresh);
    assert_eq!(once_more.status(), StatusCode::OK);
    assert_eq!(refusal_of(late).await, invalid_grant());
    tokens_of(sim.xero_refresh(&second.refresh).await).await;
    tokens_of(sim.xero_refresh(&again.refresh).await).await;
}

#[tokio::test]
async fn the_grace_can_be_for_one_reuse_or_none() {
    let sim = Sim::start().await;
    sim.xero_switch(json!({ "graceReuse": "once" })).await;
    let tokens = sim.xero_connect().await;

    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(sim.xero_refresh(&tokens.refresh).await.status().as_u16());
    }
    sim.xero_switch(json!({ "rotationGraceSeconds": 0 })).await;
    let strict = sim.xero_connect().await;
    sim.xero_refresh(&strict.refresh).await;

    assert_eq!(statuses, [200, 200, 400]);
    assert_eq!(refusal_of(sim.xero_refresh(&strict.refresh).await).await, invalid_grant());
}

#[tokio::test]
async fn a_lost_answer_is_survived_inside_the_grace_only() {
    let sim = Sim::start().await;
    let tokens = sim.xero_connect().await;
    let lost = json!({ "provider": "xero", "endpoint": "token", "kind": "lostResponse" });
    sim.control("POST", "faults", lost).await;

    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert!(sim.xero_post("token", &form).send().await.is_err());
    let inside = sim.xero_refresh(&tokens.refresh).await.status();
    sim.advance(30 * MINUTE).await;

    assert_eq!(inside, StatusCode::OK);
    assert_eq!(refusal_of(sim.xero_refresh(&tokens.refresh).await).await, invalid_grant());
}

#[tokio::test]
async fn parallel_refreshes_with_one_token_both_succeed() {
    let sim = Sim::start().await;
    let tokens = sim.xero_connect().await;

    let (left, right) = tokio::join!(sim.xero_refresh(&tokens.refresh), sim.xero_refresh(&tokens.refresh));

    let (left, right) = (tokens_of(left).await, tokens_of(right).await);
    assert_ne!(left.refresh, right.refresh);
    tokens_of(sim.xero_refresh(&left.refresh).await).await;
    tokens_of(sim.xero_refresh(&right.refresh).await).await;
}

#[tokio::test]
async fn a_refresh_token_lives_sixty_days_unused() {
    let sim = Sim::start().await;
    let tokens = sim.xero_connect().await;

    sim.advance(60 * DAY - 1).await;
    let tokens = tokens_of(sim.xero_refresh(&tokens.refresh).await).await;
    sim.advance(60 * DAY).await;

    assert_eq!(refusal_of(sim.xero_refresh(&tokens.refresh).await).await, invalid_grant());
}

#[tokio::test]
async fn every_refusal_is_a_400() {
    let sim = Sim::start().await;
    let token = |id, secret, form: &[(&str, &str)]| {
        sim.request("POST", "xero/connect/token").basic_auth(id, Some(secret)).form(form).send()
    };
    let (id, secret) = (Options::XERO_CLIENT_ID, Options::XERO_CLIENT_SECRET);

    for (id, secret, form, error) in [
        (id, "wrong", [("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_client"),
        ("unknown", secret, [("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_client"),
        ("", "", [("grant_type", "refresh_token"), ("refresh_token", "x")], "unauthorized_client"),
        (id, secret, [("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_grant"),
        (id, secret, [("grant_type", "refresh_token"), ("other", "x")], "invalid_request"),
        (id, secret, [("grant_type", "password"), ("refresh_token", "x")], "unsupported_grant_type"),
        (id, secret, [("grant_type", "client_credentials"), ("scope", "x")], "unauthorized_client"),
    ] {
        let answer = token(id, secret, &form).await.unwrap();
        assert_eq!(refusal_of(answer).await, (400, json!({ "error": error })));
    }
}

#[tokio::test]
async fn credentials_may_stand_in_the_form() {
    let sim = Sim::start().await;
    let code = sim.xero_code().await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("client_id", Options::XERO_CLIENT_ID),
        ("client_secret", Options::XERO_CLIENT_SECRET),
    ];

    tokens_of(sim.request("POST", "xero/connect/token").form(&form).send().await.unwrap()).await;
}

#[tokio::test]
async fn scopes_about_data_accumulate_until_they_are_revoked() {
    let sim = Sim::start().await;
    let tokens = sim.xero_connect().await;
    let only_contacts = with("scope", "accounting.contacts offline_access");
    let scope_of = async |parameters: &[(&str, &str)]| {
        let code = callback_of(&sim.xero_authorize(parameters).await)["code"].clone();
        let answer: Value = sim.xero_exchange(&code).await.json().await.unwrap();
        answer["scope"].as_str().unwrap().to_owned()
    };

    let accumulated = scope_of(&only_contacts).await;
    sim.xero_post("revocation", &[("token", &tokens.refresh)]).send().await.unwrap();
    let fresh = scope_of(&only_contacts).await;

    assert!(accumulated.contains("accounting.invoices") && !accumulated.contains("openid"));
    assert_eq!(fresh, "accounting.contacts offline_access");
}

#[tokio::test]
async fn revocation_ends_the_token_set_and_every_connection_of_the_user() {
    let sim = Sim::start().await;
    sim.xero_switch(json!({ "consentTenantIds": [TENANT, super::SECOND_TENANT] })).await;
    let tokens = sim.xero_connect().await;
    assert_eq!(sim.xero_connections(&tokens.access, "").await.len(), 2);

    let nonsense = sim.xero_post("revocation", &[("token", "nonsense")]).send().await.unwrap();
    let alive = tokens_of(sim.xero_refresh(&tokens.refresh).await).await;
    let revoked = sim.xero_post("revocation", &[("token", &alive.refresh)]).send().await.unwrap();

    assert_eq!(nonsense.status(), StatusCode::OK);
    assert_eq!((revoked.status(), revoked.text().await.unwrap().as_str()), (StatusCode::OK, ""));
    assert_eq!(refusal_of(sim.xero_refresh(&alive.refresh).await).await, invalid_grant());
    assert_eq!(sim.inspect("xero/connections").await["connections"], json!([]));
    let listed = sim.request("GET", "xero/connections").bearer_auth(&alive.access).send().await.unwrap();
    assert_eq!(listed.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revocation_needs_the_apps_credentials_and_a_token() {
    let sim = Sim::start().await;

    let anonymous = sim.request("POST", "xero/connect/revocation").form(&[("token", "x")]).send();
    let empty = sim.xero_post("revocation", &[("other", "x")]).send().await.unwrap();

    assert_eq!(refusal_of(anonymous.await.unwrap()).await, (400, json!({ "error": "invalid_client" })));
    assert_eq!(refusal_of(empty).await, (400, json!({ "error": "invalid_request" })));
}

#[tokio::test]
async fn issued_secrets_calls_and_reset_know_xero_too() {
    let sim = Sim::start().await;
    let tokens = sim.xero_connect().await;
    sim.xero_connections(&tokens.access, "").await;

    let issued = sim.inspect("issued").await;
    let counts = sim.inspect("calls/counts?provider=xero").await;
    sim.control("POST", "reset", json!({})).await;

    let values: Vec<_> = issued["issued"].as_array().unwrap().iter().map(|one| &one["value"]).collect();
    assert!(values.contains(&&json!(tokens.access)) && values.contains(&&json!(tokens.refresh)));
    assert_eq!(counts["byEndpoint"], json!({ "authorize": 1, "token": 1, "connections": 1 }));
    assert_eq!(sim.inspect("xero/grants").await["grants"], json!([]));
    assert!(sim.xero_authorize(&authorization()).await.status().is_redirection());
}
