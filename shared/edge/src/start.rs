//! Starting a function: its variables, and the one error when they are wrong.

use aws::{FetchSecretError, SdkConfig, fetch_secret};
use domain::store::chain;
use thiserror::Error;

use crate::config::{ConfigError, environment, with_secret};

/// Why a function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Variables are missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The secret that `PROVIDER_SECRETS_ID` names could not be read.
    #[error("the secret that PROVIDER_SECRETS_ID names could not be read")]
    Secret(#[from] FetchSecretError),
}

/// How variables are looked up once the function has started.
pub type Variables = Box<dyn Fn(&str) -> Option<String>>;

/// The variables of this process: the environment, over the secret that `PROVIDER_SECRETS_ID` names, where it names one.
pub async fn variables(sdk: &SdkConfig) -> Result<Variables, StartError> {
    let Some(id) = environment("PROVIDER_SECRETS_ID").filter(|id| !id.is_empty()) else {
        return Ok(Box::new(environment));
    };
    let secret = fetch_secret(sdk, &id).await.map_err(StartError::Secret).inspect_err(told)?;
    Ok(Box::new(with_secret(&secret, environment).map_err(StartError::Config).inspect_err(told)?))
}

/// A configuration, or its one error in the log before the function ends.
pub fn checked<T>(config: Result<T, ConfigError>) -> Result<T, StartError> {
    config.map_err(StartError::Config).inspect_err(told)
}

fn told(error: &StartError) {
    tracing::error!(error = chain(error), "Function cannot start");
}
