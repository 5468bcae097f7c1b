//! The token and revocation endpoints: shapes, lifetimes, data centers, and refusals with status 200.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::Options;

use super::{authorization, refused, with, zoho_tokens_of};
use crate::harness::{CALLBACK, Sim, callback_of};

#[tokio::test]
async fn the_answer_to_a_code_has_zohos_members() {
    let sim = Sim::start().await;

    let body = sim.zoho_exchange("us", &sim.zoho_code("us").await).await;

    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "api_domain", "expires_in", "refresh_token", "token_type"]);
    assert_eq!(body["api_domain"], sim.url("zoho/api/us"));
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    assert!(body["refresh_token"].as_str().unwrap().starts_with("1000."));
}

#[tokio::test]
async fn a_refresh_never_rotates_and_gives_no_refresh_token() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;

    sim.advance(86_400 * 365).await;
    for _ in 0..2 {
        let body = sim.zoho_refresh("us", &tokens.refresh).await;
        assert!(body.get("refresh_token").is_none());
        assert_ne!(body["access_token"], json!(tokens.access));
    }
}

#[tokio::test]
async fn both_of_two_parallel_refreshes_succeed() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let hold = json!({ "provider": "zoho", "endpoint": "token", "kind": "hold" });
    sim.control("POST", "faults", hold).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let first = tokio::spawn(sim.zoho_token_request("us", &form).send());
    sim.until("calls/counts", |counts| counts["maxInFlight"] == 1).await;

    let second = sim.zoho_refresh("us", &tokens.refresh).await;
    sim.control("POST", "faults/release", json!({})).await;
    let first: Value = first.await.unwrap().unwrap().json().await.unwrap();

    for body in [first, second] {
        let access = body["access_token"].as_str().unwrap();
        assert_eq!(sim.zoho_get("us", access, "organizations").await.0, 200);
    }
}

#[tokio::test]
async fn parameters_may_stand_in_the_query_string() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let query = [
        ("client_id", Options::ZOHO_CLIENT_ID),
        ("client_secret", Options::ZOHO_CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
    ];

    let answer = sim.request("POST", "zoho/accounts/us/oauth/v2/token").query(&query).send().await.unwrap();

    assert!(answer.json::<Value>().await.unwrap()["access_token"].is_string());
    let calls = sim.inspect("calls?grantType=refresh_token").await;
    assert_eq!((&calls["total"], &calls["calls"][0]["query"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn a_code_lives_a_minute_and_is_spent_once() {
    let sim = Sim::start().await;

    let code = sim.zoho_code("us").await;
    let elsewhere =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "http://localhost/other")];
    assert_eq!(sim.zoho_token("us", &elsewhere).await, refused("invalid_redirect_uri"));
    sim.advance(59).await;
    zoho_tokens_of(&sim.zoho_exchange("us", &code).await);
    assert_eq!(sim.zoho_exchange("us", &code).await, refused("invalid_code"));
    let late = sim.zoho_code("us").await;
    sim.advance(60).await;
    assert_eq!(sim.zoho_exchange("us", &late).await, refused("invalid_code"));
}

#[tokio::test]
async fn refusals_have_status_200_unless_switched() {
    let sim = Sim::start().await;
    let refresh = ("grant_type", "refresh_token");
    let cases = [
        (vec![refresh, ("refresh_token", "1000.x.y")], "invalid_code"),
        (vec![refresh, ("client_id", "1000.SOMEONEELSE")], "invalid_client"),
        (vec![refresh, ("client_secret", "wrong")], "invalid_client_secret"),
        (vec![("grant_type", "password")], "general_error"),
        (vec![("grant_type", "authorization_code"), ("code", "1000.x.y")], "invalid_redirect_uri"),
    ];

    for status in [200, 400] {
        sim.zoho_switch(json!({ "errorStatus": status })).await;
        for (form, error) in &cases {
            let answer = sim.zoho_token_request("us", form).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.json::<Value>().await.unwrap(), refused(error));
        }
    }
}

#[tokio::test]
async fn a_refresh_token_is_unknown_in_every_other_data_center() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("eu").await;

    let wrong = sim.zoho_refresh("us", &tokens.refresh).await;
    let right = sim.zoho_refresh("eu", &tokens.refresh).await;

    assert_eq!(wrong, refused("invalid_code"));
    assert!(right["access_token"].is_string());
}

#[tokio::test]
async fn a_data_center_may_have_a_secret_of_its_own_or_not_know_the_client() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("eu").await;
    let app = json!({
        "clientId": Options::ZOHO_CLIENT_ID, "clientSecret": Options::ZOHO_CLIENT_SECRET,
        "locationSecrets": { "eu": "secretofeu" }, "locations": ["us", "eu"],
    });
    sim.control("POST", "zoho/apps", app).await;
    let form = |secret| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("client_secret", secret),
        ]
    };

    let common = sim.zoho_token("eu", &form(Options::ZOHO_CLIENT_SECRET)).await;
    let own = sim.zoho_token("eu", &form("secretofeu")).await;
    let disabled = sim.zoho_token("in", &form(Options::ZOHO_CLIENT_SECRET)).await;

    assert_eq!(common, refused("invalid_client_secret"));
    assert!(own["access_token"].is_string());
    assert_eq!(disabled, refused("invalid_client"));
}

