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
    id::Location,
    refresh::policy::later,
    sealing::fingerprint,
    secret::{AccessToken, CodeVerifier, RefreshToken},
    token::{CodeGrant, TokenEndpoint, TokenEndpointError, TokenSet},
};

type Answer = Result<TokenSet, TokenEndpointError>;

/// A token endpoint that gives the answers it was told to, then fresh token sets, and remembers what was spent.
pub struct ScriptedTokenEndpoint {
    clock: Arc<dyn Clock>,
    script: Mutex<VecDeque<Answer>>,
    spent: Mutex<Vec<String>>,
    exchanged: Mutex<Vec<Exchanged>>,
    issued: AtomicUsize,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

/// With what a code was exchanged.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// The callback address.
    pub redirect_uri: String,
    /// The verifier, where one was sent.
    pub verifier: Option<CodeVerifier>,
    /// The data center, where one was named.
    pub location: Option<Location>,
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
            exchanged: Mutex::default(),
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

    /// With what each code was exchanged, in order.
    #[must_use]
    pub fn exchanged(&self) -> Vec<Exchanged> {
        self.exchanged.lock().unwrap().clone()
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
            // As Intuit, which does not repeat what it was asked for.
            scopes: None,
        }
    }

    /// The fingerprint of the refresh token of the newest token set that the endpoint made.
    #[must_use]
    pub fn newest(&self) -> String {
        fingerprint(&RefreshToken::new(format!("refresh-{}", self.issued.load(Ordering::SeqCst))))
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
    async fn exchange(&self, grant: CodeGrant<'_>) -> Answer {
        self.exchanged.lock().unwrap().push(Exchanged {
            redirect_uri: grant.redirect_uri.to_owned(),
            verifier: grant.verifier.cloned(),
            location: grant.location.cloned(),
        });
        self.call("code".to_owned()).await
    }

    async fn refresh(&self, token: &RefreshToken, _location: Option<&Location>) -> Answer {
        self.call(fingerprint(token)).await
    }
}
