//! What every test needs: a clock that stands still, settings, names.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::ProviderCompanyId,
    limits::Gate,
    provider::Provider,
    secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken},
    token::{CodeGrant, TokenEndpoint as _, TokenEndpointError, TokenSet},
};
use jiff::Timestamp;
use providers::{
    http,
    quickbooks::QuickBooksTokenEndpoint,
    settings::{QUICKBOOKS_ACCOUNTING_SCOPE, QuickBooksSettings},
};
use url::Url;

/// The client secret, which must not be found where it does not belong.
pub(crate) const SECRET: &str = "hush-client-secret";
/// The refresh token, likewise.
pub(crate) const REFRESH_TOKEN: &str = "RT1-hush-refresh";

/// A clock that stands still.
pub(crate) struct Standing(pub(crate) Timestamp);

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, _: Duration) {}
}

/// A way to anybody's books that nobody else takes, with limits of its own.
///
/// It lives as long as the program, so that calls of every test can refer to one.
pub(crate) fn free_gate() -> &'static Gate {
    let clock: Arc<dyn Clock> = Arc::new(harness::ManualClock::at(now()));
    Box::leak(Box::new(harness::memory::gate(&clock, Provider::QuickBooks, &company())))
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn settings(token_url: Url) -> QuickBooksSettings {
    let elsewhere: Url = "http://127.0.0.1:9/".parse().unwrap();
    QuickBooksSettings {
        client_id: "ABx1".to_owned(),
        client_secret: ClientSecret::new(SECRET),
        authorize_url: elsewhere.clone(),
        token_url,
        revoke_url: elsewhere.clone(),
        api_base_url: elsewhere,
        scopes: vec![QUICKBOOKS_ACCOUNTING_SCOPE.to_owned()],
        pkce: false,
        post_timeout: Duration::from_secs(5),
    }
}

pub(crate) fn endpoint(settings: QuickBooksSettings) -> QuickBooksTokenEndpoint {
    QuickBooksTokenEndpoint::new(http::client().unwrap(), Arc::new(settings), Arc::new(Standing(now())))
}

pub(crate) async fn refresh_at(token_url: Url) -> Result<TokenSet, TokenEndpointError> {
    endpoint(settings(token_url)).refresh(&RefreshToken::new(REFRESH_TOKEN), None).await
}

pub(crate) fn access_token() -> AccessToken {
    AccessToken::new("eyJ.hush-access-token")
}

pub(crate) fn company() -> ProviderCompanyId {
    simulator::Options::INTUIT_REALM_ID.parse().unwrap()
}

/// A code as it comes back from the consent page of Intuit or Xero.
pub(crate) fn code_grant<'a>(code: &'a AuthorizationCode, redirect_uri: &'a str) -> CodeGrant<'a> {
    CodeGrant { code, redirect_uri, verifier: None, location: None }
}

/// The class of a token endpoint's answer, in a word.
pub(crate) fn class(answer: &Result<TokenSet, TokenEndpointError>) -> &'static str {
    match answer {
        Ok(_) => "issued",
        Err(TokenEndpointError::GrantRefused(_)) => "grant",
        Err(TokenEndpointError::AppRefused(_)) => "app",
        Err(TokenEndpointError::Throttled { .. }) => "throttled",
        Err(TokenEndpointError::Failed(_)) => "failed",
        Err(TokenEndpointError::Unreached(_)) => "unreached",
        Err(TokenEndpointError::Unknown { .. }) => "unknown",
    }
}
