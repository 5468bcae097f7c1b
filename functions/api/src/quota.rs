//! What a tenant's plan allows: over it nothing more is done, and from 80 % on everybody is warned.

use axum::http::HeaderValue;
use domain::{
    call_counts::Month,
    error::ErrorCode,
    event::{Event, EventKind, QuotaUse, announce},
    id::TenantId,
    store::{StoreError, chain},
};
use edge::http::ApiError;

use crate::Deps;

/// The header that warns of a quota.
pub(crate) const WARNING_HEADER: &str = "x-quota-warning";
/// The quota of calls, as tenants' limits name it.
pub(crate) const API_CALLS: &str = "apiCallsPerMonth";
/// The quota of users.
pub(crate) const USERS: &str = "users";
/// The quota of connections.
pub(crate) const INTEGRATIONS: &str = "integrations";
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

/// Counts a call about a tenant; refuses it where the month's calls are used up, and warns of it before.
pub(crate) async fn count_call(deps: &Deps, tenant: &TenantId) -> Result<Option<HeaderValue>, ApiError> {
    match used(deps, tenant).await {
        Ok(Some((quota, true))) => Ok(warning(&quota)),
        Ok(Some((quota, false))) => Err(exceeded(&quota, "the tenant's calls of this month are used up")),
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::warn!(error = chain(&error), tenantId = %tenant, "Call is not counted, and let through");
            Ok(None)
        }
    }
}

/// What is used with this call, and whether that was within the limit; none where there is none.
async fn used(deps: &Deps, tenant: &TenantId) -> Result<Option<(QuotaUse, bool)>, StoreError> {
    let now = deps.clock.now();
    let Some(known) = deps.tenancy.remembered(tenant, now).await? else { return Ok(None) };
    let (limit, month) = (known.limits.api_calls_per_month, Month::of(now));
    let counts = deps.admission.counts();
    let counted = counts.add_to_month(tenant, month, limit).await?;
    let Some(limit) = limit else { return Ok(None) };
    let quota = QuotaUse { name: API_CALLS, limit, used: counted.calls, resets_at: Some(month.ends_at()) };
    if !counted.told && warning(&quota).is_some() && counts.mark_told(tenant, month).await? {
        let event = Event::of_tenant(EventKind::QuotaNearLimit, tenant.clone(), now);
        announce(&*deps.bus, &Event { quota: Some(quota.clone()), ..event }).await;
    }
    Ok(Some((quota, counted.counted)))
}
