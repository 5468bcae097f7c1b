//! Xero's request limits and the headers that tell about them.

use serde_json::json;

use super::TENANT;
use crate::harness::Sim;

#[tokio::test]
async fn every_answer_tells_what_is_left() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    let data = sim.xero_api("GET", &token, "Organisation").send().await.unwrap();
    let connections = sim.request("GET", "xero/connections").bearer_auth(&token).send().await.unwrap();

    let left = |name: &str| data.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(left("x-daylimit-remaining"), "4999");
    assert_eq!(left("x-minlimit-remaining"), "59");
    assert_eq!(left("x-appminlimit-remaining"), "9999");
    assert_eq!(left("xero-correlation-id").len(), 36);
    assert_eq!(connections.headers()["x-appminlimit-remaining"], "9998");
    assert!(connections.headers().contains_key("xero-correlation-id"));
    assert!(!connections.headers().contains_key("x-minlimit-remaining"));
}

#[tokio::test]
async fn minute_day_and_app_limits_name_themselves_and_the_time_to_wait() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    for (setting, limit) in
        [("requestsPerMinute", "minute"), ("requestsPerDay", "day"), ("appRequestsPerMinute", "appminute")]
    {
        let mut settings = json!({
            "enforceLimits": true, "requestsPerMinute": 60, "requestsPerDay": 5_000, "appRequestsPerMinute": 10_000,
        });
        settings[setting] = json!(0);
        sim.xero_switch(settings).await;
        let answer = sim.xero_api("GET", &token, "Organisation").send().await.unwrap();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["x-rate-limit-problem"], limit);
        let wait: i64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&wait));
        assert_eq!(answer.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn a_minute_is_over_when_retry_after_says_so() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    sim.xero_switch(json!({ "enforceLimits": true, "requestsPerMinute": 2 })).await;
    let ask = async || sim.xero_api("GET", &token, "Organisation").send().await.unwrap();

    let statuses = [ask().await.status(), ask().await.status()];
    let refused = ask().await;
    let wait: i64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    sim.advance(wait).await;

    assert_eq!(statuses, [200, 200]);
    assert_eq!(refused.status(), 429);
    assert_eq!(ask().await.status(), 200);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_without_a_time_to_wait() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    sim.xero_switch(json!({ "enforceLimits": true, "concurrentRequests": 1 })).await;
    let fault = json!({ "provider": "xero", "endpoint": "api", "kind": "hold" });
    sim.control("POST", "faults", fault).await;

    let held = tokio::spawn(sim.xero_api("GET", &token, "Organisation").send());
    sim.until(&format!("calls?company={TENANT}"), |calls| calls["total"] == 1).await;
    let refused = sim.xero_api("GET", &token, "Organisation").send().await.unwrap();
    sim.control("POST", "faults/release", json!({})).await;

    assert_eq!(refused.headers()["x-rate-limit-problem"], "concurrent");
    assert!(!refused.headers().contains_key("retry-after"));
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
}
