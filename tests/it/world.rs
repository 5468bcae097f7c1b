//! A whole Ledgerbridge in memory, with a clock that obeys and a provider that answers by script.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    access::AccessTokens,
    authorization::{
        AuthorizationRequest, AuthorizationStore as _, Callback, CallbackAnswer, Companies, CompanyError,
        CompleteError, Completed, ConnectSession, Connector, hash,
    },
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionStore as _},
    entropy::Entropy,
    event::EventKind,
    id::{ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::{
        FailureClass, RefreshOutcome, RefreshPolicy, RefreshReport, Refresher, Sweep, Trigger, policy::later,
    },
    sealing::{CachedDataKeys, TokenSealer},
    secret::{AccessToken, AuthorizationCode, OneTimeValue},
    token::{Refusal, TokenEndpoint, TokenEndpointError},
};
use tests::{
    FaultyRefreshStore, ManualClock, ScriptedTokenEndpoint, SeededEntropy,
    memory::{
        InMemoryAttempts, InMemoryAuthorizations, InMemoryBus, InMemoryConnections, InMemoryDataKeys,
        InMemoryRefreshQueue, InMemorySweepLog, InMemorySyncQueue, InProcessRefresh,
    },
    sample,
};

/// What the `refresh` function may take.
pub(crate) const FUNCTION_LIFE: Duration = Duration::from_secs(75);
/// How many shards the due index has.
const SHARDS: u32 = 4;

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<ScriptedTokenEndpoint>,
    pub(crate) keys: Arc<InMemoryDataKeys>,
    pub(crate) connections: Arc<InMemoryConnections>,
    pub(crate) store: Arc<FaultyRefreshStore>,
    pub(crate) attempts: Arc<InMemoryAttempts>,
    pub(crate) bus: Arc<InMemoryBus>,
    pub(crate) authorizations: Arc<InMemoryAuthorizations>,
    pub(crate) sync_queue: Arc<InMemorySyncQueue>,
    pub(crate) refresh_queue: Arc<InMemoryRefreshQueue>,
    pub(crate) refresher: Arc<Refresher>,
    entropy: Arc<dyn Entropy>,
}

/// A provider that knows every company but one.
struct AllCompanies;

/// The realm for which the provider says that the token is not for it.
pub(crate) const FOREIGN_REALM: &str = "666";

