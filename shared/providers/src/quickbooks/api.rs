//! Intuit's data API: asking, and what an answer that is none means.

use std::time::Duration;

use domain::{
    id::ProviderCompanyId,
    limits::{Gate, Throttle, Throttled},
    secret::AccessToken,
    sync::LedgerError,
};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use thiserror::Error;
use url::Url;

use super::{TRACE_HEADER, fault::Fault};
use crate::{
    http,
    ledger::{self, Limited, Limits, Trouble},
    oauth::{self, Answer},
};

/// The version of the answers; older ones are ignored since August 2025.
pub(crate) const MINOR_VERSION: &str = "75";
/// How long to leave a company alone that throttles without saying how long, which is what Intuit documents.
const THROTTLE_PAUSE: Duration = Duration::from_mins(1);

/// The data API of one host.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: Client,
    base_url: Url,
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

impl Api {
    pub(super) fn new(http: Client, base_url: Url) -> Self {
        Self { http, base_url }
    }

    /// The address of something of a company.
    pub(super) fn url(&self, company: &ProviderCompanyId, path: &[&str]) -> Url {
        let company = ["v3", "company", company.as_str()];
        let mut url = oauth::segments_below(&self.base_url, &[&company, path].concat());
        url.query_pairs_mut().append_pair("minorversion", MINOR_VERSION);
        url
    }

    /// Asks once.
    pub(super) async fn get(
        &self,
        (token, gate): (&AccessToken, Option<&Gate>),
        url: Url,
        limits: Limits,
    ) -> Result<Result<Vec<u8>, Failure>, Trouble> {
        let request = self.http.get(url).bearer_auth(token.expose());
        let answer = ledger::ask((gate, limited), request, limits).await?;
        Ok(if answer.status.is_success() { Ok(answer.body) } else { Err(Failure::of(&answer)) })
    }

    /// Asks once, with a question in JSON.
    pub(super) async fn post(
        &self,
        (token, gate): (&AccessToken, Option<&Gate>),
        (url, question): (Url, Vec<u8>),
        limits: Limits,
    ) -> Result<Result<Vec<u8>, Failure>, Trouble> {
        let request = self.http.post(url).bearer_auth(token.expose());
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = ledger::ask((gate, limited), request.body(question), limits).await?;
        Ok(if answer.status.is_success() { Ok(answer.body) } else { Err(Failure::of(&answer)) })
    }
}

impl Failure {
    pub(super) fn of(answer: &Answer) -> Self {
        Self {
            status: answer.status,
            fault: Fault::parse(&answer.body),
            retry_after: http::wait_asked(&answer.headers),
            trace_id: http::trace_id(&answer.headers, &TRACE_HEADER),
        }
    }

    /// A success that carries a fault all the same.
    pub(super) fn within_success(fault: Fault) -> Self {
        Self { status: StatusCode::OK, fault, retry_after: None, trace_id: None }
    }

    /// What it means that one object was answered with.
    pub(super) fn about_one(self) -> Trouble {
        ledger::about_one(self.status, self.into())
    }

    /// How long it asks to wait, where it throttles.
    fn throttle(&self) -> Option<Duration> {
        let by_code = self.fault.code.as_deref() == Some(Fault::THROTTLED) && !self.fault.timed_out;
        let by_code = by_code && (self.status == StatusCode::BAD_REQUEST || self.status.is_success());
        let throttles = self.status == StatusCode::TOO_MANY_REQUESTS || by_code;
        throttles.then(|| self.retry_after.unwrap_or(THROTTLE_PAUSE))
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
        if let Some(wait) = failure.throttle() {
            return Self::Throttled { retry_after: Some(wait) };
        }
        match (failure.status, failure.fault.code.as_deref()) {
            (StatusCode::UNAUTHORIZED, _) => Self::Unauthorized,
            (StatusCode::FORBIDDEN, _) => Self::Forbidden,
            // Also as the gateway's plain text under other statuses.
            (_, _) if failure.fault.timed_out => Self::Unavailable(failure.into()),
            (status, code) if status == StatusCode::BAD_REQUEST || status.is_success() => match code {
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

/// What an answer says of Intuit's limits: that one of them is met, not which, nor how much of any is left.
pub(crate) fn limited(answer: &Answer) -> Limited {
    if answer.status.is_success() {
        return Limited::default();
    }
    let throttle = Failure::of(answer).throttle();
    Limited { throttled: throttle.map(|wait| Throttled { wait, whom: Throttle::Company }), day: None }
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

#[cfg(test)]
mod tests;
