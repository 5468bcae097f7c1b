//! The request limits of organizations, the quota headers, and faults on the way.

use serde_json::{Value, json};
use simulator::Options;

use super::zoho_answer_of;
use crate::harness::Sim;

const US: &str = Options::ZOHO_US_ORGANIZATION_ID;

#[tokio::test]
async fn answers_tell_the_daily_quota_but_the_list_of_organizations_does_not() {
    let sim = Sim::start().await;
    // Half past eight in the evening in New York.
    let noon = json!({ "now": "2026-06-10T00:30:00Z" });
    sim.control("PUT", "clock", noon).await;
    let tokens = sim.zoho_connect("us").await;
    let path = format!("items?organization_id={US}");

    let counted = sim.zoho_request("GET", "us", (&tokens.access, &path)).send().await.unwrap();
    let free = sim.zoho_request("GET", "us", (&tokens.access, "organizations")).send().await.unwrap();

    let headers = counted.headers();
    assert_eq!(headers["x-rate-limit-limit"], "1000");
    assert_eq!(headers["x-rate-limit-remaining"], "999");
    assert_eq!(headers["x-rate-limit-reset"], (3 * 3_600 + 30 * 60 - 1).to_string());
    assert_eq!(
        (&headers["server"], &headers["content-disposition"]),
        (&"ZGS".parse().unwrap(), &"attachment;".parse().unwrap())
    );
    assert!(!free.headers().contains_key("x-rate-limit-limit"));
}

#[tokio::test]
async fn requests_per_minute_and_per_day_are_limited() {
    let sim = Sim::start().await;
    sim.control("PUT", "clock", json!({ "now": "2026-06-09T12:00:00Z" })).await;
    sim.zoho_switch(json!({ "enforceLimits": true, "requestsPerMinute": 2, "requestsPerDay": 3 })).await;
    let tokens = sim.zoho_connect("us").await;
    let ask = async || {
        let (status, body) = sim.zoho_get("us", &tokens.access, &format!("items?organization_id={US}")).await;
        (status, body["code"].as_u64().unwrap(), body["message"].as_str().unwrap().to_owned())
    };

    ask().await;
    ask().await;
    let minute = ask().await;
    sim.advance(60).await;
    let third = ask().await;
    let day = ask().await;
    sim.control("PUT", "clock", json!({ "now": "2026-06-10T04:00:00Z" })).await;
    let expired = ask().await;
    let fresh = sim.zoho_refresh("us", &tokens.refresh).await["access_token"].as_str().unwrap().to_owned();
    let next_day = sim.zoho_get("us", &fresh, &format!("items?organization_id={US}")).await;

    assert_eq!((minute.0, minute.1), (429, 44));
    assert_eq!(third.0, 200);
    assert_eq!((day.0, day.1), (429, 45));
    assert_eq!(day.2, "The API call for this organization has exceeded the maximum call rate limit of 3.");
    assert_eq!(expired.1, 57);
    assert_eq!(next_day.0, 200);
}

#[tokio::test]
async fn requests_in_process_are_limited() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "enforceLimits": true, "concurrentRequests": 1 })).await;
    let tokens = sim.zoho_connect("us").await;
    let path = format!("items?organization_id={US}");
    let hold = json!({ "provider": "zoho", "endpoint": "api", "kind": "hold", "company": US });
    sim.control("POST", "faults", hold).await;
    let first = tokio::spawn(sim.zoho_request("GET", "us", (&tokens.access, &path)).send());
    sim.until("faults", |faults| faults["faults"] == json!([])).await;
    let mut second = (200, Value::Null);

    // The held request is counted a moment after its fault is taken.
    while second.0 == 200 {
        second = sim.zoho_get("us", &tokens.access, &path).await;
    }
    sim.control("POST", "faults/release", json!({})).await;
    let first = zoho_answer_of(first.await.unwrap().unwrap()).await;

    assert_eq!((second.0, &second.1["code"]), (429, &json!(1070)));
    assert_eq!(first.0, 200);
    assert_eq!(sim.zoho_get("us", &tokens.access, &path).await.0, 200);
}

#[tokio::test]
async fn a_fault_can_hit_one_data_center_only() {
    let sim = Sim::start().await;
    let (us, eu) = (sim.zoho_connect("us").await, sim.zoho_connect("eu").await);
    let throttled = super::too_many().to_string();
    let fault = json!({
        "provider": "zoho", "endpoint": "token", "kind": "status", "status": 200, "body": throttled,
        "pathContains": "/accounts/eu/",
    });
    sim.control("POST", "faults", fault).await;

    assert!(sim.zoho_refresh("us", &us.refresh).await["access_token"].is_string());
    assert_eq!(sim.zoho_refresh("eu", &eu.refresh).await, super::too_many());
    assert!(sim.zoho_refresh("eu", &eu.refresh).await["access_token"].is_string());
}

#[tokio::test]
async fn a_lost_answer_loses_nothing_because_nothing_rotates() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let fault = json!({ "provider": "zoho", "endpoint": "token", "kind": "lostResponse" });
    sim.control("POST", "faults", fault).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];

    let lost = sim.zoho_token_request("us", &form).send().await;

    assert!(lost.is_err());
    assert!(sim.zoho_refresh("us", &tokens.refresh).await["access_token"].is_string());
    let issued = sim.inspect("issued").await;
    let kinds: Vec<_> =
        issued["issued"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    let expected = ["authorizationCode", "accessToken", "refreshToken", "accessToken", "accessToken"];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_reset_forgets_everything_but_the_defaults() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    sim.zoho_switch(json!({ "errorStatus": 400 })).await;

    sim.control("POST", "reset", json!({})).await;

    assert_eq!(sim.zoho_refresh("us", &tokens.refresh).await, super::refused("invalid_code"));
    assert_eq!(sim.inspect("zoho/grants").await["grants"], json!([]));
    assert_eq!(sim.inspect("zoho/settings").await["errorStatus"], 200);
    let organizations = sim.inspect("zoho/organizations").await;
    assert_eq!(organizations["organizations"].as_array().unwrap().len(), 3);
}
