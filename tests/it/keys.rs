//! API keys and users over the API: what a key may give, how it is replaced, when it ends.

use domain::{
    api_key::{ApiKey, ApiKeyStore as _, NewApiKey, Role, Scope},
    audit::AuditAction,
    id::TenantId,
    secret::ApiKeyText,
    tenant::{TenantLimits, TenantState},
};
use serde_json::{Value, json};
use tests::sample::{self, at};

use crate::door::{Answer, Door, STATUS, id_of, new_key, request, send};

/// The text of a key that was made by an answer.
fn text(answer: &Value) -> ApiKeyText {
    ApiKeyText::new(answer["key"].as_str().unwrap())
}

async fn made(door: &Door, body: Value) -> ApiKeyText {
    text(&door.admin("POST", "/api/keys", body).await.expect(201))
}

async fn stored(door: &Door, key: &ApiKeyText) -> ApiKey {
    door.keys.find(&id_of(key)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_key_is_shown_once_and_then_only_described() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    let wanted = json!({
        "name": " billing ", "role": "viewer", "tenantId": tenant, "expiresAt": "2100-01-02T00:00:00.0004Z"
    });

    let answer = door.admin("POST", "/api/keys", wanted).await;

    let id = answer.body["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("/api/keys/{id}").as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut created = answer.expect(201);
    let key = text(&created);
    assert!(key.expose().starts_with(&format!("lb_test_{id}_")));
    door.get(&key, STATUS).await.expect(200);

    created.as_object_mut().unwrap().remove("key");
    let scopes = ["connections:read", "sync:read", "tenants:read", "tokens:read", "usage:read"];
    let expected = json!({
        "id": id, "name": "billing", "scopes": scopes, "role": "viewer", "tenantId": tenant,
        "createdAt": "2100-01-01T00:00:00Z", "expiresAt": "2100-01-02T00:00:00Z"
    });
    assert_eq!(created, expected);
    let shown = door.get(&door.admin, &format!("/api/keys/{id}")).await.expect(200);
    let listed = door.get(&door.admin, &format!("/api/keys?tenantId={tenant}")).await.expect(200);
    assert_eq!(listed["keys"], json!([shown.clone()]));
    let mut used = expected;
    used["lastUsedAt"] = json!("2100-01-01T00:00:00Z");
    assert_eq!(shown, used);
    assert_eq!(door.audited(), [(AuditAction::KeyCreated, Some(id), None)]);

    door.advance(86_400);
    assert_eq!(door.get(&key, STATUS).await.refusal(), (401, "AUTH_API_KEY_INVALID"));
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let door = Door::new().await;
    for number in 0..4 {
        made(&door, json!({"name": format!("key {number}"), "scopes": ["tokens:read", "tokens:read"]})).await;
    }

    let (mut ids, mut path) = (Vec::new(), "/api/keys?limit=2".to_owned());
    loop {
        let page = door.get(&door.admin, &path).await.expect(200);
        ids.extend(page["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/api/keys?limit=2&cursor={next}");
    }

    assert_eq!(ids.len(), 5, "the administrator's own is one of them");
    assert!(ids.is_sorted());
    let refused = door.get(&door.admin, "/api/keys?cursor=%25").await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_FAILED"));
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    for (field, body) in [
        ("body", json!({"role": "viewer"})),
        ("body", json!({"name": "n", "role": "owner"})),
        ("body", json!({"name": "n", "scopes": ["tokens:steal"]})),
        ("body", json!({"name": "n", "role": "viewer", "tenantId": "a#b"})),
        ("body", json!({"name": "n", "role": "viewer", "hash": "0"})),
        ("body", json!({"name": "n", "role": "viewer", "expiresAt": "tomorrow"})),
        ("name", json!({"name": " ", "role": "viewer"})),
        ("name", json!({"name": "a\u{0}b", "role": "viewer"})),
        ("name", json!({"name": "n".repeat(101), "role": "viewer"})),
        ("scopes", json!({"name": "n"})),
        ("scopes", json!({"name": "n", "scopes": []})),
        ("scopes", json!({"name": "n", "scopes": ["tokens:read"], "role": "viewer"})),
        ("expiresAt", json!({"name": "n", "role": "viewer", "expiresAt": "2100-01-01T00:00:00Z"})),
        ("tenantId", json!({"name": "n", "role": "viewer", "userId": "ann"})),
    ] {
        let refused = door.admin("POST", "/api/keys", body.clone()).await;
        assert_eq!(refused.refusal(), (400, "VALIDATION_FAILED"), "{body}");
        assert_eq!(refused.body["error"]["details"]["field"], field, "{body}");
    }
    let leaving = door.tenant_in(TenantState::Deleting, TenantLimits::default()).await;
    for (tenant, user, code) in [
        (sample::tenant(), None, (404, "TENANT_NOT_FOUND")),
        (leaving, None, (409, "TENANT_DELETING")),
        (tenant, Some("nobody"), (404, "USER_NOT_FOUND")),
    ] {
        let mut body = json!({"name": "n", "role": "viewer", "tenantId": tenant});
        if let Some(user) = user {
            body["userId"] = json!(user);
        }
        assert_eq!(door.admin("POST", "/api/keys", body).await.refusal(), code);
    }
    assert_eq!(door.audited(), []);
}

#[tokio::test]
async fn a_key_gives_no_more_than_it_has() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    let few = NewApiKey { scopes: vec![Scope::KeysWrite, Scope::TokensRead], ..new_key() };
    let few = door.issue(few).await;
    let create = async |body| door.ask(&few, "POST", "/api/keys", body).await;

    let refused = create(json!({"name": "n", "role": "viewer"})).await;
    assert_eq!(refused.refusal(), (403, "AUTH_SCOPE_EXCEEDED"));
    assert_eq!(refused.body["error"]["details"]["scope"], "connections:read");
    create(json!({"name": "n", "scopes": ["tokens:read"]})).await.expect(201);
    let mightier = door.key(Role::Admin, Some(&tenant)).await;
    let rotated = door.ask(&few, "POST", &format!("/api/keys/{}/rotate", id_of(&mightier)), json!({})).await;
    assert_eq!(rotated.refusal(), (403, "AUTH_SCOPE_EXCEEDED"), "a mightier key is not taken over");
    let user = door.ask(&door.key(Role::Operator, None).await, "POST", "/api/keys", json!({})).await;
    assert_eq!(user.refusal(), (403, "AUTH_SCOPE_MISSING"));
}

#[tokio::test]
async fn a_key_of_one_tenant_makes_keys_of_this_tenant_only() {
    let door = Door::new().await;
    let (tenant, other) = (door.tenant().await, door.tenant().await);
    let bound = door.key(Role::Admin, Some(&tenant)).await;
    let create = async |body| door.ask(&bound, "POST", "/api/keys", body).await;

    create(json!({"name": "n", "role": "admin", "tenantId": tenant})).await.expect(201);
    door.audited();
    for (tenant, audited) in [(None, 0), (Some(other), 1), (Some(sample::tenant()), 1)] {
        let mut body = json!({"name": "n", "role": "admin"});
        if let Some(tenant) = tenant {
            body["tenantId"] = json!(tenant);
        }
        assert_eq!(create(body).await.refusal(), (403, "AUTH_SCOPE_EXCEEDED"));
        let actions: Vec<_> = door.audited().into_iter().map(|(action, ..)| action).collect();
        assert_eq!(actions, vec![AuditAction::AccessRefused; audited]);
    }
}

#[tokio::test]
async fn keys_of_others_are_not_there() {
    let door = Door::new().await;
    let (tenant, other) = (door.tenant().await, door.tenant().await);
    let bound = door.key(Role::Admin, Some(&tenant)).await;
    let theirs = [door.key(Role::Viewer, Some(&other)).await, door.key(Role::Viewer, None).await];
    let ids = theirs.iter().map(|key| id_of(key).to_string());

    let without_correlation = |mut answer: Answer| {
        answer.body["error"]["correlationId"] = Value::Null;
        (answer.status, answer.body)
    };
    for id in ids.chain(["a-b".to_owned()]) {
        for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate")] {
            let of = |id: &str| format!("/api/keys/{id}{path}");
            let theirs = door.ask(&bound, method, &of(&id), json!({})).await;
            let nobodys = door.ask(&bound, method, &of("NobodysKey00"), json!({})).await;
            assert_eq!(theirs.refusal(), (404, "KEY_NOT_FOUND"), "{method} {id}");
            assert_eq!(without_correlation(theirs), without_correlation(nobodys));
        }
    }
    let listed = door.get(&bound, "/api/keys").await.expect(200);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["keys"][0]["id"], id_of(&bound).as_str());
    let refused = door.get(&bound, &format!("/api/keys?tenantId={other}")).await;
    assert_eq!(refused.refusal(), (404, "TENANT_NOT_FOUND"));
    for key in &theirs {
        assert_eq!(stored(&door, key).await.ends_at(), None);
    }
}

