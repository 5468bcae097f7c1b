//! What is refused before anything is sent.

use domain::{api_key::Role, provider::Provider as Name};
use lambda_http::http::StatusCode;
use tests::sample;

use super::{Called, code, proxy};
use crate::api_world::ApiWorld;

#[tokio::test]
async fn no_path_leaves_the_company() {
    let called = Called::new(Name::QuickBooks).await;
    for path in [
        "..",
        "../",
        "a/../../b",
        "%2e%2e/%2e%2e/oauth2",
        "%252e%252e/a",
        "%25252e%25252e%25252fa",
        "a%2f..%2fb",
        "a%5c..%5cb",
        "a\\..\\b",
        "a//b",
        "//evil.example/a",
        "https://evil.example/a",
        "https:%2f%2fevil.example",
        "a/",
        "a%00",
        "a%0d%0aHost:%20evil.example",
        "a%23b",
        "a%3fb",
        "a;b=c",
        "\u{ff0e}\u{ff0e}/a",
    ] {
        let (status, body) = called.get(path).await;
        assert_eq!((status, code(&body)), (StatusCode::BAD_REQUEST, "VALIDATION_FAILED"), "{path}: {body}");
        assert_eq!(body["error"]["details"]["field"], "path", "{path}");
    }
    for query in ["access_token=x", "requestid=1", "companyId=a&companyId=b", "tenantId=a%23b"] {
        assert_eq!(called.get(&format!("invoice/1?{query}")).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    assert!(called.provider.asked().is_empty());
}

#[tokio::test]
async fn only_five_methods_and_single_headers_are_passed_on() {
    let called = Called::new(Name::QuickBooks).await;
    for method in ["HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY"] {
        let (status, ..) = called.send((method, "invoice/1"), &[], "").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    for (headers, expected) in [
        (vec![("Accept", "a/b"), ("Accept", "c/d")], StatusCode::BAD_REQUEST),
        (vec![("Idempotency-Key", "a b")], StatusCode::BAD_REQUEST),
        (vec![("Content-Encoding", "gzip")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let (status, ..) = called.send(("POST", "invoice"), &headers, "{}").await;
        assert_eq!(status, expected, "{headers:?}");
    }
    let (status, ..) = called.send(("POST", "invoice"), &[], &"a".repeat(4_500_001)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(called.provider.asked().is_empty());
}

#[tokio::test]
async fn another_tenants_connection_does_not_exist_and_a_viewer_calls_nobody() {
    let called = Called::new(Name::QuickBooks).await;
    let path = format!("/api/proxy/{}/invoice/1", called.key.connection);
    for (role, tenant, status, expected) in [
        (Role::Admin, Some(sample::tenant()), StatusCode::NOT_FOUND, "CONNECTION_NOT_FOUND"),
        (Role::Viewer, None, StatusCode::FORBIDDEN, "AUTH_SCOPE_MISSING"),
    ] {
        let (mut deps, api_key) = ApiWorld::deps(&called.world, role, tenant.as_ref()).await;
        deps.proxy = proxy(&called.world, &called.provider.url);
        let (answered, body) = ApiWorld::of(deps, api_key).call("GET", &path, None).await;
        assert_eq!((answered, code(&body)), (status, expected));
    }
    let (status, body) = called.api.call("GET", "/api/proxy/conn_unknown/invoice/1", None).await;
    assert_eq!((status, code(&body)), (StatusCode::NOT_FOUND, "CONNECTION_NOT_FOUND"));
    assert!(called.provider.asked().is_empty());
}

#[tokio::test]
async fn a_connection_that_has_ended_is_used_by_nobody() {
    let called = Called::new(Name::QuickBooks).await;
    called.world.disconnect(&called.key, None).await;

    let (status, body) = called.get("invoice/1").await;

    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "CONNECTION_STATE_CONFLICT"), "{body}");
    assert!(called.provider.asked().is_empty());
}

#[tokio::test]
async fn what_the_limits_hold_back_is_not_sent() {
    let called = Called::new(Name::Xero).await;
    let throttled = super::Script::Answer(429, vec![("retry-after", "30")], vec![]);
    called.provider.then(throttled);
    assert_eq!(called.get("Invoices").await.0, StatusCode::TOO_MANY_REQUESTS);
    drop(called.provider.asked());

    let (status, headers, body) = called.send(("GET", "Invoices"), &[], "").await;

    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, code(&body)), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"), "{body}");
    assert_eq!(
        (headers.get("x-ledgerbridge-source"), &headers["retry-after"]),
        (None, &"30".parse().unwrap())
    );
    assert!(called.provider.asked().is_empty());
}
