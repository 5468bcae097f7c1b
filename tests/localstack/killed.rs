//! Functions that die in the middle: of a callback, after which nothing is connected or one whole connection; of ending a
//! connection, which comes to its end all the same.

use domain::{connection::ConnectionState, provider::Provider, refresh::DisconnectMessage};
use rstest::rstest;
use serde_json::{Value, json};
use url::Url;

use crate::driver::{Books, Browser, Bundle, PATIENCE, Tenant, eventually};

/// Long enough to find the request on its way; what waits is left behind when the test ends.
const HELD_MS: u64 = 25_000;

/// Waits until a request is at the provider that `filter` finds.
async fn arrived(bundle: &Bundle, filter: &[(&str, &str)]) {
    eventually("the request arrives at the provider", PATIENCE, async || {
        let calls = bundle.simulator.calls(filter).await;
        calls.iter().any(|call| call["finished"] == false).then_some(())
    })
    .await;
}

/// Opens a callback with a function that is killed as soon as the provider has the request that `filter` finds.
async fn dies(bundle: &Bundle, (browser, callback): (&Browser<'_>, &Url), filter: &[(&str, &str)]) {
    let copy = bundle.copy_of("OAUTH_FUNCTION").await;
    let killing = async {
        arrived(bundle, filter).await;
        copy.kill();
    };

    let (opened, ()) = tokio::join!(copy.open(browser, callback), killing);

    let error = opened.expect_err("the function was killed");
    assert!(error.contains("Runtime.ExitError"), "{error}");
    copy.remove().await;
}

/// What must hold after the function died: the state is used up, nothing is connected, and a new link connects.
async fn nothing_is_left(tenant: Tenant<'_>, (mut browser, callback): (Browser<'_>, Url), books: &Books) {
    let simulator = &tenant.bundle.simulator;
    assert!(tenant.connections().await.is_empty(), "nothing half-written");
    browser.open(callback.as_str()).await.expect_page(409, "AUTH_STATE_USED");
    assert_eq!(simulator.redeemed(&callback).await, 1, "the code is brought once");

    let connection = tenant.connect_to(books, false).await;
    assert_eq!(connection.found().await["state"], "active");
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
}

#[rstest]
#[tokio::test]
async fn a_function_that_dies_before_it_has_the_tokens_connects_nothing(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (browser, callback) = tenant.approve(&books).await;
    let code = bundle.simulator.code_of(&callback).await;
    let held = json!({ "endpoint": "token", "kind": "delay", "delayMs": HELD_MS });
    bundle.simulator.fault(&code, held).await;

    dies(&bundle, (&browser, &callback), &[("tokenFingerprint", &code)]).await;

    nothing_is_left(tenant, (browser, callback), &books).await;
}

#[tokio::test]
async fn a_function_that_dies_before_it_knows_the_company_connects_nothing() {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(Provider::QuickBooks).await);
    let (browser, callback) = tenant.approve(&books).await;
    let held: Value =
        json!({ "provider": "intuit", "company": books.company(), "kind": "delay", "delayMs": HELD_MS });
    bundle.simulator.switch(held).await;

    dies(&bundle, (&browser, &callback), &[("company", books.company())]).await;

    nothing_is_left(tenant, (browser, callback), &books).await;
}

#[tokio::test]
async fn an_ending_whose_worker_dies_comes_to_its_end_by_the_queue() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let token = connection.refresh_token().await;
    let held = json!({ "endpoint": "revoke", "kind": "delay", "delayMs": HELD_MS });
    bundle.simulator.fault(&token, held).await;
    let mut settings = bundle.settings_of("REFRESH_FUNCTION").await;
    // So that it is followed within the test.
    for (name, seconds) in [("REFRESH_POST_TIMEOUT_SECONDS", "5"), ("REFRESH_LEASE_SECONDS", "10")] {
        settings.insert(name.to_owned(), seconds.to_owned());
    }
    let worker = bundle.copy_with("REFRESH_FUNCTION", settings).await;
    let disconnect = connection.key();
    let message = DisconnectMessage::of(disconnect);
    let message = json!(message);

    let killing = async {
        arrived(&bundle, &[("endpoint", "revoke"), ("tokenFingerprint", &token)]).await;
        worker.kill();
    };
    let (ended, ()) = tokio::join!(bundle.invoke(&worker.name, &message), killing);

    ended.expect_err("the worker was killed");
    let between = connection.stored().await;
    assert_eq!((between.state, between.lease.is_some()), (ConnectionState::Disconnecting, true));
    assert!(between.tokens.is_some(), "the grant has not ended yet, and its token will be needed");
    worker.remove().await;
    eventually("somebody else ends it", 2 * PATIENCE, async || {
        (connection.found().await["state"] == "disconnected").then_some(())
    })
    .await;
    assert!(bundle.simulator.has_ended(&connection.books).await);
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
}
