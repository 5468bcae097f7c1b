//! A whole Ledgerbridge in memory, with a clock that obeys and a provider that answers by script.

use std::{sync::Arc, time::Duration};

use domain::{
    authorization::{
        AuthorizationRequest, AuthorizationServer, AuthorizationStore as _, Callback, CallbackAnswer,
        CompleteError, Completed, ConnectSession, Connector, Placer, hash,
    },
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionStore as _, Due},
    entropy::Entropy,
    event::EventKind,
    id::TenantId,
    limits::Limits,
    provider::Provider,
    refresh::{
        BreakerSettings, Breakers, DEFAULT_FAILURES, DEFAULT_MINIMUM, DEFAULT_RESET, DEFAULT_SHARE,
        DEFAULT_WINDOW, DisconnectAnswer, DisconnectMessage, FailureClass, OutageSettings, RefreshOutcome,
        RefreshPolicy, RefreshReport, Refresher, Sweep, SweepReport, Trigger,
        policy::{DEFAULT_LEASE, later},
    },
    sealing::TokenSealer,
    secret::{AuthorizationCode, OneTimeValue},
    sync::JobOrders,
    token::{Refusal, Revocation, TokenEndpoint, TokenEndpointError},
};
use jiff::Timestamp;
use tests::{
    FaultyRefreshStore, ManualClock, Revoked, ScriptedRevocation, ScriptedTokenEndpoint, SeededEntropy,
    memory::{
        InMemoryApiKeys, InMemoryAttempts, InMemoryAudit, InMemoryAuthorizations, InMemoryBreakers,
        InMemoryBus, InMemoryCallCounts, InMemoryConnections, InMemoryCursorKey, InMemoryDataKeys,
        InMemoryJobs, InMemoryRecoveryQueue, InMemoryRefreshQueue, InMemoryRequestNames, InMemorySweepLog,
        InMemorySyncQueue, InMemoryTallies, InMemoryTenants, InMemoryUsage, InMemoryUsers, limits,
    },
    sample,
};

use crate::{
    api_parts::Scripts,
    grants::{ScriptedCompanies, company},
};

