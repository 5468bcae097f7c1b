//! What an answer of Zoho's data API means that is no success, whatever its status.

use std::time::Duration;

use domain::sync::LedgerError;
use reqwest::{StatusCode, header::HeaderName};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    http::{self, RETRY_AFTER_MAX},
    ledger,
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
    // A code says more than a status, where Zoho's own answer came through with one that fits any code.
    let is_of_code =
        status.is_success() || matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    match code.filter(|_| is_of_code) {
        Some(FOREIGN_ORGANIZATION) => return LedgerError::Forbidden,
        Some(NOT_AUTHORIZED | NO_TOKEN) => return LedgerError::Unauthorized,
        Some(PER_MINUTE | PER_DAY | IN_PROCESS) => return throttled(answer, code),
        _ => {}
    }
    match status {
        StatusCode::UNAUTHORIZED => LedgerError::Unauthorized,
        StatusCode::FORBIDDEN => LedgerError::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => throttled(answer, code),
        status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            ledger::refused(answer, None)
        }
        _ => LedgerError::Unavailable(Fault { status: status.as_u16(), code }.into()),
    }
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

fn code(answer: &Answer) -> Option<i64> {
    answer.json::<Coded>().ok().map(|coded| coded.code)
}

fn throttled(answer: &Answer, code: Option<i64>) -> LedgerError {
    let asked = http::wait_asked(&answer.headers);
    let documented = if code == Some(PER_DAY) { until_reset(answer) } else { THROTTLE_PAUSE };
    LedgerError::Throttled { retry_after: Some(asked.unwrap_or(documented)) }
}

/// The rest of the organization's day, as long as anybody can wait.
fn until_reset(answer: &Answer) -> Duration {
    let seconds = answer.headers.get(RESET_HEADER).and_then(|text| text.to_str().ok()?.parse().ok());
    seconds.map_or(RETRY_AFTER_MAX, Duration::from_secs).clamp(THROTTLE_PAUSE, RETRY_AFTER_MAX)
}
