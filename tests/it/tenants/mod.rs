//! Tenants: their life from the first request to the last trace.

mod crashes;
mod deletion;
mod quotas;
mod settings;
mod suspension;

use domain::{
    api_key::Role,
    audit::AuditAction,
    id::TenantId,
    tenant::{Tenant, TenantState},
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::sample;

use crate::{api_world::ApiWorld, events, world::World};

impl World {
    /// Changes a tenant, which is made where there is none.
    pub(crate) fn tenant(&self, id: &TenantId, change: impl FnOnce(&mut Tenant)) {
        self.tenants.edit(Tenant::new(id.clone(), "Acme", sample::NOW), change);
    }
}

/// The status of an answer, and the code where it is a refusal.
fn code((status, body): &(StatusCode, Value)) -> String {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    format!("{} {code}", status.as_u16()).trim_end().to_owned()
}

/// A world with one tenant, and the API for a key of an administrator, which is bound to no tenant.
async fn administered() -> (World, TenantId, ApiWorld) {
    let (world, tenant) = (World::new(), sample::tenant());
    world.tenant(&tenant, |_| {});
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    (world, tenant, api)
}

async fn patch(api: &ApiWorld, tenant: &TenantId, change: Value) -> (StatusCode, Value) {
    api.call("PATCH", &format!("/api/tenants/{tenant}"), Some(change)).await
}

fn actions(world: &World) -> Vec<AuditAction> {
    world.audit.take().into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn a_tenant_is_made_read_changed_and_listed() {
    let world = World::new();
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    let new = json!({
        "tenantId": "acme", "name": " Söhne & Co ", "plan": "starter", "limits": {"users": 5},
        "settings": {"refreshPolicy": "always", "syncSchedule": "off", "returnUrls": ["https://acme.example/done"],
                     "scopes": {"xero": ["accounting.contacts.read"]}}
    });

    let (status, made) = api.call("POST", "/api/tenants", Some(new.clone())).await;

    let expected = json!({
        "tenantId": "acme", "name": "Söhne & Co", "plan": "starter", "state": "active", "limits": {"users": 5},
        "settings": new["settings"], "createdAt": "2100-01-01T00:00:00Z"
    });
    assert_eq!((status, &made), (StatusCode::CREATED, &expected));
    assert_eq!(api.call("GET", "/api/tenants/acme", None).await, (StatusCode::OK, expected));
    assert_eq!(code(&api.call("POST", "/api/tenants", Some(new)).await), "409 TENANT_EXISTS");
    let (_, list) = api.call("GET", "/api/tenants", None).await;
    assert_eq!(list["tenants"], json!([made]));
    assert_eq!(actions(&world), [AuditAction::TenantCreated]);
}

#[tokio::test]
async fn the_samples_of_tenants_are_answered_as_their_index_says() {
    let world = World::new();
    let api = ApiWorld::new(&world, Role::Admin, None).await;

    for (name, status) in [
        ("api-tenants.json", 201),
        ("api-tenant-change.json", 200),
        ("api-usage.json", 200),
        ("api-tenant-delete.json", 202),
    ] {
        let (answered, _, body) = api.send(events::request(name)).await;
        assert_eq!(answered, status, "{name}: {body}");
    }
    let (_, tenant) = api.call("GET", "/api/tenants/acme", None).await;
    assert_eq!((&tenant["plan"], &tenant["limits"]), (&Value::Null, &json!({"integrations": 10})));
    assert_eq!((&tenant["state"], &tenant["settings"]["syncSchedule"]), (&json!("deleting"), &json!("off")));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_unsets() {
    let (world, tenant, api) = administered().await;
    world.tenant(&tenant, |tenant| tenant.plan = Some("starter".to_owned()));
    let change = json!({"name": "New", "limits": {"users": 5, "integrations": 2}, "settings": {"syncSchedule": "off"}});
    assert_eq!(patch(&api, &tenant, change).await.0, StatusCode::OK);

    let (status, changed) =
        patch(&api, &tenant, json!({"plan": null, "limits": {"users": null}, "settings": null})).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!((&changed["name"], &changed["plan"]), (&json!("New"), &Value::Null));
    assert_eq!((&changed["limits"], &changed["settings"]), (&json!({"integrations": 2}), &json!({})));
    assert_eq!(actions(&world), [AuditAction::TenantUpdated, AuditAction::TenantUpdated]);
    patch(&api, &tenant, json!({"name": "New"})).await;
    assert_eq!(actions(&world), [], "what is as it was is no act");
}

#[tokio::test]
async fn what_a_tenant_cannot_be_is_refused_and_changes_nothing() {
    let (_world, tenant, api) = administered().await;
    let before = api.call("GET", &format!("/api/tenants/{tenant}"), None).await.1;

    for change in [
        json!({"name": null}),
        json!({"name": ""}),
        json!({"name": "a\u{202e}b"}),
        json!({"name": "x".repeat(201)}),
        json!({"plan": "a\nb"}),
        json!({"state": "deleting"}),
        json!({"state": "gone"}),
        json!({"state": null}),
        json!({"limits": {"users": -1}}),
        json!({"limits": {"cats": 1}}),
        json!({"limits": 7}),
        json!({"settings": {"refreshPolicy": "never"}}),
        json!({"settings": {"scopes": {"sage": ["a"]}}}),
        json!({"settings": {"scopes": {"quickbooks": ["com.intuit.quickbooks.payroll"]}}}),
        json!({"settings": {"returnUrls": ["//evil.example"]}}),
        json!({"settings": {"returnUrls": ["https://app.example@evil.example/"]}}),
        json!({"settings": {"returnUrls": ["https://app.example/\r\nSet-Cookie: a=b"]}}),
        json!({"settings": {"returnUrls": vec!["https://app.example/"; 21]}}),
        json!({"tenantId": "other"}),
        json!({"version": 7}),
    ] {
        assert_eq!(code(&patch(&api, &tenant, change.clone()).await), "400 VALIDATION_FAILED", "{change}");
    }
    assert_eq!(code(&patch(&api, &tenant, json!([1])).await), "400 VALIDATION_FAILED");
    assert_eq!(api.call("GET", &format!("/api/tenants/{tenant}"), None).await.1, before);
}

#[tokio::test]
async fn no_id_but_one_of_a_tenant_reaches_any() {
    let (_world, _, api) = administered().await;
    let long = "x".repeat(10_000);
    for id in ["%23", "a%23b", "..", "a%00b", "%E2%80%AEa", long.as_str(), "nobody"] {
        let answer = api.call("GET", &format!("/api/tenants/{id}"), None).await;
        assert_eq!(answer.0, StatusCode::NOT_FOUND, "{}", &id[..id.len().min(20)]);
    }
    for id in ["a#b", "a/b", "..", "a\u{0}b", "\u{202e}a", "", long.as_str()] {
        let answer = api.call("POST", "/api/tenants", Some(json!({"tenantId": id, "name": "A"}))).await;
        assert_eq!(code(&answer), "400 VALIDATION_FAILED", "{}", &id[..id.len().min(9)]);
    }
}

#[tokio::test]
async fn a_bound_key_sees_and_changes_its_own_tenant_but_for_what_it_may_use() {
    let (world, tenant, _) = administered().await;
    let other = sample::tenant();
    world.tenant(&other, |_| {});
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;

    let (_, list) = api.call("GET", "/api/tenants", None).await;
    assert_eq!(list["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(list["tenants"][0]["tenantId"], json!(tenant));
    assert_eq!(code(&patch(&api, &tenant, json!({"name": "Mine", "plan": null})).await), "200");
    for change in [json!({"plan": "gold"}), json!({"limits": {"users": 99}}), json!({"state": "suspended"})] {
        assert_eq!(code(&patch(&api, &tenant, change).await), "403 AUTH_SCOPE_EXCEEDED");
    }
    let delete = api.call("DELETE", &format!("/api/tenants/{tenant}"), None).await;
    assert_eq!(code(&delete), "403 AUTH_SCOPE_EXCEEDED");
    for (method, body) in [("GET", None), ("PATCH", Some(json!({"name": "Theirs"}))), ("DELETE", None)] {
        let answer = api.call(method, &format!("/api/tenants/{other}"), body).await;
        assert_eq!(code(&answer), "404 TENANT_NOT_FOUND", "{method}");
    }
    let viewer = ApiWorld::new(&world, Role::Viewer, Some(&tenant)).await;
    assert_eq!(code(&patch(&viewer, &tenant, json!({"name": "No"})).await), "403 AUTH_SCOPE_MISSING");
}

#[tokio::test]
async fn lists_of_tenants_go_on_where_the_page_ended() {
    let world = World::new();
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    for id in ["a", "b", "c"] {
        world.tenant(&id.parse().unwrap(), |_| {});
    }

    let (_, first) = api.call("GET", "/api/tenants?limit=2", None).await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let (_, rest) = api.call("GET", &format!("/api/tenants?limit=2&cursor={cursor}"), None).await;

    let ids = |page: &Value| {
        page["tenants"].as_array().unwrap().iter().map(|one| one["tenantId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&first), ids(&rest)), (vec![json!("a"), json!("b")], vec![json!("c")]));
    assert_eq!(rest["nextCursor"], Value::Null);
    for query in ["limit=0", "limit=101", "cursor=%23"] {
        let answer = api.call("GET", &format!("/api/tenants?{query}"), None).await;
        assert_eq!(code(&answer), "400 VALIDATION_FAILED", "{query}");
    }
}

#[tokio::test]
async fn of_many_changes_at_once_none_undoes_another() {
    let (world, tenant, api) = administered().await;

    let answers = futures::future::join_all([
        patch(&api, &tenant, json!({"name": "New"})),
        patch(&api, &tenant, json!({"plan": "gold"})),
        patch(&api, &tenant, json!({"limits": {"users": 7}})),
    ])
    .await;

    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{answers:?}");
    let mut found = None;
    world.tenant(&tenant, |tenant| found = Some(tenant.clone()));
    let Tenant { name, plan, limits, version, state, .. } = found.unwrap();
    assert_eq!((name.as_str(), plan.as_deref(), limits.users), ("New", Some("gold"), Some(7)));
    assert_eq!((version, state), (4, TenantState::Active));
}
