//! Fault switches: what is carried out, and what the caller sees of it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{REALM, Sim, Tokens, tokens_of};

async fn rotating() -> (Sim, Tokens) {
    let sim = Sim::start().await;
    sim.switch(json!({ "rotateEveryRefresh": true })).await;
    let tokens = sim.connect().await;
    (sim, tokens)
}

async fn rotations(sim: &Sim) -> Value {
    sim.inspect("intuit/grants").await["grants"][0]["rotations"].clone()
}

#[tokio::test]
async fn a_lost_response_has_rotated_the_token() {
    let (sim, tokens) = rotating().await;
    sim.fault("token", json!({ "kind": "lostResponse" })).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];

    let lost = sim.token_request(&form).send().await;

    assert!(lost.is_err());
    assert_eq!(rotations(&sim).await, 1);
    assert_eq!(sim.refresh(&tokens.refresh).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_reset_before_the_commit_changes_nothing() {
    let (sim, tokens) = rotating().await;
    sim.fault("token", json!({ "kind": "reset", "times": 2 })).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];

    for _ in 0..2 {
        assert!(sim.token_request(&form).send().await.is_err());
    }

    assert_eq!(rotations(&sim).await, 0);
    tokens_of(sim.refresh(&tokens.refresh).await).await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_commit() {
    let (sim, tokens) = rotating().await;
    sim.fault("token", json!({ "kind": "hold" })).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let caller = tokio::spawn(sim.token_request(&form).send());
    sim.until("calls/counts", |counts| counts["maxInFlight"] == 1).await;

    caller.abort();
    sim.control("POST", "faults/release", json!({})).await;

    sim.until("intuit/grants", |grants| grants["grants"][0]["rotations"] == 1).await;
    assert_eq!(sim.refresh(&tokens.refresh).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_truncated_answer_is_a_broken_body_after_a_commit() {
    let (sim, tokens) = rotating().await;
    sim.fault("token", json!({ "kind": "truncated" })).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];

    let body = match sim.token_request(&form).send().await {
        Ok(answer) => answer.text().await,
        Err(error) => Err(error),
    };

    assert!(body.is_err());
    assert_eq!(rotations(&sim).await, 1);
}

#[tokio::test]
async fn unreadable_successes_have_committed_unless_told_otherwise() {
    for (fault, expected) in [
        (json!({ "kind": "unparsable" }), 1),
        (json!({ "kind": "unparsable", "afterCommit": false, "body": "{\"access_token\":" }), 0),
        (json!({ "kind": "withoutAccessToken" }), 1),
    ] {
        let (sim, tokens) = rotating().await;
        sim.fault("token", fault.clone()).await;

        let answer = sim.refresh(&tokens.refresh).await;

        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.text().await.unwrap();
        let parsed = serde_json::from_str::<Value>(&body);
        assert!(parsed.is_err() || parsed.unwrap().get("access_token").is_none(), "{fault}");
        assert_eq!(rotations(&sim).await, expected, "{fault}");
    }
}

#[tokio::test]
async fn statuses_pages_and_redirects_are_sent_without_a_commit() {
    let (sim, tokens) = rotating().await;
    let refresh = || sim.refresh(&tokens.refresh);

    sim.fault("token", json!({ "kind": "status", "status": 503 })).await;
    let unavailable = refresh().await;
    sim.fault(
        "token",
        json!({ "kind": "status", "status": 429, "headers": { "Retry-After": "7" }, "body": "{}" }),
    )
    .await;
    let throttled = refresh().await;
    sim.fault("token", json!({ "kind": "streamTimeout" })).await;
    let timeout = refresh().await;
    sim.fault("token", json!({ "kind": "redirect", "location": "http://127.0.0.1:9/x" })).await;
    let elsewhere = refresh().await;

    assert_eq!(unavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(unavailable.text().await.unwrap().starts_with("<html>"));
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(timeout.text().await.unwrap(), "stream timeout");
    assert_eq!(elsewhere.headers()["location"], "http://127.0.0.1:9/x");
    assert_eq!(rotations(&sim).await, 0);
    tokens_of(refresh().await).await;
}

#[tokio::test]
async fn a_huge_body_is_as_long_as_asked() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.fault("api", json!({ "kind": "hugeBody", "bytes": 3_000_000 })).await;

    let body = sim.company(&tokens.access, "customer/1").await.bytes().await.unwrap();

    assert_eq!(body.len(), 3_000_000);
}

#[tokio::test]
async fn a_fault_hits_only_what_it_names() {
    let sim = Sim::start().await;
    let fault =
        json!({ "kind": "status", "status": 500, "grantType": "refresh_token", "untilCleared": true });
    sim.fault("token", fault).await;

    let tokens = sim.connect().await;
    assert_eq!(sim.refresh(&tokens.refresh).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(sim.refresh(&tokens.refresh).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    sim.fault("api", json!({ "kind": "status", "status": 500, "company": "9130350000000002" })).await;
    assert_eq!(sim.company(&tokens.access, "customer/1").await.status(), StatusCode::OK);
    sim.fault("api", json!({ "kind": "status", "status": 500, "company": REALM, "pathContains": "invoice" }))
        .await;
    assert_eq!(sim.company(&tokens.access, "customer/1").await.status(), StatusCode::OK);
    assert_eq!(sim.company(&tokens.access, "invoice/30").await.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let cleared = sim.control("DELETE", "faults", json!({})).await;
    assert_eq!(cleared["cleared"], 2);
    tokens_of(sim.refresh(&tokens.refresh).await).await;
}

#[tokio::test]
async fn a_fault_out_of_range_is_refused() {
    let sim = Sim::start().await;

    for fault in [
        json!({ "provider": "intuit", "kind": "delay", "delayMs": 300_001 }),
        json!({ "provider": "intuit", "kind": "status", "status": 99 }),
        json!({ "provider": "intuit", "kind": "hugeBody", "bytes": 1_000_000_000 }),
        json!({ "provider": "intuit", "kind": "status", "headers": { "bad name": "x" } }),
        json!({ "provider": "intuit", "kind": "earthquake" }),
        json!({ "provider": "intuit", "kind": "reset", "unknown": 1 }),
    ] {
        let answer = sim.request("POST", "_control/faults").json(&fault).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{fault}");
    }
}
