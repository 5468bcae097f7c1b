//! Who may import, for whom, and how much at once; and that nothing secret comes back.

use domain::{api_key::Role, audit::AuditAction};
use lambda_http::{Body, Request, RequestExt as _, http::StatusCode};
use serde_json::{Value, json};

use super::{Importing, results, with};
use crate::api_world::ApiWorld;

#[tokio::test]
async fn it_takes_the_right_to_write_connections_and_for_tenants_that_to_write_tenants() {
    let mut importing = Importing::new().await;
    let rows = json!([importing.row("refresh")]);
    for (role, create, expected) in [
        (Role::Viewer, false, StatusCode::FORBIDDEN),
        (Role::Operator, true, StatusCode::FORBIDDEN),
        (Role::Admin, true, StatusCode::OK),
    ] {
        importing.api = ApiWorld::new(&importing.world, role, None).await;
        let (status, answer) = importing.send(json!({"createTenants": create, "rows": rows})).await;
        assert_eq!(status, expected, "{role:?} {answer}");
    }
}

#[tokio::test]
async fn a_key_that_is_bound_to_a_tenant_imports_for_no_other_and_its_try_is_audited_once() {
    let importing = Importing::new().await;
    let other = |company: &str| {
        let row = with(importing.row(&format!("other-{company}")), "/tenantId", json!("other"));
        with(row, "/providerCompanyId", json!(company))
    };

    let report = importing.import(json!([other("1"), importing.row("own"), other("2")])).await;

    let refused = "failed TENANT_NOT_FOUND";
    assert_eq!(results(&report), [refused, "imported", refused]);
    let tried: Vec<_> = importing
        .world
        .audit
        .take()
        .into_iter()
        .filter(|entry| entry.action == AuditAction::AccessRefused)
        .map(|entry| entry.tenant)
        .collect();
    assert_eq!(tried, [Some(importing.tenant.clone())]);
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_made_only_where_that_is_asked_for() {
    let mut importing = Importing::new().await;
    importing.api = ApiWorld::new(&importing.world, Role::Admin, None).await;
    let row = with(importing.row("refresh"), "/tenantId", json!("somebody"));

    assert_eq!(results(&importing.import(json!([row])).await), ["failed TENANT_NOT_FOUND"]);
    let wrong = with(row.clone(), "/tokens/refreshToken", json!("no token"));
    let report = importing.import_with(json!({"createTenants": true, "rows": [wrong]})).await;
    assert_eq!(results(&report), ["failed VALIDATION_FAILED"]);
    assert_eq!(
        results(&importing.import(json!([row])).await),
        ["failed TENANT_NOT_FOUND"],
        "a row that is refused makes no tenant"
    );
    let report = importing.import_with(json!({"createTenants": true, "rows": [row]})).await;
    assert_eq!(results(&report), ["imported"]);
}

#[tokio::test]
async fn rows_and_bytes_of_one_request_are_bounded() {
    let importing = Importing::new().await;
    let rows = |count: usize| json!({"dryRun": true, "rows": vec![json!({}); count]});

    for count in [0, 51] {
        let (status, answer) = importing.send(rows(count)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer["error"]["message"], "rows must be 1 to 50");
    }
    assert_eq!(importing.send(rows(50)).await.0, StatusCode::OK);
    // Far more than other routes take.
    let long = |bytes: usize| with(importing.row("r"), "/tokens/refreshToken", json!("r".repeat(bytes)));
    assert_eq!(importing.send(json!({"rows": [long(200 * 1024)]})).await.0, StatusCode::OK);
    let (status, answer) = importing.send(json!({"rows": [long(256 * 1024)]})).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["error"]["message"], "send at most 262144 bytes");
}

#[tokio::test]
async fn no_secret_of_a_request_comes_back_however_it_is_refused() {
    let importing = Importing::new().await;
    let row = importing.row("hunter2-refresh");
    let plain = |value: Value| json!({"rows": [value]}).to_string();
    let bodies = [
        json!({"secret": "hunter2", "rows": [row]}).to_string(),
        json!({"secret": {"masterSecret": ["hunter2"]}, "rows": [row]}).to_string(),
        json!({"secret": {"masterSecret": "hunter2", "encoding": "hunter2"}, "rows": [row]}).to_string(),
        json!({"secret": {"masterSecret": "hunter2", "iterations": "hunter2"}, "rows": [row]}).to_string(),
        json!({"secret": {"hunter2": "x"}, "rows": [row]}).to_string(),
        json!({"hunter2": 1, "rows": [row]}).to_string(),
        json!({"rows": "hunter2"}).to_string(),
        json!({"rows": ["hunter2"]}).to_string(),
        plain(with(row.clone(), "/tokens", json!("hunter2"))),
        plain(with(row.clone(), "/tokens/hunter2", json!("hunter2"))),
        plain(with(row.clone(), "/hunter2", json!("hunter2"))),
        plain(with(row.clone(), "/tenantId", json!("hunter2#"))),
        plain(with(row.clone(), "/updatedAt", json!("hunter2"))),
        plain(with(row.clone(), "/tokens/format", json!("hunter2"))),
        plain(with(row.clone(), "/tokens/refreshToken", json!("hunter2 hunter2"))),
        plain(row.clone()),
        format!("{}hunter2", plain(row.clone())),
        "{\"rows\":[{\"tokens\":\"hunter2".to_owned(),
    ];
    for body in bodies {
        let mut request = Request::new(Body::Text(body.clone()));
        *request.method_mut() = "POST".parse().unwrap();
        *request.uri_mut() = "/api/import".parse().unwrap();

        let (status, headers, answer) =
            importing.api.send_raw(request.with_raw_http_path("/api/import")).await;

        let shown = format!("{headers:?} {}", String::from_utf8(answer).unwrap());
        assert!(!shown.contains("hunter2"), "{status} {body} {shown}");
    }
}
