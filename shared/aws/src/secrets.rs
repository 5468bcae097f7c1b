//! Secrets from Secrets Manager.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_secretsmanager::Client;
use domain::store::{BoxError, chain};
use thiserror::Error;

/// Why a secret could not be fetched.
#[derive(Debug, Error)]
pub enum FetchSecretError {
    /// Secrets Manager did not give it.
    #[error("the secret could not be fetched")]
    Unavailable(#[source] BoxError),
    /// It is binary, where text was expected.
    #[error("the secret is not text")]
    NotText,
}

/// Whoever waits for what is fetched again has three seconds for everything (Intuit), and what was fetched before serves
/// as well.
const REFETCH_TIMEOUT: Duration = Duration::from_secs(1);

/// Fetches the text of the secret `id` (name or ARN) at the start of a function, which cannot begin without it.
pub async fn fetch_secret(config: &SdkConfig, id: &str) -> Result<String, FetchSecretError> {
    fetch(&Client::new(config), id).await
}

/// Fetches the text of the secret `id` again while somebody waits: with one try, which is short.
pub async fn refetch_secret(config: &SdkConfig, id: &str) -> Result<String, FetchSecretError> {
    let config = aws_sdk_secretsmanager::config::Builder::from(config)
        .timeout_config(TimeoutConfig::builder().operation_timeout(REFETCH_TIMEOUT).build())
        .retry_config(RetryConfig::disabled())
        .build();
    fetch(&Client::from_conf(config), id).await
}

async fn fetch(client: &Client, id: &str) -> Result<String, FetchSecretError> {
    let sent = client.get_secret_value().secret_id(id).send().await;
    // Only the error's text is kept: the SDK's error holds the raw answer.
    let output = sent.map_err(|error| FetchSecretError::Unavailable(chain(&error).into()))?;
    output.secret_string.ok_or(FetchSecretError::NotText)
}
