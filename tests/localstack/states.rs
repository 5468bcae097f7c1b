//! Authorization requests of every provider: two tabs, forged and borrowed states.

use domain::provider::Provider;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use url::Url;

use crate::driver::{Browser, Bundle, Connected, connection_of, parameter, with};

/// One person with two tabs of one browser, both consented; the callbacks are opened in one order or the other.
#[rstest]
#[tokio::test]
async fn two_tabs_end_in_one_working_connection(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
    #[values([0, 1], [1, 0])] order: [usize; 2],
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let links = [tenant.link(provider).await, tenant.link(provider).await];
    let mut browser = Browser::new(&bundle);
    let mut addresses = vec![];
    for link in &links {
        addresses.push(browser.open(link).await.header("location").to_owned());
    }
    assert_eq!(browser.cookies.len(), 2, "each tab has a cookie of its own");
    let mut callbacks = vec![];
    for address in &addresses {
        callbacks.push(bundle.simulator.consent(address, "approve", &books).await);
    }

    let mut ids = vec![];
    for tab in order {
        let page = browser.open(callbacks[tab].as_str()).await;
        // Xero counts an organization to the newest consent, so the older one is for none.
        if provider == Provider::Xero && tab == 0 {
            page.expect_page(400, "COMPANY_NOT_CHOSEN");
        } else {
            assert_eq!(page.status, 200, "tab {tab}: {}", page.text());
            ids.push(connection_of(&page));
        }
    }

    ids.dedup();
    assert_eq!(ids.len(), 1, "both tabs made the same connection: {ids:?}");
    assert_eq!(tenant.connections().await.len(), 1);
    let connection = Connected { id: ids.remove(0), tenant, books };
    assert_eq!(connection.found().await["state"], "active");
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
}

#[rstest]
#[tokio::test]
async fn a_state_is_good_for_its_own_browser_once(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;
    let (mut stranger, _) = tenant.approve(&bundle.simulator.books(provider).await).await;
    let mut forger = Browser::new(&bundle);
    forger.cookies.insert(browser.cookies.keys().next().unwrap().clone(), "A".repeat(43));

    for other in [&mut Browser::new(&bundle), &mut stranger, &mut forger] {
        other.open(callback.as_str()).await.expect_page(400, "AUTH_STATE_INVALID");
    }
    for forged in [None, Some(""), Some("forged"), Some(&*"B".repeat(43)), Some(&*"é".repeat(300))] {
        let refused = browser.open(&with(&callback, "state", forged)).await;
        refused.expect_page(400, "AUTH_STATE_INVALID");
        refused.expect_guarded();
    }
    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);

    let first = browser.open(callback.as_str()).await;
    assert_eq!(first.status, 200, "a stranger cannot use the state up either: {}", first.text());
    first.expect_guarded();
    browser.open(callback.as_str()).await.expect_page(400, "AUTH_STATE_INVALID");
    assert_eq!(bundle.simulator.redeemed(&callback).await, 1, "a code is brought once");
}

#[rstest]
#[tokio::test]
async fn a_callback_that_is_opened_again_says_so_and_brings_nothing(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;
    let kept = browser.cookies.clone();
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
    assert_eq!(browser.cookies.len(), 0, "the cookie is taken back");

    browser.cookies = kept;
    let again = browser.open(callback.as_str()).await;

    again.expect_page(409, "AUTH_STATE_USED");
    again.expect_guarded();
    assert_eq!(bundle.simulator.redeemed(&callback).await, 1);
    assert_eq!(tenant.status().await["summary"]["healthy"], 1, "the connection stands");
}

#[rstest]
#[tokio::test]
async fn a_state_of_one_provider_is_none_at_another(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;

    for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
        let path = |provider: Provider| format!("/auth/{provider}/callback");
        let elsewhere = callback.as_str().replace(&path(provider), &path(other));
        let elsewhere = with(&Url::parse(&elsewhere).unwrap(), "realmId", Some("4620816365000000001"));
        browser.open(&elsewhere).await.expect_page(400, "AUTH_STATE_INVALID");
    }

    assert_eq!(bundle.simulator.redeemed(&callback).await, 0, "no code of one is brought to another");
    assert_eq!(browser.open(callback.as_str()).await.status, 200, "and the state was not used up");
}

