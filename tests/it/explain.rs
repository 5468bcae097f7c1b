//! What an administrator is told of a connection and of the providers, and what a manual refresh answers while something
//! stands in its way.

use std::time::Duration;

use domain::{
    api_key::Role,
    clock::Clock as _,
    connection::ConnectionKey,
    provider::Provider,
    refresh::{RefreshOutcome, SweepLog as _, policy::earlier},
    token::{Refusal, TokenEndpointError},
};
use lambda_http::{
    Request,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use tests::sample;

use crate::{
    api_world::ApiWorld,
    events,
    world::{World, invalid_grant},
};

/// The request of a sample event, about a connection that is there.
fn about(sample: &str, key: &ConnectionKey) -> Request {
    let text = events::text(sample);
    let text = text.replace("conn_019aa2c4e5b07e3c8f1d2a3b4c5d6e7f", key.connection.as_str());
    lambda_http::request::from_str(&text).unwrap()
}

async fn explained(world: &World, key: &ConnectionKey) -> Value {
    let api = ApiWorld::new(world, Role::Viewer, Some(&key.tenant)).await;
    let (status, _, body) = api.send(about("api-explain.json", key)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn down() -> TokenEndpointError {
    TokenEndpointError::Failed(Refusal { status: Some(503), ..Refusal::default() })
}

/// Three connections find the provider down, which opens its breaker; gives the first.
async fn broken(world: &World) -> ConnectionKey {
    let mut keys = vec![];
    for _ in 0..3 {
        keys.push(world.connected().await);
    }
    for key in &keys {
        (0..3).for_each(|_| world.provider.answer(Err(down())));
        assert!(matches!(world.manual(key).await, RefreshOutcome::Failed { .. }));
    }
    keys.swap_remove(0)
}

async fn manual(world: &World, key: &ConnectionKey, provider: Provider) -> (StatusCode, HeaderMap, Value) {
    let api = ApiWorld::new(world, Role::Admin, None).await;
    let body = json!({"tenantId": key.tenant, "connectionId": key.connection});
    let path = format!("/api/tokens/refresh/{provider}");
    let mut request = Request::new(lambda_http::Body::Text(body.to_string()));
    *request.method_mut() = "POST".parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    api.send(lambda_http::RequestExt::with_raw_http_path(request, &path)).await
}

#[tokio::test]
async fn a_connection_explains_itself_to_its_tenant_and_to_no_other() {
    let world = World::new();
    let key = world.connected().await;

    let told = explained(&world, &key).await;

    assert_eq!(told["connectionId"], key.connection.as_str());
    assert_eq!(told["tenantId"], key.tenant.as_str());
    assert_eq!(told["summary"], "The connection works; its access token is good until 2100-01-01T01:00:00Z.");
    assert_eq!(told["nextAction"]["kind"], "none");
    assert_eq!(
        (&told["nextAttempt"]["kind"], &told["nextAttempt"]["everyMinutes"]),
        (&json!("slot"), &json!(40))
    );
    let stranger = ApiWorld::new(&world, Role::Viewer, Some(&sample::tenant())).await;
    for sample in ["api-explain.json", "api-history.json", "api-verification.json"] {
        let (status, _, body) = stranger.send(about(sample, &key)).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("CONNECTION_NOT_FOUND")));
    }
}

#[tokio::test]
async fn a_dead_grant_is_explained_with_the_providers_own_word() {
    let world = World::new();
    let key = world.connected().await;
    world.provider.answer(Err(invalid_grant()));
    world.manual(&key).await;

    let told = explained(&world, &key).await;

    assert_eq!(told["state"], "reconnect_required");
    assert_eq!(told["nextAction"]["kind"], "reconnect");
    let why = told["explanation"][0].as_str().unwrap();
    assert_eq!(
        why,
        "The customer must connect again: QuickBooks Online answered invalid_grant at 2100-01-01T00:00:00Z."
    );
    assert_eq!(told["lastAttempt"]["errorCode"], "invalid_grant");
}

#[tokio::test]
async fn an_open_breaker_is_seen_wherever_somebody_looks() {
    let world = World::new();
    let key = broken(&world).await;
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    let told = explained(&world, &key).await;
    assert_eq!(told["breaker"]["state"], "open");
    assert_eq!(told["nextAction"]["kind"], "wait");

    world.refresher.breakers.flush().await;
    let (status, _, shown) = api.send(events::request("api-breakers.json")).await;
    assert_eq!(status, StatusCode::OK);
    let [quickbooks, xero, _, of_books, ..] = &shown["breakers"].as_array().unwrap()[..] else {
        panic!("{shown}")
    };
    assert_eq!((&quickbooks["provider"], &quickbooks["state"]), (&json!("quickbooks"), &json!("open")));
    assert_eq!((&quickbooks["failures"], &quickbooks["failed"]), (&json!(3), &json!(3)));
    assert_eq!((&quickbooks["failingConnections"], &quickbooks["outage"]), (&json!(3), &json!(false)));
    assert_eq!(quickbooks["until"], told["breaker"]["until"]);
    assert_eq!(
        *xero,
        json!({"provider": "xero", "endpoint": "token", "state": "closed", "failures": 0, "attempts": 0, "failed": 0,
               "failingConnections": 0, "outage": false})
    );
    assert_eq!((&of_books["provider"], &of_books["endpoint"]), (&json!("quickbooks"), &json!("books")));
    assert_eq!(of_books["state"], "closed", "the data API has a breaker of its own");

    world.sweep_log.note(world.clock.now()).await.unwrap();
    let (status, health) = api.call("GET", "/api/tokens/health", None).await;
    assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("degraded")));
    assert_eq!(health["scheduler"]["status"], "running");
    let books = json!({"breaker": "closed", "outage": false});
    for (provider, breaker) in [("quickbooks", "open"), ("zoho", "closed")] {
        let expected = json!({"breaker": breaker, "outage": false, "books": books});
        assert_eq!(health["providers"][provider], expected);
    }
}

