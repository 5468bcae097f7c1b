//! One call of a provider's API, from the question to the answer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{
    Begun, FLIGHT_LIFE, FlightKey, Flights, LANDED_LIFE, ProxyAnswer, ProxyRequest, Refused, SHARED_MAX,
};
use crate::{
    access::{Access, AccessError, AccessTokens},
    clock::Clock,
    connection::ConnectionKey,
    entropy::Entropy,
    id::{Ids, Location, ProviderCompanyId},
    limits::{Caller, Gate, Held, Limits, Purpose},
    provider::Provider,
    refresh::policy::later,
    secret::AccessToken,
    store::{BoxError, chain},
};

/// How long a call may take in all: the gateway gives up after 29 seconds, and a cold start and the answer's way back are
/// among them.
const TIME: Duration = Duration::from_secs(26);
/// With less time left nothing is sent: a provider that is well needs a second or two.
const LEAST: Duration = Duration::from_secs(4);
/// How long somebody else's flight is waited for; after that there is still time to ask oneself.
const WAIT: Duration = Duration::from_secs(10);
/// How often is looked whether it landed: half of this is lost on average, where a provider takes several of them.
const LOOK: Duration = Duration::from_millis(200);

/// Whose books are asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// The connection whose token is used.
    pub key: ConnectionKey,
    /// Its provider.
    pub provider: Provider,
    /// The company by the provider's id.
    pub company: ProviderCompanyId,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamCall<'a> {
    /// To whom, about which company.
    pub target: &'a Target,
    /// The data center that holds the grant, where the provider has several.
    pub location: Option<&'a Location>,
    /// A valid access token.
    pub token: &'a AccessToken,
    /// The way there, which every request takes.
    pub gate: &'a Gate,
    /// The question, as [`ProxyRequest::about`] gave it.
    pub request: &'a ProxyRequest,
    /// How long it may take from sending it to the end of the answer.
    pub time: Duration,
}

