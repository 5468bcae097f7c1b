//! Intuit's data API: asking, and what an answer that is none means.

use std::time::Duration;

use domain::{id::ProviderCompanyId, secret::AccessToken, sync::LedgerError};
use jiff::Timestamp;
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, HeaderValue},
};
use thiserror::Error;
use url::Url;

use super::{TRACE_HEADER, fault::Fault};
use crate::http::{self, BodyError, ERROR_BODY_MAX};

/// The version of the answers; older ones are ignored since August 2025.
const MINOR_VERSION: &str = "75";
/// How long to leave a company alone that throttles without saying how long, which is what Intuit documents.
const THROTTLE_PAUSE: Duration = Duration::from_mins(1);

/// The data API of one host.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: Client,
    base_url: Url,
}

/// How much an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the request to the end of the body.
    pub(super) timeout: Duration,
    /// The longest body.
    pub(super) body: usize,
}

/// A complete answer.
pub(super) enum Answer {
    /// The body of a success.
    Success(Vec<u8>),
    /// Anything else.
    Failure(Failure),
}

/// An answer that is no success, in words that are safe to log.
#[derive(Clone, Debug, Error)]
#[error("Intuit answered {status}, fault {code}, intuit_tid {trace}", status = self.status.as_u16(),
    code = self.fault.code.as_deref().unwrap_or("none"), trace = self.trace_id.as_deref().unwrap_or("none"))]
pub(super) struct Failure {
    status: StatusCode,
    fault: Fault,
    retry_after: Option<Duration>,
    trace_id: Option<String>,
}

/// A success whose body is not what was promised; no part of it is repeated.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum Unreadable {
    #[error("the configured address of the API cannot carry a path")]
    Address,
    #[error("the answer is not the JSON that was promised")]
    Json,
    #[error("the answer is about something else")]
    Other,
}

impl Api {
    pub(super) fn new(http: Client, base_url: Url) -> Self {
        Self { http, base_url }
    }

    /// The address of something of a company.
    pub(super) fn url(&self, company: &ProviderCompanyId, path: &[&str]) -> Result<Url, LedgerError> {
        let mut url = self.base_url.clone();
        let mut segments = url.path_segments_mut().map_err(|()| unreadable(Unreadable::Address))?;
        segments.pop_if_empty().extend(["v3", "company", company.as_str()]).extend(path);
        drop(segments);
        url.query_pairs_mut().append_pair("minorversion", MINOR_VERSION);
        Ok(url)
    }

    /// Asks once.
    pub(super) async fn get(
        &self,
        token: &AccessToken,
        url: Url,
        limits: Limits,
    ) -> Result<Answer, LedgerError> {
        let request = self
            .http
            .get(url)
            .bearer_auth(token.expose())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(limits.timeout);
        let response =
            request.send().await.map_err(|error| LedgerError::Unavailable(error.without_url().into()))?;
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() {
            let body = http::read_bounded(response, limits.body).await;
            return body
                .map(Answer::Success)
                .map_err(|error: BodyError| LedgerError::Unavailable(error.into()));
        }
        // A date in the answer is read against the answer's own, so that no clock is needed; without one it is past.
        let answered_at = http::answered_at(headers).unwrap_or(Timestamp::MAX);
        let retry_after = http::retry_after(headers, answered_at);
        let trace_id = http::trace_id(headers, &TRACE_HEADER);
        // The status says what matters; a body that is cut or too long only leaves out the fault's code.
        let body = http::read_bounded(response, ERROR_BODY_MAX).await.unwrap_or_default();
        Ok(Answer::Failure(Failure { status, fault: Fault::parse(&body), retry_after, trace_id }))
    }
}

impl Answer {
    /// The body, or the error that its absence is.
    pub(super) fn body(self) -> Result<Vec<u8>, LedgerError> {
        match self {
            Self::Success(body) => Ok(body),
            Self::Failure(failure) => Err(failure.into()),
        }
    }
}

impl Failure {
    /// A success that carries a fault all the same.
    pub(super) fn within_success(fault: Fault) -> Self {
        Self { status: StatusCode::OK, fault, retry_after: None, trace_id: None }
    }

    /// Whether it says, in Intuit's own words, that there is no such object.
    ///
    /// A bare 404 does not: a wrong address answers it too, and would have every record that changes marked deleted.
    pub(super) fn says_missing(&self) -> bool {
        let by_code = self.fault.code.as_deref() == Some(Fault::NOT_FOUND);
        by_code && matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        let throttled =
            || Self::Throttled { retry_after: Some(failure.retry_after.unwrap_or(THROTTLE_PAUSE)) };
        match (failure.status, failure.fault.code.as_deref()) {
            (StatusCode::UNAUTHORIZED, _) => Self::Unauthorized,
            (StatusCode::FORBIDDEN, _) => Self::Forbidden,
            (StatusCode::TOO_MANY_REQUESTS, _) => throttled(),
            // Also as the gateway's plain text under other statuses.
            (_, _) if failure.fault.timed_out => Self::Unavailable(failure.into()),
            (status, code) if status == StatusCode::BAD_REQUEST || status.is_success() => match code {
                Some(Fault::THROTTLED) => throttled(),
                Some(Fault::UNAUTHORIZED) => Self::Unauthorized,
                Some(Fault::FORBIDDEN) => Self::Forbidden,
                _ if status.is_success() => Self::Unavailable(failure.into()),
                _ => refused(&failure),
            },
            (StatusCode::REQUEST_TIMEOUT, _) => Self::Unavailable(failure.into()),
            (status, _) if status.is_client_error() => refused(&failure),
            _ => Self::Unavailable(failure.into()),
        }
    }
}

/// A refusal carries only its status, so what Intuit's support would ask for is said here.
fn refused(failure: &Failure) -> LedgerError {
    tracing::warn!(
        status = failure.status.as_u16(),
        fault.code = failure.fault.code.as_deref(),
        fault.kind = failure.fault.kind.as_deref(),
        intuit_tid = failure.trace_id.as_deref(),
        "QuickBooks refuses a request"
    );
    LedgerError::Refused { status: failure.status.as_u16() }
}

/// A body that cannot be read, as the domain sees it.
pub(super) fn unreadable(why: Unreadable) -> LedgerError {
    LedgerError::Unavailable(why.into())
}

#[cfg(test)]
mod tests;
