//! Disconnecting while something is in the way: a provider that is out, a refresh under way, another's key.

use domain::{
    api_key::Role, clock::SystemClock, connection::ConnectionState, entropy::SystemEntropy, id::Ids,
    provider::Provider, refresh::Trigger,
};
use rstest::rstest;
use serde_json::Value;

use crate::driver::{Books, Bundle, Connected, PATIENCE, eventually};

async fn connected(bundle: &Bundle, provider: Provider) -> Connected<'_> {
    let books = bundle.simulator.books(provider).await;
    bundle.tenant().await.connect_to(&books, false).await
}

/// A batch of the sync queue with one job for the connection's first company.
async fn sync_job(connection: &Connected<'_>) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../events/sync-job.json")).unwrap();
    let body = event["Records"][0]["body"].as_str().unwrap();
    let mut job: Value = serde_json::from_str(body).unwrap();
    let found = connection.found().await;
    job["jobId"] = Ids::new(&SystemClock, &SystemEntropy).job().as_str().into();
    job["tenantId"] = connection.tenant.id.as_str().into();
    job["connectionId"] = connection.id.as_str().into();
    job["companyId"] = found["companies"][0]["companyId"].clone();
    event["Records"][0]["body"] = job.to_string().into();
    // The name of the queue says that it is a job.
    let queue = connection.bundle().stack.value("SYNC_QUEUE_LOW_URL").rsplit('/').next().unwrap();
    event["Records"][0]["eventSourceARN"] = format!("arn:aws:sqs:us-east-1:000000000000:{queue}").into();
    event
}

#[rstest]
#[tokio::test]
async fn while_the_provider_is_out_the_tokens_rest_and_the_clock_ends_it(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    let outage = bundle.simulator.refuse_to_end(&connection.books).await;

    let waiting = connection.disconnect(None).await;

    assert_eq!(waiting.expect(202)["state"], "disconnecting");
    let address = bundle.url(&format!("/api/connections/{}", connection.id));
    assert_eq!(waiting.header("location"), address);
    assert_eq!(connection.found().await["state"], "disconnecting");
    assert!(!bundle.simulator.has_ended(&connection.books).await);
    let stored = connection.stored().await;
    assert_eq!((stored.state, stored.lease), (ConnectionState::Disconnecting, None));
    assert!(stored.tokens.is_some() && stored.due.is_some(), "it is tried again, with the same token");
    let generation = stored.tokens.unwrap().generation;
    connection.refresh().await.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");
    assert_eq!(connection.disconnect(None).await.expect(202)["state"], "disconnecting", "again: the same");
    assert_eq!(connection.stored().await.tokens.unwrap().generation, generation, "nobody refreshed it");

    for switch in outage {
        bundle.simulator.mend(switch).await;
    }
    connection.invoke_refresh(Trigger::Scheduled).await;

    assert_eq!(connection.found().await["state"], "disconnected");
    assert!(bundle.simulator.has_ended(&connection.books).await);
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
    assert_eq!(connection.disconnect(None).await.expect(200)["state"], "disconnected");
}

#[tokio::test]
async fn a_connection_that_is_ending_is_not_synced() {
    let bundle = Bundle::deployed().await;
    let books = Books::realm(&bundle.simulator.company(1, 2).await);
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let outage = bundle.simulator.refuse_to_end(&books).await;
    connection.disconnect(None).await.expect(202);
    let before = bundle.simulator.calls(&[("company", books.company())]).await.len();

    let sync = bundle.stack.value("SYNC_FUNCTION");
    bundle.invoke(sync, &sync_job(&connection).await).await.unwrap();

    assert_eq!(bundle.simulator.calls(&[("company", books.company())]).await.len(), before);
    assert_eq!(connection.records("invoices", 10).await.len(), 0);
    for switch in outage {
        bundle.simulator.mend(switch).await;
    }
    connection.reconnect().await;
    let answer = bundle.invoke(sync, &sync_job(&connection).await).await.unwrap();
    assert_eq!(connection.records("invoices", 10).await.len(), 2, "a good connection is synced: {answer}");
}