/// A provider's answer.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub answer: ProxyAnswer,
    /// Whether it says that the token is not accepted, so that nothing was done and another may be.
    pub token_refused: bool,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// Nothing may be sent now.
    #[error("nothing is sent now")]
    Held(#[from] Held),
    /// Nothing was sent.
    #[error("the provider could not be reached")]
    Unreached(#[source] BoxError),
    /// It may have arrived.
    #[error("the provider did not answer")]
    Unanswered(#[source] BoxError),
    /// The answer is more than can be passed on; what was asked for was done.
    #[error("the provider's answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// The providers' APIs.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends a request once, to the provider's own address below the company's root, and gives whatever it answers.
    async fn send(&self, call: UpstreamCall<'_>) -> Result<Answered, UpstreamError>;
}

/// Why there is no answer of the provider.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// The request is not one that is passed on.
    #[error("the request is not passed on")]
    Refused(#[from] Refused),
    /// There is no token to send it with.
    #[error("there is no access token")]
    Access(#[from] AccessError),
    /// No time was left to send it, so it was not.
    #[error("no time was left for the provider")]
    NoTime,
    /// The provider gave no answer, or none that can be passed on.
    #[error("there is no answer")]
    Upstream(#[from] UpstreamError),
}

/// Calls providers for others.
pub struct Proxy {
    /// Gives out access tokens.
    pub access: Arc<AccessTokens>,
    /// The providers' limits.
    pub limits: Arc<Limits>,
    /// The providers.
    pub upstream: Arc<dyn Upstream>,
    /// What is under way.
    pub flights: Arc<dyn Flights>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Proxy {
    /// Asks a provider, and gives its answer whatever it is.
    pub async fn call(&self, target: &Target, request: ProxyRequest) -> Result<ProxyAnswer, ProxyError> {
        let request = request.about(target, &*self.entropy)?;
        let deadline = later(self.clock.now(), TIME);
        if request.is_read() {
            self.ask_once_for_all(target, &request, deadline).await
        } else {
            self.ask(target, &request, deadline).await
        }
    }

    /// Asks, unless somebody asks the very same now: then that answer is waited for.
    async fn ask_once_for_all(
        &self,
        target: &Target,
        request: &ProxyRequest,
        deadline: Timestamp,
    ) -> Result<ProxyAnswer, ProxyError> {
        let key = FlightKey::of(target, request);
        let name = Ids::new(&*self.clock, &*self.entropy).write();
        let now = self.clock.now();
        match self.flights.begin(&key, &name, (now, later(now, FLIGHT_LIFE))).await {
            Ok(Begun::Mine) => {
                let answer = self.ask(target, request, deadline).await;
                let shared = answer.as_ref().ok().filter(|answer| answer.body.len() <= SHARED_MAX);
                let until = later(self.clock.now(), LANDED_LIFE);
                if let Err(error) = self.flights.land(&key, (&name, shared), until).await {
                    // Whoever waits for it asks for itself in a moment.
                    tracing::warn!(error = chain(&error), "End of a shared request is not noted");
                }
                answer
            }
            Ok(Begun::Theirs { name }) => match self.landed(&key, &name).await {
                Some(answer) => Ok(answer),
                None => self.ask(target, request, deadline).await,
            },
            Err(error) => {
                // The question is worth more than what sharing it saves.
                tracing::warn!(error = chain(&error), "Request is not shared");
                self.ask(target, request, deadline).await
            }
        }
    }

    /// Waits for somebody else's answer.
    async fn landed(&self, key: &FlightKey, name: &str) -> Option<ProxyAnswer> {
        let until = later(self.clock.now(), WAIT);
        while self.clock.now() < until {
            self.clock.sleep(LOOK).await;
            match self.flights.find(key, name).await {
                Ok(Some(landed)) => return landed.answer,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = chain(&error), "Shared answer could not be looked for");
                    return None;
                }
            }
        }
        None
    }

    async fn ask(
        &self,
        target: &Target,
        request: &ProxyRequest,
        deadline: Timestamp,
    ) -> Result<ProxyAnswer, ProxyError> {
        let access = self.in_time(self.access.access_token(&target.key), deadline).await?;
        let gate = self.limits.gate(Caller {
            tenant: target.key.tenant.clone(),
            provider: target.provider,
            company: target.company.clone(),
            purpose: Purpose::Interactive,
        });
        let Access { token, location, .. } = access;
        let (location, time) = (location.as_ref(), Duration::ZERO);
        let call = UpstreamCall { target, location, token: &token, gate: &gate, request, time };
        let answer = self.with_a_good_token(call, deadline).await;
        gate.close().await;
        answer
    }

    /// Sends a request, and once more with another token where the one is not accepted: a provider that says so has done
    /// nothing.
    async fn with_a_good_token(
        &self,
        call: UpstreamCall<'_>,
        deadline: Timestamp,
    ) -> Result<ProxyAnswer, ProxyError> {
        let answered = self.send(call, deadline).await?;
        if !answered.token_refused {
            return Ok(answered.answer);
        }
        let token = self.in_time(self.access.replacement(&call.target.key, call.token), deadline).await?;
        let answered = self.send(UpstreamCall { token: &token, ..call }, deadline).await?;
        Ok(answered.answer)
    }

    /// Sends a request; once more where that is known to have no second effect.
    async fn send(&self, call: UpstreamCall<'_>, deadline: Timestamp) -> Result<Answered, ProxyError> {
        let time = self.left(deadline).ok_or(ProxyError::NoTime)?;
        let failure = match self.upstream.send(UpstreamCall { time, ..call }).await {
            Ok(answered) => return Ok(answered),
            Err(failure) => failure,
        };
        let may_be_repeated = match failure {
            UpstreamError::Unreached(_) => true,
            UpstreamError::Unanswered(_) => call.request.is_repeatable(call.target.provider),
            UpstreamError::Held(_) | UpstreamError::TooLarge { .. } => false,
        };
        let Some(time) = self.left(deadline).filter(|_| may_be_repeated) else { return Err(failure.into()) };
        tracing::warn!(error = chain(&failure), "Request is sent once more");
        match self.upstream.send(UpstreamCall { time, ..call }).await {
            // Whatever keeps the second from it, the first may have arrived.
            Err(UpstreamError::Held(_) | UpstreamError::Unreached(_))
                if matches!(failure, UpstreamError::Unanswered(_)) =>
            {
                Err(failure.into())
            }
            again => Ok(again?),
        }
    }

    /// The time that is left, where it is enough to send something.
    fn left(&self, deadline: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(deadline.duration_since(self.clock.now())).ok()?;
        (left >= LEAST).then_some(left)
    }

    /// Waits for a token as long as there will be time to use it.
    async fn in_time<T>(
        &self,
        token: impl Future<Output = Result<T, AccessError>>,
        deadline: Timestamp,
    ) -> Result<T, ProxyError> {
        let left = self.left(deadline).ok_or(ProxyError::NoTime)?.saturating_sub(LEAST);
        let token = tokio::time::timeout(left, token).await.map_err(|_| ProxyError::NoTime)?;
        Ok(token?)
    }
}
