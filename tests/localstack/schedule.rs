//! The clock alone: nobody asks, and a due connection is refreshed.

use std::time::Duration;

use domain::{
    clock::{Clock as _, SystemClock},
    connection::Due,
};
use serde_json::json;

use crate::driver::{Bundle, Connected, eventually, in_slot};

/// EventBridge's rule fires once a minute, and what it finds is spread over most of the next; on a busy machine.
const PATIENCE_WITH_THE_CLOCK: Duration = Duration::from_mins(4);

/// Waits until the clock has refreshed a connection that `due` says is due; gives where it is due next.
async fn refreshed_by_the_clock(connection: &Connected<'_>, due: Due) -> Option<Due> {
    connection.bundle().age(&connection.key(), Some(due)).await;
    let spent = connection.refresh_token().await;
    let status = connection.tenant.status().await;
    assert_eq!(status["tokens"][0]["status"]["health"], "expired");
    assert_eq!(status["tokens"][0]["status"]["needsRefresh"], true);

    let row = eventually("the clock refreshes the connection", PATIENCE_WITH_THE_CLOCK, async || {
        connection.tenant.history().await.pop()
    })
    .await;

    assert_eq!((&row["refreshType"], &row["status"]), (&json!("scheduled"), &json!("success")), "{row}");
    assert_eq!(connection.spent(&spent).await, 1, "once");
    assert_eq!(connection.tenant.status().await["summary"]["healthy"], 1);
    connection.stored().await.due
}

#[tokio::test]
async fn the_clock_alone_refreshes_a_connection_once_whose_time_has_come() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;

    let next = refreshed_by_the_clock(&connection, Due::At(SystemClock.now())).await;

    assert!(matches!(next, Some(Due::Slot(_))), "and it turns with its wheel from now on: {next:?}");
    let health = bundle.get("/api/tokens/health").await.expect(200);
    assert_eq!(health["scheduler"]["status"], json!("running"));
}

#[tokio::test]
async fn the_clock_alone_refreshes_a_connection_once_whose_slot_it_comes_by() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let slot = connection.stored().await.due;

    let next = refreshed_by_the_clock(&connection, in_slot(1)).await;

    assert_eq!(next, slot, "its slot is its own for life, wherever the test had put it");
}
