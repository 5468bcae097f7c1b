//! The manual refresh, and the cursors of lists, at the API's door.

use domain::{
    api_key::Role,
    audit::AuditAction,
    clock::Clock as _,
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _},
    id::TenantId,
    refresh::policy::later,
};
use lambda_http::{Body, Request, RequestExt as _, http::StatusCode};
use serde_json::{Value, json};
use tests::sample;

use crate::{api_world::ApiWorld, world::World};

/// Asks for a refresh under a name.
async fn refresh(api: &ApiWorld, provider: &str, name: &str, body: &Value) -> (StatusCode, Value) {
    let path = format!("/api/tokens/refresh/{provider}");
    let mut request = Request::new(Body::Text(body.to_string()));
    *request.method_mut() = "POST".parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("idempotency-key", name.parse().unwrap());
    let (status, _, body) = api.send(request.with_raw_http_path(&path)).await;
    (status, body)
}

fn of(key: &ConnectionKey) -> Value {
    json!({"tenantId": key.tenant, "connectionId": key.connection})
}

#[tokio::test]
async fn the_one_living_connection_is_found_behind_a_page_of_ended_ones() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Operator, Some(&tenant)).await;
    for number in 1..=100 {
        let key = world.connect(&tenant, &number.to_string()).await;
        world.connections.edit(&key, |ended| {
            (ended.state, ended.tokens) = (ConnectionState::Disconnected, None);
        });
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    world.connect(&tenant, "101").await;
    world.clock.advance(std::time::Duration::from_mins(1));

    let body = json!({ "tenantId": tenant });
    let (status, refreshed) = api.call("POST", "/api/tokens/refresh/quickbooks", Some(body)).await;

    assert_eq!((status, &refreshed["refreshed"]), (StatusCode::OK, &json!(true)), "{refreshed}");
}

