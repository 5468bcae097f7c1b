//! What an answer of Zoho's data API means that is no success, whatever its status.

use std::time::Duration;

use domain::{
    limits::{DayTold, Throttle, Throttled},
    sync::LedgerError,
};
use reqwest::{StatusCode, header::HeaderName};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    http::{self, ERROR_BODY_MAX, RETRY_AFTER_MAX},
    ledger::{self, Limited},
    oauth::Answer,
};

/// The code of an answer without fault.
pub(super) const SUCCESS: i64 = 0;
/// The address means nothing.
const UNKNOWN_ADDRESS: i64 = 5;
/// The token is none.
const NO_TOKEN: i64 = 14;
/// Too many requests within a minute.
const PER_MINUTE: i64 = 44;
/// Too many requests within a day.
const PER_DAY: i64 = 45;
/// The token has run out, is of another data center, or lacks the scope.
pub(super) const NOT_AUTHORIZED: i64 = 57;
/// There is no such object.
const NOT_FOUND: i64 = 1002;
/// Too many requests under way.
const IN_PROCESS: i64 = 1070;
/// The organization is not one of the user's.
const FOREIGN_ORGANIZATION: i64 = 6041;
/// The header with how many requests the organization's day has.
const LIMIT_HEADER: HeaderName = HeaderName::from_static("x-rate-limit-limit");
/// The header with how many of them are left.
const LEFT_HEADER: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
/// The longest rest of a day that is believed.
const DAY: Duration = Duration::from_hours(24);
/// The header with the seconds until the day's requests begin anew.
const RESET_HEADER: HeaderName = HeaderName::from_static("x-rate-limit-reset");
/// How long to leave an organization alone that throttles, which is what is documented for all but the day's limit.
const THROTTLE_PAUSE: Duration = Duration::from_mins(1);

/// An answer that is no success, in words that are safe to log.
#[derive(Clone, Copy, Debug, Error)]
#[error("Zoho answered {status}, code {code}", code = code.map_or_else(|| "none".to_owned(), |code| code.to_string()))]
struct Fault {
    status: u16,
    code: Option<i64>,
}

#[derive(Deserialize)]
struct Coded {
    code: i64,
}

/// Whether an answer is a success by its status and by its code.
pub(super) fn is_success(answer: &Answer) -> bool {
    answer.status.is_success() && code(answer) == Some(SUCCESS)
}

/// The error that an answer is.
pub(super) fn error(answer: &Answer) -> LedgerError {
    let (status, code) = (answer.status, code(answer));
    if let Some(wait) = throttle(answer, code) {
        return LedgerError::Throttled { retry_after: Some(wait) };
    }
    match code.filter(|_| is_of_code(status)) {
        Some(FOREIGN_ORGANIZATION) => return LedgerError::Forbidden,
        Some(NOT_AUTHORIZED | NO_TOKEN) => return LedgerError::Unauthorized,
        _ => {}
    }
    match status {
        StatusCode::UNAUTHORIZED => LedgerError::Unauthorized,
        StatusCode::FORBIDDEN => LedgerError::Forbidden,
        status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            ledger::refused(answer, None)
        }
        _ => LedgerError::Unavailable(Fault { status: status.as_u16(), code }.into()),
    }
}

/// What an answer says of Zoho's limits.
pub(crate) fn limited(answer: &Answer) -> Limited {
    // A long answer is a success, whose code is read elsewhere.
    let code = Some(answer).filter(|answer| answer.body.len() <= ERROR_BODY_MAX).and_then(code);
    let throttled = throttle(answer, code).map(|wait| match code {
        Some(PER_DAY) => Throttled { wait: day_ends_in(answer).unwrap_or(wait), whom: Throttle::Day },
        _ => Throttled { wait, whom: Throttle::Company },
    });
    let left = ledger::number(&answer.headers, &LEFT_HEADER);
    let limit = ledger::number(&answer.headers, &LIMIT_HEADER);
    let day = left.map(|left| DayTold { limit, left, ends_in: day_ends_in(answer) });
    Limited { throttled, day }
}

/// Whether Zoho itself says that there is no such object, and not somebody at a wrong address.
pub(super) fn says_missing(answer: &Answer) -> bool {
    match code(answer) {
        None | Some(SUCCESS | UNKNOWN_ADDRESS) => false,
        Some(NOT_FOUND) => !answer.status.is_server_error(),
        // Not every kind of object has the same code for it.
        Some(_) => answer.status == StatusCode::NOT_FOUND,
    }
}

pub(super) fn code(answer: &Answer) -> Option<i64> {
    answer.json::<Coded>().ok().map(|coded| coded.code)
}

/// Whether a code says more than the status, since Zoho's own answer came through with one that fits any code.
fn is_of_code(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
}

/// How long an answer asks to wait, where it throttles.
fn throttle(answer: &Answer, code: Option<i64>) -> Option<Duration> {
    let by_code = is_of_code(answer.status) && matches!(code, Some(PER_MINUTE | PER_DAY | IN_PROCESS));
    let throttles = by_code || answer.status == StatusCode::TOO_MANY_REQUESTS;
    let documented = || if code == Some(PER_DAY) { until_reset(answer) } else { THROTTLE_PAUSE };
    throttles.then(|| http::wait_asked(&answer.headers).unwrap_or_else(documented))
}

/// The rest of the organization's day, and a little more, since it is told to the second and by another clock.
fn day_ends_in(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = ledger::number(&answer.headers, &RESET_HEADER)?;
    Some(Duration::from_secs(seconds).min(DAY) + THROTTLE_PAUSE)
}

/// The rest of the organization's day, as long as anybody can wait.
fn until_reset(answer: &Answer) -> Duration {
    let seconds = ledger::number(&answer.headers, &RESET_HEADER);
    seconds.map_or(RETRY_AFTER_MAX, Duration::from_secs).clamp(THROTTLE_PAUSE, RETRY_AFTER_MAX)
}