#[async_trait::async_trait]
impl Companies for AllCompanies {
    async fn company_name(
        &self,
        _: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<String, CompanyError> {
        if company.as_str() == FOREIGN_REALM {
            return Err(CompanyError::Foreign);
        }
        Ok(format!("Company {company}"))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(sample::NOW));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(42));
        let provider = Arc::new(ScriptedTokenEndpoint::new(clock.clone()));
        let keys = Arc::new(InMemoryDataKeys::default());
        let connections = Arc::new(InMemoryConnections::new(SHARDS));
        let store = Arc::new(FaultyRefreshStore::new(connections.clone()));
        let (attempts, bus) = (Arc::new(InMemoryAttempts::default()), Arc::new(InMemoryBus::default()));
        let endpoint: Arc<dyn TokenEndpoint> = provider.clone();
        let refresher = Arc::new(Refresher {
            store: store.clone(),
            connections: connections.clone(),
            endpoints: HashMap::from([(Provider::QuickBooks, endpoint)]),
            sealer: TokenSealer::new("test".to_owned(), keys.clone(), entropy.clone()),
            attempts: attempts.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            policy: RefreshPolicy::default(),
            owner: "worker".to_owned(),
        });
        Self {
            clock,
            provider,
            keys,
            connections,
            store,
            attempts,
            bus,
            authorizations: Arc::default(),
            sync_queue: Arc::default(),
            refresh_queue: Arc::default(),
            refresher,
            entropy,
        }
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector {
            requests: self.authorizations.clone(),
            connections: self.connections.clone(),
            endpoint: self.provider.clone(),
            companies: Arc::new(AllCompanies),
            sealer: TokenSealer::new("test".to_owned(), self.keys.clone(), self.entropy.clone()),
            queue: self.sync_queue.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            policy: RefreshPolicy::default(),
        }
    }

    pub(crate) fn sweep(&self, log: Arc<InMemorySweepLog>) -> Sweep {
        Sweep {
            store: self.store.clone(),
            queue: self.refresh_queue.clone(),
            log,
            clock: self.clock.clone(),
            shards: SHARDS,
        }
    }

    /// Access tokens as `sync` gets them, with a warm-key cache in front of the key service.
    pub(crate) fn access(&self) -> AccessTokens {
        let keys = Arc::new(CachedDataKeys::new(self.keys.clone(), self.clock.clone()));
        AccessTokens {
            connections: self.connections.clone(),
            sealer: TokenSealer::new("test".to_owned(), keys, self.entropy.clone()),
            refresh: Arc::new(InProcessRefresh(self.refresher.clone())),
            clock: self.clock.clone(),
            policy: RefreshPolicy::default(),
        }
    }

    /// Stores an authorization request as a browser's visit to a connect link does.
    pub(crate) async fn begun(&self, tenant: &TenantId, state: &str, browser: &str) {
        let now = self.clock.now();
        let session = ConnectSession {
            code_hash: hash(&OneTimeValue::new(format!("code of {state}"))),
            tenant: tenant.clone(),
            provider: Provider::QuickBooks,
            return_url: None,
            sync: true,
            expires_at: later(now, Duration::from_mins(15)),
        };
        let request = AuthorizationRequest {
            state_hash: hash(&OneTimeValue::new(state)),
            browser_hash: hash(&OneTimeValue::new(browser)),
            session,
            expires_at: later(now, Duration::from_mins(10)),
        };
        self.authorizations.insert_request(&request).await.unwrap();
    }

    /// A callback that grants a code for the books of `realm`.
    pub(crate) async fn call_back(
        &self,
        state: &str,
        browser: Option<&str>,
        realm: &str,
    ) -> Result<Completed, CompleteError> {
        let answer =
            CallbackAnswer::Granted { code: AuthorizationCode::new("code"), company: realm.parse().unwrap() };
        let callback = Callback {
            provider: Provider::QuickBooks,
            state: OneTimeValue::new(state),
            browser: browser.map(OneTimeValue::new),
            answer,
            correlation: "corr_1".parse().unwrap(),
        };
        self.connector().complete(callback, "https://example.com/callback").await
    }

    /// Connects the books of `realm` for `tenant`.
    pub(crate) async fn connect(&self, tenant: &TenantId, realm: &str) -> ConnectionKey {
        let state = format!("state {realm} {}", self.clock.now());
        self.begun(tenant, &state, "browser").await;
        self.call_back(&state, Some("browser"), realm).await.unwrap().key
    }

    /// A new connection of a new tenant.
    pub(crate) async fn connected(&self) -> ConnectionKey {
        self.connect(&sample::tenant(), sample::provider_company().as_str()).await
    }

    pub(crate) async fn refresh(&self, key: &ConnectionKey, trigger: Trigger) -> RefreshReport {
        let deadline = later(self.clock.now(), FUNCTION_LIFE);
        self.refresher.refresh(key, trigger, deadline).await.unwrap()
    }

    pub(crate) async fn manual(&self, key: &ConnectionKey) -> RefreshOutcome {
        self.refresh(key, Trigger::Manual).await.outcome
    }

    pub(crate) async fn find(&self, key: &ConnectionKey) -> Connection {
        self.connections.find(key).await.unwrap().unwrap()
    }

    /// What was told on the bus since the last time it was asked.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.bus.take().into_iter().map(|event| event.kind).collect()
    }

    /// How many refresh tokens were spent; the codes of connecting are not counted.
    pub(crate) fn refreshes(&self) -> usize {
        self.provider.spent().iter().filter(|spent| *spent != "code").count()
    }
}

/// The class of a failed refresh.
pub(crate) fn class(outcome: &RefreshOutcome) -> Option<FailureClass> {
    match outcome {
        RefreshOutcome::Failed { failure, .. } => Some(failure.class),
        _ => None,
    }
}

/// The provider's word that a grant is dead.
pub(crate) fn invalid_grant() -> TokenEndpointError {
    TokenEndpointError::GrantRefused(Refusal {
        error: Some("invalid_grant".to_owned()),
        ..Refusal::default()
    })
}
