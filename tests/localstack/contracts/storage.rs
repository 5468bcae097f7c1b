//! What only the adapters know: how long items live, which items they refuse, what KMS refuses.

use std::time::Duration;

use aws::{
    DEFAULT_RETENTION, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoIdempotency, KmsDataKeys,
    clients,
};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    audit::{AuditAction, AuditEntry, AuditLog},
    authorization::{AuthorizationStore, ConnectSession},
    connection::{Connection, ConnectionKey, ConnectionStore, Due, DuePartition},
    provider::Provider,
    refresh::{AttemptLog, DueIndex as _, RefreshAttempt, Trigger},
    sealing::{DataKeys, KeyError, Purpose, SealingContext},
    store::{StoreError, chain},
    webhook::IdempotencyStore,
};
use tests::sample::{self, at, ids};

use super::{connections, sdk, sdk_at, table};
use crate::stack::Stack;

/// The time to live of an item, in seconds.
async fn ttl(variable: &str, pk: &str, sk: &str) -> i64 {
    let (client, table) = table(variable).await;
    let request = client.get_item().table_name(table);
    let request =
        request.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
    let item = request.send().await.unwrap().item.expect("the item is there");
    item["ttl"].as_n().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_connect_link_is_forgotten_an_hour_after_its_end() {
    let (client, control) = table("CONTROL_TABLE").await;
    let session = ConnectSession {
        code_hash: ids().write(),
        tenant: sample::tenant(),
        provider: None,
        scopes: vec![],
        reconnects: None,
        confirm: false,
        return_url: None,
        sync: true,
        expires_at: at(900),
    };

    DynamoAuthorizations::new(client, control).insert_session(&session).await.unwrap();

    let found = ttl("CONTROL_TABLE", &format!("SESSION#{}", session.code_hash), "SESSION").await;
    assert_eq!(found, at(900 + 3600).as_second());
}

#[tokio::test]
async fn the_count_of_a_minute_is_forgotten_an_hour_later() {
    let (client, control) = table("CONTROL_TABLE").await;
    let tenant = sample::tenant();

    DynamoAuthorizations::new(client, control).count_session(&tenant, at(61)).await.unwrap();

    let minute = at(60).as_second() / 60;
    let found = ttl("CONTROL_TABLE", &format!("LIMIT#connect#{tenant}"), &minute.to_string()).await;
    assert_eq!(found, at(61 + 3600).as_second());
}

/// Anything but the default, so that a test shows whose time it is.
const RETENTION: Duration = Duration::from_hours(30 * 24);

#[tokio::test]
async fn an_act_is_forgotten_after_the_time_configured_and_never_passes_for_an_attempt() {
    let (client, history) = table("HISTORY_TABLE").await;
    let tenant = sample::tenant();
    let mut entry =
        AuditEntry::new(ids().audit(), at(0), Some(tenant.clone()), AuditAction::ConnectionConnected);
    entry.provider = Some(Provider::QuickBooks);

    DynamoAudit::new(client.clone(), history.clone(), RETENTION).record(&entry).await.unwrap();

    let found = ttl("HISTORY_TABLE", &format!("AUDIT#{tenant}"), &format!("ENTRY#{}", entry.id)).await;
    assert_eq!(found, at(30 * 86_400).as_second());
    let attempts = DynamoAttempts::new(client, history, RETENTION);
    let attempts = attempts.list(Provider::QuickBooks, None, 1000).await;
    assert!(attempts.is_ok(), "{attempts:?}");
}

#[tokio::test]
async fn an_attempt_is_forgotten_after_the_time_configured_which_is_thirteen_months_by_itself() {
    let (client, history) = table("HISTORY_TABLE").await;
    for (retention, days) in [(RETENTION, 30), (DEFAULT_RETENTION, 400)] {
        let attempt = RefreshAttempt {
            id: ids().attempt(),
            key: sample::key(),
            provider: Provider::QuickBooks,
            trigger: Trigger::Scheduled,
            started_at: at(0),
            completed_at: at(1),
            failure: None,
            retry: 0,
            link: None,
        };

        let attempts = DynamoAttempts::new(client.clone(), history.clone(), retention);
        attempts.record(&attempt).await.unwrap();

        let pk = format!("TENANT#{}#quickbooks", attempt.key.tenant);
        let found = ttl("HISTORY_TABLE", &pk, &format!("ATTEMPT#{}", attempt.id)).await;
        assert_eq!(found, at(1 + days * 86_400).as_second());
    }
}

#[tokio::test]
async fn an_event_is_remembered_longer_than_any_provider_replays_it() {
    let (client, deliveries) = table("DELIVERIES_TABLE").await;
    let key = ids().write();

    let seen = DynamoIdempotency::new(client, deliveries);
    seen.complete(Provider::Xero, &key, &ids().delivery(), at(0)).await.unwrap();

    let found = ttl("DELIVERIES_TABLE", &format!("EVENT#xero#{key}"), "EVENT").await;
    assert_eq!(found, at(35 * 86_400).as_second());
}

#[tokio::test]
async fn a_page_of_due_connections_begins_where_the_one_before_ended() {
    let (client, table) = table("CONNECTIONS_TABLE").await;
    let store = aws::DynamoConnections::new(client, table, 1);
    let mut keys = vec![];
    for second in [10, 20, 30] {
        let connection = Connection {
            due: Some(Due::At(at(second))),
            provider: Provider::Zoho,
            ..sample::connection(&sample::key())
        };
        store.connect(&sample::new_connection(connection.clone())).await.unwrap();
        keys.push(connection.key);
    }
    let shard = DuePartition::Timed { provider: Provider::Zoho, shard: 0 };
    let first = &keys[0];
    // What the store makes of the last entry of a full page, which would take thousands of connections.
    let [tenant, connection] = [first.tenant.as_str(), first.connection.as_str()];
    let key = [
        &format!("TENANT#{tenant}"),
        &format!("CONNECTION#{connection}"),
        &at(10).as_millisecond().to_string(),
    ];
    let cursor = URL_SAFE_NO_PAD.encode(serde_json::json!(key).to_string());

    let page = store.list_due(shard, (at(9), at(30)), Some(&cursor)).await.unwrap();

    let found: Vec<_> = page.keys.iter().filter(|found| keys.contains(found)).collect();
    assert_eq!(found, [&keys[1], &keys[2]]);
}

/// Stores a connection and sets one attribute of its item to something else.
async fn spoiled(attribute: &str, value: AttributeValue) -> ConnectionKey {
    let key = sample::key();
    connections().await.connect(&sample::new_connection(sample::connection(&key))).await.unwrap();
    let (client, table) = table("CONNECTIONS_TABLE").await;
    client
        .update_item()
        .table_name(table)
        .key("pk", AttributeValue::S(format!("TENANT#{}", key.tenant)))
        .key("sk", AttributeValue::S(format!("CONNECTION#{}", key.connection)))
        .update_expression("SET #name = :value REMOVE #listing")
        .expression_attribute_names("#name", attribute)
        // Out of the list of all, which other tests read.
        .expression_attribute_names("#listing", "listing")
        .expression_attribute_values(":value", value)
        .send()
        .await
        .unwrap();
    key
}

#[tokio::test]
async fn a_connection_that_a_later_version_wrote_or_nobody_understands_is_refused_without_its_values() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (attribute, value) in [
        ("v", AttributeValue::N("2".to_owned())),
        ("st", text("secret-looking")),
        ("f", text("secret-looking")),
        ("tok", AttributeValue::M([("a".to_owned(), text("secret-looking"))].into())),
    ] {
        let key = spoiled(attribute, value).await;

        let error = connections().await.find(&key).await.unwrap_err();

        assert!(matches!(error, StoreError::Corrupt { what: "connection", .. }), "{attribute}: {error:?}");
        if attribute != "st" {
            assert!(!chain(&error).contains("secret-looking"), "{attribute}");
        }
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_unavailable_and_says_why_in_the_log() {
    let (client, _) = table("CONNECTIONS_TABLE").await;
    let store = aws::DynamoConnections::new(client, "nowhere".to_owned(), 1);

    let error = store.find(&sample::key()).await.unwrap_err();

    assert!(matches!(error, StoreError::Unavailable { operation: "find", .. }));
    assert!(chain(&error).contains("ResourceNotFound"), "{}", chain(&error));
}

/// What KMS makes of a data key that was wrapped by the stack's key, asked with `key_id` after `spoil`.
async fn unwrapped_with(key_id: &str) -> KeyError {
    let stack = Stack::running();
    let kms = clients::kms(&sdk(&stack).await);
    let key = sample::key();
    let context =
        SealingContext { environment: "test", key: &key, provider: Provider::Zoho, purpose: Purpose::Access };
    let keys = KmsDataKeys::new(kms.clone(), stack.value("TOKEN_KEY_ID").to_owned());
    let (_, wrapped) = keys.generate(&context).await.unwrap();
    KmsDataKeys::new(kms, key_id.to_owned()).unwrap_key(&wrapped.0, &context).await.unwrap_err()
}

#[tokio::test]
async fn a_data_key_of_another_wrapping_key_or_under_a_disabled_one_is_refused() {
    let kms = clients::kms(&sdk(&Stack::running()).await);
    let other = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;

    assert!(matches!(unwrapped_with(&other).await, KeyError::Refused(_)), "another key");
    kms.disable_key().key_id(&other).send().await.unwrap();
    assert!(matches!(unwrapped_with(&other).await, KeyError::Refused(_)), "a disabled key");
    kms.schedule_key_deletion().key_id(&other).pending_window_in_days(7).send().await.unwrap();
    assert!(matches!(unwrapped_with(&other).await, KeyError::Refused(_)), "a key about to be deleted");
    let missing = "00000000-0000-4000-8000-000000000000";
    assert!(matches!(unwrapped_with(missing).await, KeyError::Refused(_)), "a key that is not there");
}

#[tokio::test]
async fn a_key_service_that_does_not_answer_is_unavailable_and_no_verdict() {
    let stack = Stack::running();
    // Nothing listens on port 1 of a machine.
    let kms = clients::kms(&sdk_at(&stack, "http://127.0.0.1:1").await);
    let key = sample::key();
    let context =
        SealingContext { environment: "test", key: &key, provider: Provider::Zoho, purpose: Purpose::Access };

    let error =
        KmsDataKeys::new(kms, stack.value("TOKEN_KEY_ID").to_owned()).generate(&context).await.unwrap_err();

    assert!(matches!(error, KeyError::Unavailable(_)), "{error:?}");
}
