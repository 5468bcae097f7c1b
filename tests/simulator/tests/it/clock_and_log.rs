//! The clock, the call log, the list of issued secrets, and starting and stopping.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{ConsentMode, Options, Simulator};

use crate::harness::{CALLBACK, REALM, Sim, tokens_of};

#[tokio::test]
async fn the_clock_is_set_moved_and_stopped_over_http() {
    let sim = Sim::start().await;

    let set = sim.control("PUT", "clock", json!({ "now": "2030-01-01T00:00:00Z", "frozen": true })).await;
    let moved = sim.control("POST", "clock/advance", json!({ "seconds": -60 })).await;
    let refused = sim.request("POST", "_control/clock/advance").json(&json!({ "seconds": i64::MAX })).send();

    assert_eq!(set["now"], "2030-01-01T00:00:00Z");
    assert_eq!(moved["now"], "2029-12-31T23:59:00Z");
    assert_eq!(refused.await.unwrap().status(), StatusCode::BAD_REQUEST);
    let reset = sim.control("POST", "reset", json!({})).await;
    assert_eq!((&reset["offsetSeconds"], &reset["frozen"]), (&json!(0), &json!(false)));
}

#[tokio::test]
async fn the_log_knows_every_call_and_no_secret() {
    let sim = Sim::start().await;
    let code = sim.code().await;
    let tokens = tokens_of(sim.exchange(&code).await).await;
    sim.refresh(&tokens.refresh).await;
    sim.refresh("nonsense").await;
    sim.company(&tokens.access, "customer/1?minorversion=75").await;

    let log = sim.inspect("calls").await;
    let refreshes = sim.inspect("calls?endpoint=token&grantType=refresh_token&provider=quickbooks").await;
    let counts = sim.inspect("calls/counts").await;

    assert_eq!(log["total"], 5);
    assert_eq!(refreshes["total"], 2);
    assert_eq!(counts["byEndpoint"], json!({ "authorize": 1, "token": 3, "api": 1 }));
    assert_eq!(counts["byStatus"], json!({ "200": 3, "302": 1, "400": 1 }));
    let last = &log["calls"][4];
    assert_eq!(
        (&last["company"], &last["status"], &last["query"]),
        (&json!(REALM), &json!(200), &json!("minorversion=75"))
    );
    let text = log.to_string();
    let secrets = [code.as_str(), &tokens.access, &tokens.refresh, "state-1"];
    assert!(!secrets.iter().any(|secret| text.contains(secret)));
}

#[tokio::test]
async fn the_calls_of_every_provider_are_counted() {
    let sim = Sim::start().await;
    let intuit = sim.connect().await;
    sim.refresh(&intuit.refresh).await;
    sim.company(&intuit.access, "customer/1").await;
    let xero = sim.xero_connect().await;
    sim.xero_refresh(&xero.refresh).await;
    sim.xero_read(&xero.access, "Organisation").await;
    let zoho = sim.zoho_connect("us").await;
    sim.zoho_refresh("us", &zoho.refresh).await;
    sim.zoho_get("us", &zoho.access, "organizations").await;

    for provider in ["intuit", "xero", "zoho"] {
        let counts = sim.inspect(&format!("calls/counts?provider={provider}")).await;
        assert_eq!(counts["byEndpoint"], json!({ "authorize": 1, "token": 2, "api": 1 }), "{provider}");
        assert_eq!(counts["byStatus"], json!({ "200": 3, "302": 1 }), "{provider}");
        assert_eq!(
            counts["byGrantType"],
            json!({ "authorization_code": 1, "refresh_token": 1 }),
            "{provider}"
        );
    }
    let counts = sim.inspect("calls/counts").await;
    let once = json!({ "now": 0, "max": 1, "total": 1 });
    let refreshed = counts["refreshTokens"].as_object().unwrap();
    assert_eq!(refreshed.len(), 3);
    assert!(refreshed.values().all(|flights| *flights == once));
}

#[tokio::test]
async fn refresh_tokens_are_told_apart_by_fingerprint() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    for _ in 0..3 {
        sim.refresh(&tokens.refresh).await;
    }

    let counts = sim.inspect("calls/counts").await;
    let grants = sim.inspect("intuit/grants").await;

    let fingerprint = grants["grants"][0]["refreshTokenFingerprint"].as_str().unwrap();
    assert_eq!(counts["refreshTokens"][fingerprint], json!({ "now": 0, "max": 1, "total": 3 }));
}

