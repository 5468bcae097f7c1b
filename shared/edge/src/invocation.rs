//! What every invocation of a function has in common.

use std::future::Future;

use domain::{id::CorrelationId, store::chain};
use jiff::Timestamp;
use lambda_http::{Request, RequestExt as _};
use tracing::Instrument as _;

use crate::telemetry::Telemetry;

/// Runs one invocation inside a span that puts its ids on every log line, and writes its metrics at the end.
pub async fn run<T>(
    telemetry: Telemetry,
    request_id: &str,
    (action, correlation): (&'static str, Option<&CorrelationId>),
    work: impl Future<Output = T>,
) -> T {
    let correlation = correlation.map_or(request_id, CorrelationId::as_str);
    let span = tracing::info_span!("invocation", requestId = request_id, correlationId = correlation, action);
    let result = work.instrument(span).await;
    telemetry.flush();
    result
}

/// When the function is stopped, from the runtime's epoch milliseconds.
#[must_use]
pub fn deadline(epoch_ms: u64) -> Timestamp {
    i64::try_from(epoch_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// Logs why an invocation failed as a whole, once, and hands it to the runtime.
pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> lambda_http::Error {
    tracing::error!(error = chain(&error), "Invocation failed");
    error.into()
}

/// The id that Lambda gave an HTTP invocation.
#[must_use]
pub fn request_id(request: &Request) -> String {
    request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default()
}
