//! The client with which the simulator calls out: webhooks to the system under test.

use std::time::Duration;

use reqwest::{Client, redirect::Policy};

/// Intuit waits three seconds; a debug build under load gets more, within a bound.
pub(crate) const MAX_TIMEOUT_MS: u64 = 60_000;

/// The HTTP client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks could not be built")]
pub struct ClientError(#[source] reqwest::Error);

/// Builds the client: no redirects (providers do not follow them), no proxy, bounded time.
pub(crate) fn client() -> Result<Client, ClientError> {
    // An error means that this process has installed a provider before, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(Duration::from_millis(MAX_TIMEOUT_MS))
        .build()
        .map_err(ClientError)
}