#[tokio::test]
async fn every_issued_secret_is_listed_even_if_its_answer_was_lost() {
    let sim = Sim::start().await;
    sim.switch(json!({ "rotateEveryRefresh": true })).await;
    let code = sim.code().await;
    let tokens = tokens_of(sim.exchange(&code).await).await;
    sim.fault("token", json!({ "kind": "lostResponse" })).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert!(sim.token_request(&form).send().await.is_err());

    let issued = sim.inspect("issued").await;

    let list = issued["issued"].as_array().unwrap();
    let kinds: Vec<_> = list.iter().map(|secret| secret["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["authorizationCode", "accessToken", "refreshToken", "accessToken", "refreshToken"]);
    assert_eq!((&list[0]["value"], &list[2]["value"]), (&json!(code), &json!(tokens.refresh)));
}

#[tokio::test]
async fn a_seed_makes_tokens_repeatable() {
    let mut secrets = Vec::new();
    for seed in [7, 7, 8] {
        let mut options = Options::local();
        options.seed = Some(seed);
        options.intuit.consent = ConsentMode::Approve;
        secrets.push(Sim::start_with(options).await.connect().await.access);
    }

    assert_eq!(secrets[0], secrets[1]);
    assert_ne!(secrets[0], secrets[2]);
}

#[tokio::test]
async fn companies_are_made_as_ordered_and_the_same_every_time() {
    let sim = Sim::start().await;
    let order = json!({ "realmId": "9130350000000009", "name": "Big", "customers": 3, "invoices": 5 });

    let made = sim.control("POST", "intuit/companies", order.clone()).await;
    let again = sim.request("POST", "_control/intuit/companies").json(&order).send().await.unwrap();
    let bad = json!({ "realmId": "../1" });
    let bad = sim.request("POST", "_control/intuit/companies").json(&bad).send().await.unwrap();

    assert_eq!(made["counts"], json!({ "Customer": 3, "Invoice": 5 }));
    assert_eq!((again.status(), bad.status()), (StatusCode::CONFLICT, StatusCode::BAD_REQUEST));
    assert_eq!(sim.inspect("intuit/companies").await["companies"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_defaults_match_the_evidence() {
    let sim = Sim::start_with(Options::local()).await;

    let settings = sim.inspect("intuit/settings").await;

    insta::assert_json_snapshot!(settings, @r#"
    {
      "accessTokenSeconds": 3600,
      "batchesPerMinute": 40,
      "codeSeconds": 600,
      "consent": "page",
      "consentRealmId": null,
      "enforceLimits": false,
      "hardExpirySeconds": 157680000,
      "idIsSortable": false,
      "poisonFamilyOnParallelRefresh": false,
      "refreshTokenSeconds": 8640000,
      "requestsPerMinute": 500,
      "requestsPerSecond": 10,
      "revokeOnCodeReuse": false,
      "rotateEveryRefresh": false,
      "rotationGraceSeconds": 0,
      "rotationSeconds": 86400
    }
    "#);
}

#[tokio::test]
async fn an_unknown_setting_is_refused_and_changes_nothing() {
    let sim = Sim::start().await;
    let before = sim.inspect("intuit/settings").await;

    let patch = json!({ "accessTokenSeconds": 60, "accesTokenSeconds": 1 });
    let answer = sim.request("PATCH", "_control/intuit/settings").json(&patch).send().await.unwrap();

    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body: Value = answer.json().await.unwrap();
    assert!(body["error"]["message"].as_str().unwrap().contains("accesTokenSeconds"));
    assert_eq!(sim.inspect("intuit/settings").await, before);
}

#[tokio::test]
async fn lifetimes_can_be_shortened() {
    let sim = Sim::start().await;
    sim.switch(json!({ "accessTokenSeconds": 60, "refreshTokenSeconds": 120, "codeSeconds": 5 })).await;

    let code = sim.code().await;
    sim.advance(4).await;
    let body: Value = sim.exchange(&code).await.json().await.unwrap();

    assert_eq!((&body["expires_in"], &body["x_refresh_token_expires_in"]), (&json!(60), &json!(120)));
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_a_stopped_simulator_frees_its_own() {
    let first = Simulator::start(Options::local()).await.unwrap();
    let mut options = Options::local();
    options.port = first.base_url().rsplit(':').next().unwrap().parse().unwrap();

    assert!(Simulator::start(options.clone()).await.is_err());
    first.shutdown().await;
    let second = Simulator::start(options).await.unwrap();

    assert!(second.base_url().starts_with("http://127.0.0.1:"));
    assert!(CALLBACK.starts_with("http://localhost"));
}
