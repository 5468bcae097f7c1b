//! From the provider's callback to the connection.

use std::{collections::HashMap, sync::Arc, time::Duration};

use thiserror::Error;

use super::{
    AuthorizationRequest, AuthorizationStore, Companies, CompanyError, ConsumeOutcome, NewGrant, hash, pkce,
    placement::{Grant, Over, PlaceFailure, Placed, Placer, Wanted},
};
use crate::{
    audit::{self, AuditAction},
    connection::{ConnectionKey, ConnectionState},
    error::ErrorCode,
    event::{Event, EventBus, EventKind, announce},
    id::{CorrelationId, Location, ProviderCompanyId},
    provider::Provider,
    sealing::SealTokensError,
    secret::{AuthorizationCode, OneTimeValue},
    store::StoreError,
    sync::JobOrders,
    tenant::{Halted, Tenant, TenantState},
    token::{CodeGrant, TokenEndpoint, TokenEndpointError},
};

/// A callback of the provider, its parameters already checked for form.
#[derive(Debug)]
pub struct Callback {
    /// The provider whose path was called.
    pub provider: Provider,
    /// The `state` of the request.
    pub state: OneTimeValue,
    /// The value of the binding cookie, where the browser sent one.
    pub browser: Option<OneTimeValue>,
    /// What the provider granted.
    pub answer: CallbackAnswer,
    /// What ties the log lines of the callback and of the first sync together.
    pub correlation: CorrelationId,
}

/// What a callback says.
#[derive(Debug)]
pub enum CallbackAnswer {
    /// A code.
    Granted {
        /// The code, to be spent once.
        code: AuthorizationCode,
        /// The company as the callback names it, where the provider does so: unproven until the provider confirms it.
        company: Option<ProviderCompanyId>,
        /// The data centre to redeem the code at, where the provider has several; one of those configured.
        location: Option<Location>,
    },
    /// The person or the provider said no (RFC 6749 section 4.1.2.1).
    Refused {
        /// The error code.
        error: String,
    },
}

/// A finished connection.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The connection.
    pub key: ConnectionKey,
    /// Whether it waits to be confirmed, or works.
    pub state: ConnectionState,
    /// The names of its new companies, for a person.
    pub companies: Vec<String>,
    /// Where the browser ends up.
    pub return_url: Option<String>,
}

