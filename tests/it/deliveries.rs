//! What an operator sees of webhook deliveries, and what a customer's administrator sets up at Zoho.

use std::{sync::Arc, time::Duration};

use domain::{
    api_key::Role,
    connection::{Connection, ConnectionStore as _},
    id::{ConnectionId, DeliveryId, TenantId},
    provider::Provider,
    secret::WebhookSecret,
    webhook::{
        AddressKeys, DeliveryLog as _, DeliveryPart, RefusalReason, Refused, Tally, Unreadable, signature,
    },
};
use edge::live_secrets::{LiveSecrets, Read, SecretSource};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::{
    memory::InMemoryDeliveries,
    sample::{self, at, ids},
};

use crate::{api_world::ApiWorld, aws_endpoint::AwsEndpoint, events, world::World};

const LIST: &str = "/api/webhooks/deliveries";

/// The API over a log of deliveries.
async fn api_over(log: &Arc<InMemoryDeliveries>, role: Role, tenant: Option<&TenantId>) -> ApiWorld {
    let (mut deps, key) = ApiWorld::deps(&World::new(), role, tenant).await;
    deps.deliveries = log.clone();
    ApiWorld::of(deps, key)
}

/// A delivery whose only event was applied.
fn applied(provider: Provider) -> DeliveryPart {
    DeliveryPart {
        delivery: ids().delivery(),
        part: (1, 1),
        provider,
        received_at: at(0),
        correlation: "corr_1".parse().unwrap(),
        tally: Tally { applied: 1, ..Tally::default() },
        reason: None,
        unreadable: None,
        noted_at: at(3),
    }
}

