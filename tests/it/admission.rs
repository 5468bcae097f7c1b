//! Who is let in, how fast, and how often about a tenant in a month.

use std::collections::BTreeSet;

use domain::{
    api_key::{ApiKey, ApiKeyStore as _, NewApiKey, Role},
    audit::AuditAction,
    call_counts::{CallCounts as _, Month},
    event::{EventKind, QuotaUse},
    id::TenantId,
    secret::ApiKeyText,
    tenant::{TenantLimits, TenantState},
};
use serde_json::{Value, json};
use tests::sample::{NOW, at};

use crate::door::{Answer, Door, STATUS, id_of, never_stored, new_key, request, request_from, send};

/// How many attempts from one address may be refused in a minute.
const REFUSED_PER_MINUTE: usize = 30;

/// The key with its last character changed.
fn with_typo(key: &ApiKeyText) -> String {
    let (body, last) = key.expose().split_at(key.expose().len() - 1);
    format!("{body}{}", if last == "A" { "B" } else { "A" })
}

/// A key whose public part is that of `key`, and whose secret is another.
async fn with_another_secret(door: &Door, key: &ApiKeyText) -> ApiKeyText {
    let stranger = never_stored();
    let record = door.keys.find(&id_of(key)).await.unwrap().unwrap();
    // Only a store that was tampered with gives a well-formed key the id of another.
    door.keys.remove(&record).await.unwrap();
    assert!(door.keys.insert(&ApiKey { id: id_of(&stranger), ..record }).await.unwrap());
    stranger
}

/// Everything of an answer but its correlation id.
fn without_correlation(mut answer: Answer) -> (u16, BTreeSet<(String, Vec<u8>)>, Value) {
    answer.body["error"]["correlationId"] = Value::Null;
    answer.headers.remove("x-correlation-id");
    let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (answer.status.as_u16(), headers.collect(), answer.body)
}

/// Every kind of key that opens nothing, by name.
async fn bad_keys(door: &Door) -> Vec<(&'static str, String)> {
    let good = door.key(Role::Admin, None).await;
    let leaving = door.tenant_in(TenantState::Deleting, TenantLimits::default()).await;
    let wrong = with_another_secret(door, &door.key(Role::Admin, None).await).await;
    let revoked = door.key(Role::Admin, None).await;
    let record = door.keys.find(&id_of(&revoked)).await.unwrap().unwrap();
    door.keys.update(&ApiKey { revoked_at: Some(NOW), ..record }).await.unwrap();
    let expired = door.issue(NewApiKey { expires_at: Some(at(-1)), ..new_key() }).await;
    let of_leaving = door.key(Role::Admin, Some(&leaving)).await;
    vec![
        ("nonsense", "nonsense".to_owned()),
        ("empty", String::new()),
        ("a typo", with_typo(&good)),
        (
            "another deployment's",
            new_key().issue("prod", NOW, &domain::entropy::SystemEntropy).1.expose().to_owned(),
        ),
        ("unknown", never_stored().expose().to_owned()),
        ("wrong", wrong.expose().to_owned()),
        ("revoked", revoked.expose().to_owned()),
        ("expired", expired.expose().to_owned()),
        ("of a tenant that is being deleted", of_leaving.expose().to_owned()),
    ]
}

#[tokio::test]
async fn every_way_to_have_no_key_gets_the_same_answer() {
    let door = Door::new().await;
    let good = door.key(Role::Admin, None).await;
    let first = without_correlation(door.send_without_key(request("GET", STATUS, None)).await);
    assert_eq!(first.0, 401);

    for (what, key) in bad_keys(&door).await {
        let refused = door.send(request("GET", STATUS, None), &key).await;
        assert_eq!(without_correlation(refused), first, "{what}");
    }
    let in_the_address = request("GET", &format!("{STATUS}?x-api-key={}", good.expose()), None);
    assert_eq!(without_correlation(door.send_without_key(in_the_address).await), first);
    let mut bearer = request("GET", STATUS, None);
    bearer.headers_mut().insert("authorization", format!("Bearer {}", good.expose()).parse().unwrap());
    assert_eq!(without_correlation(door.send_without_key(bearer).await), first);
    let mut twice = request("GET", STATUS, None);
    for _ in 0..2 {
        twice.headers_mut().append("x-api-key", good.expose().parse().unwrap());
    }
    assert_eq!(without_correlation(door.send_without_key(twice).await), first);
}

