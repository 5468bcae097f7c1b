//! The token and revocation endpoints: shapes, lifetimes, rotation, and every way to lose a grant.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::Options;

use crate::harness::{CALLBACK, Sim, refusal_of, tokens_of, valid_authorization};

const DAY: i64 = 86_400;

#[tokio::test]
async fn the_token_answer_has_intuits_members_and_headers() {
    let sim = Sim::start().await;
    let answer = sim.exchange(&sim.code().await).await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("intuit_tid"));
    assert_eq!(answer.headers()["cache-control"], "no-cache, no-store");
    assert_eq!(answer.headers()["content-type"], "application/json;charset=UTF-8");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 3_600);
    assert_eq!(body["x_refresh_token_expires_in"], 8_640_000);
    let access = body["access_token"].as_str().unwrap();
    assert_eq!(access.split('.').count(), 5);
    assert!((800..1_000).contains(&access.len()));
    assert!(body["refresh_token"].as_str().unwrap().starts_with("RT1-"));
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["access_token", "expires_in", "refresh_token", "token_type", "x_refresh_token_expires_in"];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn the_hard_expiry_is_told_only_when_asked_and_counts_down() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.advance(DAY).await;

    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let request = sim.token_request(&form).header("x-include-refresh-token-hard-expires-in", "true");
    let body: Value = request.send().await.unwrap().json().await.unwrap();

    assert_eq!(body["x_refresh_token_hard_expires_in"], 157_680_000 - DAY);
}

#[tokio::test]
async fn an_id_token_comes_only_with_openid() {
    let sim = Sim::start().await;
    let mut parameters = valid_authorization();
    parameters[2].1 = "com.intuit.quickbooks.accounting openid";
    let code = crate::harness::callback_of(&sim.authorize(&parameters).await)["code"].clone();

    let body: Value = sim.exchange(&code).await.json().await.unwrap();

    assert_eq!(body["id_token"].as_str().unwrap().split('.').count(), 3);
}

#[tokio::test]
async fn a_code_is_spent_once_and_only_by_its_own_request() {
    let sim = Sim::start().await;
    let invalid =
        (400, json!({ "error": "invalid_grant", "error_description": "Invalid authorization code" }));

    let code = sim.code().await;
    let form =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "http://localhost/other")];
    assert_eq!(refusal_of(sim.token(&form).await).await, invalid);
    tokens_of(sim.exchange(&code).await).await;
    assert_eq!(refusal_of(sim.exchange(&code).await).await, invalid);
    let late = sim.code().await;
    sim.advance(600).await;
    assert_eq!(refusal_of(sim.exchange(&late).await).await, invalid);
    assert_eq!(refusal_of(sim.exchange("bogus").await).await, invalid);
}

