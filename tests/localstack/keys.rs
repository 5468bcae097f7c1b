//! API keys: who is let in, and what of whom they then see.

use domain::{
    api_key::{NewApiKey, Role},
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
};
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::driver::{Answer, Bundle, redacted};

const STATUS: &str = "/api/tokens/status";

fn new_key() -> NewApiKey {
    NewApiKey {
        name: "end to end".to_owned(),
        scopes: Role::Admin.scopes(),
        tenant: None,
        user: None,
        expires_at: None,
    }
}

/// A key as it would be, had somebody stored it.
fn never_stored(environment: &str) -> String {
    new_key().issue(environment, SystemClock.now(), &SystemEntropy).1.expose().to_owned()
}

/// The answer without what is its own: its ids, its time and what is left of the minute.
fn without_ids(answer: &Answer) -> (String, Vec<(String, String)>) {
    let ids = ["date", "x-correlation-id", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"];
    let counts = ["ratelimit-remaining", "ratelimit-reset"];
    let is_own = |name: &str| ids.contains(&name) || counts.contains(&name);
    let kept = answer.headers.iter().filter(|(name, _)| !is_own(name.as_str()));
    let headers = kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (redacted(answer.json(), &["correlationId"]).to_string(), headers.collect())
}

#[tokio::test]
async fn every_way_to_have_no_key_gets_the_same_answer() {
    let bundle = Bundle::deployed().await;
    let admin = bundle.admin_key();
    let mut typo = admin.to_owned();
    let last = typo.pop().unwrap();
    typo.push(if last == 'A' { 'B' } else { 'A' });
    let expired_at = Some(SystemClock.now() - SignedDuration::from_secs(1));
    let expired = bundle.issue(NewApiKey { expires_at: expired_at, ..new_key() }).await;
    let (unknown, elsewhere) = (never_stored(bundle.stack.value("ENVIRONMENT")), never_stored("prod"));
    let ask = || bundle.request(Method::GET, STATUS);
    let with = |key: &str| ask().header("x-api-key", key);

    let requests: [(&str, RequestBuilder); 12] = [
        ("no key", ask()),
        ("an empty key", with("")),
        ("no key at all", with("nonsense")),
        ("a long text", with(&"lb_local_".repeat(500))),
        ("a typo", with(&typo)),
        ("another deployment's key", with(&elsewhere)),
        ("an unknown key", with(&unknown)),
        ("an expired key", with(&expired)),
        ("two keys, the good one last", with(&unknown).header("x-api-key", admin)),
        ("two keys, the good one first", with(admin).header("x-api-key", &unknown)),
        (
            "the key in the address",
            bundle.request(Method::GET, &format!("{STATUS}?x-api-key={admin}&api_key={admin}")),
        ),
        ("the key as a bearer token", ask().bearer_auth(admin)),
    ];

    let mut first = None;
    for (what, request) in requests {
        let refused = bundle.send(request).await;
        let body = refused.expect_error(401, "AUTH_API_KEY_INVALID");
        assert_eq!(body["error"]["number"], 1005, "{what}");
        let answer = without_ids(&refused);
        assert_eq!(*first.get_or_insert(answer.clone()), answer, "{what}");
    }
    bundle.get(STATUS).await.expect(200);
}

#[tokio::test]
async fn a_viewer_looks_and_does_not_touch() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let (spent, tenant) = (connection.refresh_token().await, connection.tenant.id.as_str());
    let viewer = bundle.key(Role::Viewer, None).await;

    for path in [
        format!("{STATUS}?tenantId={tenant}"),
        format!("/api/tokens/history/quickbooks?tenantId={tenant}"),
        format!("/api/connections/{}", connection.id),
        format!("/api/records/invoices?companyId={}", connection.realm()),
    ] {
        bundle.get_as(&viewer, &path).await.expect(200);
    }
    for (path, body) in [
        ("/api/tokens/refresh/quickbooks", json!({ "tenantId": tenant })),
        ("/api/connect-sessions", json!({ "tenantId": tenant, "provider": "quickbooks" })),
        ("/api/tenants", json!({ "tenantId": "made-by-a-viewer", "name": "n" })),
    ] {
        let refused = bundle.post_as(&viewer, path, &body).await.expect_error(403, "AUTH_SCOPE_MISSING");
        assert_eq!(refused["error"]["number"], 1006);
    }
    assert_eq!(connection.spent(&spent).await, 0);
}

