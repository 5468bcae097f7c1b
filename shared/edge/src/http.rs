//! HTTP answers: one shape for errors, one set of headers, the correlation id in and out.

use std::str::FromStr as _;

use domain::{
    error::ErrorCode,
    id::{CorrelationId, Ids},
    store::chain,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

/// The header that carries the correlation id, in and out.
pub const CORRELATION_HEADER: &str = "x-correlation-id";

/// A refusal as callers see it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The numbered failure.
    pub code: ErrorCode,
    /// What is wrong and what to do, for the caller; causes go to the log only.
    pub message: String,
    /// More, by name; an object even when empty.
    pub details: Map<String, Value>,
    /// When to try again, in seconds.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// A refusal with a message and nothing more.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new(), retry_after: None }
    }

    /// A field that is missing or wrong.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, message).with("field", field)
    }

    /// A failure of ours: its causes are logged here, once, and not shown.
    #[must_use]
    pub fn failure(code: ErrorCode, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = chain(error), code = code.name(), "Request failed");
        Self::new(
            code,
            "the request could not be completed; try again, and name the correlation id if it persists",
        )
    }

    /// The same refusal with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The answer: status, headers and the one JSON shape of errors.
    #[must_use]
    pub fn response(&self, correlation: &CorrelationId) -> Response<String> {
        let error = ErrorBody {
            code: self.code.name(),
            number: self.code.number(),
            message: &self.message,
            correlation_id: correlation,
            details: &self.details,
        };
        let status =
            StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &ErrorShape { error }, correlation);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Serialize)]
struct ErrorShape<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    code: &'static str,
    number: u16,
    message: &'a str,
    correlation_id: &'a CorrelationId,
    details: &'a Map<String, Value>,
}

/// A JSON answer.
#[must_use]
pub fn json<T: Serialize>(status: StatusCode, body: &T, correlation: &CorrelationId) -> Response<String> {
    match serde_json::to_string(body) {
        Ok(body) => answer(status, "application/json", body, correlation),
        Err(error) => ApiError::failure(ErrorCode::InternalError, &error).response(correlation),
    }
}

/// An answer of one JSON object a line (NDJSON).
#[must_use]
pub fn lines(body: String, correlation: &CorrelationId) -> Response<String> {
    answer(StatusCode::OK, "application/x-ndjson", body, correlation)
}

/// A JSON answer that was written before.
#[must_use]
pub fn document(status: StatusCode, body: &str, correlation: &CorrelationId) -> Response<String> {
    answer(status, "application/json", body.to_owned(), correlation)
}

/// A page of our own.
#[must_use]
pub fn html(status: StatusCode, body: String, correlation: &CorrelationId) -> Response<String> {
    answer(status, "text/html; charset=utf-8", body, correlation)
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    security_headers(response.headers_mut());
    response
}

/// The header that tells a provider's answer from one of ours.
pub const SOURCE_HEADER: &str = "x-ledgerbridge-source";

/// An answer of a provider, with those of its headers that are passed on.
#[must_use]
pub fn passed_on(
    (status, passed): (u16, &[(String, String)]),
    body: Vec<u8>,
    correlation: &CorrelationId,
) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    for (name, value) in passed {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    if let Ok(correlation) = HeaderValue::from_str(correlation.as_str()) {
        headers.insert(CORRELATION_HEADER, correlation);
    }
    headers.insert(SOURCE_HEADER, HeaderValue::from_static("provider"));
    security_headers(headers);
    response
}

/// A redirect of the browser.
#[must_use]
pub fn redirect(location: &str, correlation: &CorrelationId) -> Response<String> {
    let mut response = answer(StatusCode::FOUND, "text/plain", String::new(), correlation);
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(error) => ApiError::failure(ErrorCode::InternalError, &error).response(correlation),
    }
}

fn answer(
    status: StatusCode,
    kind: &'static str,
    body: String,
    correlation: &CorrelationId,
) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(correlation) = HeaderValue::from_str(correlation.as_str()) {
        headers.insert(CORRELATION_HEADER, correlation);
    }
    security_headers(headers);
    response
}

/// Headers on every answer: nothing is cached, framed, sniffed, or told to other sites; no script runs in our pages.
fn security_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The caller's correlation id where it is well-formed, or a new one.
#[must_use]
pub fn correlation(headers: &HeaderMap, ids: Ids<'_>) -> CorrelationId {
    single(headers, CORRELATION_HEADER)
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| ids.correlation())
}

/// The value of a header that is there exactly once and is text.
#[must_use]
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

/// `text` for use inside HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use domain::{clock::SystemClock, entropy::SystemEntropy};

    use super::*;

    #[test]
    fn an_error_has_the_one_documented_shape() {
        let error = ApiError::invalid("limit", "limit must be 1 to 100");

        let response = error.response(&"corr_1".parse().unwrap());

        assert_eq!(response.status(), 400);
        insta::assert_snapshot!(response.body(), @r#"{"error":{"code":"VALIDATION_FAILED","number":4001,"message":"limit must be 1 to 100","correlationId":"corr_1","details":{"field":"limit"}}}"#);
    }

    #[test]
    fn a_malformed_or_repeated_correlation_id_is_replaced() {
        let ids = Ids::new(&SystemClock, &SystemEntropy);
        let mut headers = HeaderMap::new();
        headers.insert(CORRELATION_HEADER, HeaderValue::from_static("mine-1"));
        assert_eq!(correlation(&headers, ids).as_str(), "mine-1");

        headers.append(CORRELATION_HEADER, HeaderValue::from_static("mine-2"));
        assert!(correlation(&headers, ids).as_str().starts_with("corr_"));

        headers.insert(CORRELATION_HEADER, HeaderValue::from_static("a b"));
        assert!(correlation(&headers, ids).as_str().starts_with("corr_"));
    }

    #[test]
    fn text_of_others_cannot_become_markup() {
        assert_eq!(escape("<script>alert('&\"')"), "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)");
    }
}
