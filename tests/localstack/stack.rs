//! The running stack that the tests use: what `make up` (or `make test`) wrote down about it.

use std::{collections::BTreeMap, fs, time::Duration};

use aws::SdkConfig;
use aws_config::{Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};

/// Above the life of the longest function that a test waits for.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// Addresses and names of a running stack.
pub(crate) struct Stack(BTreeMap<String, String>);

impl Stack {
    /// Reads the file that the variable `STACK_ENV` names; without it nothing can be tested, and nothing is skipped.
    pub(crate) fn running() -> Self {
        let path = edge::config::environment("STACK_ENV").expect(
            "STACK_ENV is not set: start a stack with `make up` and set it to .local/stack.env, or use `make test`",
        );
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("STACK_ENV names {path}: {error}"));
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(text.lines().filter_map(pair).collect())
    }

    /// One value of the file.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("the file that STACK_ENV names has no {name}"))
    }

    /// AWS clients' configuration for the stack; a call is sent once, since tests count what happens.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        let (id, secret) = (self.value("AWS_ACCESS_KEY_ID"), self.value("AWS_SECRET_ACCESS_KEY"));
        let credentials = Credentials::new(id, secret, None, None, "stack");
        let timeouts = TimeoutConfig::builder().read_timeout(READ_TIMEOUT).build();
        // The deployed functions' own configuration, for its HTTP client.
        let config = aws::sdk_config().await.into_builder();
        config
            .endpoint_url(self.value("AWS_ENDPOINT_URL"))
            .region(Region::new(self.value("AWS_REGION").to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .build()
    }
}