#[tokio::test]
async fn a_rotated_key_works_beside_its_successor_until_the_overlap_ends() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    let old = made(&door, json!({"name": "n", "role": "admin", "tenantId": tenant})).await;
    let path = format!("/api/keys/{}/rotate", id_of(&old));
    door.audited();

    let rotated = door.ask(&old, "POST", &path, json!({"overlapSeconds": 3600})).await.expect(201);

    let new = text(&rotated);
    assert_eq!((&rotated["role"], &rotated["tenantId"]), (&json!("admin"), &json!(tenant)));
    assert_eq!(rotated["expiresAt"], Value::Null);
    let audited = door.audited();
    assert_eq!(audited[0], (AuditAction::KeyRotated, Some(id_of(&old).to_string()), None));
    assert_eq!(audited[1], (AuditAction::KeyCreated, Some(id_of(&new).to_string()), None));
    door.get(&new, STATUS).await.expect(200);
    door.advance(3599);
    door.get(&old, STATUS).await.expect(200);
    door.advance(1);
    assert_eq!(door.get(&old, STATUS).await.refusal().0, 401);
    door.get(&new, STATUS).await.expect(200);
    let again = door.ask(&new, "POST", &path, json!({})).await;
    assert_eq!(again.refusal(), (409, "KEY_ENDED"));
}

