//! The one configuration under every AWS client.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// A connection within a region takes milliseconds; one that takes seconds is better tried anew.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Every call we make is answered in milliseconds; after this a second try is more likely to be answered than the first.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// All tries together: a settlement that fails leaves time, within its function's life, to be stored again.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// Tries in all, the first included.
const MAX_ATTEMPTS: u32 = 3;

/// Loads region, credentials and endpoint as the SDK defines them, with one HTTP client for all services.
pub async fn sdk_config() -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .load()
        .await
}
