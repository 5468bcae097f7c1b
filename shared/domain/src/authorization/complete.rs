//! From the provider's callback to the stored connection.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use super::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash};
use crate::{
    clock::Clock,
    connection::{
        AttemptCounters, Company, ConnectOutcome, Connection, ConnectionKey, ConnectionState,
        ConnectionStore, NewConnection, Replaces, SealedTokens,
    },
    entropy::Entropy,
    event::{Event, EventBus, EventKind, announce},
    id::{CompanyId, CorrelationId, Ids, ProviderCompanyId},
    provider::Provider,
    refresh::RefreshPolicy,
    sealing::{SealTokensError, SealedPair, TokenSealer, fingerprint},
    secret::{AccessToken, AuthorizationCode, OneTimeValue},
    store::{BoxError, StoreError, chain},
    sync::{Lane, SyncJob, SyncQueue},
    token::{TokenEndpoint, TokenEndpointError, TokenSet},
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
    /// A code for the books of this company.
    Granted {
        /// The code, to be spent once.
        code: AuthorizationCode,
        /// The company as the callback names it: unproven until the provider confirms it.
        company: ProviderCompanyId,
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
    /// The company's name, for a person.
    pub company: String,
    /// Where the browser ends up.
    pub return_url: Option<String>,
}

/// Why a callback did not become a connection; each knows where the browser should end up, once the state was good.
#[derive(Debug, Error)]
pub enum CompleteError {
    /// The state is missing, unknown, used, expired, or of another provider or browser.
    #[error("the authorization request is not known")]
    State,
    /// The person or the provider said no.
    #[error("the provider refused the authorization")]
    Refused {
        /// Where the browser ends up.
        return_url: Option<String>,
    },
    /// The code could not be exchanged.
    #[error("the authorization code could not be exchanged")]
    Exchange {
        /// Where the browser ends up.
        return_url: Option<String>,
        /// Why.
        #[source]
        source: TokenEndpointError,
    },
    /// The provider does not confirm that the new token is for the company that the callback named.
    #[error("the provider does not confirm the company")]
    Company {
        /// Where the browser ends up.
        return_url: Option<String>,
        /// Why.
        #[source]
        source: CompanyError,
    },
    /// The company is connected to another tenant.
    #[error("the company is connected to another tenant")]
    OwnedElsewhere {
        /// Where the browser ends up.
        return_url: Option<String>,
    },
    /// The token set could not be sealed.
    #[error("the token set could not be sealed")]
    Seal(#[from] SealTokensError),
    /// The store did not answer.
    #[error("the connection could not be stored")]
    Store(#[from] StoreError),
}

/// Why a company could not be confirmed.
#[derive(Debug, Error)]
pub enum CompanyError {
    /// The provider answers that this token has no right to this company.
    #[error("the token is not for this company")]
    Foreign,
    /// The provider gave no usable answer.
    #[error("the company could not be read")]
    Unavailable(#[source] BoxError),
}

/// Asks a provider which books a token is for.
#[async_trait]
pub trait Companies: Send + Sync {
    /// The name of the company, which proves that the token is for it.
    async fn company_name(
        &self,
        token: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<String, CompanyError>;
}

/// How often a connection that changes under our hands is read and renewed again.
const STORE_TRIES: usize = 3;

/// Turns callbacks into connections.
pub struct Connector {
    /// One-time values.
    pub requests: Arc<dyn AuthorizationStore>,
    /// Connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// The provider's token endpoint.
    pub endpoint: Arc<dyn TokenEndpoint>,
    /// Confirms companies.
    pub companies: Arc<dyn Companies>,
    /// Seals the new token set.
    pub sealer: TokenSealer,
    /// Where the first sync is asked for.
    pub queue: Arc<dyn SyncQueue>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// When the new token set is due.
    pub policy: RefreshPolicy,
}

impl Connector {
    /// Completes an authorization: uses up the state, spends the code once, confirms the company, stores everything.
    pub async fn complete(&self, callback: Callback, redirect_uri: &str) -> Result<Completed, CompleteError> {
        let session = self.consume(&callback).await?.session;
        let return_url = session.return_url.clone();
        let (code, company_id) = match callback.answer {
            CallbackAnswer::Granted { code, company } => (code, company),
            CallbackAnswer::Refused { .. } => return Err(CompleteError::Refused { return_url }),
        };
        let tokens = self
            .endpoint
            .exchange(&code, redirect_uri)
            .await
            .map_err(|source| CompleteError::Exchange { return_url: return_url.clone(), source })?;
        let name = self
            .companies
            .company_name(&tokens.access, &company_id)
            .await
            .map_err(|source| CompleteError::Company { return_url: return_url.clone(), source })?;
        let company =
            Company { id: CompanyId::of(session.provider, &company_id), provider_id: company_id, name };
        let key = self.store(&session, &tokens, &company).await?;
        self.announce(&session, (&key, &company.id), callback.correlation).await;
        Ok(Completed { key, company: company.name, return_url })
    }

    async fn consume(&self, callback: &Callback) -> Result<AuthorizationRequest, CompleteError> {
        let browser = callback.browser.as_ref().ok_or(CompleteError::State)?;
        let bound_to = (callback.provider, hash(browser));
        let bound_to = (bound_to.0, bound_to.1.as_str());
        match self.requests.consume_request(&hash(&callback.state), bound_to, self.clock.now()).await? {
            ConsumeOutcome::Consumed(request) => Ok(request),
            ConsumeOutcome::Used | ConsumeOutcome::Refused => Err(CompleteError::State),
        }
    }

    /// Stores a new connection, or renews the one that this tenant has for the company.
    ///
    /// The code is spent by now, so a refresh that comes between reading and writing must not cost the new tokens.
    async fn store(
        &self,
        session: &ConnectSession,
        tokens: &TokenSet,
        company: &Company,
    ) -> Result<ConnectionKey, CompleteError> {
        for _ in 0..STORE_TRIES {
            let new = self.new_connection(session, tokens, company).await?;
            match self.connections.connect(&new).await? {
                ConnectOutcome::Stored => return Ok(new.connection.key),
                ConnectOutcome::OwnedElsewhere => return Err(owned_elsewhere(session)),
                ConnectOutcome::Changed => tracing::info!("Connection changed meanwhile, renewing it again"),
            }
        }
        Err(CompleteError::Store(StoreError::Unavailable {
            operation: "connect",
            source: "the connection changed each time that it was renewed".into(),
        }))
    }

    async fn new_connection(
        &self,
        session: &ConnectSession,
        tokens: &TokenSet,
        company: &Company,
    ) -> Result<NewConnection, CompleteError> {
        let route = self.connections.find_route(session.provider, &company.provider_id).await?;
        let key = match route {
            Some(route) if route.key.tenant != session.tenant => return Err(owned_elsewhere(session)),
            Some(route) => route.key,
            None => {
                let connection = Ids::new(&*self.clock, &*self.entropy).connection();
                ConnectionKey { tenant: session.tenant.clone(), connection }
            }
        };
        let former = self.connections.find(&key).await?;
        let generation =
            former.as_ref().and_then(|former| former.tokens.as_ref()).map_or(1, |old| old.generation + 1);
        let pair = self.sealer.seal_under_new_keys((&key, session.provider), generation, tokens).await?;
        Ok(NewConnection {
            connection: self.connection(&key, session.provider, former.as_ref(), (generation, pair, tokens)),
            company: company.clone(),
            replaces: former.map(|former| Replaces { fence: former.fence, write_id: former.write_id }),
        })
    }

    fn connection(
        &self,
        key: &ConnectionKey,
        provider: Provider,
        former: Option<&Connection>,
        (generation, pair, tokens): (u64, SealedPair, &TokenSet),
    ) -> Connection {
        let now = self.clock.now();
        Connection {
            key: key.clone(),
            provider,
            state: ConnectionState::Active,
            reason: None,
            scopes: tokens.scopes.clone(),
            created_at: former.map_or(now, |former| former.created_at),
            tokens: Some(SealedTokens {
                generation,
                access: pair.access,
                refresh: pair.refresh,
                refresh_fingerprint: fingerprint(&tokens.refresh),
                issued_at: now,
                refreshed: false,
                access_expires_at: tokens.access_expires_at,
                refresh_expires_at: tokens.refresh_expires_at,
                hard_expires_at: tokens.hard_expires_at,
                keys_made_at: now,
                previous: None,
            }),
            // A higher fence than any lease under way, so that its worker cannot put the former grant's tokens back.
            fence: former.map_or(0, |former| former.fence + 1),
            lease: None,
            due_at: Some(self.policy.due_at(now, tokens.access_expires_at, &*self.entropy)),
            attempts: former.map_or_else(AttemptCounters::default, |former| former.attempts),
            write_id: Ids::new(&*self.clock, &*self.entropy).write(),
        }
    }

    /// Asks for the first sync and tells of the connection, which stands whatever becomes of that.
    async fn announce(
        &self,
        session: &ConnectSession,
        (key, company): (&ConnectionKey, &CompanyId),
        correlation: CorrelationId,
    ) {
        if session.sync {
            let job = Ids::new(&*self.clock, &*self.entropy).job();
            let job = SyncJob {
                correlation_id: Some(correlation),
                ..SyncJob::full(job, key.clone(), company.clone())
            };
            if let Err(error) = self.queue.send(Lane::Low, &job).await {
                tracing::error!(error = chain(&error), "First sync is not queued");
            }
        }
        let mut event = Event::new(EventKind::ConnectionCreated, key, session.provider, self.clock.now());
        event.company_id = Some(company.clone());
        announce(&*self.bus, &event).await;
    }
}

fn owned_elsewhere(session: &ConnectSession) -> CompleteError {
    CompleteError::OwnedElsewhere { return_url: session.return_url.clone() }
}