#[tokio::test]
async fn an_overlap_has_a_default_and_bounds_and_never_lengthens_a_life() {
    let door = Door::new().await;
    let day = json!({"name": "n", "role": "viewer", "expiresAt": "2100-01-01T12:00:00Z"});
    let (plain, short) = (made(&door, json!({"name": "n", "role": "viewer"})).await, made(&door, day).await);
    let rotate = async |key: &ApiKeyText, body| {
        door.admin("POST", &format!("/api/keys/{}/rotate", id_of(key)), body).await
    };

    rotate(&plain, json!({})).await.expect(201);
    assert_eq!(stored(&door, &plain).await.ends_at(), Some(at(86_400)), "a day by itself");
    rotate(&plain, json!({"overlapSeconds": 2_592_000})).await.expect(201);
    assert_eq!(stored(&door, &plain).await.ends_at(), Some(at(86_400)), "the first rotation stands");
    door.advance(3600);
    let successor = rotate(&short, json!({})).await.expect(201);
    assert_eq!(stored(&door, &short).await.ends_at(), Some(at(43_200)));
    assert_eq!(successor["expiresAt"], "2100-01-01T13:00:00Z", "as long a life as the first had");
    rotate(&plain, json!({"overlapSeconds": 0})).await.expect(201);
    assert_eq!(door.get(&plain, STATUS).await.refusal().0, 401, "at once");
    for bad in [json!(2_592_001), json!(-1), json!("1"), json!(1.5)] {
        let refused = rotate(&short, json!({"overlapSeconds": bad})).await;
        assert_eq!(refused.refusal(), (400, "VALIDATION_FAILED"), "{bad}");
    }
}