#[rstest]
#[tokio::test]
async fn the_sweep_alone_ends_what_was_left_ending(#[values(Provider::Zoho)] provider: Provider) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    let outage = bundle.simulator.refuse_to_end(&connection.books).await;
    connection.disconnect(None).await.expect(202);
    for switch in outage {
        bundle.simulator.mend(switch).await;
    }

    // Tried again after a minute, by a rule that fires once a minute.
    eventually("the clock ends the connection", 3 * PATIENCE, async || {
        (connection.found().await["state"] == "disconnected").then_some(())
    })
    .await;

    assert!(bundle.simulator.has_ended(&connection.books).await);
}

#[rstest]
#[tokio::test]
async fn connecting_again_is_the_later_wish(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    let outage = bundle.simulator.refuse_to_end(&connection.books).await;
    connection.disconnect(None).await.expect(202);

    connection.reconnect().await;
    for switch in outage {
        bundle.simulator.mend(switch).await;
    }
    connection.invoke_refresh(Trigger::Scheduled).await;

    assert_eq!(connection.found().await["state"], "active");
    assert!(!bundle.simulator.has_ended(&connection.books).await, "the new grant is not ended");
}

#[rstest]
#[tokio::test]
async fn a_refresh_under_way_cannot_bring_a_connection_back(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    let spent = connection.refresh_token().await;
    let held = bundle.simulator.hold(&spent).await;

    let refreshing = connection.invoke_refresh(Trigger::Manual);
    let ending = async {
        held.arrived().await;
        let ending = connection.disconnect(None);
        let releasing = async {
            eventually("the connection is marked", PATIENCE, async || {
                (connection.stored().await.state == ConnectionState::Disconnecting).then_some(())
            })
            .await;
            held.release().await;
        };
        tokio::join!(ending, releasing).0
    };
    let (refreshed, ended) = tokio::join!(refreshing, ending);

    assert_eq!(ended.expect(200)["state"], "disconnected", "{refreshed}");
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
    assert!(bundle.simulator.has_ended(&connection.books).await, "the newest token set was the one revoked");
    assert_eq!(connection.invoke_refresh(Trigger::Scheduled).await["result"], "dead");
    assert_eq!(connection.found().await["state"], "disconnected");
}

#[tokio::test]
async fn ten_disconnects_at_once_are_one() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, Provider::QuickBooks).await;

    let all = futures::future::join_all((0..10).map(|_| connection.disconnect(None))).await;

    for answer in all {
        assert!(matches!(answer.status, 200 | 202), "{}: {}", answer.status, answer.text());
    }
    assert_eq!(connection.found().await["state"], "disconnected");
    let revoked = connection.refresh_token().await;
    let calls = bundle.simulator.calls(&[("endpoint", "revoke"), ("tokenFingerprint", &revoked)]).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[rstest]
#[tokio::test]
async fn a_grant_that_the_customer_ended_before_is_disconnected_all_the_same(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    bundle.simulator.end(&connection.books).await;

    assert_eq!(connection.disconnect(None).await.expect(200)["state"], "disconnected");

    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
}

#[tokio::test]
async fn who_may_not_disconnect_does_not() {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, Provider::QuickBooks).await;
    let other = bundle.tenant().await;
    let viewer = bundle.key(Role::Viewer, Some(&connection.tenant.id)).await;
    let stranger = bundle.key(Role::Operator, Some(&other.id)).await;
    let path = format!("/api/connections/{}", connection.id);
    let named = format!("{path}?tenantId={}", connection.tenant.id);

    bundle.delete_as(&viewer, &named).await.expect_error(403, "AUTH_SCOPE_MISSING");
    for path in [&path, &named] {
        let refused = bundle.delete_as(&stranger, path).await;
        assert_eq!(refused.status, 404, "{}", refused.text());
    }
    bundle.delete_as("", &named).await.expect_error(401, "AUTH_API_KEY_INVALID");
    let unknown = connection.disconnect(Some("4620816365999999999")).await;
    unknown.expect_error(400, "VALIDATION_FAILED");

    assert_eq!(connection.found().await["state"], "active");
    assert!(!bundle.simulator.has_ended(&connection.books).await);
}