#[tokio::test]
async fn the_second_use_of_a_code_can_end_the_first_ones_tokens() {
    let sim = Sim::start().await;
    sim.switch(json!({ "revokeOnCodeReuse": true })).await;
    let code = sim.code().await;
    let tokens = tokens_of(sim.exchange(&code).await).await;

    assert_eq!(sim.exchange(&code).await.status(), StatusCode::BAD_REQUEST);

    assert_eq!(sim.refresh(&tokens.refresh).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(sim.company(&tokens.access, "customer/1").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_credentials_are_401_and_wrong_requests_400() {
    let sim = Sim::start().await;
    let path = "intuit/oauth2/v1/tokens/bearer";
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let wrong = sim.request("POST", path).basic_auth(Options::INTUIT_CLIENT_ID, Some("wrong")).form(&form);
    let unauthenticated = sim.request("POST", path).form(&form);
    let get = sim.request("GET", path).send().await.unwrap();

    assert_eq!(refusal_of(wrong.send().await.unwrap()).await, (401, json!({ "error": "invalid_client" })));
    assert_eq!(unauthenticated.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    for form in [vec![], vec![("grant_type", "refresh_token")], vec![("grant_type", "authorization_code")]] {
        assert_eq!(refusal_of(sim.token(&form).await).await, (400, json!({ "error": "invalid_request" })));
    }
    let unknown = refusal_of(sim.token(&[("grant_type", "password")]).await).await;
    assert_eq!(unknown, (400, json!({ "error": "unsupported_grant_type" })));
}

#[tokio::test]
async fn the_refresh_token_stays_for_a_day_and_then_changes() {
    let sim = Sim::start().await;
    let first = sim.connect().await;

    let same = tokens_of(sim.refresh(&first.refresh).await).await;
    sim.advance(DAY - 1).await;
    let still_same = tokens_of(sim.refresh(&first.refresh).await).await;
    sim.advance(1).await;
    let rotated = tokens_of(sim.refresh(&first.refresh).await).await;

    assert_eq!(same.refresh, first.refresh);
    assert_ne!(same.access, first.access);
    assert_eq!(still_same.refresh, first.refresh);
    assert_ne!(rotated.refresh, first.refresh);
    let expected =
        json!({ "error": "invalid_grant", "error_description": "Incorrect or invalid refresh token" });
    assert_eq!(refusal_of(sim.refresh(&first.refresh).await).await, (400, expected));
    tokens_of(sim.refresh(&rotated.refresh).await).await;
}

#[tokio::test]
async fn rotation_can_happen_on_every_refresh_with_a_grace_for_the_old_value() {
    let sim = Sim::start().await;
    sim.switch(json!({ "rotateEveryRefresh": true, "rotationGraceSeconds": DAY })).await;
    let first = sim.connect().await;

    let second = tokens_of(sim.refresh(&first.refresh).await).await;
    sim.advance(DAY - 1).await;
    let by_old_value = tokens_of(sim.refresh(&first.refresh).await).await;
    sim.advance(1).await;

    assert_ne!(second.refresh, first.refresh);
    assert_eq!(by_old_value.refresh, second.refresh);
    assert_eq!(sim.refresh(&first.refresh).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_refresh_token_lives_100_days_from_its_last_use_and_5_years_at_most() {
    let sim = Sim::start().await;
    let idle = sim.connect().await;
    sim.advance(100 * DAY - 1).await;
    let used = tokens_of(sim.refresh(&idle.refresh).await).await;
    sim.advance(100 * DAY).await;
    assert_eq!(sim.refresh(&used.refresh).await.status(), StatusCode::BAD_REQUEST);

    let mut kept = sim.connect().await.refresh;
    for _ in 0..20 {
        sim.advance(91 * DAY).await;
        kept = tokens_of(sim.refresh(&kept).await).await.refresh;
    }
    sim.advance(5 * DAY).await;
    assert_eq!(refusal_of(sim.refresh(&kept).await).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn an_access_token_expires_by_the_virtual_clock_and_survives_refreshes() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    tokens_of(sim.refresh(&tokens.refresh).await).await;

    sim.advance(3_599).await;
    let alive = sim.company(&tokens.access, "customer/1").await.status();
    sim.advance(1).await;
    let expired = sim.company(&tokens.access, "customer/1").await.status();

    assert_eq!((alive, expired), (StatusCode::OK, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn the_second_of_two_parallel_refreshes_is_refused() {
    for poison in [false, true] {
        let sim = Sim::start().await;
        sim.switch(json!({ "poisonFamilyOnParallelRefresh": poison })).await;
        let tokens = sim.connect().await;
        sim.fault("token", json!({ "kind": "hold" })).await;
        let first = tokio::spawn(
            sim.token_request(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]).send(),
        );
        sim.until("calls/counts", |counts| counts["maxInFlight"] == 1).await;

        let second = refusal_of(sim.refresh(&tokens.refresh).await).await;
        sim.control("POST", "faults/release", json!({})).await;
        let first = tokens_of(first.await.unwrap().unwrap()).await;

        assert_eq!((second.0, &second.1["error"]), (400, &json!("invalid_grant")));
        let usable = sim.company(&first.access, "customer/1").await.status() == StatusCode::OK;
        assert_eq!(usable, !poison);
        assert_eq!(sim.refresh(&first.refresh).await.status() == StatusCode::OK, !poison);
        assert_eq!(sim.inspect("calls/counts").await["maxInFlight"], 2);
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn tokens_of_another_client_are_refused() {
    let sim = Sim::start().await;
    let other = json!({ "clientId": "other", "clientSecret": "secret", "verifierToken": "key", "redirectUris": [CALLBACK] });
    sim.control("POST", "intuit/apps", other).await;
    let tokens = sim.connect().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];

    let request = sim.request("POST", "intuit/oauth2/v1/tokens/bearer").basic_auth("other", Some("secret"));
    let refused = refusal_of(request.form(&form).send().await.unwrap()).await;
    let access_as_refresh = refusal_of(sim.refresh(&tokens.access).await).await;

    let expected =
        json!({ "error": "invalid_grant", "error_description": "Incorrect Token type or clientID" });
    assert_eq!(refused, (400, expected.clone()));
    assert_eq!(access_as_refresh, (400, expected));
}

#[tokio::test]
async fn revoking_either_token_ends_the_grant() {
    let sim = Sim::start().await;

    for by_access_token in [true, false] {
        let tokens = sim.connect().await;
        let token = if by_access_token { &tokens.access } else { &tokens.refresh };
        let revoke = || {
            sim.request("POST", "intuit/v2/oauth2/tokens/revoke")
                .basic_auth(Options::INTUIT_CLIENT_ID, Some(Options::INTUIT_CLIENT_SECRET))
                .json(&json!({ "token": token }))
                .send()
        };

        let revoked = revoke().await.unwrap();

        assert_eq!(revoked.status(), StatusCode::OK);
        assert_eq!(revoked.text().await.unwrap(), "");
        assert_eq!(revoke().await.unwrap().status(), StatusCode::BAD_REQUEST);
        let dead = refusal_of(sim.refresh(&tokens.refresh).await).await;
        assert_eq!(dead, (400, json!({ "error": "invalid_grant", "error_description": "Token invalid" })));
        assert_eq!(sim.company(&tokens.access, "customer/1").await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_customers_disconnect_ends_the_grant_without_a_word() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let path = format!("intuit/companies/{}/disconnect", crate::harness::REALM);
    let ended = sim.control("POST", &path, json!({})).await;

    assert_eq!(ended["grantsEnded"], 1);
    assert_eq!(refusal_of(sim.refresh(&tokens.refresh).await).await.1["error"], "invalid_grant");
}
