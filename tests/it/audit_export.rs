//! The audit log as its exporter reads it.

use std::time::Duration;

use domain::{
    api_key::Role,
    audit::{AuditAction, AuditEntry, AuditLog as _},
    clock::Clock as _,
    entropy::SystemEntropy,
    id::{Ids, TenantId},
    provider::Provider,
};
use lambda_http::{
    Body, Request, RequestExt as _,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;
use tests::sample;

use crate::{api_world::ApiWorld, events, world::World};

/// After so long everything has settled.
const SETTLED: Duration = Duration::from_secs(31);

async fn act(world: &World, tenant: Option<&TenantId>, action: AuditAction) -> AuditEntry {
    world.clock.advance(Duration::from_millis(1));
    let id = Ids::new(&*world.clock, &SystemEntropy).audit();
    let entry = AuditEntry::new(id, world.clock.now(), tenant.cloned(), action);
    world.audit.record(&entry).await.unwrap();
    entry
}

async fn read(api: &ApiWorld, query: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = format!("/api/audit?{query}").parse().unwrap();
    api.send_raw(request.with_raw_http_path("/api/audit")).await
}

/// The ids of a page, and where the log goes on.
async fn page(api: &ApiWorld, query: &str) -> (Vec<String>, Option<String>) {
    let (status, headers, body) = read(api, query).await;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, StatusCode::OK, "{text}");
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let next = headers.get("x-next-cursor").map(|next| next.to_str().unwrap().to_owned());
    (text.lines().map(id).collect(), next)
}

/// Everything from a cursor on, as an exporter takes it.
async fn export(api: &ApiWorld, mut cursor: Option<String>) -> (Vec<String>, Option<String>) {
    let mut all = vec![];
    loop {
        let from = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (ids, next) = page(api, &format!("limit=2{from}")).await;
        cursor = next;
        if ids.is_empty() {
            return (all, cursor);
        }
        all.extend(ids);
    }
}

#[tokio::test]
async fn every_act_is_one_line_of_json() {
    let world = World::new();
    let tenant = sample::tenant();
    let mut entry = act(&world, Some(&tenant), AuditAction::ConnectionRefused).await;
    entry.actor = Some("0123456789abcdef".parse().unwrap());
    entry.provider = Some(Provider::Xero);
    entry.connection = Some("conn_1".parse().unwrap());
    entry.company = Some("42".parse().unwrap());
    entry.subject = Some("job_1".to_owned());
    entry.reason = Some("AUTH_ACCESS_DENIED".to_owned());
    entry.correlation = Some("corr_1".parse().unwrap());
    world.audit.record(&entry).await.unwrap();
    act(&world, None, AuditAction::KeyCreated).await;
    world.clock.advance(SETTLED);
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    let (status, headers, body) = read(&api, "").await;

    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/x-ndjson".parse().unwrap())
    );
    let text = String::from_utf8(body).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() == 2, "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    insta::assert_json_snapshot!(lines, {"[].id" => "[id]", "[].tenantId" => "[tenant]"}, @r#"
    [
      {
        "action": "connection.refused",
        "actor": "0123456789abcdef",
        "at": "2100-01-01T00:00:00.001Z",
        "connectionId": "conn_1",
        "correlationId": "corr_1",
        "id": "[id]",
        "outcome": "refused",
        "provider": "xero",
        "providerCompanyId": "42",
        "reason": "AUTH_ACCESS_DENIED",
        "subject": "job_1",
        "tenantId": "[tenant]"
      },
      {
        "action": "key.created",
        "at": "2100-01-01T00:00:00.002Z",
        "id": "[id]",
        "outcome": "succeeded"
      }
    ]
    "#);
}

#[tokio::test]
async fn the_sample_event_asks_for_the_log_of_its_tenant() {
    let world = World::new();
    let acme: TenantId = "acme".parse().unwrap();
    act(&world, Some(&acme), AuditAction::TenantCreated).await;
    act(&world, Some(&sample::tenant()), AuditAction::TenantCreated).await;
    world.clock.advance(SETTLED);
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    let (status, headers, body) = api.send_raw(events::request("api-audit.json")).await;

    assert_eq!((status, String::from_utf8(body).unwrap().lines().count()), (StatusCode::OK, 1));
    assert!(headers.contains_key("x-next-cursor"));
}

#[tokio::test]
async fn an_exporter_that_keeps_its_cursor_gets_every_act_once_in_order() {
    let world = World::new();
    let tenants = [sample::tenant(), sample::tenant()];
    let mut made = vec![];
    for number in 0..5 {
        made.push(act(&world, Some(&tenants[number % 2]), AuditAction::JobOrdered).await.id.to_string());
    }
    world.clock.advance(SETTLED);
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    let (first, cursor) = export(&api, None).await;
    assert_eq!(first, made);
    let late = act(&world, None, AuditAction::KeyRevoked).await.id.to_string();
    assert_eq!(export(&api, cursor.clone()).await.0, Vec::<String>::new(), "it has not settled");
    world.clock.advance(SETTLED);
    assert_eq!(export(&api, cursor).await.0, [late]);
}

#[tokio::test]
async fn an_act_that_is_written_a_little_late_is_not_skipped() {
    let world = World::new();
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    let early = Ids::new(&*world.clock, &SystemEntropy).audit();
    let early = AuditEntry::new(early, world.clock.now(), None, AuditAction::KeyCreated);
    let other = act(&world, None, AuditAction::KeyRotated).await;

    world.clock.advance(Duration::from_secs(20));
    let (seen, cursor) = export(&api, None).await;
    world.audit.record(&early).await.unwrap();
    world.clock.advance(SETTLED);
    let (rest, _) = export(&api, cursor).await;

    assert_eq!([seen, rest].concat(), [early.id.to_string(), other.id.to_string()]);
}

#[tokio::test]
async fn a_tenant_has_a_log_of_its_own_and_sees_no_other() {
    let world = World::new();
    let (own, other) = (sample::tenant(), sample::tenant());
    let of_own = act(&world, Some(&own), AuditAction::ConnectionConnected).await.id.to_string();
    act(&world, Some(&other), AuditAction::ConnectionConnected).await;
    act(&world, None, AuditAction::KeyCreated).await;
    world.clock.advance(SETTLED);
    let bound = ApiWorld::new(&world, Role::Admin, Some(&own)).await;
    let all = ApiWorld::new(&world, Role::Admin, None).await;

    for (api, query) in [(&bound, String::new()), (&all, format!("tenantId={own}"))] {
        assert_eq!(page(api, &query).await.0, [of_own.as_str()]);
    }
    let (status, _, _) = read(&bound, &format!("tenantId={other}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, cursor) = page(&all, "limit=1").await;
    let (status, _, _) = read(&bound, &format!("cursor={}", cursor.unwrap())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a cursor of the whole log is none of a tenant's");
}

#[tokio::test]
async fn only_who_may_read_the_log_does() {
    let world = World::new();
    for role in [Role::Viewer, Role::Operator] {
        let api = ApiWorld::new(&world, role, None).await;
        let expected = if role.scopes().contains(&domain::api_key::Scope::AuditRead) {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(read(&api, "").await.0, expected, "{role:?}");
    }
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    for limit in ["0", "1001", "x"] {
        assert_eq!(read(&api, &format!("limit={limit}")).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(
        page(&api, "").await,
        (vec![], None),
        "where nothing was recorded, there is nothing to go on from"
    );
}