#[tokio::test]
async fn a_name_stands_for_one_request_for_a_day_and_for_each_caller_alone() {
    let world = World::new();
    let (one, other) = (world.connected().await, world.connected().await);
    let api = ApiWorld::new(&world, Role::Operator, None).await;
    world.clock.advance(std::time::Duration::from_mins(1));

    assert_eq!(refresh(&api, "quickbooks", "first", &of(&one)).await.0, StatusCode::OK);
    assert_eq!(refresh(&api, "quickbooks", "first", &of(&one)).await.0, StatusCode::OK, "the same again");
    assert_eq!(world.refreshes(), 1, "and it is the same refresh");
    for (provider, body) in
        [("quickbooks", of(&other)), ("xero", of(&one)), ("quickbooks", json!({"tenantId": one.tenant}))]
    {
        let (status, refused) = refresh(&api, provider, "first", &body).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (StatusCode::CONFLICT, &json!("IDEMPOTENCY_KEY_REUSED"))
        );
    }
    assert_eq!(world.refreshes(), 1);

    let stranger = ApiWorld::new(&world, Role::Operator, None).await;
    assert_eq!(refresh(&stranger, "quickbooks", "first", &of(&other)).await.0, StatusCode::OK);
    world.clock.advance(std::time::Duration::from_hours(24));
    assert_eq!(refresh(&api, "quickbooks", "first", &of(&other)).await.0, StatusCode::OK);
    assert_eq!(refresh(&api, "quickbooks", "b\u{fc}", &of(&one)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_refresh_and_a_job_that_somebody_asks_for_are_in_the_audit_log() {
    let world = World::new();
    let key = world.connected().await;
    let api = ApiWorld::new(&world, Role::Operator, Some(&key.tenant)).await;
    world.audit.take();

    let body = json!({"tenantId": key.tenant});
    api.call("POST", "/api/tokens/refresh/quickbooks", Some(body)).await;
    let job = json!({"provider": "quickbooks", "operation": "sync_invoices"});
    let (status, made) = api.call("POST", "/api/jobs", Some(job)).await;

    assert_eq!(status, StatusCode::ACCEPTED, "{made}");
    let entries = world.audit.take();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [AuditAction::RefreshRequested, AuditAction::JobOrdered]);
    for entry in &entries {
        assert_eq!(
            (&entry.tenant, &entry.connection),
            (&Some(key.tenant.clone()), &Some(key.connection.clone()))
        );
        assert!(entry.actor.is_some());
    }
    assert_eq!(entries[1].subject.as_deref(), made["jobId"].as_str());
}

async fn connections_of(world: &World, tenant: &TenantId, count: usize) {
    for _ in 0..count {
        let mut connection = sample::connection(&sample::key());
        connection.key.tenant = tenant.clone();
        connection.used_at = later(world.clock.now(), std::time::Duration::ZERO);
        world.connections.connect(&sample::new_connection(connection)).await.unwrap();
    }
}

/// The cursor behind the first entry of a list.
async fn cursor(api: &ApiWorld, path: &str) -> String {
    let (status, body) = api.call("GET", path, None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["nextCursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cursor_is_of_use_where_it_was_given_and_nowhere_else() {
    let world = World::new();
    let (acme, other) = (sample::tenant(), sample::tenant());
    connections_of(&world, &acme, 3).await;
    connections_of(&world, &other, 3).await;
    let all = ApiWorld::new(&world, Role::Viewer, None).await;
    let bound = ApiWorld::new(&world, Role::Viewer, Some(&acme)).await;
    let own = cursor(&bound, "/api/tokens/status?limit=1").await;
    let of_other = cursor(&all, &format!("/api/tokens/status?limit=1&tenantId={other}")).await;
    let of_all = cursor(&all, "/api/tokens/status?limit=1").await;
    let of_connections = cursor(&bound, "/api/connections?limit=1").await;

    let takes = async |api: &ApiWorld, cursor: &str| {
        let (status, body) = api.call("GET", &format!("/api/tokens/status?cursor={cursor}"), None).await;
        (status, body["error"]["details"]["field"].as_str().map(str::to_owned))
    };
    assert_eq!(takes(&bound, &own).await.0, StatusCode::OK);
    assert_eq!(takes(&all, &of_all).await.0, StatusCode::OK);
    let refused = (StatusCode::BAD_REQUEST, Some("cursor".to_owned()));
    for foreign in [&of_other, &of_all, &of_connections, "", "YQ", "%00"] {
        assert_eq!(takes(&bound, foreign).await, refused, "{foreign}");
    }
    for place in 0..own.len() {
        let mut changed = own.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(takes(&bound, &changed).await, refused, "character {place}");
    }
}

#[tokio::test]
async fn a_cursor_outlives_the_process_and_not_the_deployment() {
    let (world, tenant) = (World::new(), sample::tenant());
    connections_of(&world, &tenant, 2).await;
    let given = cursor(&ApiWorld::new(&world, Role::Viewer, None).await, "/api/connections?limit=1").await;
    let path = format!("/api/connections?cursor={given}");

    let later = ApiWorld::new(&world, Role::Viewer, None).await;
    assert_eq!(later.call("GET", &path, None).await.0, StatusCode::OK);

    let elsewhere = World::new();
    connections_of(&elsewhere, &tenant, 2).await;
    let stranger = ApiWorld::new(&elsewhere, Role::Viewer, None).await;
    assert_eq!(stranger.call("GET", &path, None).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_provider_is_known_by_its_name_as_written() {
    let world = World::new();
    let key = world.connected().await;
    let api = ApiWorld::new(&world, Role::Operator, Some(&key.tenant)).await;

    for name in ["QuickBooks", "QUICKBOOKS", "quickbooks%00", "%EF%BD%91uickbooks", "quickbooks%20", "sage"] {
        let (status, _) = api.call("GET", &format!("/api/tokens/history/{name}"), None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
        assert_eq!(refresh(&api, name, "n", &of(&key)).await.0, StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(world.refreshes(), 0);
}
