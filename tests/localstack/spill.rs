//! A new token set that the table does not take: it goes to the recovery queue as sealed as it would be in the table, and
//! from there into the table, whatever becomes of the worker that won it.

use domain::refresh::SpilledTokens;
use serde_json::json;

use crate::driver::{Bundle, PATIENCE, eventually};

#[tokio::test]
async fn a_token_set_that_the_table_refuses_comes_by_the_recovery_queue() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let (spent, before) = (connection.refresh_token().await, connection.stored().await);

    let message = connection.spill().await;

    let spilled = SpilledTokens::parse(&message).unwrap();
    let former = before.tokens.clone().unwrap();
    assert_eq!((&spilled.key, spilled.fence), (&connection.key(), before.fence + 1));
    assert_eq!((&spilled.replaces, spilled.tokens.generation), (&former.refresh_fingerprint, 2));
    let between = connection.stored().await;
    assert_eq!((between.tokens, between.lease.is_some()), (before.tokens, true), "the table has none of it");

    let sending = bundle.send_to(bundle.stack.value("RECOVERY_QUEUE_URL"), &message);
    Box::pin(bundle.overhear(&connection.tenant.id, &["token.refreshed"], sending)).await;

    let stored = eventually("the token set is stored", PATIENCE, async || {
        Some(connection.stored().await).filter(|stored| stored.lease.is_none())
    })
    .await;
    assert_eq!(stored.tokens, Some(spilled.tokens));
    let current = connection.refresh_token().await;
    assert_eq!((connection.spent(&spent).await, connection.spent(&current).await), (1, 0));
    let explained = connection.explained().await;
    assert_eq!(
        (&explained["state"], &explained["health"]),
        (&json!("active"), &json!("healthy")),
        "{explained}"
    );
    bundle.age(&connection.key(), None).await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "and it is good");
    assert_eq!(connection.spent(&current).await, 1);
}
