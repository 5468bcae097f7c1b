//! What every invocation of a function has in common.

use std::{fmt::Debug, future::Future};

use domain::{id::CorrelationId, store::chain};
use jiff::Timestamp;
use lambda_http::{
    Adapter, Error, IntoResponse, LambdaEvent, Request, RequestExt as _, Service,
    lambda_runtime::{self, Diagnostic},
    request::LambdaRequest,
    service_fn,
};
use tracing::Instrument as _;

use crate::telemetry::Telemetry;

/// Runs an HTTP function as `lambda_http::run` does, with every value of a header that was sent more than once.
pub async fn serve<'a, S, R>(handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = R> + Send + 'a,
    S::Future: Send + 'a,
    S::Error: Debug + Into<Diagnostic>,
    R: IntoResponse,
{
    let mut adapter = Adapter::from(handler);
    lambda_runtime::run(service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        keep_every_value(&mut event.payload);
        adapter.call(event)
    }))
    .await
}

/// The gateway tells every header twice: with all of its values, and with one of them. `lambda_http` lays the second
/// over the first, so that a repeated signature or key would look as if it stood there once.
fn keep_every_value(request: &mut LambdaRequest) {
    let LambdaRequest::ApiGatewayV1(request) = request else { return };
    for name in request.multi_value_headers.keys() {
        request.headers.remove(name);
    }
}

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
pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    tracing::error!(error = chain(&error), "Invocation failed");
    error.into()
}

/// The id that Lambda gave an HTTP invocation.
#[must_use]
pub fn request_id(request: &Request) -> String {
    request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::single;

    #[test]
    fn a_header_that_was_sent_twice_is_seen_twice() {
        let sample = include_str!("../../../events/api-status.json");
        let mut event: serde_json::Value = serde_json::from_str(sample).unwrap();
        event["headers"] = json!({ "X-API-Key": "good", "Accept": "a/b" });
        event["multiValueHeaders"] = json!({ "X-API-Key": ["bad", "good"] });
        let mut request: LambdaRequest = serde_json::from_value(event).unwrap();

        keep_every_value(&mut request);

        let request: Request = request.into();
        assert_eq!(single(request.headers(), "x-api-key"), None);
        assert_eq!(single(request.headers(), "accept"), Some("a/b"));
    }
}
