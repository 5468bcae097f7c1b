//! Workers of the refresh function: several on one connection, and one whose answer was lost.

use domain::{
    clock::{Clock as _, SystemClock},
    connection::{ConnectionState, Due},
    refresh::Trigger,
};
use serde_json::json;

use crate::driver::Bundle;

#[tokio::test]
async fn two_workers_on_one_due_connection_are_one_call_to_the_provider() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    bundle.age(&connection.key(), None).await;
    let (spent, before) = (connection.refresh_token().await, connection.stored().await);
    let held = bundle.simulator.hold(&spent).await;

    let first = connection.invoke_refresh(Trigger::Scheduled);
    let second = async {
        held.arrived().await;
        let second = connection.invoke_refresh(Trigger::Scheduled).await;
        held.release().await;
        second
    };
    let (first, second) = tokio::join!(first, second);

    assert_eq!((&first["result"], &second["result"]), (&json!("refreshed"), &json!("running")));
    assert_eq!(connection.spent(&spent).await, 1);
    let after = connection.stored().await;
    assert_eq!(after.fence, before.fence + 1, "the second worker never had a lease");
    assert_eq!(after.tokens.unwrap().generation, before.tokens.unwrap().generation + 1);
    assert_eq!(connection.invoke_refresh(Trigger::Scheduled).await["result"], "fresh");
}

#[tokio::test]
async fn workers_that_start_together_are_one_call_to_the_provider() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    bundle.age(&connection.key(), None).await;
    let spent = connection.refresh_token().await;

    let invoke = || connection.invoke_refresh(Trigger::Scheduled);
    let answers = tokio::join!(invoke(), invoke(), invoke(), invoke());

    let results = [answers.0, answers.1, answers.2, answers.3].map(|answer| answer["result"].clone());
    assert_eq!(results.iter().filter(|result| **result == "refreshed").count(), 1, "{results:?}");
    assert!(results.iter().all(|result| *result != "failed" && *result != "dead"), "{results:?}");
    assert_eq!(connection.spent(&spent).await, 1);
}

/// The provider has replaced the token and its answer is lost: sending the old one again could end the whole grant.
///
/// Recovery begins when the lease has run out, after 105 seconds; `tests/it` goes through it on a clock of its own.
#[tokio::test]
async fn after_a_lost_answer_nothing_is_sent_again_while_the_lease_holds() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let (spent, before) = (connection.refresh_token().await, connection.stored().await);
    bundle.simulator.fault(&spent, json!({ "endpoint": "token", "kind": "lostResponse" })).await;

    let pending = connection.refresh().await;

    let body = pending.expect(202);
    let status_url = bundle.url(&format!("/api/connections/{}", connection.id));
    assert_eq!((&body["refreshed"], &body["statusUrl"]), (&json!(false), &json!(status_url)));
    assert_eq!(pending.header("location"), status_url);
    let stored = connection.stored().await;
    let (lease, tokens) = (stored.lease.expect("the lease is kept"), stored.tokens.unwrap());
    assert!(lease.expires_at > SystemClock.now());
    assert_eq!(lease.spends, tokens.refresh_fingerprint, "the intent says which token may be spent");
    let lease_ends = Due::At(lease.expires_at);
    assert_eq!(stored.due, Some(lease_ends), "the sweep looks again when the lease has ended");
    assert_eq!((stored.state, Some(tokens)), (ConnectionState::Active, before.tokens));
    let row = &connection.tenant.history().await[0];
    assert_eq!((&row["status"], &row["errorCode"]), (&json!("failed"), &json!("unknown")));

    assert_eq!(connection.invoke_refresh(Trigger::Scheduled).await["result"], "running");
    assert_eq!(connection.spent(&spent).await, 1);
    assert_ne!(connection.refresh_token().await, spent, "the provider did replace the token");
}