/// Why a callback did not become a connection.
#[derive(Debug, Error)]
pub enum CompleteError {
    /// The state is missing, unknown, expired, or of another provider or browser.
    #[error("the authorization request is not known")]
    State,
    /// The state was used before, in this browser.
    #[error("the authorization request was completed before")]
    StateUsed,
    /// The store of authorization requests did not answer.
    #[error("the authorization request could not be read")]
    Unread(#[from] StoreError),
    /// The state was good, and is now used up.
    #[error("the authorization did not become a connection")]
    Failed {
        /// Where the browser ends up.
        return_url: Option<String>,
        /// Why.
        #[source]
        failure: ConnectFailure,
    },
}

/// Why a good authorization request did not become a connection.
#[derive(Debug, Error)]
pub enum ConnectFailure {
    /// The person or the provider said no.
    #[error("the provider refused the authorization")]
    Refused {
        /// The provider's error code, where it is one of RFC 6749.
        error: Option<String>,
    },
    /// The code could not be exchanged.
    #[error("the authorization code could not be exchanged")]
    Exchange(#[source] TokenEndpointError),
    /// It is not known for which companies the grant is.
    #[error("the companies of the grant are not confirmed")]
    Companies(#[source] CompanyError),
    /// Every company of the grant is connected to other tenants.
    #[error("the company is connected to another tenant")]
    OwnedElsewhere,
    /// None of the companies is one of the connection that was to be connected again.
    #[error("another company was chosen than the one to be connected again")]
    DifferentCompany,
    /// The provider is not configured here.
    #[error("the provider is not configured")]
    NotConfigured,
    /// Nothing is connected for the tenant at present.
    #[error("nothing is connected for the tenant")]
    Halted(#[source] Halted),
    /// The tenant has as many connections as it may have.
    #[error("the tenant has {used} of {limit} connections")]
    OverQuota {
        /// How many it may have.
        limit: u64,
        /// How many it has.
        used: u64,
    },
    /// The token set could not be sealed.
    #[error("the token set could not be sealed")]
    Seal(#[from] SealTokensError),
    /// The store did not answer.
    #[error("the connection could not be stored")]
    Store(#[from] StoreError),
}

impl From<PlaceFailure> for ConnectFailure {
    fn from(failure: PlaceFailure) -> Self {
        match failure {
            PlaceFailure::OwnedElsewhere => Self::OwnedElsewhere,
            PlaceFailure::DifferentCompany => Self::DifferentCompany,
            PlaceFailure::Halted(halted) => Self::Halted(halted),
            PlaceFailure::OverQuota { limit, used } => Self::OverQuota { limit, used },
            PlaceFailure::Seal(error) => Self::Seal(error),
            PlaceFailure::Store(error) => Self::Store(error),
        }
    }
}

/// What connecting takes of one provider.
pub struct AuthorizationServer {
    /// Its token endpoint.
    pub endpoint: Arc<dyn TokenEndpoint>,
    /// Tells which companies a grant is for.
    pub companies: Arc<dyn Companies>,
}

/// Turns callbacks into connections.
pub struct Connector {
    /// One-time values.
    pub requests: Arc<dyn AuthorizationStore>,
    /// Each provider that is configured.
    pub servers: HashMap<Provider, AuthorizationServer>,
    /// Where the first sync is asked for.
    pub jobs: JobOrders,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Stores what was granted.
    pub placer: Placer,
    /// Where any tenant's browsers may end up (`RETURN_URLS`), exactly.
    pub return_urls: Vec<String>,
}

impl Connector {
    /// Completes an authorization: uses up the state, spends the code once, confirms the companies, stores everything.
    pub async fn complete(&self, callback: Callback, redirect_uri: &str) -> Result<Completed, CompleteError> {
        let mut request = self.consume(&callback).await?;
        let tenant = self.placer.tenants.find(&request.session.tenant).await?;
        let tenant = tenant.filter(|tenant| request.session.is_for(tenant));
        // The address was allowed when the link was made, and may be none of the tenant's any more.
        request.session.return_url.take_if(|url| !self.may_return(tenant.as_ref(), url));
        let correlation = callback.correlation.clone();
        let ending = match tenant.map(|tenant| tenant.state) {
            None => Some(Halted::Gone),
            Some(TenantState::Deleting) => Some(Halted::Deleting),
            // Whether a suspended one may connect is known once the companies are.
            Some(TenantState::Active | TenantState::Suspended) => None,
        };
        let connected = match ending {
            None => self.connect(&request, callback, redirect_uri).await,
            Some(halted) => Err(ConnectFailure::Halted(halted)),
        };
        let placed = match connected {
            Ok(placed) => placed,
            Err(failure) => {
                self.audit_failure(&request, &failure, &correlation).await;
                let return_url = request.session.return_url;
                return Err(CompleteError::Failed { return_url, failure });
            }
        };
        self.tell(&request, &placed, &correlation).await;
        Ok(Completed {
            key: placed.key,
            state: placed.state,
            companies: placed.companies.into_iter().map(|company| company.name).collect(),
            return_url: request.session.return_url,
        })
    }

    fn may_return(&self, tenant: Option<&Tenant>, url: &String) -> bool {
        self.return_urls.contains(url)
            || tenant.is_some_and(|tenant| tenant.settings.return_urls.contains(url))
    }

    async fn consume(&self, callback: &Callback) -> Result<AuthorizationRequest, CompleteError> {
        let browser = callback.browser.as_ref().ok_or(CompleteError::State)?;
        let bound_to = hash(browser);
        let bound_to = (callback.provider, bound_to.as_str());
        match self.requests.consume_request(&hash(&callback.state), bound_to, self.placer.clock.now()).await?
        {
            ConsumeOutcome::Consumed(request) => Ok(request),
            ConsumeOutcome::Used => Err(CompleteError::StateUsed),
            ConsumeOutcome::Refused => Err(CompleteError::State),
        }
    }

    async fn connect(
        &self,
        request: &AuthorizationRequest,
        callback: Callback,
        redirect_uri: &str,
    ) -> Result<Placed, ConnectFailure> {
        let (code, company, location) = match callback.answer {
            CallbackAnswer::Granted { code, company, location } => (code, company, location),
            CallbackAnswer::Refused { error } => {
                return Err(ConnectFailure::Refused { error: error_code(error) });
            }
        };
        let server = self.servers.get(&request.provider).ok_or(ConnectFailure::NotConfigured)?;
        let browser = callback.browser.filter(|_| request.pkce);
        let verifier = browser.map(|browser| pkce::verifier(&callback.state, &browser));
        let grant =
            CodeGrant { code: &code, redirect_uri, verifier: verifier.as_ref(), location: location.as_ref() };
        let tokens = server.endpoint.exchange(grant).await.map_err(ConnectFailure::Exchange)?;
        let asked = NewGrant { access: &tokens.access, named: company.as_ref(), location: location.as_ref() };
        let companies = server.companies.granted(asked).await.map_err(ConnectFailure::Companies)?;
        let scopes = tokens.scopes.clone().unwrap_or_else(|| request.scopes.clone());
        let wanted = Wanted {
            tenant: &request.session.tenant,
            provider: request.provider,
            scopes: &request.scopes,
            reconnects: request.session.reconnects.as_ref(),
            confirm: request.session.confirm,
            over: Over::Whatever,
            spread: Duration::ZERO,
        };
        let grant = Grant { tokens, scopes, location, companies };
        Ok(self.placer.place(wanted, &grant, &callback.correlation).await?)
    }

    /// Asks for the first sync and tells of the connection, which stands whatever becomes of that.
    async fn tell(&self, request: &AuthorizationRequest, placed: &Placed, correlation: &CorrelationId) {
        let provider = request.provider;
        if request.session.sync && placed.state.is_usable() {
            let ids = self.placer.ids();
            self.jobs.start_first(ids, (&placed.key, &placed.companies), correlation).await;
        }
        for company in &placed.companies {
            let now = self.placer.clock.now();
            let mut event = Event::new(EventKind::ConnectionCreated, &placed.key, provider, now);
            event.company_id = Some(company.id.clone());
            announce(&*self.bus, &event).await;
            let about = (provider, correlation);
            let mut entry = self.placer.entry(&placed.key.tenant, AuditAction::ConnectionConnected, about);
            entry.connection = Some(placed.key.connection.clone());
            entry.company = Some(company.provider_id.clone());
            audit::record(&*self.placer.audit, &entry).await;
        }
    }

    async fn audit_failure(
        &self,
        request: &AuthorizationRequest,
        failure: &ConnectFailure,
        correlation: &CorrelationId,
    ) {
        let about = (request.provider, correlation);
        let mut entry = self.placer.entry(&request.session.tenant, AuditAction::ConnectionRefused, about);
        entry.connection.clone_from(&request.session.reconnects);
        entry.reason = Some(match failure {
            ConnectFailure::Refused { error } => error.clone().unwrap_or_else(|| "refused".to_owned()),
            ConnectFailure::Exchange(_) => "exchange_failed".to_owned(),
            ConnectFailure::Companies(_) => "company_not_confirmed".to_owned(),
            ConnectFailure::OwnedElsewhere => "owned_elsewhere".to_owned(),
            ConnectFailure::DifferentCompany => "different_company".to_owned(),
            ConnectFailure::NotConfigured => "provider_not_configured".to_owned(),
            ConnectFailure::Halted(halted) => halted.code().name().to_owned(),
            ConnectFailure::OverQuota { .. } => ErrorCode::QuotaExceeded.name().to_owned(),
            ConnectFailure::Seal(_) | ConnectFailure::Store(_) => "not_stored".to_owned(),
        });
        audit::record(&*self.placer.audit, &entry).await;
    }
}

/// The longest error code that is kept: those of RFC 6749 have at most 25 characters.
const ERROR_CODE_MAX: usize = 64;

/// A provider's error code in the alphabet that may be stored; anything else is not repeated.
fn error_code(error: String) -> Option<String> {
    let safe = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!error.is_empty() && error.len() <= ERROR_CODE_MAX && error.bytes().all(safe)).then_some(error)
}