#[tokio::test]
async fn a_refresh_token_comes_only_offline_and_again_only_when_asked_again() {
    let sim = Sim::start().await;
    let connect = async |changed: &[(&'static str, &'static str)]| {
        let request = with(authorization(), changed);
        let code = callback_of(&sim.zoho_authorize("us", &request).await)["code"].clone();
        sim.zoho_exchange("us", &code).await.get("refresh_token").is_some()
    };

    assert!(!connect(&[("access_type", "")]).await);
    assert!(connect(&[("prompt", "")]).await);
    assert!(!connect(&[("prompt", "")]).await);
    assert!(connect(&[]).await);
    sim.control("POST", "zoho/users/us/disconnect", json!({})).await;
    assert!(connect(&[("prompt", "")]).await);
}

#[tokio::test]
async fn answers_can_carry_a_scope_milliseconds_and_a_foreign_host() {
    let sim = Sim::start().await;
    let foreign = sim.url("zoho/foreign");
    sim.zoho_switch(json!({
        "scopeInTokenAnswers": true, "expiresInMilliseconds": true, "apiDomainOverride": foreign,
    }))
    .await;
    let scope = "ZohoBooks.invoices.READ,ZohoBooks.contacts.READ";
    let request = with(authorization(), &[("scope", scope)]);
    let code = callback_of(&sim.zoho_authorize("us", &request).await)["code"].clone();

    let body = sim.zoho_exchange("us", &code).await;

    assert_eq!(body["scope"], "ZohoBooks.invoices.READ ZohoBooks.contacts.READ");
    assert_eq!(body["expires_in"], 3_600_000);
    assert_eq!(body["api_domain"], foreign);
}

#[tokio::test]
async fn revoking_the_refresh_token_kills_its_access_tokens() {
    let sim = Sim::start().await;

    for by_client in [false, true] {
        let tokens = sim.zoho_connect("us").await;
        let revoke = || {
            let path = if by_client { "oauth/v2/revoke/token" } else { "oauth/v2/token/revoke" };
            let request = sim.request("POST", &format!("zoho/accounts/us/{path}"));
            if by_client {
                let form = [("token", tokens.refresh.as_str()), ("token_type", "refresh_token")];
                request.basic_auth(Options::ZOHO_CLIENT_ID, Some(Options::ZOHO_CLIENT_SECRET)).form(&form)
            } else {
                request.query(&[("token", &tokens.refresh)])
            }
        };

        let revoked = revoke().send().await.unwrap();

        assert_eq!(revoked.status(), StatusCode::OK);
        assert_eq!(revoked.json::<Value>().await.unwrap(), json!({ "status": "success" }));
        let again: Value = revoke().send().await.unwrap().json().await.unwrap();
        assert_eq!(again, refused("invalid_token"));
        assert_eq!(sim.zoho_refresh("us", &tokens.refresh).await, refused("invalid_code"));
        assert_eq!(sim.zoho_get("us", &tokens.access, "organizations").await.0, 401);
    }
}

#[tokio::test]
async fn revocation_by_client_wants_the_clients_secret() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let request = sim.request("POST", "zoho/accounts/us/oauth/v2/revoke/token");
    let request = request.basic_auth(Options::ZOHO_CLIENT_ID, Some("wrong"));

    let answer = request.form(&[("token", &tokens.refresh)]).send().await.unwrap();

    assert_eq!(answer.json::<Value>().await.unwrap(), refused("invalid_client_secret"));
    assert!(sim.zoho_refresh("us", &tokens.refresh).await["access_token"].is_string());
}

#[tokio::test]
async fn revoking_an_access_token_leaves_the_grant() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let path = "zoho/accounts/us/oauth/v2/token/revoke";

    let answer = sim.request("POST", path).form(&[("token", CALLBACK)]).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), refused("invalid_token"));
    sim.request("POST", path).form(&[("token", &tokens.access)]).send().await.unwrap();

    assert_eq!(sim.zoho_get("us", &tokens.access, "organizations").await.0, 401);
    assert!(sim.zoho_refresh("us", &tokens.refresh).await["access_token"].is_string());
}

#[tokio::test]
async fn a_users_disconnect_ends_the_grants_without_a_word() {
    let sim = Sim::start().await;
    let (us, eu) = (sim.zoho_connect("us").await, sim.zoho_connect("eu").await);

    let ended = sim.control("POST", "zoho/users/us/disconnect", json!({})).await;

    assert_eq!(ended["grantsEnded"], 1);
    assert_eq!(sim.zoho_refresh("us", &us.refresh).await, refused("invalid_code"));
    assert!(sim.zoho_refresh("eu", &eu.refresh).await["access_token"].is_string());
}
