//! The manual refresh: what a person or the product's backend asks for.

use domain::{connection::Due, refresh::Trigger};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::driver::{Books, Bundle, Connected};

/// How often a refresh is tried within one attempt.
const TRIES: usize = 3;

async fn connected(bundle: &Bundle) -> Connected<'_> {
    bundle.tenant().await.connect().await
}

fn instant(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

#[tokio::test]
async fn a_manual_refresh_brings_a_later_token_with_one_call() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let before = connection.shown().await;
    let spent = connection.refresh_token().await;

    let answer = connection.refresh().await.expect(200);

    assert_eq!((&answer["success"], &answer["refreshed"]), (&json!(true), &json!(true)));
    assert!(instant(&answer["expiresAt"]) > instant(&before["expiresAt"]));
    assert_eq!(connection.shown().await["expiresAt"], answer["expiresAt"]);
    let calls = bundle.simulator.token_calls(&spent).await;
    assert_eq!(calls.len(), 1);
    assert_eq!((&calls[0]["grantType"], &calls[0]["status"]), (&json!("refresh_token"), &json!(200)));
    let history = connection.tenant.history().await;
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!((&history[0]["refreshType"], &history[0]["status"]), (&json!("manual"), &json!("success")));
}

#[tokio::test]
async fn a_refresh_right_after_another_joins_it() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let first = connection.refresh().await.expect(200);
    let current = connection.refresh_token().await;

    let second = connection.refresh().await.expect(200);

    assert_eq!((&second["success"], &second["refreshed"]), (&json!(true), &json!(false)));
    assert_eq!(second["expiresAt"], first["expiresAt"]);
    assert_eq!(connection.spent(&current).await, 0);
}

/// Callers at once: each has a process of the API for itself, and that one of the refresh function.
const CALLERS: usize = 50;

#[tokio::test]
async fn fifty_refreshes_at_once_are_one_call_to_the_provider() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let spent = connection.refresh_token().await;
    let held = bundle.simulator.hold(&spent).await;
    let body = json!({ "tenantId": connection.tenant.id });

    let mut asked = JoinSet::new();
    for _ in 0..CALLERS {
        let request = bundle.request(reqwest::Method::POST, "/api/tokens/refresh/quickbooks");
        asked.spawn(request.header("x-api-key", bundle.admin_key()).json(&body).send());
    }
    held.arrived().await;
    let overlapping = connection.invoke_refresh(Trigger::Scheduled).await;
    held.release().await;

    assert_eq!(overlapping["result"], "running", "the lease was held while the provider had not answered");
    let mut refreshed = 0;
    while let Some(answer) = asked.join_next().await {
        let answer = crate::driver::Answer::of(answer.unwrap().unwrap()).await;
        assert!(matches!(answer.status, 200 | 202), "{}: {}", answer.status, answer.text());
        refreshed += usize::from(answer.json()["refreshed"] == true);
    }
    assert_eq!(refreshed, 1, "one caller's refresh, which all others joined");
    assert_eq!(connection.spent(&spent).await, 1);
    let current = connection.refresh_token().await;
    assert_eq!(connection.spent(&current).await, 0, "and the new token was not spent by a late-comer");
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_the_connection_as_it_was() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let spent = connection.refresh_token().await;
    let before = connection.stored().await;
    let down = json!({ "endpoint": "token", "kind": "status", "status": 503, "times": TRIES });
    bundle.simulator.fault(&spent, down).await;

    connection.refresh().await.expect_error(502, "PROVIDER_API_ERROR");

    assert_eq!(connection.spent(&spent).await, TRIES);

    let after = connection.stored().await;
    assert_eq!((after.state, after.tokens), (before.state, before.tokens));
    assert_eq!(after.lease, None);
    let row = &connection.tenant.history().await[0];
    assert_eq!((&row["status"], &row["errorCode"]), (&json!("failed"), &json!("http_503")));
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "its next try succeeds");
}

#[tokio::test]
async fn a_provider_that_throttles_is_left_in_peace_for_as_long_as_it_says() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let spent = connection.refresh_token().await;
    let throttled = json!({
        "endpoint": "token", "kind": "status", "status": 429, "headers": { "Retry-After": "120" }, "body": "",
    });
    bundle.simulator.fault(&spent, throttled).await;

    let refused = connection.refresh().await;

    refused.expect_error(503, "PROVIDER_RATE_LIMIT");
    let seconds: i64 = refused.header("retry-after").parse().unwrap();
    assert!((100..=121).contains(&seconds), "{seconds}");
    let stored = connection.stored().await;
    let Some(Due::At(due_at)) = stored.due else { panic!("{:?}", stored.due) };
    assert!(due_at >= stored.tokens.unwrap().issued_at + jiff::SignedDuration::from_secs(100));
    assert_eq!(connection.shown().await["state"], "active");
}

#[tokio::test]
async fn a_grant_that_the_customer_ended_needs_a_reconnect_and_gets_one() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let (id, dead) = (connection.id.clone(), connection.refresh_token().await);
    bundle.simulator.disconnect(connection.realm()).await;

    let refused = connection.refresh().await;
    refused.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");

    let shown = connection.shown().await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("reconnect_required"), &json!("invalid_grant")));
    let mut status = connection.tenant.status().await;
    assert_eq!(status["tokens"][0]["status"]["health"], "reconnect_required");
    let summary = json!({ "total": 1, "healthy": 0, "warning": 0, "expired": 1, "reconnectRequired": 1 });
    assert!(status["summary"].as_object_mut().unwrap().remove("asOf").is_some());
    assert_eq!(status["summary"], summary);
    let row = &connection.tenant.history().await[0];
    assert_eq!((&row["status"], &row["errorCode"]), (&json!("failed"), &json!("invalid_grant")));

    connection.refresh().await.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");
    assert_eq!(connection.spent(&dead).await, 1, "a verdict is not asked for twice");

    let realm = connection.realm().to_owned();
    let again = connection.tenant.connect_to(&Books::realm(&realm), false).await;
    assert_eq!(again.id, id);
    assert_eq!(again.shown().await["state"], "active");
    assert_eq!(again.refresh().await.expect(200)["refreshed"], true);
}

#[tokio::test]
async fn credentials_that_the_provider_refuses_disconnect_nobody() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle).await;
    let spent = connection.refresh_token().await;
    let refused = json!({
        "endpoint": "token", "kind": "status", "status": 401, "body": "{\"error\":\"invalid_client\"}",
    });
    bundle.simulator.fault(&spent, refused).await;

    connection.refresh().await.expect_error(502, "PROVIDER_AUTH_ERROR");

    assert_eq!(connection.shown().await["state"], "active");
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
}
