//! From the product's request for a link to the redirect to the provider.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use url::Url;

use super::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash, pkce};
use crate::{
    entropy::{self, Entropy},
    id::{ConnectionId, TenantId},
    provider::Provider,
    refresh::policy::later,
    secret::OneTimeValue,
    store::StoreError,
    tenant::{Halted, Tenant, TenantStore},
};

/// How long a connect link works: a person opens it from a page of the product, not from an old mail.
pub const SESSION_LIFE: Duration = Duration::from_mins(15);
/// How long a person may take at the provider's consent page.
pub const STATE_LIFE: Duration = Duration::from_mins(10);

/// What a connect link is asked for.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// Who will own the connection.
    pub tenant: TenantId,
    /// The provider to connect; none lets the person choose.
    pub provider: Option<Provider>,
    /// What to ask the provider for; nothing for all that the app is configured with.
    pub scopes: Vec<String>,
    /// The connection that is to be connected again; none for whatever the person chooses.
    pub reconnects: Option<ConnectionId>,
    /// Whether the connection waits for the product's backend to confirm it.
    pub confirm: bool,
    /// Where the browser ends up.
    pub return_url: Option<String>,
    /// Whether a full sync starts once connected.
    pub sync: bool,
}

/// Builds the authorization request for some scopes.
pub type RequestBuilder<'a> = Box<dyn Fn(&[String]) -> Url + Send + Sync + 'a>;

/// The authorization endpoint of one provider, as our app uses it.
pub struct AuthorizationEndpoint<'a> {
    /// The provider.
    pub provider: Provider,
    /// What is asked for when the link says nothing else.
    pub scopes: &'a [String],
    /// Whether a challenge is sent (RFC 7636, method S256).
    pub pkce: bool,
    /// The authorization request for these scopes with all that never changes; `state` and the challenge are added here.
    pub request: RequestBuilder<'a>,
}

/// The redirect to the provider, and what the browser is to keep; never shown, since the address holds the `state`.
pub struct Begun {
    /// Where the browser goes.
    pub location: Url,
    /// The hash of the `state` within, by which the callback finds its cookie among those of other tabs.
    pub state_hash: String,
    /// The value of the cookie that binds the callback to this browser.
    pub browser: OneTimeValue,
}

/// Why a connection could not be begun.
#[derive(Debug, Error)]
pub enum BeginError {
    /// The link is unknown, has ended or was used.
    #[error("the connect link has expired or was used")]
    LinkSpent,
    /// Nothing is connected for the tenant at present.
    #[error("nothing is connected for the tenant")]
    Halted(#[source] Halted),
    /// The store did not answer.
    #[error("the connect link could not be read")]
    Store(#[from] StoreError),
}

/// Makes a one-time connect link; gives its code and when it ends.
pub async fn open_session(
    store: &dyn AuthorizationStore,
    entropy: &dyn Entropy,
    now: Timestamp,
    request: SessionRequest,
) -> Result<(OneTimeValue, Timestamp), StoreError> {
    let code = OneTimeValue::new(entropy::one_time_value(entropy));
    let expires_at = later(now, SESSION_LIFE);
    let SessionRequest { tenant, provider, scopes, reconnects, confirm, return_url, sync } = request;
    let session = ConnectSession {
        code_hash: hash(&code),
        tenant,
        provider,
        scopes,
        reconnects,
        confirm,
        return_url,
        sync,
        expires_at,
    };
    store.insert_session(&session).await?;
    Ok((code, expires_at))
}

/// What is asked for when the link does not say: what the tenant's settings say, as far as that is configured still, or all
/// that is.
fn default_scopes(tenant: &Tenant, endpoint: &AuthorizationEndpoint<'_>) -> Vec<String> {
    let wished = tenant.settings.scopes.get(&endpoint.provider).into_iter().flatten();
    let wished: Vec<_> = wished.filter(|scope| endpoint.scopes.contains(scope)).cloned().collect();
    if wished.is_empty() { endpoint.scopes.to_vec() } else { wished }
}

/// Uses up a connect link and prepares the redirect to the provider.
pub async fn begin(
    (store, tenants): (&dyn AuthorizationStore, &dyn TenantStore),
    entropy: &dyn Entropy,
    now: Timestamp,
    code: &OneTimeValue,
    endpoint: &AuthorizationEndpoint<'_>,
) -> Result<Begun, BeginError> {
    let provider = endpoint.provider;
    let ConsumeOutcome::Consumed(session) = store.consume_session(&hash(code), provider, now).await? else {
        return Err(BeginError::LinkSpent);
    };
    let tenant = tenants.find(&session.tenant).await?.filter(|tenant| session.is_for(tenant));
    let tenant = tenant.ok_or(BeginError::Halted(Halted::Gone))?;
    if let Some(halted) = tenant.state.halted() {
        return Err(BeginError::Halted(halted));
    }
    let scopes =
        if session.scopes.is_empty() { default_scopes(&tenant, endpoint) } else { session.scopes.clone() };
    let state = OneTimeValue::new(entropy::one_time_value(entropy));
    let browser = OneTimeValue::new(entropy::one_time_value(entropy));
    let mut location = (endpoint.request)(&scopes);
    location.query_pairs_mut().append_pair("state", state.expose());
    if endpoint.pkce {
        let challenge = pkce::challenge(&pkce::verifier(&state, &browser));
        location
            .query_pairs_mut()
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", pkce::METHOD);
    }
    let state_hash = hash(&state);
    let request = AuthorizationRequest {
        state_hash: state_hash.clone(),
        browser_hash: hash(&browser),
        session,
        provider,
        scopes,
        pkce: endpoint.pkce,
        expires_at: later(now, STATE_LIFE),
    };
    store.insert_request(&request).await?;
    Ok(Begun { location, state_hash, browser })
}
