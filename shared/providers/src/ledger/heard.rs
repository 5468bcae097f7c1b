//! What an answer of a data API tells those who keep its limits.

use std::time::Duration;

use domain::{
    limits::{DayTold, Heard, Kind, Throttled},
    provider::Provider,
};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, RETRY_AFTER},
};

use crate::{http::ERROR_BODY_MAX, oauth::Answer, quickbooks, xero, zoho};

/// The longest wait for a new day: a day.
const DAY: Duration = Duration::from_hours(24);

/// What one provider's answers say of its limits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Limited {
    /// That it throttles.
    pub(crate) throttled: Option<Throttled>,
    /// What is left of the company's day.
    pub(crate) day: Option<DayTold>,
}

/// What an answer tells those who keep the limits; `bytes` is the length of its body.
///
/// A refusal is an answer: the provider is there. It fails where it has no answer in time or one that says so.
pub(crate) fn heard(limited: fn(&Answer) -> Limited, answer: &Answer, bytes: u64) -> Heard {
    let Limited { throttled, day } = limited(answer);
    let failed = answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT;
    Heard { bytes, failed: failed && throttled.is_none(), throttled, day }
}

/// What a provider's answer to a request that somebody else made tells those who keep the limits.
#[must_use]
pub fn heard_of(provider: Provider, (status, headers): (StatusCode, &HeaderMap), body: &[u8]) -> Heard {
    let limited = match provider {
        Provider::QuickBooks => quickbooks::limited,
        Provider::Xero => xero::limited,
        Provider::Zoho => zoho::limited,
    };
    let words = if body.len() <= ERROR_BODY_MAX { body.to_vec() } else { Vec::new() };
    heard(limited, &Answer { status, headers: headers.clone(), body: words }, body.len() as u64)
}

/// What kind of request providers count one as, by its method and the path of its address.
#[must_use]
pub fn kind(method: &Method, path: &str) -> Kind {
    match path.rsplit('/').next() {
        Some("batch") => Kind::Batch,
        // A query that is too long for an address is posted.
        Some("query") => Kind::Read,
        _ if *method == Method::GET || *method == Method::HEAD => Kind::Read,
        _ => Kind::Write,
    }
}

/// A whole number in a header.
pub(crate) fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &HeaderName) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// How long an answer asks to wait for a new day, where it says so in seconds: longer than anybody waits for an answer.
pub(crate) fn wait_for_day(headers: &HeaderMap) -> Option<Duration> {
    number(headers, &RETRY_AFTER).map(|seconds| Duration::from_secs(seconds).min(DAY))
}

#[cfg(test)]
mod tests;
