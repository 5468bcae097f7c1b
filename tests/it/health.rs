//! Health: what can be used, told honestly and to each what is theirs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    api_key::Role,
    probe::{KeyState, QueueDepth, TableProbe},
    provider::Provider,
    refresh::{Breaker, BreakerState, BreakerStore as _, SweepLog as _},
    store::StoreError,
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::sample;

use crate::{api_world::ApiWorld, events, world::World};

async fn health(world: &World) -> (StatusCode, Value) {
    let api = ApiWorld::new(world, Role::Viewer, None).await;
    let (status, _, body) = api.send(events::request("api-health.json")).await;
    (status, body)
}

/// A world whose clock has just ticked.
async fn well() -> World {
    let world = World::new();
    world.sweep_log.note(sample::NOW).await.unwrap();
    world
}

#[tokio::test]
async fn a_deployment_that_is_well_says_what_it_looked_at() {
    let world = well().await;
    world.connected().await;
    world.scripts.events_queue.set(Some(QueueDepth { waiting: 3, in_flight: 2, dead_letters: 0 }));

    let (status, body) = health(&world).await;

    assert_eq!(status, StatusCode::OK);
    let closed = json!({"breaker": "closed", "outage": false});
    for provider in Provider::ALL {
        let expected = json!({"breaker": "closed", "outage": false, "books": closed});
        assert_eq!(body["providers"][provider.as_str()], expected);
    }
    insta::assert_json_snapshot!(body, {".providers" => "[providers]"}, @r#"
    {
      "providers": "[providers]",
      "scheduler": {
        "initialized": true,
        "lastRunAt": "2100-01-01T00:00:00Z",
        "status": "running"
      },
      "status": "healthy",
      "storage": {
        "database": "healthy",
        "keys": "healthy",
        "queues": {
          "events": {
            "deadLetters": 0,
            "inFlight": 2,
            "status": "healthy",
            "waiting": 3
          }
        },
        "tables": {
          "connections": "healthy",
          "control": "healthy"
        }
      },
      "tokens": {
        "asOf": "2100-01-01T00:00:00Z",
        "expired": 0,
        "expiring": 0,
        "healthy": 1,
        "total": 1
      }
    }
    "#);
}

#[tokio::test]
async fn a_table_or_key_that_cannot_be_used_is_unhealthy_and_said_by_name() {
    for (state, word, expected) in [
        (Some(KeyState::Disabled), "disabled", StatusCode::SERVICE_UNAVAILABLE),
        (Some(KeyState::Missing), "missing", StatusCode::SERVICE_UNAVAILABLE),
        (Some(KeyState::Denied), "denied", StatusCode::SERVICE_UNAVAILABLE),
        (None, "unreachable", StatusCode::SERVICE_UNAVAILABLE),
        (Some(KeyState::Throttled), "throttled", StatusCode::OK),
    ] {
        let world = well().await;
        world.scripts.token_key.set(state);
        let (status, body) = health(&world).await;
        assert_eq!((status, &body["storage"]["keys"]), (expected, &json!(word)));
        let said = if expected == StatusCode::OK { "degraded" } else { "unhealthy" };
        assert_eq!(body["status"], said, "{word}");
    }

    let world = well().await;
    world.scripts.tables["control"].set(None);
    let (status, body) = health(&world).await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unhealthy")));
    assert_eq!(body["storage"]["tables"], json!({"connections": "healthy", "control": "unhealthy"}));
    assert_eq!(body["storage"]["database"], "unhealthy");
}

#[tokio::test]
async fn all_else_that_is_amiss_degrades() {
    let dead = Some(QueueDepth { dead_letters: 1, ..QueueDepth::default() });
    for (depth, word) in [(dead, "dead_letters"), (None, "unknown")] {
        let world = well().await;
        world.scripts.events_queue.set(depth);
        let (status, body) = health(&world).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("degraded")));
        assert_eq!(body["storage"]["queues"]["events"]["status"], word);
    }

    let world = well().await;
    world.clock.advance(Duration::from_secs(181));
    let (_, body) = health(&world).await;
    assert_eq!((&body["status"], &body["scheduler"]["status"]), (&json!("degraded"), &json!("late")));

    let never = World::new();
    let (_, body) = health(&never).await;
    assert_eq!((&body["status"], &body["scheduler"]["status"]), (&json!("degraded"), &json!("never_ran")));

    let world = well().await;
    let state = BreakerState::Open { until: sample::at(60) };
    let open = Breaker { state, version: 1, ..Breaker::default() };
    assert!(world.books_breakers.replace(Provider::Xero, &open).await.unwrap());
    let (_, body) = health(&world).await;
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["providers"]["xero"]["books"]["breaker"], "open");
    assert_eq!(body["providers"]["xero"]["breaker"], "closed");
}

#[tokio::test]
async fn a_bound_key_sees_its_tenants_tokens_and_of_what_all_share_only_words() {
    let world = well().await;
    let key = world.connected().await;
    world.connected().await;
    let api = ApiWorld::new(&world, Role::Viewer, Some(&key.tenant)).await;

    let (_, body) = api.call("GET", "/api/tokens/health", None).await;

    assert_eq!(body["tokens"]["total"], 1);
    assert_eq!(body["storage"]["queues"], json!({"events": {"status": "healthy"}}));
}

/// A table that never answers.
struct Silent;

#[async_trait]
impl TableProbe for Silent {
    async fn answers(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_does_not_answer_in_time_keeps_nobody_waiting() {
    let world = well().await;
    let (mut deps, key) = ApiWorld::deps(&world, Role::Viewer, None).await;
    deps.probes.tables.push(("records", Arc::new(Silent)));

    let (status, body) = ApiWorld::of(deps, key).call("GET", "/api/tokens/health", None).await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let expected = [("connections", "healthy"), ("control", "healthy"), ("records", "unhealthy")];
    assert_eq!(body["storage"]["tables"], json!(BTreeMap::from(expected)));
}

#[tokio::test]
async fn the_status_is_read_without_the_key_of_tokens() {
    let world = well().await;
    world.connected().await;
    let calls = world.keys.calls();
    world.scripts.token_key.set(Some(KeyState::Denied));
    let api = ApiWorld::new(&world, Role::Viewer, None).await;

    let (status, body) = api.call("GET", "/api/tokens/status", None).await;

    assert_eq!((status, &body["summary"]["healthy"]), (StatusCode::OK, &json!(1)));
    assert_eq!(world.keys.calls(), calls);
}