#[tokio::test]
async fn a_key_of_one_tenant_cannot_tell_another_tenant_from_none() {
    let bundle = Bundle::deployed().await;
    let (one, other) = (bundle.tenant().await.connect().await, bundle.tenant().await.connect().await);
    let spent = other.refresh_token().await;
    let key = bundle.key(Role::Operator, Some(&one.tenant.id)).await;
    let get = async |path: &str| bundle.get_as(&key, path).await;

    // Of another tenant's thing and of a thing that never was, the answers are one and the same.
    for (theirs, nothing) in [
        (format!("{STATUS}?tenantId={}", other.tenant.id), format!("{STATUS}?tenantId=nobody")),
        (
            format!("/api/tokens/history/quickbooks?tenantId={}", other.tenant.id),
            "/api/tokens/history/quickbooks?tenantId=nobody".to_owned(),
        ),
        (
            format!("/api/connections?tenantId={}", other.tenant.id),
            "/api/connections?tenantId=nobody".to_owned(),
        ),
        (format!("/api/connections/{}", other.id), "/api/connections/conn_unknown".to_owned()),
        (
            format!("/api/records/invoices?companyId={}", other.realm()),
            "/api/records/invoices?companyId=4620816365999999999".to_owned(),
        ),
    ] {
        let (theirs, nothing) = (get(&theirs).await, get(&nothing).await);
        assert_eq!(theirs.status, 404, "{}", theirs.text());
        assert_eq!(without_ids(&theirs), without_ids(&nothing));
    }
    for (path, body) in [
        ("/api/tokens/refresh/quickbooks", json!({ "tenantId": other.tenant.id })),
        ("/api/tokens/refresh/quickbooks", json!({ "tenantId": other.tenant.id, "connectionId": other.id })),
        ("/api/connect-sessions", json!({ "tenantId": other.tenant.id, "provider": "quickbooks" })),
    ] {
        bundle.post_as(&key, path, &body).await.expect_error(404, "TENANT_NOT_FOUND");
    }
    let mixed = json!({ "tenantId": one.tenant.id, "connectionId": other.id });
    let mixed = bundle.post_as(&key, "/api/tokens/refresh/quickbooks", &mixed).await;
    mixed.expect_error(404, "CONNECTION_NOT_FOUND");
    assert_eq!(other.spent(&spent).await, 0);

    let status = get(STATUS).await.expect(200);
    assert_eq!(status["summary"]["total"], 1, "without a name it is the key's own tenant: {status}");
    assert_eq!(status["tokens"][0]["tenantId"], one.tenant.id.as_str());
    let listed = get("/api/connections").await.expect(200);
    assert_eq!(listed["connections"].as_array().unwrap().len(), 1);
    assert_eq!(get("/api/tokens/health").await.expect(200)["tokens"]["total"], 1);
    let own = json!({ "tenantId": one.tenant.id });
    bundle.post_as(&key, "/api/tokens/refresh/quickbooks", &own).await.expect(200);
    let history = get("/api/tokens/history/quickbooks").await.expect(200);
    assert!(
        history["history"].as_array().unwrap().iter().all(|row| row["tenantId"] == one.tenant.id.as_str())
    );
}

