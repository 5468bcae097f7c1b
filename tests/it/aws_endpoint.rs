//! An AWS endpoint that counts: for what an emulator could not show, which calls a function makes and with what.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws::SdkConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use axum::{
    Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};

/// One call as it came.
#[derive(Clone, Debug)]
pub(crate) struct AwsCall {
    /// For example `AmazonSQS.SendMessageBatch`.
    pub(crate) target: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<AwsCall>>,
    down: Mutex<bool>,
    unanswered: Mutex<usize>,
    secret: Mutex<String>,
    refusals: Mutex<VecDeque<Vec<Refusal>>>,
    failures: Mutex<Vec<(usize, &'static str)>>,
    left: Mutex<Vec<usize>>,
}

impl Seen {
    fn is_unanswered(&self) -> bool {
        let mut left = self.unanswered.lock().unwrap();
        let is_one = *left > 0;
        *left -= usize::from(is_one);
        is_one
    }
}

/// A message of a batch that is not taken: its id, and whether that is the sender's fault.
pub(crate) type Refusal = (&'static str, bool);

/// The endpoint, for as long as the test runs.
pub(crate) struct AwsEndpoint {
    seen: Arc<Seen>,
    url: String,
}

impl AwsEndpoint {
    pub(crate) async fn start() -> Self {
        let seen = Arc::<Seen>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(post(answer)).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { seen, url }
    }

    /// An SDK configuration that calls this endpoint.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        sdk(&self.url).await
    }

    pub(crate) fn calls(&self) -> Vec<AwsCall> {
        self.seen.calls.lock().unwrap().clone()
    }

    /// Refuses these messages of the next batch for which nothing was said yet.
    pub(crate) fn refuse(&self, refusals: &[Refusal]) {
        self.seen.refusals.lock().unwrap().push_back(refusals.to_vec());
    }

    /// Fails these statements of the next batch, each with a code.
    pub(crate) fn fail_statements(&self, failures: &[(usize, &'static str)]) {
        *self.seen.failures.lock().unwrap() = failures.to_vec();
    }

    /// Leaves so many keys of each of the next two reads of a batch unprocessed.
    pub(crate) fn leave_keys(&self, keys: usize) {
        *self.seen.left.lock().unwrap() = vec![keys; 2];
    }

    /// Leaves the next calls without an answer.
    pub(crate) fn leave_unanswered(&self, calls: usize) {
        *self.seen.unanswered.lock().unwrap() = calls;
    }

    /// Makes every call fail from now on.
    pub(crate) fn go_down(&self) {
        *self.seen.down.lock().unwrap() = true;
    }

    /// Answers again.
    pub(crate) fn come_back(&self) {
        *self.seen.down.lock().unwrap() = false;
    }

    /// Holds this secret from now on, under whatever name it is asked for.
    pub(crate) fn hold_secret(&self, secret: &str) {
        secret.clone_into(&mut self.seen.secret.lock().unwrap());
    }
}

/// An SDK configuration that calls the endpoint at `url`, without retries, so that each call counts.
pub(crate) async fn sdk(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .load()
        .await
}

async fn answer(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let target =
        headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reply = match target.as_str() {
        "AmazonSQS.SendMessageBatch" => {
            let refused = seen.refusals.lock().unwrap().pop_front().unwrap_or_default();
            let failed: Vec<_> = refused
                .iter()
                .map(|(id, fault)| json!({"Id": id, "SenderFault": fault, "Code": "InternalError"}))
                .collect();
            let entries = body["Entries"].as_array().cloned().unwrap_or_default();
            let sent: Vec<_> = entries
                .iter()
                .filter(|entry| !refused.iter().any(|(id, _)| entry["Id"] == *id))
                .map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "d"}))
                .collect();
            json!({"Successful": sent, "Failed": failed})
        }
        "DynamoDB_20120810.BatchExecuteStatement" => statements(&seen, &body),
        "DynamoDB_20120810.BatchGetItem" => keys(&seen, &body),
        "secretsmanager.GetSecretValue" => {
            json!({"Name": "providers", "SecretString": *seen.secret.lock().unwrap()})
        }
        _ => json!({"MessageId": "m", "MD5OfMessageBody": "d"}),
    };
    seen.calls.lock().unwrap().push(AwsCall { target, body });
    if seen.is_unanswered() {
        std::future::pending::<()>().await;
    }
    let status = if *seen.down.lock().unwrap() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, [("content-type", "application/x-amz-json-1.0")], reply.to_string())
}

/// A table's answer to statements.
fn statements(seen: &Seen, body: &Value) -> Value {
    let failures = std::mem::take(&mut *seen.failures.lock().unwrap());
    let mut responses = vec![json!({}); body["Statements"].as_array().map_or(0, Vec::len)];
    for (index, code) in failures {
        responses[index] = json!({"Error": {"Code": code, "Message": "made to fail"}});
    }
    json!({"Responses": responses})
}

/// The answer of a table that has nothing.
fn keys(seen: &Seen, body: &Value) -> Value {
    let left = seen.left.lock().unwrap().pop().unwrap_or_default();
    let mut unprocessed = json!({});
    for (table, of_table) in body["RequestItems"].as_object().into_iter().flatten().filter(|_| left > 0) {
        let keys = of_table["Keys"].as_array().cloned().unwrap_or_default();
        unprocessed[table] = json!({"Keys": keys[keys.len().saturating_sub(left)..]});
    }
    json!({"Responses": {}, "UnprocessedKeys": unprocessed})
}