#[tokio::test]
async fn a_revoked_key_ends_here_at_once_and_everywhere_within_a_minute() {
    let door = Door::new().await;
    let elsewhere = door.another_instance().await;
    let key = made(&door, json!({"name": "n", "role": "admin"})).await;
    let path = format!("/api/keys/{}", id_of(&key));
    let ask_elsewhere = async || send(&elsewhere, request("GET", STATUS, None), Some(key.expose())).await;
    ask_elsewhere().await.expect(200);
    door.audited();

    let revoked = door.ask(&key, "DELETE", &path, Value::Null).await.expect(200);

    assert_eq!(revoked["revokedAt"], "2100-01-01T00:00:00Z", "a key may revoke itself");
    assert_eq!(door.get(&key, STATUS).await.refusal().0, 401);
    door.advance(60);
    assert_eq!(ask_elsewhere().await.refusal().0, 401);
    let again = door.admin("DELETE", &path, Value::Null).await.expect(200);
    assert_eq!(again["revokedAt"], revoked["revokedAt"], "again is harmless");
    let revocations = door.audited().into_iter().filter(|(action, ..)| *action == AuditAction::KeyRevoked);
    assert_eq!(revocations.count(), 1);
    let rotated = door.admin("POST", &format!("{path}/rotate"), json!({})).await;
    assert_eq!(rotated.refusal(), (409, "KEY_ENDED"));
}

async fn save_user(door: &Door, tenant: &TenantId, user: &str, role: &str) -> Answer {
    door.admin("PUT", &format!("/api/tenants/{tenant}/users/{user}"), json!({ "role": role })).await
}

#[tokio::test]
async fn a_user_is_an_id_with_a_role() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    let users = format!("/api/tenants/{tenant}/users");

    let ann = save_user(&door, &tenant, "ann.1", "viewer").await.expect(201);
    let created_at = "2100-01-01T00:00:00Z";
    assert_eq!(
        ann,
        json!({"userId": "ann.1", "tenantId": tenant, "role": "viewer", "createdAt": created_at})
    );
    door.advance(60);
    let changed = save_user(&door, &tenant, "ann.1", "operator").await.expect(200);
    assert_eq!((&changed["role"], &changed["createdAt"]), (&json!("operator"), &json!(created_at)));
    assert_eq!(door.get(&door.admin, &users).await.expect(200), json!({ "users": [changed] }));
    let removed = door.admin("DELETE", &format!("{users}/ann.1"), Value::Null).await.expect(200);
    assert_eq!(removed, json!({"userId": "ann.1", "keysRevoked": 0}));
    let again = door.admin("DELETE", &format!("{users}/ann.1"), Value::Null).await;
    assert_eq!(again.refusal(), (404, "USER_NOT_FOUND"));
    let subject = || Some("ann.1".to_owned());
    let saved = (AuditAction::UserSaved, subject(), None);
    assert_eq!(door.audited(), [saved.clone(), saved, (AuditAction::UserRemoved, subject(), None)]);

    for (path, body, code) in [
        (format!("{users}/a%20b"), json!({"role": "viewer"}), (400, "VALIDATION_FAILED")),
        (format!("{users}/{}", "a".repeat(65)), json!({"role": "viewer"}), (400, "VALIDATION_FAILED")),
        (format!("{users}/bob"), json!({"role": "owner"}), (400, "VALIDATION_FAILED")),
        (format!("{users}/bob"), json!({"role": "viewer", "name": "Bob"}), (400, "VALIDATION_FAILED")),
        ("/api/tenants/nobody/users/bob".to_owned(), json!({"role": "viewer"}), (404, "TENANT_NOT_FOUND")),
    ] {
        assert_eq!(door.admin("PUT", &path, body).await.refusal(), code, "{path}");
    }
}

#[tokio::test]
async fn a_tenant_has_as_many_users_as_its_limit_says() {
    let door = Door::new().await;
    let tenant = door.tenant_with(TenantLimits { users: Some(5), ..TenantLimits::default() }).await;
    for user in ["a", "b", "c"] {
        assert_eq!(save_user(&door, &tenant, user, "viewer").await.header("x-quota-warning"), None);
    }

    let fourth = save_user(&door, &tenant, "d", "viewer").await;
    assert_eq!(fourth.header("x-quota-warning"), Some("users 80%"));
    save_user(&door, &tenant, "e", "viewer").await.expect(201);
    let refused = save_user(&door, &tenant, "f", "viewer").await;

    assert_eq!(refused.refusal(), (429, "QUOTA_EXCEEDED"));
    assert_eq!(refused.body["error"]["details"], json!({"quota": "users", "limit": 5, "used": 5}));
    save_user(&door, &tenant, "e", "operator").await.expect(200);
}

