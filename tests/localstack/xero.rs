//! Xero: one person's token set, several organizations, maybe several tenants of ours.

use serde_json::{Value, json};

use crate::driver::{Bundle, Connected, parameter, with};

fn organizations(connection: &Value) -> Vec<String> {
    let companies = connection["companies"].as_array().unwrap();
    let mut ids: Vec<_> =
        companies.iter().map(|company| company["providerCompanyId"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

async fn works(connection: &Connected<'_>) {
    let before = connection.stored().await.tokens.unwrap().generation;
    connection.refresh().await.expect(200);
    age(connection).await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    assert!(connection.stored().await.tokens.unwrap().generation > before);
}

/// A refresh within ten seconds of another joins it, unless the token has ended meanwhile.
async fn age(connection: &Connected<'_>) {
    connection.bundle().age(&connection.key(), None).await;
}

#[tokio::test]
async fn organizations_of_one_consent_are_one_connection_with_one_token_set() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;

    let connection = bundle.tenant().await.connect_to(&books, false).await;

    assert_eq!(connection.tenant.connections().await.len(), 1);
    assert_eq!(organizations(&connection.found().await), sorted(&books.companies));
    let spent = connection.refresh_token().await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    assert_eq!(connection.spent(&spent).await, 1, "one refresh is for both");
}

#[tokio::test]
async fn one_organization_goes_and_the_other_stays_as_it_is() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;
    let [going, staying] = [books.companies[0].clone(), books.companies[1].clone()];
    let connection = bundle.tenant().await.connect_to(&books, false).await;

    let left = connection.disconnect(Some(&going)).await.expect(200);

    assert_eq!((&left["state"], organizations(&left)), (&json!("active"), vec![staying.clone()]));
    assert_eq!(
        bundle.simulator.xero_connected(&books.user).await,
        std::slice::from_ref(&staying),
        "exactly one is gone"
    );
    assert_eq!(organizations(&connection.found().await), std::slice::from_ref(&staying));
    works(&connection).await;
    connection.disconnect(Some(&going)).await.expect(200);
    let nobodys = connection.disconnect(Some("xero_00000000-0000-4000-8000-000000000000")).await;
    nobodys.expect_error(400, "VALIDATION_FAILED");

    // The last one takes the connection with it.
    let ended = connection.disconnect(Some(&staying)).await.expect(200);
    assert_eq!(ended["state"], "disconnected");
    assert!(bundle.simulator.has_ended(&books).await);
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
}

#[tokio::test]
async fn an_organization_that_was_taken_off_is_free_for_another_tenant() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;
    let first = books.only(&[&books.companies[0]]);
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    connection.disconnect(Some(first.company())).await.expect(200);

    let owner = bundle.tenant().await.connect_to(&first, false).await;

    assert_eq!(organizations(&owner.found().await), first.companies);
    works(&connection).await;
    works(&owner).await;
}

#[tokio::test]
async fn only_the_organizations_of_this_consent_are_attached() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(3).await;
    let [theirs, nobodys, ours] = [0, 1, 2].map(|at: usize| books.only(&[&books.companies[at]]));
    let other = bundle.tenant().await.connect_to(&theirs, false).await;
    // Xero knows of a consent whose callback was never opened.
    other.tenant.approve(&nobodys).await;

    let connection = bundle.tenant().await.connect_to(&ours, false).await;

    assert_eq!(organizations(&connection.found().await), ours.companies);
    assert_eq!(organizations(&other.found().await), theirs.companies, "the other tenant has what it had");
    assert_eq!(bundle.simulator.xero_connected(&books.user).await.len(), 3, "one person's app has them all");
}

#[tokio::test]
async fn ending_one_tenants_connection_leaves_the_same_persons_other_tenant_alone() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;
    let (theirs, ours) = (books.only(&[&books.companies[0]]), books.only(&[&books.companies[1]]));
    let other = bundle.tenant().await.connect_to(&theirs, false).await;
    let connection = bundle.tenant().await.connect_to(&ours, false).await;

    assert_eq!(connection.disconnect(None).await.expect(200)["state"], "disconnected");

    assert_eq!(bundle.simulator.xero_connected(&books.user).await, theirs.companies);
    works(&other).await;
    assert_eq!(other.disconnect(None).await.expect(200)["state"], "disconnected");
    assert!(bundle.simulator.has_ended(&books).await, "and now nothing is left of it");
}

#[tokio::test]
async fn a_grant_whose_access_token_has_ended_is_renewed_to_be_ended() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(1).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    age(&connection).await;
    let spent = connection.refresh_token().await;

    assert_eq!(connection.disconnect(None).await.expect(200)["state"], "disconnected");

    assert_eq!(connection.spent(&spent).await, 1, "organizations are taken off with an access token only");
    assert!(bundle.simulator.has_ended(&books).await);
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0);
}

#[tokio::test]
async fn an_organization_more_joins_the_connection_that_there_is() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.xero_books(2).await;
    let first = books.only(&[&books.companies[0]]);
    let connection = bundle.tenant().await.connect_to(&first, false).await;

    let (mut browser, callback) = connection.tenant.approve(&books).await;
    assert_eq!(browser.open(callback.as_str()).await.status, 200);

    assert_eq!(connection.tenant.connections().await.len(), 1);
    assert_eq!(organizations(&connection.found().await), sorted(&books.companies));
    works(&connection).await;
}

#[tokio::test]
async fn a_consent_without_any_organization_or_with_too_many_connects_none() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;

    let books = bundle.simulator.xero_books(1).await;
    let (mut browser, callback) = tenant.approve(&books).await;
    bundle.simulator.end(&books).await;
    browser.open(callback.as_str()).await.expect_page(400, "COMPANY_NOT_CHOSEN");

    let many = bundle.simulator.xero_books(40).await;
    let (mut browser, callback) = tenant.approve(&many).await;
    let refused = browser.open(callback.as_str()).await;
    refused.expect_page(400, "COMPANY_NOT_CHOSEN");
    assert!(refused.text().contains("40"), "{}", refused.text());
    assert!(tenant.connections().await.is_empty(), "never the first of a list");
}

#[tokio::test]
async fn a_code_of_another_authorization_is_of_no_use() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let (one, two) = (bundle.simulator.xero_books(1).await, bundle.simulator.xero_books(1).await);
    let (mut browser, callback) = tenant.approve(&one).await;
    let (mut other, own) = tenant.approve(&two).await;
    let stolen = parameter(&callback, "code");

    // The proof key is of the request that began in the other browser (RFC 7636).
    let refused = other.open(&with(&own, "code", Some(&stolen))).await;

    refused.expect_page(400, "AUTH_OAUTH_FAILED");
    assert!(tenant.connections().await.is_empty());
    assert_eq!(browser.open(callback.as_str()).await.status, 200, "its owner can still use it");
}