#[tokio::test]
async fn a_typo_costs_no_look_up_and_no_trace() {
    let door = Door::new().await;
    let good = door.key(Role::Admin, None).await;

    for _ in 0..2 * REFUSED_PER_MINUTE {
        let refused = door.send(request("GET", STATUS, None), &with_typo(&good)).await;
        assert_eq!(refused.refusal(), (401, "AUTH_API_KEY_INVALID"));
    }

    assert_eq!((door.keys.look_ups(), door.counts.adds(), door.audited()), (0, 0, vec![]));
    door.get(&good, STATUS).await.expect(200);
}

#[tokio::test]
async fn a_key_is_looked_up_once_in_half_a_minute_and_its_use_noted_once_an_hour() {
    let door = Door::new().await;
    let key = door.key(Role::Viewer, None).await;
    let mut marks = vec![];
    for minute in 0..125 {
        for _ in 0..3 {
            door.get(&key, STATUS).await.expect(200);
        }
        assert_eq!(door.keys.look_ups(), minute + 1);
        marks.push(door.keys.marks());
        door.advance(60);
    }

    assert_eq!((marks[0], marks[59], marks[60], marks[124]), (1, 1, 2, 3));
    let last_used_at = door.keys.find(&id_of(&key)).await.unwrap().unwrap().last_used_at;
    assert_eq!(last_used_at, Some(at(120 * 60)));
}

#[tokio::test]
async fn whoever_is_refused_too_often_waits_and_costs_nothing_more() {
    let door = Door::new().await;
    let known = door.key(Role::Viewer, None).await;
    let unknown_here = door.key(Role::Viewer, None).await;
    door.get(&known, STATUS).await.expect(200);
    door.advance(20);
    for _ in 0..REFUSED_PER_MINUTE {
        assert_eq!(door.get(&never_stored(), STATUS).await.refusal(), (401, "AUTH_API_KEY_INVALID"));
    }
    let throttled = door.get(&never_stored(), STATUS).await;
    assert_eq!(throttled.refusal(), (429, "AUTH_ATTEMPTS_EXCEEDED"));
    assert_eq!(throttled.header("retry-after"), Some("40"));
    let (look_ups, adds) = (door.keys.look_ups(), door.counts.adds());
    door.audited();

    for key in [&never_stored(), &unknown_here, &never_stored()] {
        assert_eq!(door.get(key, STATUS).await.refusal(), (429, "AUTH_ATTEMPTS_EXCEEDED"));
    }
    let mut disguised = request("GET", STATUS, None);
    disguised.headers_mut().insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
    let disguised = door.send(disguised, never_stored().expose()).await;
    assert_eq!(disguised.refusal().0, 429, "an address that the caller names is nobody's");
    assert_eq!((door.keys.look_ups(), door.counts.adds(), door.audited()), (look_ups, adds, vec![]));

    door.get(&known, STATUS).await.expect(200);
    let elsewhere = request_from("198.51.100.7", ("GET", STATUS), None);
    door.send(elsewhere, unknown_here.expose()).await.expect(200);
    let instance = door.another_instance().await;
    let refused = send(&instance, request("GET", STATUS, None), Some(never_stored().expose())).await;
    assert_eq!(refused.refusal(), (429, "AUTH_ATTEMPTS_EXCEEDED"), "all instances count together");
    door.advance(40);
    assert_eq!(door.get(&never_stored(), STATUS).await.refusal().0, 401, "another minute");
}

#[tokio::test]
async fn whoever_shares_an_address_with_one_that_is_refused_is_let_in_all_the_same() {
    let door = Door::new().await;
    let (good, revoked) = (door.key(Role::Viewer, None).await, door.key(Role::Viewer, None).await);
    for key in [&good, &revoked] {
        door.get(key, STATUS).await.expect(200);
    }
    let record = door.keys.find(&id_of(&revoked)).await.unwrap().unwrap();
    door.keys.update(&ApiKey { revoked_at: Some(NOW), ..record }).await.unwrap();
    door.advance(30);

    for _ in 0..3 {
        for _ in 0..2 * REFUSED_PER_MINUTE {
            let refused = door.get(&revoked, STATUS).await;
            assert!([401, 429].contains(&refused.status.as_u16()), "{}", refused.body);
        }
        assert_eq!(door.get(&revoked, STATUS).await.refusal(), (429, "AUTH_ATTEMPTS_EXCEEDED"));
        door.get(&good, STATUS).await.expect(200);
        door.advance(60);
    }
}

