//! One-time values in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    authorization::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome},
    id::TenantId,
    provider::Provider,
    store::StoreError,
};
use jiff::Timestamp;

type Values<T> = Mutex<HashMap<String, (T, bool)>>;

/// One-time values in memory.
#[derive(Debug, Default)]
pub struct InMemoryAuthorizations {
    sessions: Values<ConnectSession>,
    requests: Values<AuthorizationRequest>,
    /// Links made, by tenant and minute.
    counts: Mutex<HashMap<(TenantId, i64), u64>>,
}

/// Uses up a value that is `bound` to whoever presents it and `good` now.
fn consume<T: Clone>(
    values: &Values<T>,
    hash: &str,
    bound: impl Fn(&T) -> bool,
    good: impl Fn(&T) -> bool,
) -> ConsumeOutcome<T> {
    match values.lock().unwrap().get_mut(hash) {
        Some((value, used)) if bound(value) && *used => ConsumeOutcome::Used,
        Some((value, used)) if bound(value) && good(value) => {
            *used = true;
            ConsumeOutcome::Consumed(value.clone())
        }
        _ => ConsumeOutcome::Refused,
    }
}

#[async_trait]
impl AuthorizationStore for InMemoryAuthorizations {
    async fn insert_session(&self, session: &ConnectSession) -> Result<(), StoreError> {
        self.sessions.lock().unwrap().insert(session.code_hash.clone(), (session.clone(), false));
        Ok(())
    }

    async fn count_session(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreError> {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry((tenant.clone(), now.as_second().div_euclid(60))).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn find_session(
        &self,
        code_hash: &str,
        now: Timestamp,
    ) -> Result<Option<ConnectSession>, StoreError> {
        let sessions = self.sessions.lock().unwrap();
        let good = |(session, used): &&(ConnectSession, bool)| !used && session.expires_at > now;
        Ok(sessions.get(code_hash).filter(good).map(|(session, _)| session.clone()))
    }

    async fn consume_session(
        &self,
        code_hash: &str,
        provider: Provider,
        now: Timestamp,
    ) -> Result<ConsumeOutcome<ConnectSession>, StoreError> {
        let bound = |session: &ConnectSession| session.provider.is_none_or(|of| of == provider);
        Ok(consume(&self.sessions, code_hash, bound, |session| session.expires_at > now))
    }

    async fn insert_request(&self, request: &AuthorizationRequest) -> Result<(), StoreError> {
        self.requests.lock().unwrap().insert(request.state_hash.clone(), (request.clone(), false));
        Ok(())
    }

    async fn consume_request(
        &self,
        state_hash: &str,
        (provider, browser_hash): (Provider, &str),
        now: Timestamp,
    ) -> Result<ConsumeOutcome<AuthorizationRequest>, StoreError> {
        let bound = |request: &AuthorizationRequest| {
            request.provider == provider && request.browser_hash == browser_hash
        };
        Ok(consume(&self.requests, state_hash, bound, |request| request.expires_at > now))
    }
}
