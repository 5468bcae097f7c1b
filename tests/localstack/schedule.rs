//! The clock alone: nobody asks, and a due connection is refreshed.

use std::time::Duration;

use domain::clock::{Clock as _, SystemClock};
use serde_json::json;

use crate::driver::{Bundle, eventually};

/// EventBridge's rule fires once a minute; twice, and a busy machine.
const TWO_TICKS: Duration = Duration::from_secs(150);

#[tokio::test]
async fn the_clock_alone_refreshes_a_due_connection_once() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    bundle.age(&connection.key(), Some(SystemClock.now())).await;
    let spent = connection.refresh_token().await;
    let status = connection.tenant.status().await;
    assert_eq!(status["tokens"][0]["status"]["health"], "expired");
    assert_eq!(status["tokens"][0]["status"]["needsRefresh"], true);

    let row = eventually("the clock refreshes the connection", TWO_TICKS, async || {
        connection.tenant.history().await.pop()
    })
    .await;

    assert_eq!((&row["refreshType"], &row["status"]), (&json!("scheduled"), &json!("success")), "{row}");
    assert_eq!(connection.spent(&spent).await, 1);
    assert_eq!(connection.tenant.status().await["summary"]["healthy"], 1);
    assert!(connection.stored().await.due_at.unwrap() > SystemClock.now(), "and it is due again, later");
    let health = bundle.get("/api/tokens/health").await.expect(200);
    assert_eq!((&health["status"], &health["scheduler"]["status"]), (&json!("healthy"), &json!("running")));
}
