//! A token endpoint that answers by script.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    refresh::policy::later,
    sealing::fingerprint,
    secret::{AccessToken, AuthorizationCode, RefreshToken},
    token::{TokenEndpoint, TokenEndpointError, TokenSet},
};

type Answer = Result<TokenSet, TokenEndpointError>;

/// A token endpoint that gives the answers it was told to, then fresh token sets, and remembers what was spent.
pub struct ScriptedTokenEndpoint {
    clock: Arc<dyn Clock>,
    script: Mutex<VecDeque<Answer>>,
    spent: Mutex<Vec<String>>,
    issued: AtomicUsize,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

/// How long the access tokens live that the endpoint makes by itself: an hour, as Intuit's.
pub const ACCESS_LIFE: Duration = Duration::from_hours(1);
/// How long its refresh tokens live unless used: a hundred days, as Intuit's.
pub const REFRESH_LIFE: Duration = Duration::from_hours(100 * 24);

impl ScriptedTokenEndpoint {
    /// An endpoint without a script: each call gives a fresh token set.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            script: Mutex::default(),
            spent: Mutex::default(),
            issued: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
        }
    }

    /// Adds the answer to the next call that has none yet.
    pub fn answer(&self, answer: Result<TokenSet, TokenEndpointError>) {
        self.script.lock().unwrap().push_back(answer);
    }

    /// The fingerprints of the refresh tokens that were spent, and `code` for each code, in order.
    #[must_use]
    pub fn spent(&self) -> Vec<String> {
        self.spent.lock().unwrap().clone()
    }

    /// How many calls were under way at once at most.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight.load(Ordering::SeqCst)
    }

    /// A fresh token set, unlike any other of this endpoint.
    #[must_use]
    pub fn fresh(&self) -> TokenSet {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let now = self.clock.now();
        TokenSet {
            access: AccessToken::new(format!("access-{number}")),
            refresh: RefreshToken::new(format!("refresh-{number}")),
            access_expires_at: later(now, ACCESS_LIFE),
            refresh_expires_at: Some(later(now, REFRESH_LIFE)),
            hard_expires_at: None,
            scopes: vec!["com.intuit.quickbooks.accounting".to_owned()],
        }
    }

    async fn call(&self, spends: String) -> Answer {
        self.spent.lock().unwrap().push(spends);
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(now, Ordering::SeqCst);
        // Others may run here, as during a real request.
        tokio::task::yield_now().await;
        let answer = self.script.lock().unwrap().pop_front();
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        answer.unwrap_or_else(|| Ok(self.fresh()))
    }
}

#[async_trait]
impl TokenEndpoint for ScriptedTokenEndpoint {
    async fn exchange(&self, _code: &AuthorizationCode, _redirect_uri: &str) -> Answer {
        self.call("code".to_owned()).await
    }

    async fn refresh(&self, token: &RefreshToken) -> Answer {
        self.call(fingerprint(token)).await
    }
}