#[tokio::test]
async fn health_is_good_while_the_scheduler_runs_and_every_breaker_is_closed() {
    let world = World::new();
    world.connected().await;
    world.sweep_log.note(world.clock.now()).await.unwrap();
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    let (_, health) = api.call("GET", "/api/tokens/health", None).await;
    assert_eq!(health["status"], "healthy");

    world.breakers.set_down(true);
    let (status, health) = api.call("GET", "/api/tokens/health", None).await;
    assert_eq!((status, &health["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unhealthy")));
    let (status, _, body) = api.send(events::request("api-breakers.json")).await;
    assert_eq!((status, &body["error"]["number"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(7001)));
}

#[tokio::test]
async fn breakers_are_shown_to_who_operates_the_bundle_and_to_nobody_else() {
    let world = World::new();
    let tenant = sample::tenant();
    let shown = async |role, tenant| {
        let api = ApiWorld::new(&world, role, tenant).await;
        api.send(events::request("api-breakers.json")).await.0
    };

    assert_eq!(shown(Role::Admin, None).await, StatusCode::OK);
    assert_eq!(shown(Role::Operator, None).await, StatusCode::OK);
    assert_eq!(shown(Role::Viewer, None).await, StatusCode::FORBIDDEN);
    assert_eq!(shown(Role::Admin, Some(&tenant)).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_manual_refresh_says_until_when_the_breaker_holds_it_back() {
    let world = World::new();
    let key = broken(&world).await;
    let spent = world.refreshes();

    let (status, headers, body) = manual(&world, &key, Provider::QuickBooks).await;

    assert_eq!((status, &body["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("CIRCUIT_OPEN")));
    assert_eq!(body["error"]["number"], 3001);
    let seconds: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    assert_eq!(world.refreshes(), spent, "nothing is sent");
}

#[tokio::test]
async fn a_manual_refresh_says_when_zoho_allows_the_next_call() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(20));
    let now = world.clock.now();
    world.connections.edit(&key, |connection| {
        connection.provider = Provider::Zoho;
        connection.calls =
            (1..=10).rev().map(|minute| earlier(now, Duration::from_secs(minute * 50))).collect();
    });

    let (status, headers, body) = manual(&world, &key, Provider::Zoho).await;

    assert_eq!(
        (status, &body["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("PROVIDER_RATE_LIMIT"))
    );
    assert_eq!(headers["retry-after"], "100");
    assert_eq!(world.refreshes(), 0, "nothing is sent");
    let told = explained(&world, &key).await;
    let sentences = told["explanation"].as_array().unwrap();
    let spent = "10 calls within 10 minutes are spent: the next goes at 2100-01-01T00:21:40Z.";
    assert!(sentences.contains(&json!(spent)), "{sentences:?}");
}
