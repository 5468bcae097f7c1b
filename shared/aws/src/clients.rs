//! A client of each service, over the one configuration; so that only this crate names the SDK.

use std::{sync::Arc, time::Duration};

pub use aws_config::SdkConfig;
use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use domain::clock::CorrectedClock;

use crate::clock::DateObserver;

/// At most so long between two tries for somebody who waits.
const HASTY_BACKOFF: Duration = Duration::from_millis(100);

/// A client of `DynamoDB`.
#[must_use]
pub fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(config)
}

/// A client of `DynamoDB` whose every answer puts `clock` right.
#[must_use]
pub fn dynamodb_observed(config: &SdkConfig, clock: &Arc<CorrectedClock>) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(DateObserver(clock.clone()));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A client of `EventBridge`.
#[must_use]
pub fn eventbridge(config: &SdkConfig) -> aws_sdk_eventbridge::Client {
    aws_sdk_eventbridge::Client::new(config)
}

/// A client of KMS.
#[must_use]
pub fn kms(config: &SdkConfig) -> aws_sdk_kms::Client {
    aws_sdk_kms::Client::new(config)
}

/// A client of Lambda.
#[must_use]
pub fn lambda(config: &SdkConfig) -> aws_sdk_lambda::Client {
    aws_sdk_lambda::Client::new(config)
}

/// A client of SQS for whoever must answer a provider: two tries that together take no longer than `budget`, and then an
/// honest failure, after which the provider sends again.
#[must_use]
pub fn sqs_within(config: &SdkConfig, budget: Duration) -> aws_sdk_sqs::Client {
    let attempt = budget.saturating_sub(HASTY_BACKOFF) / 2;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(attempt)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(budget)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(HASTY_BACKOFF);
    let config = aws_sdk_sqs::config::Builder::from(config).timeout_config(timeouts).retry_config(retries);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// A client of SQS.
#[must_use]
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(config)
}
