//! What it costs to ask how all tokens stand.

use std::collections::HashMap;

use aws::{DynamoApiKeys, clients};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use axum::Router;
use domain::{
    api_key::{ApiKeyStore as _, NewApiKey, Role},
    clock::{Clock as _, SystemClock},
    connection::ConnectionKey,
    entropy::SystemEntropy,
    provider::Provider,
    secret::ApiKeyText,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lambda_http::{Body, Request, RequestExt as _, http::StatusCode};
use serde_json::Value;
use tests::sample::ids;
use tokio::time::Instant;

use crate::{
    is_full,
    measured::Measured,
    meter::Usage,
    refresh::{Kind, Visit},
    table::Table,
};

/// Connections that are asked about; some hundred tenants.
const CONNECTIONS: usize = 10_000;
/// As many where the time for more is not taken: more than one step of a count.
const FEWER: usize = 1_200;
/// Connections of a tenant.
const OF_TENANT: usize = 50;
/// What `BatchWriteItem` takes at once.
const BATCH: usize = 25;
/// Batches that are written side by side.
const SIDE_BY_SIDE: usize = 8;
/// Calls of which the median is taken.
const ROUNDS: usize = 51;
/// The greatest page.
const PAGE: &str = "/api/tokens/status?limit=100";

/// Fills the table with copies of one connection, each of its own key.
async fn fill(measured: &Measured, like: &ConnectionKey, count: usize) {
    let client = clients::dynamodb(&measured.sdk);
    let table = measured.value("CONNECTIONS_TABLE");
    let text = |text: String| AttributeValue::S(text);
    let key = HashMap::from([
        ("pk".to_owned(), text(format!("TENANT#{}", like.tenant))),
        ("sk".to_owned(), text(format!("CONNECTION#{}", like.connection))),
    ]);
    let item = client.get_item().table_name(table).set_key(Some(key)).send().await.unwrap().item.unwrap();
    let copy = |number: usize| {
        let mut copy = item.clone();
        copy.insert("pk".to_owned(), text(format!("TENANT#bulk-{}", number / OF_TENANT)));
        copy.insert("sk".to_owned(), text(format!("CONNECTION#{}", ids().connection())));
        let put = PutRequest::builder().set_item(Some(copy)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let copies: Vec<_> = (1..count).map(copy).collect();
    let batches = copies.chunks(BATCH).map(async |batch| {
        let mut left = batch.to_vec();
        while !left.is_empty() {
            let request = client.batch_write_item().request_items(table, left);
            let output = request.send().await?;
            left = output.unprocessed_items.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
        }
        Ok::<_, aws_sdk_dynamodb::Error>(())
    });
    let written: Vec<()> = stream::iter(batches).buffer_unordered(SIDE_BY_SIDE).try_collect().await.unwrap();
    assert_eq!(written.len(), (count - 1).div_ceil(BATCH));
}

/// A key that sees everything.
async fn caller(measured: &Measured) -> ApiKeyText {
    let new = NewApiKey {
        name: "costs".to_owned(),
        scopes: Role::Viewer.scopes(),
        tenant: None,
        user: None,
        expires_at: None,
    };
    let (record, key) = new.issue(measured.value("ENVIRONMENT"), SystemClock.now(), &SystemEntropy);
    let keys =
        DynamoApiKeys::new(clients::dynamodb(&measured.sdk), measured.value("CONTROL_TABLE").to_owned());
    assert!(keys.insert(&record).await.unwrap());
    key
}

async fn get(front: &Router, key: &ApiKeyText, path: &str) -> Value {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("x-api-key", key.expose().parse().unwrap());
    let raw = path.split('?').next().unwrap().to_owned();
    let (parts, body) = api::handle(front, request.with_raw_http_path(&raw)).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(parts.status, StatusCode::OK, "{body}");
    body
}

/// The median of some calls, in milliseconds; without one where the time is not taken.
async fn median(front: &Router, key: &ApiKeyText, path: &str) -> String {
    if !is_full() {
        return "-".to_owned();
    }
    let mut times = vec![];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        get(front, key, path).await;
        times.push(began.elapsed());
    }
    times.sort();
    format!("{:.1}", times[ROUNDS / 2].as_secs_f64() * 1000.0)
}

fn row(name: &str, used: &Usage, median: String) -> [String; 5] {
    let units = |units: f64| format!("{units:.1}").trim_end_matches(".0").to_owned();
    [name.to_owned(), used.total().to_string(), units(used.reads), units(used.writes), median]
}

#[tokio::test]
async fn the_status_of_ten_thousand_connections_costs_what_its_page_costs() {
    let measured = Measured::new().await;
    let worker = measured.worker();
    let like = Kind::of(Provider::QuickBooks).connection(&worker, Visit::NotDue).await;
    let like = measured.store(like).await;
    let count = if is_full() { CONNECTIONS } else { FEWER };
    fill(&measured, &like, count).await;
    let key = caller(&measured).await;
    let (front, direct) = (measured.front(), measured.direct_front());
    measured.meter.take();

    let mut first = get(&front, &key, PAGE).await;
    let mut parts = 1;
    // A slow machine counts in several parts.
    while first["summary"]["asOf"].is_null() {
        first = get(&front, &key, PAGE).await;
        parts += 1;
    }
    let counting = measured.meter.take();
    assert_eq!(first["summary"]["total"], count, "{}", first["summary"]);
    let again = get(&front, &key, PAGE).await;
    let steady = measured.meter.take();
    assert_eq!(again["summary"], first["summary"]);
    let next = format!("{PAGE}&cursor={}", again["nextCursor"].as_str().unwrap());
    get(&front, &key, &next).await;
    let going_on = measured.meter.take();
    get(&front, &key, "/api/tokens/history/quickbooks?limit=100").await;
    let history = measured.meter.take();
    get(&front, &key, "/api/tokens/health").await;
    let health = measured.meter.take();

    let mut table = Table::new(&["status", "AWS calls", "read units", "write units", "p50 ms"]);
    table.row(row("the first, which counts all", &counting, "-".to_owned()));
    table.row(row("a page of a hundred", &steady, median(&direct, &key, PAGE).await));
    table.row(row("the page behind it", &going_on, median(&direct, &key, &next).await));
    table.row(row("a history", &history, median(&direct, &key, "/api/tokens/history/quickbooks").await));
    table.row(row("health", &health, median(&direct, &key, "/api/tokens/health").await));
    table.print(&format!("Asking about {count} connections"));
    // The key, the sums, the index and the items of the page.
    assert!(steady.total() <= 4 && going_on.total() <= 4, "{steady:?} {going_on:?}");
    assert!(steady.reads <= 55.0 && going_on.reads <= 55.0, "{steady:?} {going_on:?}");
    assert!(steady.writes <= 0.0 && going_on.writes <= 0.0 && health.writes <= 0.0, "{steady:?}");
    assert!(history.total() <= 4 && history.reads <= 5.0, "{history:?}");
    // What a page costs besides, the key of cursors, and the right to count: of each thousand the index and ten batches.
    let steps = count.div_ceil(1000) + 1;
    assert!(counting.total() <= parts * 8 + steps * 11, "{counting:?} in {parts} parts");
    let units = |number: usize| f64::from(u32::try_from(number).unwrap());
    let most = units(count) * 0.52 + units(parts) * 70.0;
    assert!(counting.reads <= most, "{counting:?} in {parts} parts");
}
