//! Token sets and the endpoint that issues them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    secret::{AccessToken, AuthorizationCode, RefreshToken},
    store::BoxError,
};

/// An access token and a refresh token issued together, with the instants at which they end.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The token for the provider's data API.
    pub access: AccessToken,
    /// The token for the next refresh.
    pub refresh: RefreshToken,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// When the refresh token ends unless it is used, where the provider says so.
    pub refresh_expires_at: Option<Timestamp>,
    /// When the grant ends whatever is done (Intuit's five years), where the provider says so.
    pub hard_expires_at: Option<Timestamp>,
    /// The scopes granted, as asked for where the provider does not repeat them.
    pub scopes: Vec<String>,
}

/// What the provider's servers said when they refused, in forms safe to log and store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusal {
    /// The OAuth error code (RFC 6749 section 5.2) where there was one, cut to a safe alphabet and length.
    pub error: Option<String>,
    /// The HTTP status, where there was a complete answer.
    pub status: Option<u16>,
    /// The provider's own trace id (`intuit_tid`).
    pub trace_id: Option<String>,
}

/// Why the token endpoint gave no token set.
///
/// The variants are the evidence, not the verdict: [`crate::refresh`] decides what they mean for the connection.
#[derive(Debug, Error)]
pub enum TokenEndpointError {
    /// The provider says that this grant is dead (`invalid_grant`).
    #[error("the provider refuses the grant")]
    GrantRefused(Refusal),
    /// The provider does not accept our app's credentials or request; nothing is wrong with the grant.
    #[error("the provider refuses our app")]
    AppRefused(Refusal),
    /// The provider asks for patience.
    #[error("the provider throttles")]
    Throttled {
        /// What it said.
        refusal: Refusal,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// A complete HTTP answer that is an error: it proves that nothing was committed.
    #[error("the provider answered with a failure")]
    Failed(Refusal),
    /// The connection could not be made, so that the provider never saw the request.
    #[error("the provider could not be reached")]
    Unreached(#[source] BoxError),
    /// The request was sent but its answer was lost or cannot be read: the provider may have committed it.
    #[error("the outcome at the provider is unknown")]
    Unknown {
        /// What is known of the answer.
        refusal: Refusal,
        /// Why the answer could not be had.
        #[source]
        source: Option<BoxError>,
    },
}

/// A provider's token endpoint (RFC 6749 section 3.2).
#[async_trait]
pub trait TokenEndpoint: Send + Sync {
    /// Spends an authorization code; never sent twice, since Intuit revokes the tokens of a code used again.
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
    ) -> Result<TokenSet, TokenEndpointError>;

    /// Spends a refresh token.
    async fn refresh(&self, token: &RefreshToken) -> Result<TokenSet, TokenEndpointError>;
}
