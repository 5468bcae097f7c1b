//! A tenant from its first request to its last trace, on the deployed stack.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{clock::SystemClock, entropy::SystemEntropy, id::Ids, provider::Provider};
use serde_json::{Value, json};

use crate::driver::{Bundle, PATIENCE, Tenant, eventually};

/// A batch of the low lane with the end of a tenant, whose grants ended so long ago that nobody can be at it any more.
fn long_after(bundle: &Bundle, tenant: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../events/sync-erase.json")).unwrap();
    let body = json!({"v": 1, "erase": {"tenantId": tenant, "endedAt": "2026-01-01T00:00:00Z"}});
    event["Records"][0]["body"] = body.to_string().into();
    let queue = bundle.stack.value("SYNC_QUEUE_LOW_URL").rsplit('/').next().unwrap();
    event["Records"][0]["eventSourceARN"] = format!("arn:aws:sqs:us-east-1:000000000000:{queue}").into();
    event
}

/// How many items a partition has, or begins with a sort key.
async fn items(bundle: &Bundle, table: &str, (pk, sk): (&str, Option<&str>)) -> i32 {
    let query = aws::clients::dynamodb(&bundle.sdk)
        .query()
        .table_name(bundle.stack.value(table))
        .consistent_read(true)
        .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
    let query = match sk {
        None => query.key_condition_expression("pk = :pk"),
        Some(sk) => query
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned())),
    };
    query.send().await.unwrap().count()
}

/// How many items each partition of a tenant has; the routes of its companies are nobody's and stay.
async fn kept(bundle: &Bundle, tenant: &str) -> Vec<i32> {
    let (own, keys) = (format!("TENANT#{tenant}"), format!("KEYS#{tenant}"));
    let (users, usage, jobs) =
        (format!("USERS#{tenant}"), format!("USAGE#{tenant}"), format!("JOBS#{tenant}"));
    let partitions = [
        ("CONNECTIONS_TABLE", (own.as_str(), None)),
        ("CONTROL_TABLE", ("TENANTS", Some(tenant))),
        ("CONTROL_TABLE", (keys.as_str(), None)),
        ("CONTROL_TABLE", (users.as_str(), None)),
        ("CONTROL_TABLE", (usage.as_str(), None)),
        ("RECORDS_TABLE", (jobs.as_str(), None)),
    ];
    let mut counts = vec![];
    for (table, partition) in partitions {
        counts.push(items(bundle, table, partition).await);
    }
    counts
}

#[tokio::test]
async fn a_tenant_is_made_connected_synced_and_deleted_without_a_trace() {
    let bundle = Bundle::deployed().await;
    let id = Ids::new(&SystemClock, &SystemEntropy).write();
    let new = json!({"tenantId": id, "name": "Ending", "limits": {"integrations": 1}});
    bundle.post("/api/tenants", &new).await.expect(201);
    let path = format!("/api/tenants/{id}");
    let books = bundle.simulator.books_of(Provider::QuickBooks, (3, 2)).await;
    let tenant = Tenant { bundle: &bundle, id: id.clone() };
    let connection = tenant.connect_to(&books, true).await;
    connection.synced("invoices", 2).await;
    let change = json!({"settings": {"refreshPolicy": "always"}});
    let patched = bundle.patch(&path, &change).await;
    assert_eq!(patched.expect(200)["settings"], change["settings"]);
    assert!(connection.stored().await.warmth.is_some(), "what its tenant wants is noted on each connection");
    let link = json!({"tenantId": id, "provider": "quickbooks"});
    bundle.post("/api/connect-sessions", &link).await.expect_error(429, "QUOTA_EXCEEDED");
    let used = eventually("the sync is metered", PATIENCE, async || {
        let used = bundle.get(&format!("/api/usage?tenantId={id}")).await.expect(200);
        (used["totals"]["calls"].as_u64() > Some(0)).then_some(used)
    })
    .await;
    assert_eq!(used["quotas"]["integrations"], json!({"limit": 1, "used": 1}));

    let deleted = bundle.delete(&path).await;

    assert_eq!(deleted.expect(202)["state"], "deleting");
    assert!(deleted.header("location").ends_with(&path));
    bundle.post("/api/connect-sessions", &link).await.expect_error(409, "TENANT_DELETING");
    eventually("the grant has ended", PATIENCE, async || {
        let found = bundle.get(&format!("/api/connections/{}?tenantId={id}", connection.id)).await.json();
        (found["state"] == "disconnected").then_some(())
    })
    .await;
    assert!(bundle.simulator.has_ended(&books).await, "the provider has been told");
    assert_eq!(bundle.sealed_bytes(&connection.key()).await, 0, "no token, no wrapped key");
    connection.refresh().await.expect_error(409, "AUTH_REFRESH_TOKEN_EXPIRED");
    assert_ne!(kept(&bundle, &id).await, [0; 6], "the rest waits until nobody can be at it any more");

    let sync = bundle.stack.value("SYNC_FUNCTION");
    let answer = bundle.invoke(sync, &long_after(&bundle, &id)).await.unwrap();

    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(kept(&bundle, &id).await, [0; 6]);
    let tables = bundle.tables().await;
    let (_, records) = tables.iter().find(|(table, _)| table == "RECORDS_TABLE").unwrap();
    let is_its = |value: &&Vec<u8>| String::from_utf8_lossy(value).contains(&id);
    assert_eq!(records.iter().find(is_its), None);
    bundle.get(&path).await.expect_error(404, "TENANT_NOT_FOUND");
    bundle.delete(&path).await.expect_error(404, "TENANT_NOT_FOUND");
    let acts: Vec<_> = connection.tenant.acts().await.into_iter().map(|(act, _)| act).collect();
    assert_eq!(acts.last().map(String::as_str), Some("tenant.deleted"), "{acts:?}");
}

#[tokio::test]
async fn a_suspended_tenant_is_asked_for_what_changed_when_it_works_again() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.books_of(Provider::QuickBooks, (3, 2)).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let path = format!("/api/tenants/{}", connection.tenant.id);
    let to = async |state: &str| {
        let change = json!({ "state": state });
        bundle.patch(&path, &change).await.expect(200)
    };
    assert_eq!(to("suspended").await["state"], "suspended");
    let job = json!({"tenantId": connection.tenant.id, "provider": "quickbooks", "operation": "sync_all"});
    // An instance goes by what it knows of a tenant for half a minute.
    eventually("the suspension is known", PATIENCE, async || {
        let answer = bundle.post("/api/jobs", &job).await;
        (answer.status == 403).then(|| answer.expect_error(403, "TENANT_SUSPENDED"))
    })
    .await;
    assert_eq!(connection.refresh().await.expect(200)["refreshed"], true, "its tokens are kept alive");

    assert_eq!(to("active").await["state"], "active");

    connection.synced("invoices", 2).await;
}