#[tokio::test]
async fn a_cursor_of_everybodys_list_is_no_use_in_a_list_of_ones_own() {
    let bundle = Bundle::deployed().await;
    let (_other, one) = (bundle.tenant().await.connect().await, bundle.tenant().await.connect().await);
    let key = bundle.key(Role::Viewer, Some(&one.tenant.id)).await;
    let page = bundle.get("/api/connections?limit=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("there is more than one connection");
    assert_ne!(
        page["connections"][0]["tenantId"],
        one.tenant.id.as_str(),
        "the oldest connection is another's"
    );

    let refused = bundle.get_as(&key, &format!("/api/connections?cursor={cursor}")).await;

    assert_eq!(refused.expect_error(400, "VALIDATION_FAILED")["error"]["details"]["field"], "cursor");
}

#[tokio::test]
async fn a_key_made_over_the_api_is_rotated_and_revoked_and_the_gateway_passes_on_what_is_left() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let wanted = json!({ "name": "end to end", "role": "operator", "tenantId": tenant.id });
    let made = bundle.post("/api/keys", &wanted).await.expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let answer = bundle.get_as(key, STATUS).await;
    let (limit, left) = (answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"));
    assert!(left.parse::<u64>().unwrap() < limit.parse().unwrap(), "{left} of {limit}");
    answer.expect(200);
    let listed = bundle.get(&format!("/api/keys?tenantId={}", tenant.id)).await.expect(200);
    assert_eq!(listed["keys"][0]["id"], id);
    assert_eq!(listed["keys"][0]["key"], serde_json::Value::Null);

    let path = format!("/api/keys/{id}");
    let rotated =
        bundle.post(&format!("{path}/rotate"), &json!({ "overlapSeconds": 3600 })).await.expect(201);
    let new = rotated["key"].as_str().unwrap();
    for key in [key, new] {
        bundle.get_as(key, STATUS).await.expect(200);
    }
    bundle.delete(&path).await.expect(200);
    let deadline = SystemClock.now() + SignedDuration::from_secs(60);
    while bundle.get_as(key, STATUS).await.status == 200 {
        assert!(SystemClock.now() < deadline, "a revocation is effective within a minute");
    }
    bundle.get_as(key, STATUS).await.expect_error(401, "AUTH_API_KEY_INVALID");
    bundle.get_as(new, STATUS).await.expect(200);
    let mut acts: Vec<_> = tenant.acts().await.into_iter().map(|(act, _)| act).collect();
    acts.retain(|act| act != "key.refused");
    assert_eq!(acts, ["tenant.created", "key.created", "key.rotated", "key.created", "key.revoked"]);
}

#[tokio::test]
async fn the_keys_of_a_user_end_with_the_user() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let user = format!("/api/tenants/{}/users/person.1", tenant.id);
    let put = |role: &str| {
        let request = bundle.request(Method::PUT, &user).header("x-api-key", bundle.admin_key());
        bundle.send(request.json(&json!({ "role": role })))
    };
    put("viewer").await.expect(201);
    let wanted = json!({ "name": "n", "role": "viewer", "tenantId": tenant.id, "userId": "person.1" });
    let made = bundle.post("/api/keys", &wanted).await.expect(201);
    let path = format!("/api/keys/{}", made["id"].as_str().unwrap());

    put("operator").await.expect(200);
    assert_eq!(bundle.get(&path).await.expect(200)["role"], "operator");
    assert_eq!(bundle.delete(&user).await.expect(200)["keysRevoked"], 1);

    assert!(bundle.get(&path).await.expect(200)["revokedAt"].is_string());
    let listed = bundle.get(&format!("/api/tenants/{}/users", tenant.id)).await.expect(200);
    assert_eq!(listed["users"], json!([]));
}

#[tokio::test]
async fn a_month_ends_where_the_plan_says() {
    let bundle = Bundle::deployed().await;
    let id = format!("quota-{}", tests::sample::tenant());
    let new = json!({ "tenantId": id, "name": "Small", "limits": { "apiCallsPerMonth": 5 } });
    bundle.post("/api/tenants", &new).await.expect(201);
    let key = bundle.key(Role::Viewer, Some(&id)).await;
    for _ in 0..3 {
        bundle.get_as(&key, STATUS).await.expect(200);
    }

    let near = bundle.get_as(&key, STATUS).await;
    assert_eq!(near.header("x-quota-warning"), "apiCallsPerMonth 80%");
    bundle.get_as(&key, STATUS).await.expect(200);
    let over = bundle.get_as(&key, STATUS).await.expect_error(429, "QUOTA_EXCEEDED");
    assert_eq!(over["error"]["details"]["used"], 5);
    bundle.get_as(&key, "/api/tenants/x/users").await.expect_error(404, "TENANT_NOT_FOUND");
}
