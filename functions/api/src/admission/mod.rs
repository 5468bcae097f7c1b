//! Who is let in: the key check, with what it remembers; how fast each key may call; what becomes of refused attempts.

mod attempts;
mod rate;

use std::{sync::Arc, time::Duration};

use axum::extract::Request;
use domain::{
    api_key::{ApiKey, ApiKeyStore, KeyRefusal, PresentedKey},
    call_counts::{CallCounts, Counted},
    caller::Caller,
    error::ErrorCode,
    id::{ApiKeyId, CorrelationId},
    refresh::policy::later,
    store::{StoreError, chain},
    tenant::TenantState,
};
use edge::{auth::presented_key, http::ApiError};
use jiff::{SignedDuration, Timestamp};

use crate::{Deps, memory::Memory};

pub(crate) use rate::{Rate, count_call};

/// How long an instance goes by what it knows of a key or a tenant: with the call that is under way, a revocation is
/// effective within a minute.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);
/// How long an instance remembers that a key worked: its owner is let in although somebody else at the same address is
/// refused too often.
const RECENT: Duration = Duration::from_mins(10);
/// How late the last use of a key may be noted: one write an hour for each key, however often it calls.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What letting in takes.
pub struct Admission {
    keys: Arc<dyn ApiKeyStore>,
    counts: Arc<dyn CallCounts>,
    calls_per_minute: u64,
    known: Memory<ApiKeyId, Known>,
    /// Who is refused for the rest of the minute, without being counted.
    blocked: Memory<Counted, ()>,
}

/// A key that worked here, as the table had it.
#[derive(Clone)]
struct Known {
    key: ApiKey,
    fresh_until: Timestamp,
}

impl Admission {
    /// Lets in with these keys, each as often as `calls_per_minute` says.
    #[must_use]
    pub fn new(keys: Arc<dyn ApiKeyStore>, counts: Arc<dyn CallCounts>, calls_per_minute: u64) -> Self {
        Self { keys, counts, calls_per_minute, known: Memory::default(), blocked: Memory::default() }
    }

    /// Where calls are counted.
    pub(crate) fn counts(&self) -> &dyn CallCounts {
        &*self.counts
    }

    /// Forgets what it knows of a key that has changed.
    pub(crate) fn forget(&self, key: &ApiKeyId) {
        self.known.forget(key);
    }

    /// A key as the table has it. A working key's use is noted, at most once an hour.
    async fn look_up(&self, presented: &PresentedKey, now: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        let Some(mut key) = self.keys.find(&presented.id).await? else { return Ok(None) };
        let is_noted = key.last_used_at.is_some_and(|at| now.duration_since(at) < USE_NOTED_EVERY);
        if !is_noted && presented.opens(&key, now) {
            key.last_used_at = Some(now);
            if let Err(error) = self.keys.mark_used(&key.id, now).await {
                tracing::warn!(error = chain(&error), keyId = %key.id, "Use of an API key is not noted");
            }
        }
        Ok(Some(key))
    }
}

/// An attempt to be let in, as the request makes it.
pub(crate) struct Attempt {
    presented: Option<PresentedKey>,
    source: Counted,
}

impl Attempt {
    /// What a request presents, and where it came from.
    pub(crate) fn of(deps: &Deps, request: &Request) -> Self {
        let source = attempts::source(request, deps.clock.now());
        Self { presented: presented_key(request.headers(), &deps.environment), source }
    }
}

/// The caller of a request, by its API key; every way to have none gets the same answer.
///
/// A key that is malformed or has a typo is refused without any look-up, and so is, from an address that was refused too
/// often, any that did not work here lately.
pub(crate) async fn authenticate(
    deps: &Deps,
    Attempt { presented, source }: Attempt,
    correlation: &CorrelationId,
) -> Result<Caller, ApiError> {
    let (now, admission) = (deps.clock.now(), &deps.admission);
    let presented = presented.ok_or_else(no_key)?;
    let known = admission.known.find(&presented.id, now);
    if let Some(Known { key, .. }) = known.as_ref().filter(|known| now < known.fresh_until)
        && let Ok(caller) = judged(deps, &presented, Some(key)).await?
    {
        return Ok(caller);
    }
    let worked_lately = known.is_some_and(|known| presented.opens(&known.key, now));
    if !worked_lately && admission.blocked.find(&source, now).is_some() {
        return Err(attempts::too_many(now));
    }
    let found = admission.look_up(&presented, now).await.map_err(|error| unavailable(&error))?;
    match judged(deps, &presented, found.as_ref()).await? {
        Ok(caller) => {
            if let Some(key) = found {
                let known = Known { key, fresh_until: later(now, REMEMBERED) };
                admission.known.keep(presented.id, known, (now, later(now, RECENT)));
            }
            Ok(caller)
        }
        Err(refusal) => {
            if worked_lately {
                admission.forget(&presented.id);
            }
            let key = (&presented.id, found.as_ref());
            Err(attempts::refused(deps, source, (key, refusal), correlation).await)
        }
    }
}

/// The caller as the table has its key at this moment: what a key gives outlasts it, so that what is remembered of a key is
/// not enough to give by.
pub(crate) async fn renewed(deps: &Deps, caller: &Caller) -> Result<Caller, ApiError> {
    let found = deps.admission.keys.find(caller.key()).await.map_err(|error| unavailable(&error))?;
    let renewed = found.and_then(|key| caller.renewed(&key, deps.clock.now()));
    renewed.ok_or_else(|| {
        deps.admission.forget(caller.key());
        no_key()
    })
}

/// The caller, or why the key is refused.
async fn judged(
    deps: &Deps,
    presented: &PresentedKey,
    key: Option<&ApiKey>,
) -> Result<Result<Caller, KeyRefusal>, ApiError> {
    let now = deps.clock.now();
    let Some(key) = key else { return Ok(Err(KeyRefusal::Unknown)) };
    let Some(caller) = Caller::authenticated(presented, key, now) else {
        return Ok(Err(presented.refusal(key, now).unwrap_or(KeyRefusal::Wrong)));
    };
    if let Some(tenant) = &key.tenant {
        let tenant = deps.tenancy.remembered(tenant, now).await.map_err(|error| unavailable(&error))?;
        if tenant.is_some_and(|tenant| tenant.state == TenantState::Deleting) {
            return Ok(Err(KeyRefusal::TenantDeleting));
        }
    }
    Ok(Ok(caller))
}

/// The one answer to whoever has no key, whatever is wrong with it.
pub(crate) fn no_key() -> ApiError {
    ApiError::new(ErrorCode::AuthApiKeyInvalid, "send a valid API key in the header X-API-Key")
}

fn unavailable(error: &StoreError) -> ApiError {
    ApiError::failure(ErrorCode::StorageUnavailable, error)
}

/// How many seconds are left of the minute.
fn left_of_minute(now: Timestamp) -> u64 {
    let passed = now.as_second().rem_euclid(SECONDS);
    u64::try_from(SECONDS - passed).unwrap_or_default()
}

/// When the minute ends.
fn end_of_minute(now: Timestamp) -> Timestamp {
    let minute = now.as_second().div_euclid(SECONDS);
    Timestamp::from_second((minute + 1).saturating_mul(SECONDS)).unwrap_or(Timestamp::MAX)
}

/// Seconds of a minute.
const SECONDS: i64 = 60;
