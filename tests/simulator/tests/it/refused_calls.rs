//! Data calls that Intuit refuses, each in its own format.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{REALM, Sim, callback_of, refusal_of, tokens_of, valid_authorization};

#[tokio::test]
async fn an_expired_token_is_401_with_a_challenge_and_lower_case_keys() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.advance(3_600).await;

    let answer = sim.company(&tokens.access, "customer/1").await;

    assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="Intuit", error="invalid_token""#);
    let (status, body) = refusal_of(answer).await;
    assert_eq!(status, 401);
    assert_eq!(body["fault"]["type"], "AUTHENTICATION");
    let error = &body["fault"]["error"][0];
    assert_eq!(error["message"], "message=AuthenticationFailed; errorCode=003200; statusCode=401");
    assert_eq!(error["code"], "3200");
    assert!(error["detail"].as_str().unwrap().starts_with("Token expired: "));
    assert!(body["time"].is_number());
}

#[tokio::test]
async fn missing_malformed_and_made_up_tokens_are_401() {
    let sim = Sim::start().await;
    let path = format!("intuit/v3/company/{REALM}/customer/1");

    let missing = sim.request("GET", &path).send().await.unwrap();
    let short = refusal_of(sim.company("short", "customer/1").await).await;
    let made_up = sim.company(&"x".repeat(900), "customer/1").await;

    assert_eq!(missing.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(short.0, 401);
    assert_eq!(short.1["fault"]["error"][0]["detail"], "Malformed bearer token: too short or too long");
    assert_eq!(made_up.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_of_another_company_or_without_the_scope_is_403() {
    let sim = Sim::start().await;
    sim.control("POST", "intuit/companies", json!({ "realmId": "9130350000000002" })).await;
    let tokens = sim.connect().await;
    let mut parameters = valid_authorization();
    parameters[2].1 = "openid";
    let code = callback_of(&sim.authorize(&parameters).await)["code"].clone();
    let without_scope = tokens_of(sim.exchange(&code).await).await;

    let path = "intuit/v3/company/9130350000000002/companyinfo/9130350000000002";
    let foreign = sim.request("GET", path).bearer_auth(&tokens.access).send().await.unwrap();
    let closed = sim.company(&without_scope.access, "customer/1").await;

    for answer in [foreign, closed] {
        let (status, body) = refusal_of(answer).await;
        assert_eq!(status, 403);
        assert_eq!(body["fault"]["type"], "SERVICE");
        assert_eq!(body["fault"]["error"][0]["code"], "3100");
    }
}

#[tokio::test]
async fn limits_are_off_until_switched_on_and_answer_in_xml() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let ask = async || sim.company(&tokens.access, "customer/1").await;
    for _ in 0..12 {
        assert_eq!(ask().await.status(), StatusCode::OK);
    }
    sim.switch(json!({ "enforceLimits": true })).await;

    for _ in 0..10 {
        assert_eq!(ask().await.status(), StatusCode::OK);
    }
    let refused = ask().await;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.headers().contains_key("retry-after"));
    let body = refused.text().await.unwrap();
    assert!(body.starts_with("<?xml") && body.contains(r#"<Error code="3001">"#), "{body}");
    sim.advance(1).await;
    assert_eq!(ask().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_minute_limit_slides_over_sixty_virtual_seconds() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.switch(json!({ "enforceLimits": true, "requestsPerMinute": 3 })).await;
    let mut statuses = Vec::new();

    for seconds in [0, 10, 10, 10, 29, 1] {
        sim.advance(seconds).await;
        statuses.push(sim.company(&tokens.access, "customer/1").await.status().as_u16());
    }

    assert_eq!(statuses, [200, 200, 200, 429, 429, 200]);
}

#[tokio::test]
async fn validation_faults_have_capitalized_keys_and_a_text_time() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let (status, body) = refusal_of(sim.company(&tokens.access, "customer/999").await).await;

    assert_eq!(status, 400);
    assert_eq!(body["Fault"]["type"], "ValidationFault");
    let error = &body["Fault"]["Error"][0];
    assert_eq!((&error["code"], &error["Message"]), (&json!("610"), &json!("Object Not Found")));
    assert!(matches!(body["time"], Value::String(_)));
}
