//! How many codes and tokens one user may have with one client.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{authorization, refused, too_many, zoho_tokens_of};
use crate::harness::Sim;

const TEN_MINUTES: i64 = 600;

#[tokio::test]
async fn ten_refreshes_in_ten_minutes_are_the_limit() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    for _ in 0..10 {
        assert!(sim.zoho_refresh("us", &tokens.refresh).await["access_token"].is_string());
    }

    let eleventh = sim.zoho_refresh("us", &tokens.refresh).await;
    sim.advance(TEN_MINUTES - 1).await;
    let early = sim.zoho_refresh("us", &tokens.refresh).await;
    sim.advance(1).await;
    let later = sim.zoho_refresh("us", &tokens.refresh).await;

    assert_eq!((eleventh, early), (too_many(), too_many()));
    assert!(later["access_token"].is_string());
}

#[tokio::test]
async fn ten_codes_in_ten_minutes_are_the_limit() {
    let sim = Sim::start().await;
    for _ in 0..10 {
        sim.zoho_connect("us").await;
    }

    let eleventh = sim.zoho_authorize("us", &authorization()).await;
    sim.zoho_connect("eu").await;
    sim.advance(TEN_MINUTES).await;

    assert_eq!(eleventh.status(), StatusCode::BAD_REQUEST);
    sim.zoho_connect("us").await;
}

#[tokio::test]
async fn ten_refresh_tokens_in_ten_minutes_are_the_limit() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "codeSeconds": TEN_MINUTES })).await;
    let mut codes = vec![sim.zoho_code("us").await];
    sim.advance(TEN_MINUTES - 1).await;
    for _ in 0..9 {
        codes.push(sim.zoho_code("us").await);
    }
    for code in &codes {
        zoho_tokens_of(&sim.zoho_exchange("us", code).await);
    }
    sim.advance(1).await;

    let code = sim.zoho_code("us").await;
    let eleventh = sim.zoho_exchange("us", &code).await;
    sim.advance(TEN_MINUTES - 1).await;

    assert_eq!(eleventh, too_many());
    zoho_tokens_of(&sim.zoho_exchange("us", &code).await);
}

#[tokio::test]
async fn the_sixteenth_live_access_token_removes_the_oldest() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let mut access = vec![tokens.access.clone()];
    for _ in 0..14 {
        sim.advance(61).await;
        access.push(text(&sim.zoho_refresh("us", &tokens.refresh).await["access_token"]));
    }
    assert_eq!(sim.zoho_get("us", &access[0], "organizations").await.0, 200);

    sim.advance(61).await;
    sim.zoho_refresh("us", &tokens.refresh).await;

    assert_eq!(sim.zoho_get("us", &access[0], "organizations").await.0, 401);
    assert_eq!(sim.zoho_get("us", &access[1], "organizations").await.0, 200);
    let grants = sim.inspect("zoho/grants").await;
    assert_eq!(grants["grants"][0]["liveAccessTokens"], 15);
}

#[tokio::test]
async fn the_twenty_first_connect_removes_the_oldest_grant() {
    let sim = Sim::start().await;
    let first = sim.zoho_connect("us").await;
    let mut second = None;
    for _ in 0..19 {
        sim.advance(61).await;
        second.get_or_insert(sim.zoho_connect("us").await);
    }
    assert!(sim.zoho_refresh("us", &first.refresh).await["access_token"].is_string());

    sim.advance(61).await;
    sim.zoho_connect("us").await;

    assert_eq!(sim.zoho_refresh("us", &first.refresh).await, refused("invalid_code"));
    assert!(sim.zoho_refresh("us", &second.unwrap().refresh).await["access_token"].is_string());
    let grants = sim.inspect("zoho/grants").await;
    assert_eq!(
        (&grants["grants"][0]["state"], &grants["grants"][20]["state"]),
        (&json!("removed"), &json!("live"))
    );
}

#[tokio::test]
async fn no_limit_holds_when_they_are_switched_off() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "enforceTokenLimits": false })).await;
    let first = sim.zoho_connect("us").await;

    for _ in 0..25 {
        sim.zoho_connect("us").await;
        sim.zoho_refresh("us", &first.refresh).await;
    }

    assert!(sim.zoho_refresh("us", &first.refresh).await["access_token"].is_string());
    assert_eq!(sim.zoho_get("us", &first.access, "organizations").await.0, 200);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