#[tokio::test]
async fn a_refused_key_is_audited_once_a_minute_for_whoever_it_concerns() {
    let door = Door::new().await;
    let tenant = door.tenant().await;
    let new = NewApiKey { tenant: Some(tenant.clone()), expires_at: Some(at(-1)), ..new_key() };
    let (expired, unknown) = (door.issue(new).await, never_stored());
    for _ in 0..3 {
        for key in [&expired, &unknown] {
            door.get(key, STATUS).await.expect(401);
        }
    }

    let entries = door.world.audit.take();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.tenant.clone(), entry.subject.clone().unwrap(), entry.reason.clone().unwrap()))
        .collect();
    let (expired_id, unknown_id) = (id_of(&expired).to_string(), id_of(&unknown).to_string());
    assert_eq!(
        told,
        [(Some(tenant), expired_id, "expired".to_owned()), (None, unknown_id, "unknown".to_owned())]
    );
    assert!(entries.iter().all(|entry| entry.action == AuditAction::KeyRefused));
    assert!(entries.iter().all(|entry| entry.actor.is_none() && entry.correlation.is_some()));
    door.advance(60);
    door.get(&expired, STATUS).await.expect(401);
    assert_eq!(door.audited().len(), 1);
}

#[tokio::test]
async fn each_answer_says_how_much_of_the_minute_is_left() {
    let door = Door::with_calls_per_minute(3).await;
    let (key, other) = (door.key(Role::Viewer, None).await, door.key(Role::Viewer, None).await);
    door.advance(15);
    let rate = |answer: &Answer| {
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
            .map(|name| answer.header(name).unwrap_or_default().to_owned())
    };

    for (path, status, remaining) in
        [(STATUS, 200, "2"), ("/api/queues", 403, "1"), ("/api/nothing", 404, "0")]
    {
        let answer = door.get(&key, path).await;
        assert_eq!(
            (answer.status.as_u16(), rate(&answer)),
            (status, ["3", remaining, "45"].map(str::to_owned))
        );
    }
    for _ in 0..2 {
        let over = door.get(&key, STATUS).await;
        assert_eq!(over.refusal(), (429, "RATE_LIMIT_EXCEEDED"));
        assert_eq!(
            (rate(&over), over.header("retry-after")),
            (["3", "0", "45"].map(str::to_owned), Some("45"))
        );
    }
    assert_eq!(door.counts.adds(), 4, "a flood is not counted to its end");
    door.get(&other, STATUS).await.expect(200);
    door.advance(45);
    door.get(&key, STATUS).await.expect(200);
    let refused = door.get(&never_stored(), STATUS).await;
    assert_eq!(refused.header("ratelimit-limit"), None, "who has no key has no limit");
}

#[tokio::test]
async fn a_counter_that_is_down_takes_nobody_with_it() {
    let door = Door::with_calls_per_minute(1).await;
    let limits = TenantLimits { api_calls_per_month: Some(1), ..TenantLimits::default() };
    let tenant = door.tenant_with(limits).await;
    let key = door.key(Role::Viewer, Some(&tenant)).await;
    door.counts.go_down();

    for _ in 0..3 {
        let answer = door.get(&key, STATUS).await;
        assert_eq!((answer.header("ratelimit-limit"), answer.header("x-quota-warning")), (None, None));
        answer.expect(200);
    }
    assert_eq!(door.get(&never_stored(), STATUS).await.refusal().0, 401);
    assert_eq!(door.audited().len(), 1);
}

async fn limited(door: &Door, calls: u64) -> (TenantId, ApiKeyText) {
    let limits = TenantLimits { api_calls_per_month: Some(calls), ..TenantLimits::default() };
    let tenant = door.tenant_with(limits).await;
    let key = door.key(Role::Admin, Some(&tenant)).await;
    (tenant, key)
}

