//! Connect links, and what the API does with connections.

use domain::{
    api_key::Role,
    audit::AuditAction,
    connection::{ConnectionState, ConnectionStore as _},
    token::{Refusal, RevocationError},
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::sample;

use crate::{
    api_world::{ApiWorld, RETURN_URL, SESSIONS_PER_MINUTE},
    world::World,
};

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_link_leads_to_the_named_provider_or_to_a_page_where_the_person_chooses() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;

    for (provider, path) in [
        (json!("xero"), "https://bundle.example/auth/xero/connect?session="),
        (Value::Null, "https://bundle.example/auth/connect?session="),
    ] {
        let body = json!({"tenantId": tenant, "provider": provider, "returnUrl": RETURN_URL});
        let (status, answer) = api.call("POST", "/api/connect-sessions", Some(body)).await;

        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert!(answer["connectUrl"].as_str().unwrap().starts_with(path), "{answer}");
        assert_eq!(answer["expiresAt"], "2100-01-01T00:15:00Z", "fifteen minutes");
    }
    assert_eq!(world.audit.take()[0].action, AuditAction::ConnectSessionOpened);
}

#[tokio::test]
async fn a_link_is_refused_for_whatever_it_may_not_ask_for() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let refused = async |more: Value| {
        let mut body = json!({"tenantId": tenant});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api.call("POST", "/api/connect-sessions", Some(body)).await;
        let (status, name) = code(&answer);
        format!("{status} {name}")
    };

    assert_eq!(refused(json!({"provider": "sage"})).await, "404 PROVIDER_UNKNOWN");
    assert_eq!(refused(json!({"provider": "QuickBooks"})).await, "404 PROVIDER_UNKNOWN");
    for url in [
        "https://evil.example/",
        "//evil.example",
        "https:evil.example",
        "https://app.example@evil.example/books",
        "https://app.example.evil.example/books",
        "https://app.example/books/more",
        "javascript:alert(1)",
        "https://app.example/books\r\nSet-Cookie: a=b",
        "https://app.example/books%0d%0aSet-Cookie:a=b",
    ] {
        assert_eq!(refused(json!({"returnUrl": url})).await, "400 VALIDATION_FAILED", "{url}");
    }
    for scopes in [
        json!({"provider": "quickbooks", "scopes": ["payroll.compensation.read"]}),
        json!({"scopes": ["com.intuit.quickbooks.accounting"]}),
        json!({"provider": "quickbooks", "scopes": "com.intuit.quickbooks.accounting"}),
    ] {
        assert_eq!(refused(scopes.clone()).await, "400 VALIDATION_FAILED", "{scopes}");
    }
    for id in ["a#b", "a/b", "..", "a\0b", "", "\u{202e}abc", &"a".repeat(10_000)] {
        assert_eq!(refused(json!({"tenantId": id})).await, "400 VALIDATION_FAILED", "{id:?}");
    }
    assert_eq!(refused(json!({"connectionId": "conn_nobodys"})).await, "404 CONNECTION_NOT_FOUND");
}

#[tokio::test]
async fn fewer_scopes_than_configured_may_be_asked_for() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let scopes = ["accounting.contacts.read", "offline_access"];

    let body = json!({"tenantId": tenant, "provider": "xero", "scopes": scopes});
    let (status, answer) = api.call("POST", "/api/connect-sessions", Some(body)).await;

    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

