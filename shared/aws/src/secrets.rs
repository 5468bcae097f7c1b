//! Secrets from Secrets Manager.

use aws_config::SdkConfig;
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

/// Fetches the text of the secret `id` (name or ARN), once, at the start of a function.
pub async fn fetch_secret(config: &SdkConfig, id: &str) -> Result<String, FetchSecretError> {
    let sent = Client::new(config).get_secret_value().secret_id(id).send().await;
    // Only the error's text is kept: the SDK's error holds the raw answer.
    let output = sent.map_err(|error| FetchSecretError::Unavailable(chain(&error).into()))?;
    output.secret_string.ok_or(FetchSecretError::NotText)
}
