//! Ending a grant at a revocation endpoint (RFC 7009), where what is gone already has ended.

use std::time::Duration;

use domain::{
    clock::Clock,
    token::{Refusal, RevocationError},
};
use jiff::Timestamp;
use reqwest::{
    RequestBuilder, StatusCode,
    header::{ACCEPT, HeaderName, HeaderValue},
};
use serde::Deserialize;

use super::{Answer, Lost, NotAsPromised, answer::error_code, ask};
use crate::http::{self, TOKEN_BODY_MAX};

/// How long ending a grant may take at the provider, all requests together: whoever asked over the API waits 20 seconds,
/// within which the end must still be stored.
pub const REVOCATION_TIME: Duration = Duration::from_secs(15);

/// How one provider's revocation endpoint speaks.
pub(crate) struct RevocationDialect {
    /// The codes with which it says that there is nothing to end.
    pub(crate) gone: &'static [&'static str],
    /// The codes with which it says that our app or its request is wrong.
    pub(crate) app_errors: &'static [&'static str],
    /// The header with its name for a request.
    pub(crate) trace: Option<HeaderName>,
}

#[derive(Deserialize)]
struct Members {
    error: Option<String>,
    status: Option<String>,
}

/// Sends a revocation and judges the answer.
pub(crate) async fn end(
    request: RequestBuilder,
    clock: &dyn Clock,
    dialect: &RevocationDialect,
) -> Result<(), RevocationError> {
    let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = ask(request, TOKEN_BODY_MAX).await.map_err(unavailable)?;
    judge(&answer, dialect, clock.now())
}

/// An answer that is none.
pub(crate) fn unavailable(lost: Lost) -> RevocationError {
    let status = match &lost {
        Lost::Body { status, .. } => Some(status.as_u16()),
        Lost::Unreached(_) | Lost::Unanswered(_) => None,
    };
    let refusal = Refusal { status, ..Refusal::default() };
    RevocationError::Unavailable { refusal, retry_after: None, source: Some(lost.into()) }
}

fn judge(answer: &Answer, dialect: &RevocationDialect, now: Timestamp) -> Result<(), RevocationError> {
    let members: Option<Members> = answer.json().ok();
    let code = members.as_ref().and_then(|members| members.error.as_deref()).and_then(error_code);
    let trace_id = dialect.trace.as_ref().and_then(|name| http::trace_id(&answer.headers, name));
    let refusal = Refusal { error: code, status: Some(answer.status.as_u16()), trace_id };
    let says = |codes: &[&str]| refusal.error.as_deref().is_some_and(|code| codes.contains(&code));
    let status = answer.status;
    // A code counts only with a status that RFC 6749 gives it, or with the success that some servers send instead.
    let is_verdict =
        status.is_success() || matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    if is_verdict && says(dialect.app_errors) {
        return Err(RevocationError::AppRefused(refusal));
    }
    let has_ended = (status.is_success()
        && (answer.body.is_empty() || members.is_some_and(|m| m.is_success())))
        // In the provider's own words only: a 404 alone may be a wrong address, where nothing ends.
        || (status != StatusCode::UNAUTHORIZED && is_verdict && says(dialect.gone));
    if has_ended {
        return Ok(());
    }
    // Only our app's credentials are checked there.
    if status == StatusCode::UNAUTHORIZED {
        return Err(RevocationError::AppRefused(refusal));
    }
    // How a token that is gone is told is published by nobody but RFC 7009: the grant itself is asked next.
    if status == StatusCode::BAD_REQUEST {
        return Err(RevocationError::TokenRefused(refusal));
    }
    let source = status.is_success().then(|| NotAsPromised.into());
    Err(RevocationError::Unavailable {
        refusal,
        retry_after: http::retry_after(&answer.headers, now),
        source,
    })
}

impl Members {
    /// Success is an empty body at two providers and `{"status":"success"}` at one.
    fn is_success(&self) -> bool {
        self.error.is_none() && self.status.as_deref().is_none_or(|status| status == "success")
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    const DIALECT: RevocationDialect = RevocationDialect {
        gone: &["invalid_token", "invalid_grant"],
        app_errors: &["invalid_client"],
        trace: None,
    };

    fn class(status: u16, body: &str) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        match judge(&answer, &DIALECT, Timestamp::UNIX_EPOCH) {
            Ok(()) => "ended",
            Err(RevocationError::AppRefused(_)) => "app",
            Err(RevocationError::TokenRefused(_)) => "token",
            Err(RevocationError::Unavailable { .. }) => "unavailable",
        }
    }

    #[test]
    fn what_was_ended_or_is_gone_has_ended_and_nothing_else() {
        for (status, body, expected) in [
            (200, "", "ended"),
            (204, "", "ended"),
            (200, "{}", "ended"),
            (200, r#"{"status":"success"}"#, "ended"),
            (200, r#"{"error":"invalid_token"}"#, "ended"),
            (400, r#"{"error":"invalid_token"}"#, "ended"),
            (400, r#"{"error":"invalid_grant"}"#, "ended"),
            (200, r#"{"error":"invalid_client"}"#, "app"),
            (400, r#"{"error":"invalid_client"}"#, "app"),
            (401, r#"{"error":"invalid_client"}"#, "app"),
            (401, "", "app"),
            (401, r#"{"error":"invalid_token"}"#, "app"),
            (200, "<html>", "unavailable"),
            (200, "null", "unavailable"),
            (200, r#"{"status":"failure"}"#, "unavailable"),
            (200, r#"{"error":"general_error"}"#, "unavailable"),
            (400, "", "token"),
            (400, "<html>", "token"),
            (400, r#"{"error":"unsupported_token_type"}"#, "token"),
            (404, "", "unavailable"),
            (403, r#"{"error":"invalid_token"}"#, "unavailable"),
            (302, "", "unavailable"),
            (429, r#"{"error":"invalid_token"}"#, "unavailable"),
            (500, r#"{"error":"invalid_grant"}"#, "unavailable"),
            (503, r#"{"error":"invalid_client"}"#, "unavailable"),
        ] {
            assert_eq!(class(status, body), expected, "{status} {body}");
        }
    }
}
