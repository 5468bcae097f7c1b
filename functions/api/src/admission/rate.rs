//! How fast a key may call: so many calls in each minute, told on every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::{call_counts::Counted, caller::Caller, error::ErrorCode, store::chain};
use edge::http::ApiError;

use super::{end_of_minute, left_of_minute};
use crate::Deps;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where a key stands in its minute.
pub(crate) struct Rate {
    limit: u64,
    remaining: u64,
    /// In seconds.
    reset: u64,
    is_over: bool,
}

/// Counts a call; none where it cannot be counted: the limit must not take the API down.
pub(crate) async fn count_call(deps: &Deps, caller: &Caller) -> Option<Rate> {
    let (now, admission) = (deps.clock.now(), &deps.admission);
    let (limit, reset) = (admission.calls_per_minute, left_of_minute(now));
    let counted = Counted::Calls(caller.key().clone());
    if admission.blocked.find(&counted, now).is_some() {
        return Some(Rate { limit, remaining: 0, reset, is_over: true });
    }
    let count = match admission.counts.add(&counted, now).await {
        Ok(count) => count,
        Err(error) => {
            tracing::warn!(error = chain(&error), keyId = %caller.key(), "Call is not counted, and let through");
            return None;
        }
    };
    let is_over = count > limit;
    if is_over {
        // A flood is not counted to its end: one item takes a thousand writes in a second.
        admission.blocked.keep(counted, (), (now, end_of_minute(now)));
    }
    Some(Rate { limit, remaining: limit.saturating_sub(count), reset, is_over })
}

impl Rate {
    /// Why the call is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        if !self.is_over {
            return None;
        }
        let message =
            format!("this API key may make {} calls in a minute; try again after Retry-After", self.limit);
        let mut error = ApiError::new(ErrorCode::RateLimitExceeded, message).with("limit", self.limit);
        error.retry_after = Some(self.reset);
        Some(error)
    }

    /// Tells of it on an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in [(LIMIT, self.limit), (REMAINING, self.remaining), (RESET, self.reset)] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}