#[tokio::test]
async fn a_month_has_as_many_calls_as_the_plan_says_and_warns_before_they_end() {
    let door = Door::new().await;
    let (tenant, key) = limited(&door, 10).await;
    let mut warnings = Vec::new();
    for _ in 0..10 {
        let answer = door.get(&key, STATUS).await;
        warnings.extend(answer.header("x-quota-warning").map(str::to_owned));
        answer.expect(200);
    }
    let over = door.get(&key, STATUS).await;

    assert_eq!(warnings, ["apiCallsPerMonth 80%", "apiCallsPerMonth 90%", "apiCallsPerMonth 100%"]);
    assert_eq!(over.refusal(), (429, "QUOTA_EXCEEDED"));
    let resets_at = "2100-02-01T00:00:00Z";
    let details = json!({"quota": "apiCallsPerMonth", "limit": 10, "used": 10, "resetsAt": resets_at});
    assert_eq!(over.body["error"]["details"], details);
    let events = door.world.bus.take();
    assert_eq!(events.len(), 1, "once a month");
    assert_eq!((events[0].kind, &events[0].tenant_id), (EventKind::QuotaNearLimit, &Some(tenant.clone())));
    let resets_at = Some(resets_at.parse().unwrap());
    let told = QuotaUse { name: "apiCallsPerMonth", limit: 10, used: 8, resets_at };
    assert_eq!(events[0].quota, Some(told));
    assert_eq!(door.counts.month(&tenant, Month::of(NOW)).await.unwrap(), 10, "what was refused is not used");

    door.advance(31 * 86_400 - 1);
    assert_eq!(door.get(&key, STATUS).await.refusal().0, 429);
    door.advance(1);
    door.get(&key, STATUS).await.expect(200);
}

#[tokio::test]
async fn whoever_names_a_tenant_uses_that_tenants_calls() {
    let door = Door::new().await;
    let (tenant, bound) = limited(&door, 2).await;
    let named = format!("{STATUS}?tenantId={tenant}");
    door.get(&door.admin, &named).await.expect(200);
    door.get(&bound, STATUS).await.expect(200);

    for (key, path) in [(&door.admin, named.as_str()), (&bound, STATUS), (&bound, &named)] {
        assert_eq!(door.get(key, path).await.refusal(), (429, "QUOTA_EXCEEDED"));
    }
    door.get(&door.admin, STATUS).await.expect(200);
    let neighbor = door.key(Role::Viewer, Some(&door.tenant().await)).await;
    door.get(&neighbor, STATUS).await.expect(200);
    // Whoever is over the quota can still see to it.
    door.get(&bound, "/api/keys").await.expect(200);
    door.get(&bound, &format!("/api/tenants/{tenant}/users")).await.expect(200);
}

#[tokio::test]
async fn calls_of_a_proxy_count_for_the_tenant_whose_connection_they_use() {
    let door = Door::new().await;
    let key = door.world.connected().await;
    let path = format!("/api/proxy/{}/v3/company/1/query", key.connection);
    let limits = TenantLimits { api_calls_per_month: Some(0), ..TenantLimits::default() };
    door.tenant_of(key.tenant.clone(), TenantState::Active, limits).await;

    let refused = door.get(&door.admin, &path).await;

    assert_eq!(refused.refusal(), (429, "QUOTA_EXCEEDED"));
    assert_eq!(refused.body["error"]["details"]["used"], 0);
}

#[tokio::test]
async fn a_suspended_tenant_is_seen_and_nothing_is_done_for_it() {
    let door = Door::new().await;
    for (state, code) in [
        (TenantState::Suspended, (403, "TENANT_SUSPENDED")),
        (TenantState::Deleting, (409, "TENANT_DELETING")),
    ] {
        let key = door.world.connected().await;
        door.tenant_of(key.tenant.clone(), state, TenantLimits::default()).await;

        let path = format!("/api/connections/{}?tenantId={}", key.connection, key.tenant);
        door.get(&door.admin, &path).await.expect(200);
        let path = format!("/api/proxy/{}/v3/company/1/query", key.connection);
        assert_eq!(door.get(&door.admin, &path).await.refusal(), code);
    }
}

#[tokio::test]
async fn headers_that_claim_another_method_host_or_caller_change_nothing() {
    let door = Door::new().await;
    let viewer = door.key(Role::Viewer, None).await;
    let mut disguised = request("GET", "/api/keys", None);
    for (name, value) in [
        ("x-http-method-override", "POST"),
        ("x-method-override", "DELETE"),
        ("x-forwarded-host", "evil.example"),
        ("x-amzn-request-context", r#"{"authorizer":{"role":"admin"}}"#),
        ("x-amzn-oidc-data", "admin"),
        ("x-original-url", STATUS),
        ("origin", "https://evil.example"),
    ] {
        disguised.headers_mut().insert(name, value.parse().unwrap());
    }

    let answer = door.send(disguised, viewer.expose()).await;

    assert_eq!(answer.refusal(), (403, "AUTH_SCOPE_MISSING"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let mut preflight = request("OPTIONS", "/api/keys", None);
    preflight.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    preflight.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
    let answer = door.send_without_key(preflight).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (401, None));
}
