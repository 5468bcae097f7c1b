//! What an operator with AWS credentials sees and does: invocations, stored connections, logs.

use std::collections::HashMap;

use aws::DynamoConnections;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use domain::{
    clock::{Clock as _, SystemClock},
    connection::{Connection, ConnectionKey, ConnectionStore as _, Due, Lease, SealedTokens, Slot},
    entropy::SystemEntropy,
    id::Ids,
    provider::Provider,
    refresh::{Ending, LeaseOutcome, LeasePurpose, RefreshMessage, RefreshStore as _, Settlement, Trigger},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Bundle;

/// The template's default of `DUE_SHARDS`.
pub(super) const DUE_SHARDS: u32 = 4;
/// The wheel with which an hour's token turns.
const WHEEL: u16 = 40;

impl Bundle {
    fn connections(&self) -> DynamoConnections {
        let table = self.stack.value("CONNECTIONS_TABLE").to_owned();
        DynamoConnections::new(aws::clients::dynamodb(&self.sdk), table, DUE_SHARDS)
    }

    /// What the providers' portals gave us: client secrets and webhook keys, from where the functions read them.
    pub(crate) async fn provider_secrets(&self) -> Vec<String> {
        let mut secrets = vec![];
        for provider in Provider::ALL {
            let apps = self.simulator.apps(provider).await;
            let members =
                ["clientSecret", "webhookKey"].map(|name| apps[0][name].as_str().map(str::to_owned));
            secrets.extend(members.into_iter().flatten());
        }
        assert!(secrets.len() > Provider::ALL.len(), "a client secret each, and webhook keys");
        secrets
    }

    /// A connection as it is stored.
    pub(crate) async fn stored(&self, key: &ConnectionKey) -> Connection {
        self.connections().find(key).await.unwrap().expect("the connection is stored")
    }

    /// How many bytes of sealed values a connection's item holds.
    pub(crate) async fn sealed_bytes(&self, key: &ConnectionKey) -> usize {
        let text = |text: String| AttributeValue::S(text);
        let request = aws::clients::dynamodb(&self.sdk)
            .get_item()
            .table_name(self.stack.value("CONNECTIONS_TABLE"))
            .key("pk", text(format!("TENANT#{}", key.tenant)))
            .key("sk", text(format!("CONNECTION#{}", key.connection)))
            .consistent_read(true);
        let item = request.send().await.unwrap().item.expect("the connection is stored");
        bytes(&AttributeValue::M(item))
    }

    /// How far each entity of a company is synced, as it is stored.
    pub(crate) async fn cursors(&self, tenant: &str, company: &str) -> Vec<HashMap<String, AttributeValue>> {
        let request = aws::clients::dynamodb(&self.sdk)
            .query()
            .table_name(self.stack.value("RECORDS_TABLE"))
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("COMPANY#{tenant}#{company}")))
            .expression_attribute_values(":sk", AttributeValue::S("CURSOR#".to_owned()));
        request.send().await.unwrap().items.unwrap_or_default()
    }

    /// Invokes a function; gives its answer, or the error that it ended with.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        let request = aws::clients::lambda(&self.sdk)
            .invoke()
            .function_name(function)
            .payload(Blob::new(payload.to_string()));
        let output = request.send().await.expect("the function is invoked");
        let answer = String::from_utf8(output.payload.unwrap().into_inner()).unwrap();
        match output.function_error {
            None => Ok(serde_json::from_str(&answer).unwrap()),
            Some(_) => Err(answer),
        }
    }

    /// Invokes the refresh function directly, for one connection; gives its answer for it.
    pub(crate) async fn invoke_refresh(&self, key: &ConnectionKey, reason: Trigger) -> Value {
        let message = RefreshMessage::new(vec![key.clone()], reason);
        let answer = self.invoke(self.stack.value("REFRESH_FUNCTION"), &json!(message)).await;
        let answers: Vec<Value> = serde_json::from_value(answer.unwrap()).unwrap();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.into_iter().next().unwrap()
    }

    /// Puts other tokens in a connection's place, under a lease as a worker would.
    ///
    /// The provider's clock and token life are shared by all tests, so a test that needs an old token ages the stored one.
    pub(crate) async fn replace_tokens(
        &self,
        key: &ConnectionKey,
        due: Option<Due>,
        replace: impl FnOnce(SealedTokens) -> SealedTokens,
    ) {
        let (store, ids, now) =
            (self.connections(), Ids::new(&SystemClock, &SystemEntropy), SystemClock.now());
        let lease = Lease {
            owner: "end to end".to_owned(),
            expires_at: now + SignedDuration::from_mins(2),
            attempt: ids.attempt(),
            spends: String::new(),
            started_at: now,
        };
        let taken = store.take_lease(key, &lease, LeasePurpose::Refresh).await.unwrap();
        let LeaseOutcome::Taken { lease, before } = taken else {
            panic!("another worker is at the connection");
        };
        let used_at = before.used_at;
        let tokens = replace(before.tokens.unwrap());
        let settlement = Settlement {
            ending: Ending::Rotated(Box::new(tokens)),
            due,
            used_at,
            attempt: None,
            write_id: ids.write(),
        };
        store.settle(&lease, &settlement).await.unwrap();
    }

    /// Makes a connection's token set look as if it was issued an hour ago and its access token had just ended. The sweep
    /// finds it where `due` says; otherwise in a slot that it does not come by while the test runs.
    pub(crate) async fn age(&self, key: &ConnectionKey, due: Option<Due>) {
        let ended = SystemClock.now() - SignedDuration::from_secs(1);
        let due = due.unwrap_or_else(|| in_slot(i64::from(WHEEL) / 2));
        let aged = |tokens| SealedTokens {
            issued_at: ended - SignedDuration::from_hours(1),
            access_expires_at: ended,
            ..tokens
        };
        self.replace_tokens(key, Some(due), aged).await;
    }
}

/// The slot by which the sweep comes in so many minutes.
pub(crate) fn in_slot(minutes: i64) -> Due {
    Due::Slot(Slot::at(WHEEL, SystemClock.now().as_second() / 60 + minutes))
}

/// No sealed value is as short as this, and ids, hashes and packed times are not as long.
const SHORTEST_ENVELOPE: usize = 100;

/// The bytes of everything sealed in a value.
fn bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::B(blob) => {
            Some(blob.as_ref().len()).filter(|&length| length > SHORTEST_ENVELOPE).unwrap_or(0)
        }
        AttributeValue::M(members) => members.values().map(bytes).sum(),
        AttributeValue::L(items) => items.iter().map(bytes).sum(),
        _ => 0,
    }
}
