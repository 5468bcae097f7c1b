//! Connect, connect again, disconnect: the same story at each provider.

use domain::{connection::SealedTokens, provider::Provider, sync::Entity};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Books, Bundle, Connected, Tenant, connection_of};

/// The data key as KMS wrapped it, from an envelope (`docs/sealing.md`): version, suite, key source, length, wrapped key.
fn wrapped_key(envelope: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([envelope[3], envelope[4]]));
    &envelope[5..5 + length]
}

fn keys(tokens: &SealedTokens) -> [&[u8]; 2] {
    [wrapped_key(&tokens.access), wrapped_key(&tokens.refresh)]
}

async fn connected(bundle: &Bundle, provider: Provider) -> Connected<'_> {
    let books = bundle.simulator.books(provider).await;
    bundle.tenant().await.connect_to(&books, false).await
}

fn companies(connection: &Value) -> Vec<&str> {
    let companies = connection["companies"].as_array().unwrap();
    companies.iter().map(|company| company["providerCompanyId"].as_str().unwrap()).collect()
}

#[rstest]
#[tokio::test]
async fn a_company_is_connected_and_its_token_refreshed(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;

    let found = connection.found().await;
    assert_eq!((&found["state"], &found["provider"]), (&json!("active"), &json!(provider)), "{found}");
    assert_eq!(found["reason"], json!(null), "everything that was asked for was granted: {found}");
    assert_eq!(companies(&found), connection.books.companies);
    assert_eq!(found["companies"][0]["name"], "End & Sons <e2e>");

    let before = connection.stored().await.tokens.unwrap();
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    let after = connection.stored().await.tokens.unwrap();
    assert_eq!(after.generation, before.generation + 1);
    assert_ne!(after.access, before.access);
    let refreshes = connection.tenant.history_of(provider).await;
    assert_eq!((refreshes.len(), &refreshes[0]["status"]), (1, &json!("success")));
}

#[rstest]
#[tokio::test]
async fn connecting_again_keeps_the_connection_and_replaces_its_tokens(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    connection.refresh().await.expect(200);
    let (before, shown) = (connection.stored().await, connection.found().await);

    connection.reconnect().await;

    let after = connection.stored().await;
    assert_eq!(after.created_at, before.created_at);
    assert!(after.fence > before.fence, "a worker of the former grant can no longer write");
    assert_eq!(after.attempts, before.attempts, "its history goes on");
    let (old, new) = (before.tokens.unwrap(), after.tokens.unwrap());
    assert_eq!(new.generation, old.generation + 1);
    assert_ne!(new.refresh_fingerprint, old.refresh_fingerprint);
    assert_eq!(new.previous, None, "nothing of the former grant is kept");
    for (old, new) in keys(&old).iter().zip(keys(&new)) {
        assert_ne!(*old, new, "and no data key of it is used again");
    }
    assert_eq!(connection.found().await["companies"], shown["companies"], "the companies keep their ids");
    assert_eq!(connection.tenant.connections().await.len(), 1);
    assert_eq!(connection.tenant.history_of(provider).await.len(), 1);
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "and the new grant works");
}

