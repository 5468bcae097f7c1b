//! The history of one connection, and what is found when somebody has changed it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::TenancyStores;
use async_trait::async_trait;
use domain::{
    api_key::Role,
    connection::ConnectionKey,
    id::TenantId,
    provider::Provider,
    refresh::{AttemptFailure, AttemptLog, FailureClass, RefreshAttempt, Refresher, Trigger, policy::later},
    store::StoreError,
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::{memory::InMemoryAttempts, sample};

use crate::{
    api_world::ApiWorld,
    world::{FUNCTION_LIFE, World, invalid_grant},
};

/// A connection with an attempt a minute, the last of which ended its grant.
async fn refreshed(world: &World, attempts: usize) -> ConnectionKey {
    let key = world.connected().await;
    for _ in 1..attempts {
        world.clock.advance(Duration::from_mins(1));
        world.manual(&key).await;
    }
    world.clock.advance(Duration::from_mins(1));
    world.provider.answer(Err(invalid_grant()));
    // The token before is tried, too.
    world.provider.answer(Err(invalid_grant()));
    world.manual(&key).await;
    key
}

async fn get(world: &World, key: &ConnectionKey, path: &str) -> (StatusCode, Value) {
    let api = ApiWorld::new(world, Role::Viewer, Some(&key.tenant)).await;
    api.call("GET", &format!("/api/connections/{}/{path}", key.connection), None).await
}

async fn verified(world: &World, key: &ConnectionKey) -> Value {
    let (status, body) = get(world, key, "history/verification").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn the_history_of_a_connection_is_its_own_newest_first_and_linked() {
    let world = World::new();
    let key = refreshed(&world, 3).await;
    let other = world.connected().await;
    world.clock.advance(Duration::from_mins(1));
    world.manual(&other).await;

    let (status, body) = get(&world, &key, "history?limit=2").await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["connectionId"], key.connection.as_str());
    let history = body["history"].as_array().unwrap();
    assert_eq!(history.iter().map(|entry| &entry["sequence"]).collect::<Vec<_>>(), [3, 2]);
    assert!(history.iter().all(|entry| entry["connectionId"] == key.connection.as_str()));
    assert!(history.iter().all(|entry| entry["hash"].as_str().is_some_and(|hash| hash.len() == 64)));
    assert_eq!(
        (&history[0]["status"], &history[0]["errorCode"]),
        (&json!("failed"), &json!("invalid_grant"))
    );
    assert_eq!((&history[1]["status"], &history[1]["refreshType"]), (&json!("success"), &json!("manual")));
    for bad in ["0", "1001", "x"] {
        let (status, body) = get(&world, &key, &format!("history?limit={bad}")).await;
        assert_eq!((status, &body["error"]["details"]["max"]), (StatusCode::BAD_REQUEST, &json!(1000)));
    }
}

#[tokio::test]
async fn a_history_that_nobody_touched_is_intact() {
    let world = World::new();
    let fresh = world.connected().await;
    let key = refreshed(&world, 4).await;

    let told = verified(&world, &key).await;

    let (_, newest) = get(&world, &key, "history?limit=1").await;
    let hash = &newest["history"][0]["hash"];
    assert_eq!(
        told,
        json!({"connectionId": key.connection, "entries": 4, "intact": true, "complete": true,
               "altered": [], "missing": [], "head": {"sequence": 4, "hash": hash}})
    );
    assert_eq!(verified(&world, &fresh).await["intact"], true, "where nothing was attempted, too");
}

#[tokio::test]
async fn an_entry_that_was_changed_is_found() {
    let world = World::new();
    let key = refreshed(&world, 4).await;
    let last = world.attempts.all().pop().unwrap();
    world.attempts.record(&RefreshAttempt { failure: None, ..last }).await.unwrap();

    let told = verified(&world, &key).await;

    assert_eq!(
        (&told["intact"], &told["altered"], &told["missing"]),
        (&json!(false), &json!([4]), &json!([]))
    );
}

#[tokio::test]
async fn entries_that_were_taken_out_are_found_the_newest_too() {
    let world = World::new();
    let key = refreshed(&world, 4).await;
    let all = world.attempts.all();
    for index in [1, 3] {
        world.attempts.remove(&all[index].id);
    }

    let told = verified(&world, &key).await;

    assert_eq!(
        (&told["intact"], &told["altered"], &told["missing"]),
        (&json!(false), &json!([]), &json!([2, 4]))
    );
}

#[tokio::test]
async fn an_entry_that_nobody_wrote_is_found() {
    let world = World::new();
    let key = refreshed(&world, 4).await;
    let mut forged = world.attempts.all().pop().unwrap();
    forged.id = sample::ids().attempt();
    let mut link = forged.link.unwrap();
    link.sequence += 1;
    forged.link = Some(link);
    world.attempts.record(&forged).await.unwrap();

    let told = verified(&world, &key).await;

    assert_eq!((&told["intact"], &told["altered"]), (&json!(false), &json!([5])));
}

#[tokio::test]
async fn a_history_longer_than_one_call_verifies_says_so() {
    let world = World::new();
    let key = refreshed(&world, 1).await;
    let newest = world.attempts.all().pop().unwrap();
    let failure = Some(AttemptFailure { class: FailureClass::LostRace, code: None, trace_id: None });
    for _ in 0..10_000 {
        let id = sample::ids().attempt();
        let attempt = RefreshAttempt { id, failure: failure.clone(), link: None, ..newest.clone() };
        world.attempts.record(&attempt).await.unwrap();
    }

    assert_eq!(verified(&world, &key).await["complete"], false);
}

/// A history to which an attempt is added just before it is first read.
struct Growing {
    attempts: Arc<InMemoryAttempts>,
    refresher: Arc<Refresher>,
    has_grown: AtomicBool,
}

#[async_trait]
impl AttemptLog for Growing {
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError> {
        self.attempts.record(attempt).await
    }

    async fn list(
        &self,
        provider: Provider,
        tenant: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        self.attempts.list(provider, tenant, limit).await
    }

    async fn list_of(
        &self,
        provider: Provider,
        key: &ConnectionKey,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError> {
        if !self.has_grown.swap(true, Ordering::SeqCst) {
            let deadline = later(self.refresher.clock.now(), FUNCTION_LIFE);
            self.refresher.refresh(key, Trigger::Manual, deadline).await?;
        }
        self.attempts.list_of(provider, key, limit).await
    }
}

#[tokio::test]
async fn an_attempt_that_ends_while_the_history_is_read_is_no_forgery() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(1));
    let growing = Growing {
        attempts: world.attempts.clone(),
        refresher: world.refresher.clone(),
        has_grown: AtomicBool::new(false),
    };
    let stores = TenancyStores { attempts: Arc::new(growing), ..ApiWorld::stores(&world) };
    let (deps, caller) = ApiWorld::deps_over(&world, (Role::Viewer, Some(&key.tenant)), stores).await;
    let api = ApiWorld::of(deps, caller);

    let path = format!("/api/connections/{}/history/verification", key.connection);
    let (_, told) = api.call("GET", &path, None).await;

    assert_eq!((&told["entries"], &told["intact"]), (&json!(1), &json!(true)), "{told}");
}
