//! The one bounded HTTP client, and the limits on what providers may answer with.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, fmt::rfc2822};
pub use reqwest::Client;
use reqwest::{
    Response,
    header::{DATE, HeaderMap, HeaderName, RETRY_AFTER},
    redirect::Policy,
    retry,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use thiserror::Error;

/// How long a connection may take to come up, TLS included; a healthy provider needs a tenth of a second, and a refresh
/// that never left is the cheapest failure there is.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: shorter than the minute between sweeps, so that no refresh token is sent over a
/// connection that died while the function was frozen, which would leave its outcome unknown.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer of a token endpoint that is read: fifty times the largest token set seen.
pub const TOKEN_BODY_MAX: usize = 256 * 1024;
/// The longest page of a ledger that is read: ten times a page of 1,000 usual invoices (3.1 MB).
pub const PAGE_BODY_MAX: usize = 32 * 1024 * 1024;
/// The longest single object that is read: what one record may weigh, generously.
pub const OBJECT_BODY_MAX: usize = 2 * 1024 * 1024;
/// The longest error answer that is read: faults are a few hundred bytes, gateways' HTML pages a few thousand.
pub const ERROR_BODY_MAX: usize = 64 * 1024;
/// The longest wait that a provider may ask for: an access token lives about as long, and it must get its chance.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Longest trace id that is kept.
const TRACE_ID_MAX: usize = 64;
const USER_AGENT: &str = "ledgerbridge";

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The TLS versions and the cryptography do not fit together.
    #[error("TLS could not be configured")]
    Tls(#[source] rustls::Error),
    /// The client could not be built.
    #[error("the HTTP client could not be built")]
    Build(#[source] reqwest::Error),
}

/// Why a body could not be had.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The connection ended, the time ran out, or the compression is broken.
    #[error("the answer was cut")]
    Cut(#[source] reqwest::Error),
    /// The body is longer than allowed, counted after decompression.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// Builds the client that all providers are talked to with.
///
/// It goes only where it is sent: no redirect is followed, no proxy is taken from the environment, nothing is sent twice.
/// Whether TLS is used is said by the configured addresses alone (plain `http` only where a local setting says so).
pub fn client() -> Result<Client, ClientError> {
    Client::builder()
        .tls_backend_preconfigured(tls()?)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .user_agent(USER_AGENT)
        .build()
        .map_err(ClientError::Build)
}

/// TLS with the roots that are compiled in: nothing is parsed from disk at a cold start, and no file can add a root.
fn tls() -> Result<ClientConfig, ClientError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A preconfigured TLS is taken as it is, so what reqwest would have offered is offered here.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads a body up to `limit` bytes, counted after decompression, and gives up at the first byte beyond.
pub async fn read_bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let too_long = || BodyError::TooLong { limit };
    let announced = response.content_length().unwrap_or_default();
    let announced = usize::try_from(announced).ok().filter(|&bytes| bytes <= limit).ok_or_else(too_long)?;
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Cut)? {
        if chunk.len() > limit - body.len() {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long an answer asks to wait, as seconds or as an HTTP date (RFC 9110 section 10.2.3); nothing where it makes no
/// sense, never more than [`RETRY_AFTER_MAX`].
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a wish to wait for long.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        Duration::try_from(http_date(text)?.duration_since(now)).ok()?
    };
    (!asked.is_zero()).then(|| asked.min(RETRY_AFTER_MAX))
}

/// How long an answer asks to wait, with a date in it read against the answer's own, so that no clock is needed; without
/// that one it is past.
#[must_use]
pub fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers, answered_at(headers).unwrap_or(Timestamp::MAX))
}

/// When the provider says it answered; dates in the same answer are best read against it.
#[must_use]
pub fn answered_at(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// The provider's own name for a request, cut to what is safe to log and store.
#[must_use]
pub fn trace_id(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = !text.is_empty() && text.len() <= TRACE_ID_MAX && text.bytes().all(safe);
    fits.then(|| text.to_owned())
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests;
