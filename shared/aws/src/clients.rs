//! A client of each service, over the one configuration; so that only this crate names the SDK.

use std::{sync::Arc, time::Duration};

pub use aws_config::SdkConfig;
use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use domain::clock::CorrectedClock;

use crate::clock::DateObserver;

/// SQS answers in milliseconds; a try that takes longer is better made again, and of three seconds (Intuit) two tries and a
/// cold start have room.
const HASTY_ATTEMPT: Duration = Duration::from_millis(950);
/// As many as a function of ten seconds has time for.
const HASTY_TRIES: u32 = 8;
/// At most so long between the first two tries.
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

/// A client of SQS for whoever answers a provider that waits: short tries, of which the second still comes in time for the
/// most impatient, and more of them until `budget` is over, for those that never send again.
#[must_use]
pub fn sqs_within(config: &SdkConfig, budget: Duration) -> aws_sdk_sqs::Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(HASTY_ATTEMPT)
        .read_timeout(HASTY_ATTEMPT)
        .operation_attempt_timeout(HASTY_ATTEMPT)
        .operation_timeout(budget)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(HASTY_TRIES).with_initial_backoff(HASTY_BACKOFF);
    let config = aws_sdk_sqs::config::Builder::from(config).timeout_config(timeouts).retry_config(retries);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// A client of SQS.
#[must_use]
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(config)
}