#[tokio::test]
async fn a_flood_of_links_for_one_tenant_is_refused_and_the_next_minute_is_free() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let open = async || api.call("POST", "/api/connect-sessions", Some(json!({"tenantId": tenant}))).await;

    for _ in 0..SESSIONS_PER_MINUTE {
        assert_eq!(open().await.0, StatusCode::CREATED);
    }
    assert_eq!(code(&open().await), (429, "RATE_LIMIT_EXCEEDED"));

    world.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(open().await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_of_one_tenant_learns_nothing_of_another_and_its_try_is_audited() {
    let (world, tenant, other) = (World::new(), sample::tenant(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let key = world.connect(&other, "815").await;
    world.audit.take();

    let mut answer = api.call("POST", "/api/connect-sessions", Some(json!({"tenantId": other}))).await;

    assert_eq!(code(&answer), (404, "TENANT_NOT_FOUND"));
    answer.1["error"]["correlationId"] = Value::Null;
    let entries = world.audit.take();
    assert_eq!((entries[0].action, entries[0].tenant.as_ref()), (AuditAction::AccessRefused, Some(&tenant)));
    let path = format!("/api/connections/{}", key.connection);
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("DELETE", path.clone(), None),
        ("POST", format!("{path}/confirm"), Some(json!({}))),
    ] {
        assert_eq!(code(&api.call(method, &path, body).await), (404, "CONNECTION_NOT_FOUND"), "{method}");
    }
    assert_eq!(world.find(&key).await.state, ConnectionState::Active);
}

#[tokio::test]
async fn a_disconnected_connection_is_shown_as_such_and_deleting_it_again_is_harmless() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let key = world.connect(&tenant, "815").await;
    let path = format!("/api/connections/{}", key.connection);

    for _ in 0..2 {
        let (status, body) = api.call("DELETE", &path, None).await;
        assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("disconnected")), "{body}");
    }
    assert_eq!(world.ended().len(), 1);
}

#[tokio::test]
async fn while_the_provider_is_out_a_disconnect_is_accepted_and_goes_on() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let key = world.connect(&tenant, "815").await;
    let refusal = Refusal { status: Some(503), ..Refusal::default() };
    world.revocation.answer(Err(RevocationError::Unavailable { refusal, retry_after: None, source: None }));

    let (status, body) = api.call("DELETE", &format!("/api/connections/{}", key.connection), None).await;

    assert_eq!((status, &body["state"]), (StatusCode::ACCEPTED, &json!("disconnecting")), "{body}");
}

#[tokio::test]
async fn one_company_is_taken_off_by_our_id_or_the_providers() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    world.companies.grant(domain::provider::Provider::Xero, &["a", "b", "c"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    let path = format!("/api/connections/{}", key.connection);

    let none = api.call("DELETE", &format!("{path}?companyId=nobody"), None).await;
    assert_eq!(code(&none), (400, "VALIDATION_FAILED"));
    for (id, left) in [("xero_a", 2), ("b", 1)] {
        let (status, body) = api.call("DELETE", &format!("{path}?companyId={id}"), None).await;
        assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("active")), "{body}");
        assert_eq!(body["companies"].as_array().unwrap().len(), left);
    }
}

#[tokio::test]
async fn a_connection_is_confirmed_once_and_only_while_it_waits_for_it() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let session = domain::authorization::ConnectSession { confirm: true, ..world.session(&tenant) };
    world.begun_with(session, "state", "browser").await;
    let key = world.call_back("state", Some("browser"), "815").await.unwrap().key;
    let path = format!("/api/connections/{}/confirm", key.connection);
    let confirm = async || api.call("POST", &path, Some(json!({"tenantId": tenant}))).await;

    let (status, body) = confirm().await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("active")), "{body}");
    assert_eq!(world.sync_queue.take().len(), 1, "the first sync starts now");
    assert_eq!(confirm().await.0, StatusCode::OK);
    assert_eq!(world.sync_queue.take().len(), 0, "and only once");

    world.connections.mark_disconnecting(&world.find(&key).await, sample::NOW, "w").await.unwrap();
    assert_eq!(code(&confirm().await), (409, "CONNECTION_STATE_CONFLICT"));
}

#[tokio::test]
async fn a_viewer_ends_nothing() {
    let (world, tenant) = (World::new(), sample::tenant());
    let api = ApiWorld::new(&world, Role::Viewer, Some(&tenant)).await;
    let key = world.connect(&tenant, "815").await;
    let path = format!("/api/connections/{}", key.connection);

    for (method, path, body) in [
        ("DELETE", path.clone(), None),
        ("POST", format!("{path}/confirm"), Some(json!({}))),
        ("POST", "/api/connect-sessions".to_owned(), Some(json!({"tenantId": tenant}))),
    ] {
        assert_eq!(
            code(&api.call(method, &path, body).await),
            (403, "AUTH_SCOPE_MISSING"),
            "{method} {path}"
        );
    }
}