#[tokio::test]
async fn the_keys_of_a_user_may_do_what_the_role_allows_and_end_with_the_user() {
    let door = Door::new().await;
    let (tenant, other) = (door.tenant().await, door.tenant().await);
    for tenant in [&tenant, &other] {
        save_user(&door, tenant, "ann", "operator").await.expect(201);
    }
    let make = async |tenant: &TenantId, user: Option<&str>, scopes: Value| {
        let mut body = json!({"name": "n", "tenantId": tenant, "scopes": scopes});
        if let Some(user) = user {
            body["userId"] = json!(user);
        }
        door.admin("POST", "/api/keys", body).await
    };
    let beyond = make(&tenant, Some("ann"), json!(["tokens:issue"])).await;
    assert_eq!(beyond.refusal(), (403, "AUTH_SCOPE_EXCEEDED"));
    let all = json!(Role::Operator.scopes());
    let full = text(&make(&tenant, Some("ann"), all.clone()).await.expect(201));
    let few = json!(["tokens:read", "tokens:write"]);
    let few = text(&make(&tenant, Some("ann"), few).await.expect(201));
    let neighbors = text(&make(&other, Some("ann"), all.clone()).await.expect(201));
    let nobodys = text(&make(&tenant, None, all).await.expect(201));
    let scopes = async |key: &ApiKeyText| stored(&door, key).await.scopes;
    door.get(&few, STATUS).await.expect(200);

    save_user(&door, &tenant, "ann", "viewer").await.expect(200);
    assert_eq!(scopes(&full).await, Role::Viewer.scopes(), "a key with all of the role follows it");
    assert_eq!(scopes(&few).await, [Scope::TokensRead]);
    let refresh = door.ask(&few, "POST", "/api/tokens/refresh/xero", json!({"tenantId": tenant})).await;
    assert_eq!(refresh.refusal(), (403, "AUTH_SCOPE_MISSING"), "at once, where it was made");
    save_user(&door, &tenant, "ann", "admin").await.expect(200);
    assert_eq!(scopes(&full).await, Role::Admin.scopes());
    assert_eq!(scopes(&few).await, [Scope::TokensRead], "what was taken is not given back");
    for untouched in [&neighbors, &nobodys] {
        assert_eq!(scopes(untouched).await, Role::Operator.scopes());
    }

    let removed = door.admin("DELETE", &format!("/api/tenants/{tenant}/users/ann"), Value::Null).await;
    assert_eq!(removed.expect(200)["keysRevoked"], 2);
    for key in [&full, &few] {
        assert_eq!(door.get(key, STATUS).await.refusal().0, 401);
    }
    for key in [&neighbors, &nobodys] {
        door.get(key, STATUS).await.expect(200);
    }
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_that_is_more_than_their_own() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    save_user(&door, &tenant, "ann", "admin").await.expect(201);
    let scopes = [Role::Viewer.scopes(), vec![Scope::TenantsWrite]].concat();
    let clerk = door.issue(NewApiKey { scopes, ..new_key() }).await;
    let users = format!("/api/tenants/{tenant}/users");

    for (method, user, role) in
        [("PUT", "clerk", "admin"), ("PUT", "ann", "viewer"), ("DELETE", "ann", "viewer")]
    {
        let refused = door.ask(&clerk, method, &format!("{users}/{user}"), json!({ "role": role })).await;
        assert_eq!(refused.refusal(), (403, "AUTH_SCOPE_EXCEEDED"), "{method} {user}");
    }
    let listed = door.get(&clerk, &users).await.expect(200);
    assert_eq!(listed["users"][0]["role"], "admin");
    let bound = door.key(Role::Admin, Some(&door.tenant().await)).await;
    for (method, path) in
        [("GET", users.clone()), ("PUT", format!("{users}/x")), ("DELETE", format!("{users}/ann"))]
    {
        let refused = door.ask(&bound, method, &path, json!({"role": "viewer"})).await;
        assert_eq!(refused.refusal(), (404, "TENANT_NOT_FOUND"), "{method} {path}");
    }
}
