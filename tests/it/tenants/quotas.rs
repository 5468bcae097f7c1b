//! How many connections a tenant may have, and what it used.

use domain::{
    api_key::Role,
    authorization::ConnectFailure,
    call_counts::{CallCounts as _, Month},
    clock::Clock as _,
    connection::ConnectionState,
    limits::{Usage, UsageStore as _},
    provider::Provider,
    user::{User, UserStore as _},
};
use jiff::civil::date;
use lambda_http::{Body, Request, RequestExt as _};
use serde_json::{Value, json};
use tests::sample;

use super::{administered, code};
use crate::{api_world::ApiWorld, connect::failure, world::World};

#[tokio::test]
async fn a_link_to_one_connection_more_than_allowed_is_refused_and_warned_of_before() {
    let (world, tenant, api) = administered().await;
    world.tenant(&tenant, |tenant| tenant.limits.integrations = Some(5));
    let path = "/api/connect-sessions";
    let open = async |more: Value| {
        let mut body = json!({"tenantId": tenant, "provider": "quickbooks"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut request = Request::new(Body::Text(body.to_string()));
        *request.method_mut() = "POST".parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        let (status, headers, body) = api.send(request.with_raw_http_path(path)).await;
        let warning = headers.get("x-quota-warning").map(|warning| warning.to_str().unwrap().to_owned());
        ((status, body), warning)
    };
    let mut keys = vec![];
    for realm in ["1", "2", "3"] {
        keys.push(world.connect(&tenant, realm).await);
    }
    assert_eq!(open(json!({})).await.1, None, "three of five");
    keys.push(world.connect(&tenant, "4").await);
    let (answer, warning) = open(json!({})).await;
    assert_eq!((code(&answer).as_str(), warning.as_deref()), ("201", Some("integrations 80%")));
    keys.push(world.connect(&tenant, "5").await);

    let (answer, _) = open(json!({})).await;

    assert_eq!(code(&answer), "429 QUOTA_EXCEEDED");
    assert_eq!(answer.1["error"]["details"], json!({"quota": "integrations", "limit": 5, "used": 5}));
    let again = json!({"connectionId": keys[0].connection});
    assert_eq!(code(&open(again.clone()).await.0), "201", "connecting again is no connection more");
    world.disconnect(&keys[0], None).await;
    assert_eq!(code(&open(json!({})).await.0), "201", "one that has ended does not count");
    world.connect(&tenant, "6").await;
    assert_eq!(code(&open(again).await.0), "429 QUOTA_EXCEEDED", "nor is it room kept");
}

#[tokio::test]
async fn whoever_comes_back_when_there_is_no_room_left_gets_no_connection_and_a_reconnect_always_does() {
    let (world, tenant, _api) = administered().await;
    world.tenant(&tenant, |tenant| tenant.limits.integrations = Some(1));
    world.begun(&tenant, "first", "browser").await;
    world.begun(&tenant, "second", "browser").await;
    let key = world.call_back("first", Some("browser"), "1").await.unwrap().key;

    let refused = failure(world.call_back("second", Some("browser"), "2").await);

    assert!(matches!(refused, ConnectFailure::OverQuota { limit: 1, used: 1 }), "{refused:?}");
    let entry = world.audit.take().pop().unwrap();
    assert_eq!(entry.reason.as_deref(), Some("QUOTA_EXCEEDED"));
    world.begun(&tenant, "again", "browser").await;
    assert_eq!(world.call_back("again", Some("browser"), "1").await.unwrap().key, key);
    assert_eq!(world.find(&key).await.state, ConnectionState::Active);
}

async fn used() -> World {
    let (world, tenant) = (World::new(), "acme".parse().unwrap());
    world.tenant(&tenant, |tenant| tenant.limits.integrations = Some(3));
    for (month, day, provider, calls) in [
        (11, 30, Provider::Xero, 7),
        (12, 1, Provider::Xero, 1),
        (12, 1, Provider::Zoho, 2),
        (12, 31, Provider::Xero, 4),
    ] {
        let usage = Usage { calls, bytes: 10 * calls };
        world.usage.add(&tenant, (provider, date(2099, month, day)), &usage).await.unwrap();
    }
    let user = User {
        id: "u1".parse().unwrap(),
        tenant: tenant.clone(),
        role: Role::Viewer,
        created_at: sample::NOW,
    };
    world.users.put(&user, 10).await.unwrap();
    world.counts.add_to_month(&tenant, Month::of(world.clock.now()), None).await.unwrap();
    world.connect(&tenant, "1").await;
    world
}

#[tokio::test]
async fn usage_is_told_by_day_by_month_and_in_all_with_what_is_left_of_the_plan() {
    let world = used().await;
    let api = ApiWorld::new(&world, Role::Viewer, None).await;

    let (_, body) = api.call("GET", "/api/usage?tenantId=acme&from=2099-11-30&to=2099-12-31", None).await;

    assert_eq!(
        body["days"],
        json!([
            {"day": "2099-11-30", "provider": "xero", "calls": 7, "bytes": 70},
            {"day": "2099-12-01", "provider": "xero", "calls": 1, "bytes": 10},
            {"day": "2099-12-01", "provider": "zoho", "calls": 2, "bytes": 20},
            {"day": "2099-12-31", "provider": "xero", "calls": 4, "bytes": 40},
        ])
    );
    assert_eq!(
        body["months"],
        json!([
            {"month": "2099-11", "provider": "xero", "calls": 7, "bytes": 70},
            {"month": "2099-12", "provider": "xero", "calls": 5, "bytes": 50},
            {"month": "2099-12", "provider": "zoho", "calls": 2, "bytes": 20},
        ])
    );
    assert_eq!(body["totals"], json!({"calls": 14, "bytes": 140}));
    let quotas = &body["quotas"];
    assert_eq!(quotas["integrations"], json!({"limit": 3, "used": 1}));
    assert_eq!(quotas["users"], json!({"used": 1}));
    assert_eq!(quotas["apiCallsPerMonth"]["resetsAt"], "2100-02-01T00:00:00Z");
    assert!(quotas["apiCallsPerMonth"]["used"].as_u64() >= Some(1));
}

#[tokio::test]
async fn usage_is_of_one_tenant_and_of_a_year_at_most() {
    let world = used().await;
    let all = ApiWorld::new(&world, Role::Viewer, None).await;
    let bound = ApiWorld::new(&world, Role::Viewer, Some(&"acme".parse().unwrap())).await;
    let asked =
        async |api: &ApiWorld, query: &str| code(&api.call("GET", &format!("/api/usage{query}"), None).await);

    assert_eq!(asked(&all, "").await, "400 VALIDATION_FAILED");
    assert_eq!(asked(&all, "?tenantId=nobody").await, "404 TENANT_NOT_FOUND");
    assert_eq!(asked(&bound, "?tenantId=other").await, "404 TENANT_NOT_FOUND");
    assert_eq!(asked(&bound, "").await, "200");
    assert_eq!(asked(&bound, "?from=2098-11-28&to=2100-01-01").await, "200");
    for query in [
        "?from=2098-11-27&to=2100-01-01",
        "?from=2099-12-02&to=2099-12-01",
        "?from=20991202",
        "?from=2099-12-02T00:00",
        "?from=2099-13-02",
        "?to=",
    ] {
        assert_eq!(asked(&bound, query).await, "400 VALIDATION_FAILED", "{query}");
    }
    let (_, month) = bound.call("GET", "/api/usage?to=2099-12-15", None).await;
    assert_eq!((&month["from"], &month["to"]), (&json!("2099-12-01"), &json!("2099-12-15")));
    assert_eq!(month["totals"]["calls"], 3);
}
