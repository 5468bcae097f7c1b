//! From the product's request for a link to the redirect to the provider.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use url::Url;

use super::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash};
use crate::{
    entropy::{self, Entropy},
    id::TenantId,
    provider::Provider,
    refresh::policy::later,
    secret::OneTimeValue,
    store::StoreError,
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
    /// The provider to connect.
    pub provider: Provider,
    /// Where the browser ends up.
    pub return_url: Option<String>,
    /// Whether a full sync starts once connected.
    pub sync: bool,
}

/// The redirect to the provider, and what the browser is to keep.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub location: Url,
    /// The value of the cookie that binds the callback to this browser.
    pub browser: OneTimeValue,
}

/// Why a connection could not be begun.
#[derive(Debug, Error)]
pub enum BeginError {
    /// The link is unknown, has ended or was used.
    #[error("the connect link has expired or was used")]
    LinkSpent,
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
    let SessionRequest { tenant, provider, return_url, sync } = request;
    let session = ConnectSession { code_hash: hash(&code), tenant, provider, return_url, sync, expires_at };
    store.insert_session(&session).await?;
    Ok((code, expires_at))
}

/// Uses up a connect link and prepares the redirect to `authorize`, the provider's authorization endpoint with all that
/// never changes; `state` is added here.
pub async fn begin(
    store: &dyn AuthorizationStore,
    entropy: &dyn Entropy,
    now: Timestamp,
    (provider, code): (Provider, &OneTimeValue),
    mut authorize: Url,
) -> Result<Begun, BeginError> {
    let ConsumeOutcome::Consumed(session) = store.consume_session(&hash(code), provider, now).await? else {
        return Err(BeginError::LinkSpent);
    };
    let state = OneTimeValue::new(entropy::one_time_value(entropy));
    let browser = OneTimeValue::new(entropy::one_time_value(entropy));
    let request = AuthorizationRequest {
        state_hash: hash(&state),
        browser_hash: hash(&browser),
        session,
        expires_at: later(now, STATE_LIFE),
    };
    store.insert_request(&request).await?;
    authorize.query_pairs_mut().append_pair("state", state.expose());
    Ok(Begun { location: authorize, browser })
}