#[rstest]
#[tokio::test]
async fn disconnecting_ends_the_grant_and_destroys_the_tokens(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    let key = connection.key();
    assert!(bundle.sealed_bytes(&key).await > 0);
    assert!(!bundle.simulator.has_ended(&connection.books).await);

    let ended = connection.disconnect(None).await.expect(200);

    assert_eq!((&ended["state"], &ended["connectionId"]), (&json!("disconnected"), &json!(connection.id)));
    assert!(bundle.simulator.has_ended(&connection.books).await, "the provider has been told");
    assert_eq!(bundle.sealed_bytes(&key).await, 0, "no token, no wrapped key");
    let stored = connection.stored().await;
    assert_eq!((stored.tokens, stored.lease, stored.due), (None, None, None));
    let found = connection.found().await;
    assert_eq!((&found["state"], &found["expiresAt"]), (&json!("disconnected"), &json!(null)));

    let calls = bundle.simulator.calls_about(&connection.books).await;
    assert!(calls > 0, "the calls that ended it are counted");
    assert_eq!(connection.disconnect(None).await.expect(200)["state"], "disconnected", "again: the same");
    connection.refresh().await.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");
    assert_eq!(bundle.simulator.calls_about(&connection.books).await, calls, "and nobody was asked");
    let acts: Vec<_> = connection.tenant.acts().await.into_iter().map(|(act, _)| act).collect();
    assert_eq!(
        acts,
        [
            "tenant.created",
            "connect_session.opened",
            "connection.connected",
            "connection.disconnect_requested",
            "connection.disconnected"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn what_was_disconnected_can_be_connected_again(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = connected(&bundle, provider).await;
    connection.disconnect(None).await.expect(200);

    connection.reconnect().await;

    assert_eq!(connection.found().await["state"], "active");
    assert!(!bundle.simulator.has_ended(&connection.books).await);
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
}

#[rstest]
#[tokio::test]
async fn a_company_that_was_given_up_is_free_for_another_tenant(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let former = connected(&bundle, provider).await;
    former.disconnect(None).await.expect(200);

    let owner = bundle.tenant().await.connect_to(&former.books, false).await;

    assert_ne!(owner.id, former.id);
    assert_eq!(owner.refresh().await.expect(200)["refreshed"], true);
    let (mut browser, callback) = former.tenant.approve(&former.books).await;
    browser.open(callback.as_str()).await.expect_page(409, "COMPANY_CONNECTED_ELSEWHERE");
    assert_eq!(former.found().await["state"], "disconnected");
}

/// The connection that a browser made, which nobody has confirmed yet.
async fn pending(tenant: Tenant<'_>, provider: Provider) -> Connected<'_> {
    let books = tenant.bundle.simulator.books(provider).await;
    let link = tenant.link_with(json!({ "provider": provider, "confirm": true })).await;
    tenant.follow(&link, &books).await
}

#[rstest]
#[tokio::test]
async fn a_pending_connection_waits_for_the_products_word(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = pending(bundle.tenant().await, provider).await;
    assert_eq!(connection.found().await["state"], "pending");
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "it is kept alive meanwhile");
    assert_eq!(connection.found().await["state"], "pending");

    let confirm = format!("/api/connections/{}/confirm", connection.id);
    let word = json!({ "tenantId": connection.tenant.id, "sync": false });
    assert_eq!(bundle.post(&confirm, &word).await.expect(200)["state"], "active");
    assert_eq!(bundle.post(&confirm, &word).await.expect(200)["state"], "active", "again: the same");

    connection.disconnect(None).await.expect(200);
    bundle.post(&confirm, &word).await.expect_error(409, "CONNECTION_STATE_CONFLICT");
    assert!(connection.tenant.acts().await.contains(&("connection.confirmed".to_owned(), None)));
}

#[tokio::test]
async fn nothing_is_synced_before_the_products_word_and_everything_after_it() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let realm = bundle.simulator.company(1, 2).await;
    let books = Books::realm(&realm);
    let link = tenant.link_with(json!({ "provider": "quickbooks", "confirm": true })).await;
    let (mut browser, callback) = tenant.walk(&link, "approve", &books).await;
    let page = browser.open(callback.as_str()).await;
    let connection = Connected { id: connection_of(&page), tenant, books };
    assert_eq!(connection.records("invoices", 10).await.len(), 0);

    let confirm = format!("/api/connections/{}/confirm", connection.id);
    bundle.post(&confirm, &json!({ "tenantId": connection.tenant.id })).await.expect(200);

    connection.synced("invoices", 2).await;
}

#[tokio::test]
async fn records_and_cursors_outlast_a_reconnect() {
    let bundle = Bundle::deployed().await;
    let realm = bundle.simulator.company(2, 3).await;
    let books = Books::realm(&realm);
    let (tenant, mut connection) = (bundle.tenant().await, None);
    let id = tenant.id.clone();
    let connecting = async { connection = Some(tenant.connect_to(&books, true).await) };
    bundle.overhear(&id, &["sync.completed"], connecting).await;
    let connection = connection.unwrap();
    let invoices = connection.records("invoices", 10).await;
    assert_eq!(invoices.len(), 3);
    let found = connection.found().await;
    let company = found["companies"][0]["companyId"].as_str().unwrap();
    let cursors = bundle.cursors(&connection.tenant.id, company).await;
    assert_eq!(cursors.len(), Entity::ALL.len(), "one of each kind");

    connection.reconnect().await;

    assert_eq!(bundle.cursors(&connection.tenant.id, company).await, cursors);
    assert_eq!(connection.records("invoices", 10).await, invoices);
    assert_eq!(connection.records("customers", 10).await.len(), 2);
}