#[rstest]
#[tokio::test]
async fn a_no_at_the_provider_uses_the_state_up_and_changes_nothing(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.books(provider).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let before = connection.stored().await;
    let link = connection.tenant.link(provider).await;
    let (mut browser, callback) = connection.tenant.walk(&link, "deny", &books).await;
    assert_eq!(parameter(&callback, "error"), "access_denied");
    let kept = browser.cookies.clone();

    let denied = browser.open(callback.as_str()).await;

    denied.expect_page(400, "AUTH_ACCESS_DENIED");
    denied.expect_guarded();
    browser.cookies = kept;
    browser.open(callback.as_str()).await.expect_page(409, "AUTH_STATE_USED");
    assert_eq!(connection.stored().await, before);
    let last = connection.tenant.acts().await.pop().unwrap();
    assert_eq!(last, ("connection.refused".to_owned(), Some("access_denied".to_owned())));
}

#[rstest]
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;
    let simulator = bundle.simulator.url.clone();

    for other in
        ["https://identity.xero.com", "https://evil.example", "", &format!("{simulator}.evil.example")]
    {
        browser.open(&with(&callback, "iss", Some(other))).await.expect_page(400, "VALIDATION_FAILED");
    }

    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);
    let own = browser.open(&with(&callback, "iss", Some(&simulator))).await;
    assert_eq!(own.status, 200, "its own name is welcome: {}", own.text());
}

#[rstest]
#[tokio::test]
async fn only_get_reaches_a_callback_and_looking_uses_nothing_up(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;

    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let refused = browser.send(method.clone(), callback.as_str()).await;
        assert!((400..500).contains(&refused.status), "{method}: {}", refused.status);
        assert!(refused.headers.get("access-control-allow-origin").is_none(), "{method}");
    }
    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);

    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[rstest]
#[tokio::test]
async fn a_malformed_callback_is_refused_before_anything_is_used_up(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let (tenant, books) = (bundle.tenant().await, bundle.simulator.books(provider).await);
    let (mut browser, callback) = tenant.approve(&books).await;
    let twice = |name: &str| format!("{callback}&{name}={}", parameter(&callback, name));

    for malformed in [
        twice("code"),
        twice("state"),
        with(&callback, "code", None),
        with(&callback, "code", Some("")),
        with(&callback, "code", Some("a b")),
        with(&callback, "code", Some(&"c".repeat(5000))),
        with(&callback, "error", Some("access_denied")) + "&error=x",
    ] {
        browser.open(&malformed).await.expect_page(400, "VALIDATION_FAILED");
    }
    assert_eq!(bundle.simulator.redeemed(&callback).await, 0);

    assert_eq!(browser.open(callback.as_str()).await.status, 200, "the state was not used up");
}

#[rstest]
#[tokio::test]
async fn the_company_to_be_connected_again_is_the_one_that_must_be_chosen(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.books(provider).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let before = connection.stored().await;
    let other = bundle.simulator.books(provider).await;
    let again = json!({ "connectionId": connection.id, "sync": false });

    let link = connection.tenant.link_with(again.clone()).await;
    let (mut browser, callback) = connection.tenant.walk(&link, "approve", &other).await;
    browser.open(callback.as_str()).await.expect_page(409, "COMPANY_DIFFERENT");
    assert_eq!(connection.stored().await, before, "nothing is overwritten");
    assert_eq!(connection.tenant.connections().await.len(), 1);

    let link = connection.tenant.link_with(again).await;
    let (mut browser, callback) = connection.tenant.walk(&link, "approve", &books).await;
    let page = browser.open(callback.as_str()).await;
    assert_eq!(connection_of(&page), connection.id);
}
