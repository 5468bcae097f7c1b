//! What an answer of Xero's data API means that is no success.

use std::time::Duration;

use domain::{
    limits::{DayTold, Throttle, Throttled},
    sync::LedgerError,
};
use reqwest::{StatusCode, header::HeaderName};

use super::TRACE_HEADER;
use crate::{
    http,
    ledger::{self, Limited},
    oauth::Answer,
};

/// The header that names the limit that was met.
const PROBLEM_HEADER: HeaderName = HeaderName::from_static("x-rate-limit-problem");
/// The header with what is left of the organization's day.
const DAY_LEFT_HEADER: HeaderName = HeaderName::from_static("x-daylimit-remaining");
/// How long to wait where as many requests as are allowed are under way: they are answered in seconds.
const CONCURRENT_PAUSE: Duration = Duration::from_secs(5);
/// How long to wait where the limit of a minute is met and Xero does not say for how long.
const MINUTE_PAUSE: Duration = Duration::from_mins(1);
/// How a refusal names a token without the scope, among others that are answered with 401.
const SCOPE_MISSING: &[u8] = b"AuthorizationUnsuccessful";
/// How Xero says that there is no such object.
const NOT_FOUND: &[u8] = b"cannot be found";

/// The error that an answer is.
pub(super) fn error(answer: &Answer) -> LedgerError {
    match answer.status {
        // Another token of the same grant lacks it, too.
        StatusCode::UNAUTHORIZED if says(answer, SCOPE_MISSING) => LedgerError::Forbidden,
        StatusCode::UNAUTHORIZED => LedgerError::Unauthorized,
        StatusCode::FORBIDDEN => LedgerError::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => LedgerError::Throttled { retry_after: Some(pause(answer)) },
        StatusCode::REQUEST_TIMEOUT => unavailable(answer),
        status if status.is_client_error() => ledger::refused(answer, Some(&TRACE_HEADER)),
        _ => unavailable(answer),
    }
}

/// What an answer says of Xero's limits.
pub(crate) fn limited(answer: &Answer) -> Limited {
    let left = ledger::number(&answer.headers, &DAY_LEFT_HEADER);
    let day = left.map(|left| DayTold { limit: None, left, ends_in: None });
    let throttled = (answer.status == StatusCode::TOO_MANY_REQUESTS).then(|| match problem(answer) {
        Problem::App => Throttled { wait: pause(answer), whom: Throttle::App },
        Problem::Day => {
            let wait = ledger::wait_for_day(&answer.headers).unwrap_or_else(|| pause(answer));
            Throttled { wait, whom: Throttle::Day }
        }
        Problem::Concurrent | Problem::Minute => Throttled { wait: pause(answer), whom: Throttle::Company },
    });
    Limited { throttled, day }
}

/// Whether Xero itself says that there is no such object, and not somebody at a wrong address, who would have every record
/// that changes marked deleted.
pub(super) fn says_missing(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
        && (answer.headers.contains_key(TRACE_HEADER) || says(answer, NOT_FOUND))
}

/// Which limit is met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Problem {
    /// That of a minute over all organizations.
    App,
    /// How many may be under way.
    Concurrent,
    /// That of a day.
    Day,
    /// That of a minute, and one that is not known.
    Minute,
}

fn problem(answer: &Answer) -> Problem {
    let problem = answer.headers.get(PROBLEM_HEADER).and_then(|problem| problem.to_str().ok());
    match problem.unwrap_or_default().to_ascii_lowercase() {
        problem if problem.contains("app") => Problem::App,
        problem if problem.contains("concurrent") => Problem::Concurrent,
        problem if problem.contains("day") || problem.contains("daily") => Problem::Day,
        _ => Problem::Minute,
    }
}

fn pause(answer: &Answer) -> Duration {
    http::wait_asked(&answer.headers).unwrap_or(match problem(answer) {
        Problem::Concurrent => CONCURRENT_PAUSE,
        Problem::Day => http::RETRY_AFTER_MAX,
        Problem::App | Problem::Minute => MINUTE_PAUSE,
    })
}

fn says(answer: &Answer, words: &[u8]) -> bool {
    answer.body.windows(words.len()).any(|part| part == words)
}

fn unavailable(answer: &Answer) -> LedgerError {
    LedgerError::Unavailable(answer.unexpected(Some(&TRACE_HEADER)).into())
}