/// Where providers send the browser back to.
pub(crate) const REDIRECT_URI: &str = "https://example.com/callback";
/// What the `refresh` function may take.
pub(crate) const FUNCTION_LIFE: Duration = Duration::from_secs(75);
/// When breakers open and what is an outage, as by default.
pub(crate) const SETTINGS: (BreakerSettings, OutageSettings) = (
    BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: DEFAULT_LEASE },
    OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW },
);
/// Where a browser may be sent after connecting.
pub(crate) const RETURN_URLS: [&str; 2] = ["https://app.example/books", "https://app.example/books?tab=1"];
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
    pub(crate) audit: Arc<InMemoryAudit>,
    pub(crate) companies: Arc<ScriptedCompanies>,
    pub(crate) revocation: Arc<ScriptedRevocation>,
    pub(crate) authorizations: Arc<InMemoryAuthorizations>,
    pub(crate) tenants: Arc<InMemoryTenants>,
    pub(crate) users: Arc<InMemoryUsers>,
    pub(crate) api_keys: Arc<InMemoryApiKeys>,
    pub(crate) counts: Arc<InMemoryCallCounts>,
    pub(crate) usage: Arc<InMemoryUsage>,
    pub(crate) sync_queue: Arc<InMemorySyncQueue>,
    pub(crate) job_log: Arc<InMemoryJobs>,
    pub(crate) refresh_queue: Arc<InMemoryRefreshQueue>,
    pub(crate) recovery_queue: Arc<InMemoryRecoveryQueue>,
    pub(crate) breakers: Arc<InMemoryBreakers>,
    pub(crate) books_breakers: Arc<InMemoryBreakers>,
    pub(crate) sweep_log: Arc<InMemorySweepLog>,
    pub(crate) refresher: Arc<Refresher>,
    pub(crate) tallies: Arc<InMemoryTallies>,
    pub(crate) cursor_key: Arc<InMemoryCursorKey>,
    pub(crate) request_names: Arc<InMemoryRequestNames>,
    pub(crate) scripts: Scripts,
    pub(crate) entropy: Arc<dyn Entropy>,
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
        let (audit, revocation) = (Arc::<InMemoryAudit>::default(), Arc::<ScriptedRevocation>::default());
        let endpoint = |name| (name, provider.clone() as Arc<dyn TokenEndpoint>);
        let revokes = |name| (name, revocation.clone() as Arc<dyn Revocation>);
        let (refresh_queue, recovery_queue) = (Arc::<InMemoryRefreshQueue>::default(), Arc::default());
        let breakers = Arc::<InMemoryBreakers>::default();
        let refresher = Arc::new(Refresher {
            store: store.clone(),
            connections: connections.clone(),
            endpoints: Provider::ALL.map(endpoint).into(),
            revocations: Provider::ALL.map(revokes).into(),
            breakers: Breakers::new(breakers.clone(), clock.clone(), bus.clone(), SETTINGS),
            sealer: TokenSealer::new("test".to_owned(), keys.clone(), entropy.clone()),
            queue: refresh_queue.clone(),
            recovery: Arc::clone(&recovery_queue) as _,
            attempts: attempts.clone(),
            bus: bus.clone(),
            audit: audit.clone(),
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
            audit,
            companies: Arc::default(),
            revocation,
            authorizations: Arc::default(),
            tenants: Arc::default(),
            users: Arc::default(),
            api_keys: Arc::default(),
            counts: Arc::default(),
            usage: Arc::default(),
            sync_queue: Arc::default(),
            job_log: Arc::default(),
            refresh_queue,
            recovery_queue,
            breakers,
            books_breakers: Arc::default(),
            sweep_log: Arc::default(),
            refresher,
            tallies: Arc::default(),
            cursor_key: Arc::default(),
            request_names: Arc::default(),
            scripts: Scripts::default(),
            entropy,
        }
    }

    pub(crate) fn connector(&self) -> Connector {
        let server = |name| {
            let server =
                AuthorizationServer { endpoint: self.provider.clone(), companies: self.companies.clone() };
            (name, server)
        };
        Connector {
            requests: self.authorizations.clone(),
            servers: Provider::ALL.map(server).into(),
            jobs: self.orders(),
            bus: self.bus.clone(),
            placer: self.placer(),
            return_urls: RETURN_URLS.map(str::to_owned).to_vec(),
        }
    }

    /// Where connections are stored.
    pub(crate) fn placer(&self) -> Placer {
        Placer {
            tenants: self.tenants.clone(),
            connections: self.connections.clone(),
            sealer: TokenSealer::new("test".to_owned(), self.keys.clone(), self.entropy.clone()),
            audit: self.audit.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            policy: RefreshPolicy::default(),
            shared_companies: false,
        }
    }

    /// Where jobs are made.
    pub(crate) fn orders(&self) -> JobOrders {
        let (log, queue) = (self.job_log.clone(), self.sync_queue.clone());
        JobOrders { log, queue, clock: self.clock.clone() }
    }

    /// A sweep of its own process.
    pub(crate) fn sweep(&self) -> Sweep {
        Sweep {
            index: self.connections.clone(),
            queue: self.refresh_queue.clone(),
            log: self.sweep_log.clone(),
            clock: self.clock.clone(),
            shards: SHARDS,
            owner: self.entropy_text(),
        }
    }

    /// Sweeps once.
    pub(crate) async fn swept(&self) -> SweepReport {
        let deadline = later(self.clock.now(), FUNCTION_LIFE);
        self.sweep().run(&self.refresher.breakers, deadline).await.unwrap()
    }

    /// The providers' limits.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        limits(&(self.clock.clone() as _))
    }

    /// A connect link for `tenant` that lets nobody choose and asks for nothing special.
    pub(crate) fn session(&self, tenant: &TenantId) -> ConnectSession {
        ConnectSession {
            code_hash: "code".to_owned(),
            tenant: tenant.clone(),
            provider: Some(Provider::QuickBooks),
            scopes: vec![],
            reconnects: None,
            confirm: false,
            return_url: None,
            sync: true,
            expires_at: later(self.clock.now(), Duration::from_mins(15)),
        }
    }

    /// Stores an authorization request as a browser's visit to a connect link does.
    pub(crate) async fn begun(&self, tenant: &TenantId, state: &str, browser: &str) {
        self.begun_with(self.session(tenant), state, browser).await;
    }

    /// The same for a link that says more.
    pub(crate) async fn begun_with(&self, session: ConnectSession, state: &str, browser: &str) {
        self.tenant(&session.tenant, |_| {});
        let request = AuthorizationRequest {
            state_hash: hash(&OneTimeValue::new(state)),
            browser_hash: hash(&OneTimeValue::new(browser)),
            provider: session.provider.unwrap(),
            scopes: vec!["com.intuit.quickbooks.accounting".to_owned()],
            pkce: false,
            session,
            expires_at: later(self.clock.now(), Duration::from_mins(10)),
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
        let callback = Self::callback(Provider::QuickBooks, state, browser, Some(realm));
        self.connector().complete(callback, REDIRECT_URI).await
    }

    /// A callback that grants a code, of a provider that may name the company there.
    pub(crate) fn callback(
        provider: Provider,
        state: &str,
        browser: Option<&str>,
        company: Option<&str>,
    ) -> Callback {
        let code = AuthorizationCode::new("code");
        let company = company.map(|company| company.parse().unwrap());
        Callback {
            provider,
            state: OneTimeValue::new(state),
            browser: browser.map(OneTimeValue::new),
            answer: CallbackAnswer::Granted { code, company, location: None },
            correlation: "corr_1".parse().unwrap(),
        }
    }

    /// Connects the books of `realm` for `tenant`.
    pub(crate) async fn connect(&self, tenant: &TenantId, realm: &str) -> ConnectionKey {
        let state = format!("state {realm} {}", self.clock.now());
        self.begun(tenant, &state, "browser").await;
        self.call_back(&state, Some("browser"), realm).await.unwrap().key
    }

    /// Connects whatever companies Xero was told to grant, with a link that says `session`.
    pub(crate) async fn connect_xero(&self, session: ConnectSession) -> Result<Completed, CompleteError> {
        let state = format!("state {:?}", self.entropy_text());
        self.begun_with(ConnectSession { provider: Some(Provider::Xero), ..session }, &state, "browser")
            .await;
        let callback = Self::callback(Provider::Xero, &state, Some("browser"), None);
        self.connector().complete(callback, REDIRECT_URI).await
    }

    fn entropy_text(&self) -> String {
        domain::entropy::one_time_value(&*self.entropy)
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

    /// Ends a connection, or takes one company of Xero off it, as an administrator asks for it.
    pub(crate) async fn disconnect(
        &self,
        key: &ConnectionKey,
        xero_company: Option<&str>,
    ) -> DisconnectAnswer {
        let message = DisconnectMessage {
            company_id: xero_company.map(|id| company(Provider::Xero, id).id),
            actor: Some("key1".parse().unwrap()),
            ..DisconnectMessage::of(key.clone())
        };
        let deadline = later(self.clock.now(), FUNCTION_LIFE);
        self.refresher.disconnect(&message, deadline).await.unwrap()
    }

    /// The fingerprints of the refresh tokens whose grants the provider was asked to end.
    pub(crate) fn ended(&self) -> Vec<String> {
        let grant = |revoked| match revoked {
            Revoked::Grant { refresh, .. } => Some(refresh),
            Revoked::Company { .. } => None,
        };
        self.revocation.asked().into_iter().filter_map(grant).collect()
    }

    /// The companies that the provider was asked to take off their grants.
    pub(crate) fn taken_off(&self) -> Vec<String> {
        let company = |revoked| match revoked {
            Revoked::Company { company, .. } => Some(company.to_string()),
            Revoked::Grant { .. } => None,
        };
        self.revocation.asked().into_iter().filter_map(company).collect()
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

/// When a connection is looked at that has a time of its own.
pub(crate) fn due_at(connection: &Connection) -> Timestamp {
    match connection.due {
        Some(Due::At(at)) => at,
        due => panic!("{due:?} is no time"),
    }
}
