//! What an operator with AWS credentials sees and does: invocations, stored connections, logs.

use aws::DynamoConnections;
use aws_sdk_lambda::primitives::Blob;
use domain::{
    clock::{Clock as _, SystemClock},
    connection::{Connection, ConnectionKey, ConnectionStore as _, Lease, SealedTokens},
    entropy::SystemEntropy,
    id::Ids,
    refresh::{Ending, LeaseOutcome, LeasePurpose, RefreshMessage, RefreshStore as _, Settlement, Trigger},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Bundle;

/// The template's default of `DUE_SHARDS`.
const DUE_SHARDS: u32 = 4;

impl Bundle {
    fn connections(&self) -> DynamoConnections {
        let table = self.stack.value("CONNECTIONS_TABLE").to_owned();
        DynamoConnections::new(aws::clients::dynamodb(&self.sdk), table, DUE_SHARDS)
    }

    /// What the provider's portal gave us: the client secret and the verifier token, from where the functions read them.
    pub(crate) async fn provider_secrets(&self) -> Vec<String> {
        let apps = self.simulator.apps().await;
        let app = &apps[0];
        ["clientSecret", "verifierToken"].map(|name| app[name].as_str().unwrap().to_owned()).to_vec()
    }

    /// A connection as it is stored.
    pub(crate) async fn stored(&self, key: &ConnectionKey) -> Connection {
        self.connections().find(key).await.unwrap().expect("the connection is stored")
    }

    /// Invokes the refresh function directly, for one connection; gives its answer for it.
    pub(crate) async fn invoke_refresh(&self, key: &ConnectionKey, reason: Trigger) -> Value {
        let message = RefreshMessage::new(vec![key.clone()], reason);
        let request = aws::clients::lambda(&self.sdk)
            .invoke()
            .function_name(self.stack.value("REFRESH_FUNCTION"))
            .payload(Blob::new(serde_json::to_vec(&message).unwrap()));
        let output = request.send().await.expect("the function is invoked");
        let payload = String::from_utf8(output.payload.unwrap().into_inner()).unwrap();
        assert_eq!(output.function_error, None, "{payload}");
        let answers: Vec<Value> = serde_json::from_str(&payload).unwrap();
        assert_eq!(answers.len(), 1, "{payload}");
        answers.into_iter().next().unwrap()
    }

    /// Puts other tokens in a connection's place, under a lease as a worker would.
    ///
    /// The provider's clock and token life are shared by all tests, so a test that needs an old token ages the stored one.
    pub(crate) async fn replace_tokens(
        &self,
        key: &ConnectionKey,
        due_at: Option<Timestamp>,
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
        let LeaseOutcome::Taken { lease, before } =
            store.take_lease(key, &lease, LeasePurpose::Refresh).await.unwrap()
        else {
            panic!("another worker is at the connection");
        };
        let tokens = replace(before.tokens.unwrap());
        let settlement = Settlement {
            ending: Ending::Rotated(Box::new(tokens)),
            due_at,
            duration_ms: None,
            write_id: ids.write(),
        };
        store.settle(&lease, &settlement).await.unwrap();
    }

    /// Makes a connection's access token look as if it ended a second ago; the sweep sees it at `due_at`.
    pub(crate) async fn age(&self, key: &ConnectionKey, due_at: Option<Timestamp>) {
        let ended = SystemClock.now() - SignedDuration::from_secs(1);
        self.replace_tokens(key, due_at, |tokens| SealedTokens { access_expires_at: ended, ..tokens }).await;
    }
}
