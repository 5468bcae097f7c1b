//! What every invocation of a function has in common.

use std::{fmt::Debug, future::Future};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{id::CorrelationId, store::chain};
use futures::future::Either;
use jiff::Timestamp;
use lambda_http::{
    Adapter, Error, IntoResponse, LambdaEvent, Request, RequestExt as _, Service,
    lambda_runtime::{self, Diagnostic},
    request::LambdaRequest,
    service_fn,
};
use serde::Serialize;
use serde_json::{Value, json};
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
        if !is_decodable(&event.payload) {
            tracing::warn!("Request refused: its body is said to be base64 and is not");
            return Either::Left(async { Ok(Reply::Refused(undecodable())) });
        }
        keep_every_value(&mut event.payload);
        let answered = adapter.call(event);
        Either::Right(async { answered.await.map(Reply::Answered) })
    }))
    .await
}

/// What the gateway is answered.
#[derive(Serialize)]
#[serde(untagged)]
enum Reply<R> {
    Answered(R),
    Refused(Value),
}

/// Whether the body is as it is said to be; `lambda_http` panics where it is not.
fn is_decodable(request: &LambdaRequest) -> bool {
    let LambdaRequest::ApiGatewayV1(request) = request else { return true };
    !request.is_base64_encoded || request.body.as_deref().is_none_or(|body| STANDARD.decode(body).is_ok())
}

/// The answer to a body that the gateway never sends: only who may invoke the function itself can be its sender.
fn undecodable() -> Value {
    json!({ "statusCode": 400, "headers": {}, "multiValueHeaders": {}, "body": "", "isBase64Encoded": false })
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
    use super::*;
    use crate::http::single;

    #[test]
    fn a_body_that_is_said_to_be_base64_and_is_not_is_refused_before_it_is_decoded() {
        let sample = include_str!("../../../events/webhook-quickbooks.json");
        let mut event: Value = serde_json::from_str(sample).unwrap();
        let request = |event: &Value| serde_json::from_value::<LambdaRequest>(event.clone()).unwrap();
        assert!(is_decodable(&request(&event)));

        event["body"] = json!("W3s*");
        assert!(!is_decodable(&request(&event)));
        event["isBase64Encoded"] = json!(false);
        assert!(is_decodable(&request(&event)), "text that looks like base64 is text");

        let reply = serde_json::to_value(Reply::<()>::Refused(undecodable())).unwrap();
        assert_eq!(reply["statusCode"], 400);
    }

    #[test]
    fn a_header_that_was_sent_twice_is_seen_twice() {
        let sample = include_str!("../../../events/api-status.json");
        let mut event: Value = serde_json::from_str(sample).unwrap();
        event["headers"] = json!({ "X-API-Key": "good", "Accept": "a/b" });
        event["multiValueHeaders"] = json!({ "X-API-Key": ["bad", "good"] });
        let mut request: LambdaRequest = serde_json::from_value(event).unwrap();

        keep_every_value(&mut request);

        let request: Request = request.into();
        assert_eq!(single(request.headers(), "x-api-key"), None);
        assert_eq!(single(request.headers(), "accept"), Some("a/b"));
    }
}
