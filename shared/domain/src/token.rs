//! Token sets and the endpoint that issues them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    id::{Location, ProviderCompanyId},
    secret::{AccessToken, AuthorizationCode, CodeVerifier, RefreshToken},
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
    /// The scopes granted; none where the provider does not say, which means those that were asked for (RFC 6749
    /// section 5.1).
    pub scopes: Option<Vec<String>>,
}

/// An authorization code with all that its exchange needs (RFC 6749 section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub struct CodeGrant<'a> {
    /// The code.
    pub code: &'a AuthorizationCode,
    /// The callback address as it stood in the authorization request.
    pub redirect_uri: &'a str,
    /// Proves that whoever began also ends, where the request carried a challenge (RFC 7636).
    pub verifier: Option<&'a CodeVerifier>,
    /// The data centre that gave the code, where the provider has several.
    pub location: Option<&'a Location>,
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

impl TokenEndpointError {
    /// Whether the provider itself failed, rather than refused: only this opens its circuit breaker.
    #[must_use]
    pub fn is_of_provider(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Unreached(_) | Self::Unknown { .. } => true,
            Self::GrantRefused(_) | Self::AppRefused(_) | Self::Throttled { .. } => false,
        }
    }
}

/// A provider's token endpoint (RFC 6749 section 3.2).
#[async_trait]
pub trait TokenEndpoint: Send + Sync {
    /// Spends an authorization code; never sent twice, since Intuit revokes the tokens of a code used again.
    async fn exchange(&self, grant: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError>;

    /// Spends a refresh token at the data centre that issued it; the answer holds a refresh token in any case, the same
    /// one where the provider does not rotate.
    async fn refresh(
        &self,
        token: &RefreshToken,
        location: Option<&Location>,
    ) -> Result<TokenSet, TokenEndpointError>;
}

/// A grant that is to end at the provider.
#[derive(Clone, Copy, Debug)]
pub struct EndingGrant<'a> {
    /// The refresh token.
    pub refresh: &'a RefreshToken,
    /// An access token that is still good, where there is one.
    pub access: Option<&'a AccessToken>,
    /// The data centre that issued them.
    pub location: Option<&'a Location>,
    /// The companies of the connection that no other connection has: where the provider ends a company rather than a grant,
    /// only these may end.
    pub companies: &'a [ProviderCompanyId],
}

/// Why a grant did not end at the provider; the variants are evidence, as those of [`TokenEndpointError`].
#[derive(Debug, Error)]
pub enum RevocationError {
    /// The provider does not accept our app's credentials or request.
    #[error("the provider refuses our app")]
    AppRefused(Refusal),
    /// The provider does not accept the token that it was shown, without saying that the grant has ended: an access token
    /// may only be too old, and what is true of the grant the next refresh tells.
    #[error("the provider refuses the token")]
    TokenRefused(Refusal),
    /// The provider failed, throttles or could not be reached; asking again is harmless.
    #[error("the provider did not end the grant")]
    Unavailable {
        /// What is known of its answer.
        refusal: Refusal,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// Why there was no answer.
        #[source]
        source: Option<BoxError>,
    },
}

/// Ends grants at a provider (RFC 7009); what is gone already counts as ended.
#[async_trait]
pub trait Revocation: Send + Sync {
    /// Whether ending a grant takes an access token, besides the refresh token.
    fn needs_access(&self) -> bool;

    /// Ends a whole grant: the provider forgets our app's access to its companies, and to no others.
    async fn revoke(&self, grant: EndingGrant<'_>) -> Result<(), RevocationError>;

    /// Ends the access to one company of several, where the provider knows such a thing; the others stay.
    async fn remove_company(
        &self,
        access: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<(), RevocationError>;
}
