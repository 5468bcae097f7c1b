//! The `refresh` function, invoked directly.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    primitives::Blob,
    types::InvocationType,
};
use domain::{
    refresh::{DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshInvoker, RefreshMessage},
    store::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{failure::unavailable, sdk::CONNECT_TIMEOUT};

/// Longer than the function may live, so that our side never ends an invocation that may still answer; who waits less
/// says so with each call.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// The `refresh` function.
#[derive(Clone, Debug)]
pub struct LambdaRefresh {
    client: Client,
    function: String,
}

impl LambdaRefresh {
    /// Invokes `function`, with timeouts for a long call and without retries: asking again would only wait for the same
    /// lease, and the caller has its own second look.
    #[must_use]
    pub fn new(client: &Client, function: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_attempt_timeout(READ_TIMEOUT)
            .operation_timeout(READ_TIMEOUT)
            .build();
        let config = client.config().to_builder();
        let config = config.timeout_config(timeouts).retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), function }
    }

    /// Sends a message and reads the answer; none when it takes longer than `wait`.
    async fn call<A: DeserializeOwned>(
        &self,
        operation: &'static str,
        message: &(impl Serialize + Sync),
        wait: Duration,
    ) -> Result<Option<A>, StoreError> {
        let payload = serde_json::to_vec(message).map_err(unavailable(operation))?;
        let request = self
            .client
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(payload));
        let Ok(sent) = tokio::time::timeout(wait, request.send()).await else { return Ok(None) };
        let output = sent.map_err(unavailable(operation))?;
        if let Some(kind) = output.function_error() {
            // The payload of a failed function is its own words, which belong in its own log.
            return Err(unavailable(operation)(format!("the function failed: {kind}")));
        }
        let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
        let answer = serde_json::from_slice(&payload);
        answer
            .map(Some)
            .map_err(|error| StoreError::Corrupt { what: "answer of the function", source: error.into() })
    }
}

#[async_trait]
impl RefreshInvoker for LambdaRefresh {
    async fn invoke(
        &self,
        message: &RefreshMessage,
        wait: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError> {
        self.call("invoke", message, wait).await
    }

    async fn disconnect(
        &self,
        message: &DisconnectMessage,
        wait: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError> {
        self.call("disconnect", message, wait).await
    }
}
