//! What others hear on the event bus.

use crate::driver::Bundle;

#[tokio::test]
async fn others_hear_of_connections_and_refreshes() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let id = tenant.id.clone();

    let heard = bundle
        .overhear(&id, &["connection.created", "token.refreshed"], async {
            tenant.connect().await.refresh().await.expect(200);
        })
        .await;

    assert_eq!(heard.len(), 2, "{heard:#?}");
    for event in &heard {
        assert_eq!(event["source"], "ledgerbridge");
        assert_eq!(event["detail"]["tenantId"], id.as_str());
        assert_eq!(event["detail"]["provider"], "quickbooks");
        assert!(event["detail"]["connectionId"].as_str().unwrap().starts_with("conn_"));
    }
    let refreshed = heard.iter().find(|event| event["detail-type"] == "token.refreshed").unwrap();
    assert!(refreshed["detail"]["expiresAt"].is_string());
    let created = heard.iter().find(|event| event["detail-type"] == "connection.created").unwrap();
    assert!(created["detail"]["companyId"].as_str().unwrap().starts_with("quickbooks_"));
}

#[tokio::test]
async fn others_hear_when_a_customer_must_connect_again() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    bundle.simulator.disconnect(connection.realm()).await;

    let heard = bundle
        .overhear(&connection.tenant.id, &["token.refresh_failed", "connection.reconnect_required"], async {
            connection.refresh().await.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");
        })
        .await;

    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(heard.iter().all(|event| event["detail"]["errorCode"] == "dead"), "{heard:#?}");
}

#[tokio::test]
async fn others_hear_when_a_connection_has_ended() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;

    let heard = bundle
        .overhear(&connection.tenant.id, &["connection.disconnected"], async {
            connection.disconnect(None).await.expect(200);
        })
        .await;

    assert_eq!(heard.len(), 1, "once: {heard:#?}");
    assert_eq!(heard[0]["detail"]["connectionId"], connection.id.as_str());
}
