//! What a tenant's plan allows: over it nothing more is done, and from 80 % on everybody is warned.

use axum::http::HeaderValue;
use domain::{error::ErrorCode, event::QuotaUse};
use edge::http::ApiError;

/// The header that warns of a quota.
pub(crate) const WARNING_HEADER: &str = "x-quota-warning";
/// From here on, in percent, answers warn.
const NEAR: u64 = 80;

/// How much of a quota is used, as answers warn of it; none while it is far from used up.
pub(crate) fn warning(quota: &QuotaUse) -> Option<HeaderValue> {
    let percent = quota.used.saturating_mul(100).checked_div(quota.limit).unwrap_or(100);
    let text = format!("{} {percent}%", quota.name);
    HeaderValue::try_from(text).ok().filter(|_| percent >= NEAR)
}

/// The refusal of what would go beyond a quota.
pub(crate) fn exceeded(quota: &QuotaUse, message: &str) -> ApiError {
    let error = ApiError::new(ErrorCode::QuotaExceeded, message)
        .with("quota", quota.name)
        .with("limit", quota.limit)
        .with("used", quota.used);
    match quota.resets_at {
        Some(resets_at) => error.with("resetsAt", resets_at.to_string()),
        None => error,
    }
}
