//! One-time values in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    authorization::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome},
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

    async fn consume_session(
        &self,
        code_hash: &str,
        provider: Provider,
        now: Timestamp,
    ) -> Result<ConsumeOutcome<ConnectSession>, StoreError> {
        let bound = |session: &ConnectSession| session.provider == provider;
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
            request.session.provider == provider && request.browser_hash == browser_hash
        };
        Ok(consume(&self.requests, state_hash, bound, |request| request.expires_at > now))
    }
}
