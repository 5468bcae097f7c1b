//! Finding out whether imported tokens work.

use domain::{connection::ConnectionState, refresh::RefreshOutcome};
use serde_json::json;
use tests::sample;

use super::{Importing, XERO, results, with};
use crate::{
    grants::FOREIGN_REALM,
    world::{World, invalid_grant},
};

#[tokio::test]
async fn a_row_is_verified_by_spending_its_refresh_token_once_it_is_stored() {
    let importing = Importing::new().await;

    let body = json!({"verify": "refresh", "rows": [importing.row("good")]});
    let report = importing.import_with(body).await;

    assert_eq!(results(&report), ["imported"]);
    assert_eq!(report["results"][0]["warnings"], json!([]));
    let connection = importing.connection(&report).await;
    assert!(connection.tokens.as_ref().unwrap().refreshed);
    assert_ne!(importing.refresh_token(&connection).await, "good", "it was spent, and its successor is kept");
}

#[tokio::test]
async fn a_token_that_was_rotated_elsewhere_is_told_and_is_not_tried_for_ever() {
    let importing = Importing::new().await;
    importing.world.provider.answer(Err(invalid_grant()));

    let rows = json!([
        importing.row("restored-from-a-backup"),
        with(importing.row("good"), "/providerCompanyId", json!("2"))
    ]);
    let report = importing.import_with(json!({"verify": "refresh", "rows": rows})).await;

    assert_eq!(results(&report), ["imported", "imported"]);
    assert_eq!(report["results"][0]["warnings"], json!(["reconnect_required"]));
    assert_eq!(report["results"][1]["warnings"], json!([]));
    let connection = importing.connection(&report).await;
    assert_eq!(connection.state, ConnectionState::ReconnectRequired);
    let (spent, state) = (importing.world.refreshes(), ConnectionState::ReconnectRequired);
    let again = importing.world.manual(&connection.key).await;
    assert!(matches!(again, RefreshOutcome::NotRefreshable { state: found } if found == state), "{again:?}");
    assert_eq!(importing.world.refreshes(), spent);
}

#[tokio::test]
async fn without_verifying_nothing_is_asked_of_the_provider() {
    let importing = Importing::new().await;

    importing.import(json!([importing.row("any")])).await;

    assert_eq!(importing.world.refreshes(), 0);
}

#[tokio::test]
async fn a_company_is_confirmed_by_its_provider_before_anything_is_stored() {
    let importing = Importing::new().await;
    let row = |company: &str, ends: i64| {
        let row = with(importing.row(&format!("refresh-{company}")), "/providerCompanyId", json!(company));
        let row = with(row, "/tokens/accessToken", json!("access"));
        with(row, "/accessTokenExpiresAt", json!(sample::at(ends).to_string()))
    };
    let rows = json!([row("1", 600), row(FOREIGN_REALM, 600), row("3", -600)]);

    let report = importing.import_with(json!({"verify": "company", "rows": rows})).await;

    assert_eq!(results(&report), ["imported", "failed AUTH_TOKEN_INVALID", "imported"]);
    assert_eq!(report["results"][0]["warnings"], json!([]));
    assert_eq!(report["results"][2]["warnings"], json!(["not_verified"]), "its access token has ended");
    assert_eq!(importing.count().await, 2);
    let path = format!("/api/connections/{}", importing.key(&report["results"][0]).connection);
    let (_, shown) = importing.api.call("GET", &path, None).await;
    assert_eq!(shown["companies"][0]["name"], "Company 1", "by the name that the provider gives it");
}

#[tokio::test]
async fn a_company_that_the_tokens_do_not_reach_is_refused_whatever_else_they_reach() {
    let importing = Importing::new().await;
    let (world, row): (&World, _) = (&importing.world, importing.row("refresh"));
    world.companies.grant(domain::provider::Provider::Xero, &["5ddf5a2e-3e3b-4e8b-9d3c-1f0c2c7c1a09"], &[]);
    let row = with(with(row, "/provider", json!("xero")), "/providerCompanyId", json!(XERO));
    let row = with(row, "/tokens/accessToken", json!("access"));
    let row = with(row, "/accessTokenExpiresAt", json!(sample::at(600).to_string()));

    let report = importing.import_with(json!({"verify": "company", "rows": [row]})).await;

    assert_eq!(results(&report), ["failed AUTH_TOKEN_INVALID"]);
    assert_eq!(importing.count().await, 0);
}

#[tokio::test]
async fn a_refresh_token_that_says_to_have_ended_is_imported_and_told() {
    let importing = Importing::new().await;
    let row = with(importing.row("old"), "/refreshTokenExpiresAt", json!("2020-01-01T00:00:00Z"));

    let report = importing.import(json!([row])).await;

    assert_eq!(results(&report), ["imported"]);
    assert_eq!(report["results"][0]["warnings"], json!(["refresh_token_expired"]));
}
