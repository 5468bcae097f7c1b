//! The client with which the simulator calls out: webhooks to the system under test.

use std::time::Duration;

use reqwest::{Client, Method, redirect::Policy};
use serde::Serialize;

/// Intuit waits three seconds; a debug build under load gets more, within a bound.
pub(crate) const MAX_TIMEOUT_MS: u64 = 60_000;

/// The HTTP client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks could not be built")]
pub struct ClientError(#[source] reqwest::Error);

/// One webhook request, ready to send.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: String,
    pub(crate) timeout_ms: u64,
}

/// The answer to one webhook request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) error: Option<String>,
}

impl Reply {
    /// Tells whether the receiver took the request, as most providers see it.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

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

/// Sends one webhook request and reads its answer.
pub(crate) async fn send(client: &Client, request: Request<'_>) -> Reply {
    let timeout = Duration::from_millis(request.timeout_ms.min(MAX_TIMEOUT_MS));
    let mut builder = client.request(request.method, request.url).timeout(timeout);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let failed = |error: &reqwest::Error| Reply {
        status: None,
        headers: Vec::new(),
        body: String::new(),
        error: Some(if error.is_timeout() { "timeout".to_owned() } else { "connection".to_owned() }),
    };
    let answer = match builder.body(request.body).send().await {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    match answer.text().await {
        Ok(body) => Reply { status: Some(status), headers, body, error: None },
        Err(error) => failed(&error),
    }
}