/// The ids in an answer.
fn listed(body: &Value) -> Vec<String> {
    let deliveries = body["deliveries"].as_array().unwrap().iter();
    deliveries.map(|delivery| delivery["deliveryId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_log_says_what_became_of_every_event_and_how_many_deliveries_were_refused() {
    let log = Arc::<InMemoryDeliveries>::default();
    let tally = Tally { unknown_company: 2, stale: 1, ..Tally::default() };
    let reason = Some("unknown_company".to_owned());
    let stale = DeliveryPart { tally, reason, ..applied(Provider::Xero) };
    for part in [&stale, &applied(Provider::Xero), &applied(Provider::Zoho)] {
        log.note(part).await.unwrap();
    }
    let refused = |reason, count| Refused { provider: Provider::Xero, reason, count };
    log.count_refused(&[refused(RefusalReason::BadSignature, 3)], at(0)).await.unwrap();
    log.count_refused(&[refused(RefusalReason::TooLarge, 1)], at(86_400)).await.unwrap();
    let api = api_over(&log, Role::Operator, None).await;

    let (status, headers, body) = api.send(events::request("api-deliveries.json")).await;

    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(headers["cache-control"], "no-store");
    let expected = json!({
        "deliveries": [{
            "deliveryId": stale.delivery, "provider": "xero", "status": "rejected",
            "reason": "unknown_company", "receivedAt": "2100-01-01T00:00:00Z",
            "processedAt": "2100-01-01T00:00:03Z", "correlationId": "corr_1",
            "events": {"total": 3, "applied": 0, "duplicate": 0, "stale": 1, "unknownCompany": 2,
                "disconnected": 0, "unknownType": 0, "failed": 0, "waiting": 0},
        }],
        "refused": [
            {"provider": "xero", "day": "2100-01-02", "reason": "too_large", "count": 1},
            {"provider": "xero", "day": "2100-01-01", "reason": "bad_signature", "count": 3},
        ],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn pages_follow_each_other_and_refusals_come_with_the_first_where_they_belong() {
    let log = Arc::<InMemoryDeliveries>::default();
    let parts: Vec<_> = (0..3).map(|_| applied(Provider::QuickBooks)).collect();
    for part in &parts {
        log.note(part).await.unwrap();
    }
    let api = api_over(&log, Role::Operator, None).await;
    let page = async |query: &str| {
        let (status, body) = api.call("GET", &format!("{LIST}?{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    };

    let first = page("limit=2").await;
    assert_eq!(listed(&first), [&parts[2], &parts[1]].map(|part| part.delivery.to_string()));
    assert_eq!(first["refused"], json!([]));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = page(&format!("limit=2&cursor={cursor}")).await;
    assert_eq!(listed(&second), [parts[0].delivery.to_string()]);
    assert_eq!((&second["nextCursor"], &second["refused"]), (&Value::Null, &Value::Null));

    let processed = page("status=processed&provider=quickbooks").await;
    assert_eq!((listed(&processed).len(), &processed["refused"]), (3, &Value::Null));
    assert_eq!(listed(&page("status=failed").await), [""; 0]);
    assert_eq!(listed(&page("provider=zoho").await), [""; 0]);
}

#[tokio::test]
async fn a_word_that_is_none_of_the_known_is_refused_with_those_that_are() {
    let api = api_over(&Arc::default(), Role::Operator, None).await;

    for (query, allowed) in [
        ("provider=sage", "quickbooks, xero, zoho"),
        ("status=done", "received, verified, enqueued, processed, duplicate, rejected, failed"),
        ("limit=101", "1 to 100"),
        ("cursor=%20", "nextCursor"),
    ] {
        let (status, body) = api.call("GET", &format!("{LIST}?{query}"), None).await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(body["error"]["message"].as_str().unwrap().contains(allowed), "{query}: {body}");
    }
}

#[tokio::test]
async fn one_delivery_is_shown_with_what_could_not_be_read_and_is_not_processed_while_events_wait() {
    let log = Arc::<InMemoryDeliveries>::default();
    let id: DeliveryId = "dlv_019aa2c4e5b07e3c8f1d2a3b4c5d6e7f".parse().unwrap();
    let kept = Unreadable { body: "eyI=".to_owned(), size: 2, reason: "not whole".to_owned() };
    let api = api_over(&log, Role::Operator, None).await;
    let shown = async || api.send(events::request("api-delivery.json")).await;
    assert_eq!(shown().await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.call("GET", &format!("{LIST}/a%20b"), None).await.0, StatusCode::NOT_FOUND);

    let unreadable = DeliveryPart {
        delivery: id.clone(),
        tally: Tally::default(),
        unreadable: Some(kept),
        ..applied(Provider::QuickBooks)
    };
    log.note(&unreadable).await.unwrap();

    let (status, _, body) = shown().await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("failed")));
    assert_eq!(body["body"], json!({"base64": "eyI=", "size": 2, "reason": "not whole"}));
    let (_, list) = api.call("GET", LIST, None).await;
    assert_eq!(
        (&list["deliveries"][0]["status"], &list["deliveries"][0]["body"]),
        (&json!("failed"), &Value::Null)
    );

    let tally = Tally { applied: 1, waiting: 1, ..Tally::default() };
    log.note(&DeliveryPart { tally, unreadable: None, ..unreadable }).await.unwrap();
    let (_, _, body) = shown().await;
    assert_eq!(
        (&body["status"], &body["processedAt"], &body["body"]),
        (&json!("enqueued"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn deliveries_are_shown_to_who_operates_the_bundle_and_to_nobody_else() {
    let tenant = sample::tenant();
    for (role, bound, status) in [
        (Role::Admin, None, StatusCode::OK),
        (Role::Operator, None, StatusCode::OK),
        (Role::Viewer, None, StatusCode::FORBIDDEN),
        (Role::Admin, Some(&tenant), StatusCode::FORBIDDEN),
    ] {
        let api = api_over(&Arc::default(), role, bound).await;

        assert_eq!(api.call("GET", LIST, None).await.0, status, "{role:?}");
        let one = api.call("GET", &format!("{LIST}/{}", ids().delivery()), None).await.0;
        assert_eq!(one, if status == StatusCode::OK { StatusCode::NOT_FOUND } else { status }, "{role:?}");
    }
}

/// What `GET /api/connections/{id}` says of the companies of a new connection to a provider, with these keys for addresses.
async fn companies(provider: Provider, role: Role, keys: &AddressKeys) -> (ConnectionId, Value) {
    let world = World::new();
    let key = sample::key();
    let connection = Connection { provider, ..sample::connection(&key) };
    world.connections.connect(&sample::new_connection(connection)).await.unwrap();
    let (mut deps, api_key) = ApiWorld::deps(&world, role, None).await;
    deps.webhook_addresses = LiveSecrets::new(keys.clone(), None, world.clock.clone());
    let api = ApiWorld::of(deps, api_key);
    let path = format!("/api/connections/{}?tenantId={}", key.connection, key.tenant);
    let (status, mut body) = api.call("GET", &path, None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    (key.connection, body["companies"].take())
}

fn keys(keys: &[&str]) -> AddressKeys {
    AddressKeys::new(keys.iter().map(|key| WebhookSecret::new((*key).to_owned())).collect())
}

#[tokio::test]
async fn who_may_change_connections_learns_where_an_organization_of_zoho_sends_its_webhooks() {
    let keys = keys(&["newest", "former"]);

    let (connection, companies) = companies(Provider::Zoho, Role::Admin, &keys).await;

    let company = &companies[0];
    let url = company["webhookUrl"].as_str().unwrap();
    let found = keys.find(url.strip_prefix("https://bundle.example/webhooks/zoho/").unwrap()).unwrap();
    assert_eq!(found.connection, connection);
    assert_eq!(found.company.as_str(), company["providerCompanyId"]);
    assert_eq!(found.secret.expose(), company["webhookSecret"]);
    assert!(matches!(found.encoding, signature::Encoding::Hex));
}

#[tokio::test]
async fn an_address_is_of_the_newest_key_five_minutes_after_that_was_stored() {
    let world = World::new();
    let key = sample::key();
    let connection = Connection { provider: Provider::Zoho, ..sample::connection(&key) };
    world.connections.connect(&sample::new_connection(connection)).await.unwrap();
    let (mut deps, api_key) = ApiWorld::deps(&world, Role::Admin, None).await;
    let aws = AwsEndpoint::start().await;
    let source = SecretSource { sdk: aws.sdk().await, id: "providers".to_owned() };
    let read = api::webhook_addresses as Read<_>;
    deps.webhook_addresses = LiveSecrets::new(keys(&["former"]), Some((source, read)), world.clock.clone());
    let api = ApiWorld::of(deps, api_key);
    aws.hold_secret(&json!({"ZOHO_WEBHOOK_SECRET": "new,former"}).to_string());
    world.clock.advance(Duration::from_secs(5 * 60 + 1));

    let path = format!("/api/connections/{}?tenantId={}", key.connection, key.tenant);
    let (_, body) = api.call("GET", &path, None).await;

    let url = body["companies"][0]["webhookUrl"].as_str().unwrap();
    let company_key = url.rsplit('/').next().unwrap();
    assert!(keys(&["new"]).find(company_key).is_some(), "it outlives the former key");
}

#[tokio::test]
async fn an_address_is_shown_to_nobody_else_and_not_without_a_key_or_of_another_provider() {
    let keyed = keys(&["key"]);
    for (provider, role, keys) in [
        (Provider::Zoho, Role::Viewer, &keyed),
        (Provider::Zoho, Role::Admin, &keys(&[])),
        (Provider::Xero, Role::Admin, &keyed),
    ] {
        let (_, companies) = companies(provider, role, keys).await;

        let shown: Vec<_> = companies[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shown, ["companyId", "name", "providerCompanyId"], "{provider} {role:?}");
    }
}
