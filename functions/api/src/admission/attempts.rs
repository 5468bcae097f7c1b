//! Refused attempts: counted for each source, so that guessing is slow; audited, so that it is seen.

use axum::extract::Request;
use domain::{
    api_key::{ApiKey, KeyRefusal},
    audit::{self, AuditAction, AuditEntry},
    call_counts::Counted,
    error::ErrorCode,
    id::{ApiKeyId, CorrelationId, Ids},
    store::chain,
};
use edge::http::ApiError;
use jiff::Timestamp;
use lambda_http::{RequestExt as _, request::RequestContext};

use super::{end_of_minute, left_of_minute, no_key};
use crate::Deps;

/// How many attempts from one source may be refused in a minute: a deployment with a stale key finds out from the first
/// few, and a guess at a key of 256 bits does not get better by the thirtieth.
const REFUSED_PER_MINUTE: u64 = 30;
/// Where a request came from, by the gateway's own word: headers are under the caller's control.
pub(super) fn source(request: &Request, now: Timestamp) -> Counted {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        _ => None,
    };
    Counted::refused_from(address.unwrap_or_default(), now)
}

/// Counts and audits an attempt with a well-formed key; gives its answer.
pub(super) async fn refused(
    deps: &Deps,
    source: Counted,
    ((id, key), refusal): ((&ApiKeyId, Option<&ApiKey>), KeyRefusal),
    correlation: &CorrelationId,
) -> ApiError {
    let now = deps.clock.now();
    if count(deps, &source, now).await.is_some_and(|count| count > REFUSED_PER_MINUTE) {
        deps.admission.blocked.keep(source, (), (now, end_of_minute(now)));
        return too_many(now);
    }
    // Once a minute for each key, however many instances it is tried at; where that is not known, rather twice than never.
    if count(deps, &Counted::RefusedKey(id.clone()), now).await.is_none_or(|count| count == 1) {
        let tenant = key.and_then(|key| key.tenant.clone());
        let entry_id = Ids::new(&*deps.clock, &*deps.entropy).audit();
        let mut entry = AuditEntry::new(entry_id, now, tenant, AuditAction::KeyRefused);
        entry.subject = Some(id.to_string());
        entry.reason = Some(refusal.as_str().to_owned());
        entry.correlation = Some(correlation.clone());
        audit::record(&*deps.audit, &entry).await;
    }
    no_key()
}

/// The answer to a source that was refused too often.
pub(super) fn too_many(now: Timestamp) -> ApiError {
    let message = "too many requests from this address had no valid API key; try again after Retry-After";
    let mut error = ApiError::new(ErrorCode::AuthAttemptsExceeded, message);
    error.retry_after = Some(left_of_minute(now));
    error
}

/// Counts one more; none where that cannot be counted, which must lock nobody out.
async fn count(deps: &Deps, counted: &Counted, now: Timestamp) -> Option<u64> {
    let added = deps.admission.counts.add(counted, now).await;
    added.inspect_err(|error| tracing::warn!(error = chain(error), "Refused attempt is not counted")).ok()
}
