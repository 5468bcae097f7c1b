//! Giving out access tokens.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    api_key::Role,
    audit::{AuditAction, AuditEntry, AuditLog, AuditPage},
    connection::{ConnectionKey, ConnectionState},
    id::TenantId,
    provider::Provider,
    store::StoreError,
};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::sample;

use crate::{
    api_world::ApiWorld,
    events,
    world::{World, invalid_grant},
};

fn path(key: &ConnectionKey) -> String {
    format!("/api/connections/{}/token", key.connection)
}

async fn issue(world: &World, key: &ConnectionKey) -> (StatusCode, Value) {
    let api = ApiWorld::new(world, Role::Admin, Some(&key.tenant)).await;
    api.call("GET", &path(key), None).await
}

#[tokio::test]
async fn a_token_comes_with_all_that_its_use_takes_and_is_in_the_audit_log() {
    let world = World::new();
    let key = world.connected().await;
    world.audit.take();

    let (status, body) = issue(&world, &key).await;

    assert_eq!(status, StatusCode::OK);
    insta::assert_json_snapshot!(body, @r#"
    {
      "accessToken": "access-1",
      "apiBaseUrl": "http://127.0.0.1:1",
      "expiresAt": "2100-01-01T01:00:00Z",
      "scopes": [
        "com.intuit.quickbooks.accounting"
      ],
      "tokenType": "Bearer"
    }
    "#);
    let entries = world.audit.take();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.action, AuditAction::TokenIssued);
    assert_eq!((&entry.tenant, &entry.connection), (&Some(key.tenant), &Some(key.connection)));
    assert_eq!(entry.provider, Some(Provider::QuickBooks));
    assert!(entry.actor.is_some() && entry.correlation.is_some());
    let token = body["accessToken"].as_str().unwrap();
    assert!(!format!("{entries:?}").contains(token));
}

#[tokio::test]
async fn a_token_that_is_due_is_renewed_before_it_is_given_out() {
    let world = World::new();
    let key = world.connected().await;
    let (_, before) = issue(&world, &key).await;
    world.clock.advance(Duration::from_mins(59));

    let (status, body) = issue(&world, &key).await;

    assert_eq!((status, world.refreshes()), (StatusCode::OK, 1));
    assert_ne!(body["accessToken"], before["accessToken"]);
    assert_eq!(body["expiresAt"], "2100-01-01T01:59:00Z");
}

#[tokio::test]
async fn the_sample_event_asks_for_the_token_of_a_connection() {
    let api = ApiWorld::new(&World::new(), Role::Admin, None).await;

    let (status, _, body) = api.send(events::request("api-token.json")).await;

    assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("CONNECTION_NOT_FOUND")));
}

#[tokio::test]
async fn who_may_not_is_given_none() {
    let world = World::new();
    let (key, other) = (world.connected().await, sample::tenant());
    for (role, tenant, expected) in [
        (Role::Operator, None, StatusCode::FORBIDDEN),
        (Role::Viewer, Some(&key.tenant), StatusCode::FORBIDDEN),
        (Role::Admin, Some(&other), StatusCode::NOT_FOUND),
    ] {
        let api = ApiWorld::new(&world, role, tenant).await;
        let (status, body) = api.call("GET", &path(&key), None).await;
        assert_eq!(status, expected, "{role:?}: {body}");
        assert!(body.get("accessToken").is_none());
    }
    assert!(world.audit.entries().iter().all(|entry| entry.action != AuditAction::TokenIssued));
}

#[tokio::test]
async fn a_connection_that_cannot_be_used_gives_no_token_and_says_why() {
    let world = World::new();
    for (state, code) in [
        (ConnectionState::ReconnectRequired, "AUTH_REFRESH_TOKEN_EXPIRED"),
        (ConnectionState::Pending, "CONNECTION_STATE_CONFLICT"),
        (ConnectionState::Disconnecting, "CONNECTION_STATE_CONFLICT"),
        (ConnectionState::Disconnected, "CONNECTION_STATE_CONFLICT"),
    ] {
        let key = world.connected().await;
        world.connections.edit(&key, |connection| connection.state = state);
        let (status, body) = issue(&world, &key).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::CONFLICT, &json!(code)), "{state}");
    }
}

#[tokio::test]
async fn a_grant_that_turns_out_to_be_dead_is_told_as_dead() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(59));
    world.provider.answer(Err(invalid_grant()));

    let (status, body) = issue(&world, &key).await;

    assert_eq!(
        (status, &body["error"]["code"]),
        (StatusCode::CONFLICT, &json!("AUTH_REFRESH_TOKEN_EXPIRED"))
    );
}

/// An audit log that takes nothing.
struct Deaf;

#[async_trait]
impl AuditLog for Deaf {
    async fn record(&self, _: &AuditEntry) -> Result<(), StoreError> {
        Err(StoreError::Unavailable { operation: "record", source: "full".into() })
    }

    async fn list(
        &self,
        _: Option<&TenantId>,
        _: Timestamp,
        _: u32,
        _: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        Ok(AuditPage::default())
    }
}

#[tokio::test]
async fn without_an_entry_in_the_audit_log_there_is_no_token() {
    let world = World::new();
    let key = world.connected().await;
    let (mut deps, caller) = ApiWorld::deps(&world, Role::Admin, Some(&key.tenant)).await;
    deps.audit = Arc::new(Deaf);

    let (status, body) = ApiWorld::of(deps, caller).call("GET", &path(&key), None).await;

    let expected = (StatusCode::SERVICE_UNAVAILABLE, &json!("STORAGE_UNAVAILABLE"));
    assert_eq!((status, &body["error"]["code"]), expected);
    assert!(!body.to_string().contains("access-"));
}
