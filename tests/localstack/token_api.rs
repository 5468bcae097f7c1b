//! The token API: what it answers to the letter, and what it refuses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Answer, Bundle, audited, redacted};

const REFRESH: &str = "/api/tokens/refresh/quickbooks";

/// What differs from run to run.
const VARYING: [&str; 10] = [
    "asOf",
    "tenantId",
    "connectionId",
    "expiresAt",
    "id",
    "attemptedAt",
    "completedAt",
    "durationMs",
    "averageDuration",
    "timeUntilExpiryMinutes",
];

#[tokio::test]
async fn status_and_refresh_read_as_documented() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;

    insta::assert_json_snapshot!(redacted(connection.tenant.status().await, &VARYING), @r#"
    {
      "summary": {
        "asOf": "[asOf]",
        "expired": 0,
        "healthy": 1,
        "reconnectRequired": 0,
        "total": 1,
        "warning": 0
      },
      "tokens": [
        {
          "connectionId": "[connectionId]",
          "expiresAt": "[expiresAt]",
          "provider": "quickbooks",
          "status": {
            "health": "healthy",
            "needsRefresh": false,
            "timeUntilExpiryMinutes": "[timeUntilExpiryMinutes]"
          },
          "tenantId": "[tenantId]"
        }
      ]
    }
    "#);
    let refreshed = connection.refresh().await.expect(200);
    insta::assert_json_snapshot!(redacted(refreshed, &VARYING), @r#"
    {
      "expiresAt": "[expiresAt]",
      "provider": "quickbooks",
      "refreshed": true,
      "success": true
    }
    "#);
}

#[tokio::test]
async fn a_token_that_is_given_out_reads_as_documented_and_is_audited() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let path = format!("/api/connections/{}/token?tenantId={}", connection.id, connection.tenant.id);

    let issued = bundle.get(&path).await.expect(200);

    insta::assert_json_snapshot!(redacted(issued, &["accessToken", "apiBaseUrl", "expiresAt"]), @r#"
    {
      "accessToken": "[accessToken]",
      "apiBaseUrl": "[apiBaseUrl]",
      "expiresAt": "[expiresAt]",
      "scopes": [
        "com.intuit.quickbooks.accounting"
      ],
      "tokenType": "Bearer"
    }
    "#);
    let acts = audited(&connection.tenant.id.parse().unwrap()).await;
    assert!(acts.iter().any(|act| act["action"] == "token.issued"), "{acts:?}");
}

#[tokio::test]
async fn history_reads_as_documented() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    let spent = connection.refresh_token().await;
    let failing = json!({ "endpoint": "token", "kind": "status", "status": 500, "times": 3 });
    bundle.simulator.fault(&spent, failing).await;
    bundle.age(&connection.key(), None).await;
    connection.refresh().await.expect_error(502, "PROVIDER_API_ERROR");
    let path = format!("/api/tokens/history/quickbooks?tenantId={}&limit=100", connection.tenant.id);
    let history = bundle.get(&path).await.expect(200);
    insta::assert_json_snapshot!(redacted(history, &VARYING), @r#"
    {
      "history": [
        {
          "attemptedAt": "[attemptedAt]",
          "completedAt": "[completedAt]",
          "connectionId": "[connectionId]",
          "durationMs": "[durationMs]",
          "errorCode": "http_500",
          "errorMessage": "the provider failed; nothing was lost, and it is tried again later",
          "id": "[id]",
          "refreshType": "manual",
          "retryAttempt": 0,
          "status": "failed",
          "tenantId": "[tenantId]"
        },
        {
          "attemptedAt": "[attemptedAt]",
          "completedAt": "[completedAt]",
          "connectionId": "[connectionId]",
          "durationMs": "[durationMs]",
          "errorCode": null,
          "errorMessage": null,
          "id": "[id]",
          "refreshType": "manual",
          "retryAttempt": 0,
          "status": "success",
          "tenantId": "[tenantId]"
        }
      ],
      "provider": "quickbooks",
      "stats": {
        "asOf": "[asOf]",
        "averageDuration": "[averageDuration]",
        "failed": 1,
        "successful": 1,
        "totalAttempts": 2
      }
    }
    "#);
}

#[tokio::test]
async fn health_reads_as_documented() {
    let bundle = Bundle::deployed().await;
    // A key that sees one tenant counts that tenant's connections.
    let connection = bundle.tenant().await.connect().await;
    let key = bundle.key(domain::api_key::Role::Viewer, Some(&connection.tenant.id)).await;

    let health = bundle.get_as(&key, "/api/tokens/health").await.expect(200);

    // Whether the clock has ticked yet, and how the providers stand, is for tests of their own.
    let elsewhere = ["lastRunAt", "initialized", "status", "breaker", "outage", "asOf", "queues", "tables"];
    insta::assert_json_snapshot!(redacted(health, &elsewhere), @r#"
    {
      "providers": {
        "quickbooks": {
          "books": {
            "breaker": "[breaker]",
            "outage": "[outage]"
          },
          "breaker": "[breaker]",
          "outage": "[outage]"
        },
        "xero": {
          "books": {
            "breaker": "[breaker]",
            "outage": "[outage]"
          },
          "breaker": "[breaker]",
          "outage": "[outage]"
        },
        "zoho": {
          "books": {
            "breaker": "[breaker]",
            "outage": "[outage]"
          },
          "breaker": "[breaker]",
          "outage": "[outage]"
        }
      },
      "scheduler": {
        "initialized": "[initialized]",
        "lastRunAt": "[lastRunAt]",
        "status": "[status]"
      },
      "status": "[status]",
      "storage": {
        "database": "healthy",
        "keys": "healthy",
        "queues": "[queues]",
        "tables": "[tables]"
      },
      "tokens": {
        "asOf": "[asOf]",
        "expired": 0,
        "expiring": 0,
        "healthy": 1,
        "total": 1
      }
    }
    "#);
}

#[tokio::test]
async fn health_looks_at_every_table_and_queue_of_the_stack() {
    let bundle = Bundle::deployed().await;

    let health = bundle.get("/api/tokens/health").await.expect(200);

    let storage = &health["storage"];
    let tables = json!({"connections": "healthy", "control": "healthy", "deliveries": "healthy",
                        "history": "healthy", "records": "healthy"});
    assert_eq!((&storage["tables"], &storage["keys"]), (&tables, &json!("healthy")), "{storage}");
    for queue in ["events", "recovery", "refresh", "sync", "syncHigh", "syncLow"] {
        let told = &storage["queues"][queue];
        assert_ne!(told["status"], "unknown", "{queue}: {told}");
        assert!(["waiting", "inFlight", "deadLetters"].iter().all(|count| told[count].is_u64()), "{told}");
    }
}

#[tokio::test]
async fn a_limit_or_cursor_that_makes_no_sense_is_refused_with_what_would() {
    let bundle = Bundle::deployed().await;
    for (path, max) in [
        ("/api/tokens/status", 100),
        ("/api/tokens/history/quickbooks", 100),
        ("/api/connections", 100),
        ("/api/records/invoices", 200),
    ] {
        for bad in [
            "0",
            "-1",
            &(max + 1).to_string(),
            "1e9",
            "abc",
            "10;%20drop",
            "",
            "%2B5",
            "99999999999999999999",
        ] {
            let body =
                bundle.get(&format!("{path}?limit={bad}")).await.expect_error(400, "VALIDATION_FAILED");
            let details = json!({ "field": "limit", "min": 1, "max": max });
            assert_eq!(body["error"]["details"], details, "{path} {bad}");
        }
        bundle.get(&format!("{path}?limit=1&limit=2")).await.expect_error(400, "VALIDATION_FAILED");
    }
    for cursor in ["x", "AAAA", "%00", "eyJhIjoxfQ", &"A".repeat(2000)] {
        for path in ["/api/tokens/status", "/api/connections"] {
            let refused = bundle.get(&format!("{path}?cursor={cursor}")).await;
            assert_eq!(refused.expect_error(400, "VALIDATION_FAILED")["error"]["details"]["field"], "cursor");
        }
    }
}

#[tokio::test]
async fn a_refresh_that_is_not_asked_for_as_documented_is_refused_and_not_done() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let (spent, tenant) = (connection.refresh_token().await, connection.tenant.id.as_str());
    let good = json!({ "tenantId": tenant }).to_string();
    let too_large = format!("{good}{}", " ".repeat(17 * 1024));
    let unknown = json!({ "tenantId": tenant, "force": true }).to_string();
    let repeated = format!("{{\"tenantId\":\"{tenant}\",\"tenantId\":\"{tenant}\"}}");
    let other_id = json!({ "tenantId": tenant, "connectionId": "conn_unknown" }).to_string();
    let json = "application/json";

    for (kind, body, status, code) in [
        (json, "not json", 400, "VALIDATION_FAILED"),
        (json, "", 400, "VALIDATION_FAILED"),
        (json, "[]", 400, "VALIDATION_FAILED"),
        (json, "null", 400, "VALIDATION_FAILED"),
        (json, "{}", 400, "VALIDATION_FAILED"),
        (json, "{\"tenantId\":7}", 400, "VALIDATION_FAILED"),
        (json, "{\"tenantId\":\"a#b\"}", 400, "VALIDATION_FAILED"),
        (json, &unknown, 400, "VALIDATION_FAILED"),
        (json, &repeated, 400, "VALIDATION_FAILED"),
        (json, &other_id, 404, "CONNECTION_NOT_FOUND"),
        (json, "{\"tenantId\":\"nobody\"}", 404, "CONNECTION_NOT_FOUND"),
        (json, &too_large, 413, "VALIDATION_BODY_TOO_LARGE"),
        ("text/plain", &good, 415, "VALIDATION_MEDIA_TYPE"),
        ("application/x-www-form-urlencoded", &good, 415, "VALIDATION_MEDIA_TYPE"),
    ] {
        let request = bundle.request(Method::POST, REFRESH).header("x-api-key", bundle.admin_key());
        let answer = bundle.send(request.header("content-type", kind).body(body.to_owned())).await;
        answer.expect_error(status, code);
    }
    for provider in ["sage", "QuickBooks", "quickbooks%00", "quick books"] {
        let path = format!("/api/tokens/refresh/{provider}");
        bundle.post(&path, &json!({ "tenantId": tenant })).await.expect_error(404, "PROVIDER_UNKNOWN");
    }
    assert_eq!(connection.spent(&spent).await, 0);
}

#[tokio::test]
async fn an_address_or_method_that_is_not_there_is_refused_in_the_same_shape() {
    let bundle = Bundle::deployed().await;
    let ask = async |method: Method, path: &str| {
        let request = bundle.request(method, path).header("x-api-key", bundle.admin_key());
        // A method in a header is no method.
        bundle
            .send(request.header("x-http-method-override", "POST").header("content-type", "application/json"))
            .await
    };

    for path in
        ["/api/nothing", "/api/tokens", "/api/tokens/status/x", "/api/tokens/refresh", "/api/connections/a/b"]
    {
        ask(Method::GET, path).await.expect_error(404, "VALIDATION_NOT_FOUND");
    }
    for (method, path) in [
        (Method::GET, REFRESH),
        (Method::PUT, REFRESH),
        (Method::POST, "/api/tokens/status"),
        (Method::DELETE, "/api/tokens/history/quickbooks"),
        (Method::PATCH, "/api/connect-sessions"),
        (Method::OPTIONS, "/api/tokens/status"),
    ] {
        let refused = ask(method, path).await;
        refused.expect_error(405, "VALIDATION_METHOD_NOT_ALLOWED");
        assert!(refused.headers.get("access-control-allow-origin").is_none(), "no other site may ask");
    }
    ask(Method::GET, "/api/records/payroll").await.expect_error(404, "VALIDATION_NOT_FOUND");
    ask(Method::GET, "/api/records/invoices").await.expect_error(400, "VALIDATION_FAILED");
    ask(Method::GET, "/api/records/invoices?companyId=0").await.expect_error(404, "CONNECTION_NOT_FOUND");
    ask(Method::GET, "/api/connections/conn_unknown").await.expect_error(404, "CONNECTION_NOT_FOUND");
}

#[tokio::test]
async fn a_correlation_id_comes_back_and_a_bad_one_is_replaced() {
    let bundle = Bundle::deployed().await;
    let ask = async |id: &str| -> Answer {
        let request = bundle.request(Method::GET, "/api/nothing").header("x-api-key", bundle.admin_key());
        bundle.send(request.header("x-correlation-id", id)).await
    };
    let id = |body: &Value| body["error"]["correlationId"].as_str().unwrap().to_owned();

    for good in ["mine", "A-z_0.9", &"x".repeat(128)] {
        assert_eq!(id(&ask(good).await.expect_error(404, "VALIDATION_NOT_FOUND")), good);
    }
    for bad in ["a b", "<script>", "a/b", &"x".repeat(129)] {
        let made = id(&ask(bad).await.expect_error(404, "VALIDATION_NOT_FOUND"));
        assert!(made.starts_with("corr_"), "{bad} became {made}");
    }
    let request = bundle.request(Method::GET, "/api/tokens/status").header("x-api-key", bundle.admin_key());
    let answer = bundle
        .send(request.header("x-correlation-id", "mine").header("x-forwarded-host", "evil.example"))
        .await;
    assert_eq!((answer.status, answer.header("x-correlation-id")), (200, "mine"));
}
