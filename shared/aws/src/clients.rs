//! A client of each service, over the one configuration; so that only this crate names the SDK.

use std::sync::Arc;

pub use aws_config::SdkConfig;
use domain::clock::CorrectedClock;

use crate::clock::DateObserver;

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

/// A client of SQS.
#[must_use]
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(config)
}
